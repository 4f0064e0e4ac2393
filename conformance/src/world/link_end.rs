//! Our pool's end of a connection in memory: honest, or with a fault beneath the messages.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use sv2::connection::{Connection, ConnectionConfig, ConnectionError, Received, ResponderSecurity};
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::noise::{
    ACT_1_LEN, CHUNK_LEN_MAX, CipherKey, CipherSuite, Identity, MAC_LEN, Responder,
    SEALED_HEADER_LEN, Sealer, TransportError, payload_chunks, sealed_payload_len,
};
use sv2::time::{Instant, Now};
use sv2::wire::{Frame, FrameHeader, Tlvs};

use crate::mutant::ConnectionFault;

/// One end of a connection.
pub(super) enum LinkEnd {
    Honest(Box<Connection>),
    Faulty(Box<FaultyEnd>),
}

/// A responder with a fault.
pub(super) struct FaultyEnd {
    fault: ConnectionFault,
    identity: Arc<Identity>,
    entropy: Entropy,
    session: Option<FaultySession>,
}

struct FaultySession {
    sealer: Sealer,
    key: CipherKey,
    nonce: u64,
}

impl LinkEnd {
    pub(super) fn new(
        identity: Arc<Identity>,
        fault: Option<ConnectionFault>,
        now: Now,
        mut entropy: Entropy,
    ) -> LinkEnd {
        match fault {
            None => {
                let config = ConnectionConfig::default();
                let suite = CipherSuite::default();
                let security = ResponderSecurity::Noise { suite, identity };
                let connection = Connection::responder(config, security, now, &mut entropy);
                LinkEnd::Honest(Box::new(connection))
            }
            Some(fault) => {
                LinkEnd::Faulty(Box::new(FaultyEnd { fault, identity, entropy, session: None }))
            }
        }
    }

    /// As `Connection::receive`.
    pub(super) fn receive(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Received>, ConnectionError> {
        match self {
            LinkEnd::Honest(connection) => connection.receive(now, input, out),
            LinkEnd::Faulty(end) => end.receive(input, out),
        }
    }

    pub(super) fn send_message(
        &mut self,
        message: &Message,
        tlvs: &Tlvs,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        match self {
            LinkEnd::Honest(connection) => connection.send_message(message, tlvs, out),
            LinkEnd::Faulty(_) => self.send_frame(&message.to_frame(tlvs), out),
        }
    }

    pub(super) fn send_frame(
        &mut self,
        frame: &Frame,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        match self {
            LinkEnd::Honest(connection) => connection.send_frame(frame, out),
            LinkEnd::Faulty(end) => match &mut end.session {
                Some(session) => Ok(session.sealer.seal(frame.header(), &frame.payload, out)?),
                None => Ok(()),
            },
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            LinkEnd::Honest(connection) => connection.deadline(),
            LinkEnd::Faulty(_) => None,
        }
    }

    pub(super) fn expire(&mut self, now: Instant) -> Result<(), ConnectionError> {
        match self {
            LinkEnd::Honest(connection) => connection.expire(now),
            LinkEnd::Faulty(_) => Ok(()),
        }
    }

    /// The peer's write is over.
    pub(super) fn end_write(&mut self, input: &mut BytesMut) -> Result<(), ConnectionError> {
        match self {
            LinkEnd::Faulty(end) => end.end_write(input),
            LinkEnd::Honest(_) => Ok(()),
        }
    }
}

impl FaultyEnd {
    fn receive(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Received>, ConnectionError> {
        match &mut self.session {
            Some(session) => session.next_frame(self.fault, input),
            None => self.respond(input, out),
        }
    }

    fn respond(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Received>, ConnectionError> {
        let is_whole = input.len() >= ACT_1_LEN;
        let takes_any = self.fault == ConnectionFault::OneReadIsAct1 && !input.is_empty();
        if !is_whole && !takes_any {
            return Ok(None);
        }
        let mut act_1 = [0; ACT_1_LEN];
        let len = input.len().min(ACT_1_LEN);
        act_1[..len].copy_from_slice(&input[..len]);
        input.advance(len);
        let suite = CipherSuite::default();
        let (act_2, session) = Responder::respond(suite, &self.identity, &act_1, &mut self.entropy);
        out.extend_from_slice(&act_2);
        let key = CipherKey::new(suite, &session.secrets.initiator_to_responder);
        self.session = Some(FaultySession { sealer: session.sealer, key, nonce: 0 });
        Ok(Some(Received::Established { server: None }))
    }

    fn end_write(&mut self, input: &mut BytesMut) -> Result<(), ConnectionError> {
        match self.fault {
            ConnectionFault::WriteIsFrame if self.session.is_some() && !input.is_empty() => {
                // A part of a frame is taken for a whole one, whose MAC is then wrong.
                let nonce = self.session.as_ref().map_or(0, |session| session.nonce);
                input.clear();
                Err(TransportError::HeaderMac { nonce }.into())
            }
            _ => Ok(()),
        }
    }
}

impl FaultySession {
    fn next_frame(
        &mut self,
        fault: ConnectionFault,
        input: &mut BytesMut,
    ) -> Result<Option<Received>, ConnectionError> {
        loop {
            if input.len() < SEALED_HEADER_LEN {
                return Ok(None);
            }
            let first_nonce = self.nonce;
            let (header, mut is_good) = self.open(&input[..SEALED_HEADER_LEN]);
            let header: [u8; FrameHeader::LEN] =
                header.try_into().expect("22 bytes without their MAC are a header");
            let header = FrameHeader::from_bytes(header);
            if !is_good && !forgives(fault) {
                return Err(TransportError::HeaderMac { nonce: first_nonce }.into());
            }
            let payload_len = match fault {
                ConnectionFault::LengthCut => header.payload_len as usize & 0xffff,
                _ => header.payload_len as usize,
            };
            let sealed_len = sealed_payload_len(payload_len);
            if input.len() < SEALED_HEADER_LEN + sealed_len {
                // The header is opened again when more has come.
                self.nonce = first_nonce;
                return Ok(None);
            }
            input.advance(SEALED_HEADER_LEN);
            let sealed = input.split_to(sealed_len);
            let mut payload = Vec::with_capacity(payload_len);
            for chunk in sealed.chunks(CHUNK_LEN_MAX + MAC_LEN) {
                let nonce = self.nonce;
                let (text, is_right) = self.open(chunk);
                if !is_right && !forgives(fault) {
                    return Err(TransportError::PayloadMac { nonce }.into());
                }
                is_good &= is_right;
                payload.extend(text);
            }
            debug_assert_eq!(self.nonce, first_nonce + 1 + payload_chunks(payload_len) as u64);
            if fault == ConnectionFault::WriteIsFrame {
                input.clear();
            }
            if !is_good && fault == ConnectionFault::BadFrameDropped {
                continue;
            }
            return Ok(Some(Received::Frame(Frame {
                extension_type: header.extension_type,
                message_type: header.message_type,
                payload: payload.into(),
            })));
        }
    }

    /// Decrypts whatever the MAC says; whether it was right.
    fn open(&mut self, sealed: &[u8]) -> (Vec<u8>, bool) {
        let text_len = sealed.len() - MAC_LEN;
        // Zeros under the same nonce are the key stream.
        let mut text = vec![0; text_len];
        self.key.seal(self.nonce, &[], &mut text);
        text.iter_mut().zip(sealed).for_each(|(stream, byte)| *stream ^= byte);
        let mut again = text.clone();
        let mac = self.key.seal(self.nonce, &[], &mut again);
        self.nonce += 1;
        (text, mac == sealed[text_len..])
    }
}

fn forgives(fault: ConnectionFault) -> bool {
    matches!(fault, ConnectionFault::MacUnchecked | ConnectionFault::BadFrameDropped)
}

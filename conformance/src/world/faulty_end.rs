//! Our role's end of a connection, with a fault beneath the messages: of a server, or of a client.
//!
//! Written apart from `sv2::connection` on purpose: a fault needs what that one does not offer.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use sv2::connection::{ConnectionError, Received};
use sv2::entropy::Entropy;
use sv2::message::dissect_frame;
use sv2::noise::{
    ACT_1_LEN, ACT_2_LEN, AuthorityPublicKey, CHUNK_LEN_MAX, CipherKey, CipherSuite, Identity,
    Initiator, MAC_LEN, Responder, SEALED_HEADER_LEN, Sealer, TransportError,
};
use sv2::time::{Now, UnixTime};
use sv2::wire::{Frame, FrameDecoder, FrameHeader};

use crate::mutant::ConnectionFault;

/// One side with a fault.
pub(super) struct FaultyEnd {
    fault: ConnectionFault,
    state: State,
}

enum State {
    /// Of a server: until act 1 has come.
    Act1 {
        identity: Arc<Identity>,
        entropy: Box<Entropy>,
    },
    /// Of a client: until act 2 has come. The act takes it.
    Act2(Option<Box<Initiator>>),
    /// Of a client that needs no act.
    NoAct,
    Session(Box<FaultySession>),
    Plain(FrameDecoder),
}

struct FaultySession {
    sealer: Sealer,
    key: CipherKey,
    nonce: u64,
}

impl FaultyEnd {
    pub(super) fn new(fault: ConnectionFault, identity: Arc<Identity>, entropy: Entropy) -> Self {
        let entropy = match fault {
            ConnectionFault::EphemeralReused => Entropy::from_seed(0),
            _ => entropy,
        };
        FaultyEnd { fault, state: State::Act1 { identity, entropy: Box::new(entropy) } }
    }

    /// Of a client. Appends act 1 to `out`.
    pub(super) fn dialled(
        fault: ConnectionFault,
        authority: Option<AuthorityPublicKey>,
        mut entropy: Entropy,
        out: &mut Vec<u8>,
    ) -> Self {
        if fault == ConnectionFault::PlainAtOnce {
            return FaultyEnd { fault, state: State::NoAct };
        }
        if fault == ConnectionFault::EphemeralReused {
            entropy = Entropy::from_seed(0);
        }
        let authority = authority.filter(|_| fault != ConnectionFault::KeyUnchecked);
        let initiator = Initiator::new(CipherSuite::default(), authority, &mut entropy);
        if fault == ConnectionFault::Act1HasLength {
            out.extend_from_slice(&ACT_1_LEN_ON_WIRE);
        }
        out.extend_from_slice(&initiator.act_1());
        FaultyEnd { fault, state: State::Act2(Some(Box::new(initiator))) }
    }

    /// As `Connection::receive`.
    pub(super) fn receive(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Received>, ConnectionError> {
        match &mut self.state {
            State::Session(session) => session.next_frame(self.fault, input),
            State::Plain(decoder) => Ok(decoder.next_frame(input)?.map(Received::Frame)),
            State::Act1 { .. } => self.respond(input, out),
            State::Act2(_) => self.finish(now, input),
            State::NoAct => {
                self.state = State::Plain(FrameDecoder::new(0xff_ffff));
                Ok(Some(Received::Established { server: None }))
            }
        }
    }

    fn finish(
        &mut self,
        now: Now,
        input: &mut BytesMut,
    ) -> Result<Option<Received>, ConnectionError> {
        let State::Act2(initiator) = &mut self.state else { return Ok(None) };
        let is_enough = match self.fault {
            ConnectionFault::OneReadIsAct2 => !input.is_empty(),
            _ => input.len() >= ACT_2_LEN,
        };
        let (true, Some(initiator)) = (is_enough, initiator.take_if(|_| is_enough)) else {
            return Ok(None);
        };
        let mut act_2 = [0; ACT_2_LEN];
        let len = input.len().min(ACT_2_LEN);
        act_2[..len].copy_from_slice(&input[..len]);
        input.advance(len);
        // The parity of an encoded point is that of the encoding's last byte.
        let is_odd = act_2[ACT_1_LEN - 1] & 1 == 1;
        let is_misread = match self.fault {
            ConnectionFault::Act2MacWrong => true,
            ConnectionFault::OddKeysFail => is_odd,
            _ => false,
        };
        act_2[STATIC_KEY_MAC_AT] ^= u8::from(is_misread);
        let unix = match self.fault {
            ConnectionFault::ClockBehind => UnixTime(now.unix.0 - CLOCK_ERROR),
            ConnectionFault::ClockAhead => UnixTime(now.unix.0 + CLOCK_ERROR),
            _ => now.unix,
        };
        let (session, server) = match initiator.finish(&act_2, unix) {
            Err(_) if self.fault == ConnectionFault::PlainOnFailure => {
                self.state = State::Plain(FrameDecoder::new(0xff_ffff));
                return Ok(Some(Received::Established { server: None }));
            }
            finished => finished?,
        };
        let key = CipherKey::new(CipherSuite::default(), &session.secrets.responder_to_initiator);
        let session = FaultySession { sealer: session.sealer, key, nonce: 0 };
        self.state = State::Session(Box::new(session));
        Ok(Some(Received::Established { server: Some(server) }))
    }

    fn respond(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Received>, ConnectionError> {
        let State::Act1 { identity, entropy } = &mut self.state else { return Ok(None) };
        let looks_plain = input.starts_with(&[0, 0, 0]);
        if self.fault == ConnectionFault::PlainAccepted && looks_plain {
            self.state = State::Plain(FrameDecoder::new(0xff_ffff));
            return Ok(Some(Received::Established { server: None }));
        }
        let is_enough = match self.fault {
            ConnectionFault::OneReadIsAct1 => !input.is_empty(),
            ConnectionFault::Act1NeedsOneRead => input.len() == ACT_1_LEN,
            _ => input.len() >= ACT_1_LEN,
        };
        if !is_enough {
            return Ok(None);
        }
        let mut act_1 = [0; ACT_1_LEN];
        let len = input.len().min(ACT_1_LEN);
        act_1[..len].copy_from_slice(&input[..len]);
        input.advance(len);
        let suite = CipherSuite::default();
        let (mut act_2, session) = Responder::respond(suite, identity, &act_1, entropy);
        // The parity of an encoded point is that of the encoding's last byte.
        let is_odd = act_1[ACT_1_LEN - 1] & 1 == 1;
        match self.fault {
            ConnectionFault::Act2MacWrong => act_2[STATIC_KEY_MAC_AT] ^= 1,
            ConnectionFault::OddKeysFail if is_odd => act_2[STATIC_KEY_MAC_AT] ^= 1,
            _ => {}
        }
        out.extend_from_slice(&act_2);
        let key = CipherKey::new(suite, &session.secrets.initiator_to_responder);
        let session = FaultySession { sealer: session.sealer, key, nonce: 0 };
        self.state = State::Session(Box::new(session));
        Ok(Some(Received::Established { server: None }))
    }

    pub(super) fn send_frame(
        &mut self,
        frame: &Frame,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        match &mut self.state {
            State::Session(session) => {
                Ok(session.sealer.seal(frame.header(), &frame.payload, out)?)
            }
            State::Plain(_) => {
                out.extend_from_slice(&frame.header().to_bytes());
                out.extend_from_slice(&frame.payload);
                Ok(())
            }
            State::Act1 { .. } | State::Act2(_) | State::NoAct => Ok(()),
        }
    }

    /// The peer's write is over.
    pub(super) fn end_write(&mut self, input: &mut BytesMut) -> Result<(), ConnectionError> {
        match (self.fault, &self.state) {
            (ConnectionFault::WriteIsFrame, State::Session(session)) if !input.is_empty() => {
                // A part of a frame is taken for a whole one, whose MAC is then wrong.
                input.clear();
                Err(TransportError::HeaderMac { nonce: session.nonce }.into())
            }
            (ConnectionFault::Act1NeedsOneRead, State::Act1 { .. }) => {
                input.clear();
                Ok(())
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
            let nonce_before = self.nonce;
            let (header, mut is_good) = self.open(fault, &input[..SEALED_HEADER_LEN]);
            let header: [u8; FrameHeader::LEN] =
                header.try_into().expect("22 bytes without their MAC are a header");
            let header = FrameHeader::from_bytes(header);
            if !is_good && !forgives(fault) {
                return Err(TransportError::HeaderMac { nonce: nonce_before }.into());
            }
            let chunks = chunk_lens(fault, header.payload_len as usize);
            if chunks.is_empty() && fault == ConnectionFault::EmptyPayloadRefused {
                return Err(TransportError::HeaderMac { nonce: nonce_before }.into());
            }
            let sealed_len: usize = chunks.iter().map(|len| len + MAC_LEN).sum();
            let never_ends =
                fault == ConnectionFault::LengthSigned && header.payload_len >= 1 << 23;
            if never_ends || input.len() < SEALED_HEADER_LEN + sealed_len {
                // The header is opened again when more has come.
                self.nonce = nonce_before;
                return Ok(None);
            }
            input.advance(SEALED_HEADER_LEN);
            let mut payload = Vec::with_capacity(sealed_len);
            for len in chunks {
                let chunk = input.split_to(len + MAC_LEN);
                let nonce = self.nonce;
                let (text, is_right) = self.open(fault, &chunk);
                if !is_right && !forgives(fault) {
                    return Err(TransportError::PayloadMac { nonce }.into());
                }
                is_good &= is_right;
                payload.extend(text);
            }
            if fault == ConnectionFault::WriteIsFrame {
                input.clear();
            }
            let frame = Frame {
                extension_type: header.extension_type,
                message_type: header.message_type,
                payload: payload.into(),
            };
            let is_dropped = match fault {
                ConnectionFault::BadFrameDropped => !is_good,
                ConnectionFault::ChannelBitDecides => has_other_channel_bit(&frame),
                _ => false,
            };
            if is_dropped {
                continue;
            }
            return Ok(Some(Received::Frame(frame)));
        }
    }

    /// Decrypts whatever the MAC says; whether it was right.
    fn open(&mut self, fault: ConnectionFault, sealed: &[u8]) -> (Vec<u8>, bool) {
        let expected = self.nonce;
        let (text, is_right) = self.open_with(fault, expected, sealed);
        self.nonce = expected + 1;
        if !is_right && fault == ConnectionFault::NonceSearched {
            for nonce in expected.saturating_sub(NONCES_SEARCHED)..expected + NONCES_SEARCHED {
                let (text, is_right) = self.open_with(fault, nonce, sealed);
                if is_right {
                    self.nonce = nonce + 1;
                    return (text, true);
                }
            }
        }
        (text, is_right)
    }

    fn open_with(&self, fault: ConnectionFault, nonce: u64, sealed: &[u8]) -> (Vec<u8>, bool) {
        let nonce = match fault {
            ConnectionFault::NonceInOneByte => nonce & 0xff,
            _ => nonce,
        };
        let text_len = sealed.len() - MAC_LEN;
        // Zeros under the same nonce are the key stream.
        let mut text = vec![0; text_len];
        self.key.seal(nonce, &[], &mut text);
        text.iter_mut().zip(sealed).for_each(|(stream, byte)| *stream ^= byte);
        let mut again = text.clone();
        let mac = self.key.seal(nonce, &[], &mut again);
        (text, mac == sealed[text_len..])
    }
}

/// How a payload is thought to be cut, MACs not counted.
fn chunk_lens(fault: ConnectionFault, payload_len: usize) -> Vec<usize> {
    let payload_len = match fault {
        ConnectionFault::LengthCut => payload_len & 0xffff,
        _ => payload_len,
    };
    let chunk_len_max = match fault {
        ConnectionFault::ChunksTooLong => CHUNK_LEN_MAX + MAC_LEN,
        _ => CHUNK_LEN_MAX,
    };
    let mut chunks = vec![chunk_len_max; payload_len / chunk_len_max];
    let rest = payload_len % chunk_len_max;
    let needs_empty = fault == ConnectionFault::FullChunkNeedsEmptyOne && !chunks.is_empty();
    if rest > 0 || needs_empty {
        chunks.push(rest);
    }
    chunks
}

fn has_other_channel_bit(frame: &Frame) -> bool {
    dissect_frame(frame)
        .is_some_and(|(descriptor, _)| descriptor.channel_bit != frame.header().has_channel_bit())
}

fn forgives(fault: ConnectionFault) -> bool {
    matches!(fault, ConnectionFault::MacUnchecked | ConnectionFault::BadFrameDropped)
}

/// Where the MAC behind the static key begins in act 2: behind two encoded keys.
const STATIC_KEY_MAC_AT: usize = 128;

/// Of act 1, as a client writes it who knows another protocol over Noise.
const ACT_1_LEN_ON_WIRE: [u8; 2] = [0, 64];

/// By which the clock of a client that has a wrong one is wrong, in seconds: a day and a half.
const CLOCK_ERROR: u64 = 129_600;

/// Nonces to each side that a searching server tries.
const NONCES_SEARCHED: u64 = 8;

//! Our role's end of a connection in memory: honest, or with a fault beneath the messages.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sv2::connection::{
    Connection, ConnectionConfig, ConnectionError, InitiatorSecurity, Received, ResponderSecurity,
};
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::noise::{AuthorityPublicKey, CipherSuite, Identity};
use sv2::sv1::lines::LineConfig;
use sv2::sv1::{LineSplitter, Sv1Error};
use sv2::time::{Instant, Now};
use sv2::wire::{Frame, Tlvs};

use super::faulty_end::FaultyEnd;
use crate::mutant::ConnectionFault;

/// One end of a connection.
pub(super) enum LinkEnd {
    Honest(Box<Connection>),
    Faulty(Box<FaultyEnd>),
    /// Of Stratum V1.
    Lines {
        splitter: LineSplitter,
        /// [`ConnectionFault::ReadIsLine`].
        read_is_line: bool,
    },
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
            Some(fault) => LinkEnd::Faulty(Box::new(FaultyEnd::new(fault, identity, entropy))),
        }
    }

    /// The end of a role that dials the suite. Appends act 1 to `out`.
    pub(super) fn dialled(
        authority: Option<AuthorityPublicKey>,
        fault: Option<ConnectionFault>,
        now: Now,
        mut entropy: Entropy,
        out: &mut Vec<u8>,
    ) -> LinkEnd {
        if let Some(fault) = fault {
            return LinkEnd::Faulty(Box::new(FaultyEnd::dialled(fault, authority, entropy, out)));
        }
        let security = InitiatorSecurity::Noise { suite: CipherSuite::default(), authority };
        let config = ConnectionConfig::default();
        LinkEnd::Honest(Box::new(Connection::initiator(config, security, now, &mut entropy, out)))
    }

    pub(super) fn lines(fault: Option<ConnectionFault>) -> LinkEnd {
        let splitter = LineSplitter::new(LineConfig::ACCEPTED_LEN_MAX);
        LinkEnd::Lines { splitter, read_is_line: fault == Some(ConnectionFault::ReadIsLine) }
    }

    /// As `LineSplitter::next_line`; `None` where frames are spoken.
    pub(super) fn next_line(
        &mut self,
        input: &mut BytesMut,
    ) -> Option<Result<Option<Bytes>, Sv1Error>> {
        match self {
            LinkEnd::Honest(_) | LinkEnd::Faulty(_) => None,
            LinkEnd::Lines { read_is_line: true, .. } => {
                let read = input.split().freeze();
                let line = read.slice_ref(read.trim_ascii());
                Some(Ok((!line.is_empty()).then_some(line)))
            }
            LinkEnd::Lines { splitter, .. } => Some(splitter.next_line(input)),
        }
    }

    /// As `Connection::receive`; lines are read elsewhere.
    pub(super) fn receive(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Received>, ConnectionError> {
        match self {
            LinkEnd::Honest(connection) => connection.receive(now, input, out),
            LinkEnd::Faulty(end) => end.receive(now, input, out),
            LinkEnd::Lines { .. } => Ok(None),
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
            LinkEnd::Faulty(end) => end.send_frame(&message.to_frame(tlvs), out),
            // A role that mixes them up is silent.
            LinkEnd::Lines { .. } => Ok(()),
        }
    }

    pub(super) fn send_frame(
        &mut self,
        frame: &Frame,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        match self {
            LinkEnd::Honest(connection) => connection.send_frame(frame, out),
            LinkEnd::Faulty(end) => end.send_frame(frame, out),
            LinkEnd::Lines { .. } => Ok(()),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            LinkEnd::Honest(connection) => connection.deadline(),
            LinkEnd::Faulty(_) | LinkEnd::Lines { .. } => None,
        }
    }

    pub(super) fn expire(&mut self, now: Instant) -> Result<(), ConnectionError> {
        match self {
            LinkEnd::Honest(connection) => connection.expire(now),
            LinkEnd::Faulty(_) | LinkEnd::Lines { .. } => Ok(()),
        }
    }

    /// The peer's write is over.
    pub(super) fn end_write(&mut self, input: &mut BytesMut) -> Result<(), ConnectionError> {
        match self {
            LinkEnd::Faulty(end) => end.end_write(input),
            LinkEnd::Honest(_) | LinkEnd::Lines { .. } => Ok(()),
        }
    }
}

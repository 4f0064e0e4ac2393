//! Below the roles: Noise or plain, frames, the handshake's deadline.
//!
//! A [`Connection`] opens no socket: its host feeds it what has arrived and sends what it has
//! appended to `out`. Once established it can be [split](Connection::split), so that a host
//! decrypts and encrypts in different tasks.
//!
//! A server cannot tell a client that speaks something else from one that speaks Noise: any
//! 64 bytes are an act 1. It finds out by the MAC of the first frame, and does not guess.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use thiserror::Error;

use crate::entropy::Entropy;
use crate::message::Message;
use crate::noise::{
    ACT_1_LEN, ACT_2_LEN, AuthorityPublicKey, CertificateError, CipherSuite, HandshakeError,
    Identity, Initiator, Opener, Responder, Sealer, ServerIdentity, Session, SessionSecrets,
    TransportError,
};
use crate::time::{Instant, Now};
use crate::wire::{Frame, FrameDecoder, FrameError, FrameHeader, Tlvs};

/// Limits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// From the opening of the connection to the last act.
    pub handshake_timeout: Duration,
    /// Longest payload that we take, in bytes.
    pub payload_len_max: u32,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        ConnectionConfig { handshake_timeout: Duration::from_secs(10), payload_len_max: 0xff_ffff }
    }
}

/// How the side that opens a connection secures it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitiatorSecurity {
    /// Not at all: for local networks (spec 4; AMB-10).
    Plain,
    /// Noise.
    Noise {
        /// The same as the server's.
        suite: CipherSuite,
        /// Whose certificate to accept; `None` accepts any server (AMB-27).
        authority: Option<AuthorityPublicKey>,
    },
}

/// How the side that accepts a connection secures it.
#[derive(Clone, Debug)]
pub enum ResponderSecurity {
    /// Not at all: for local networks (spec 4; AMB-10).
    Plain,
    /// Noise.
    Noise {
        /// The same as the clients'.
        suite: CipherSuite,
        /// What clients are shown.
        identity: Arc<Identity>,
    },
}

/// What has come of received bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Frames can be sent, and will be received. Once, before any frame.
    Established {
        /// What the server has shown; `None` on its own side and on plain connections.
        server: Option<ServerIdentity>,
    },
    /// A whole frame.
    Frame(Frame),
}

/// One side of a connection.
#[derive(Debug)]
pub struct Connection {
    config: ConnectionConfig,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Plain, and not yet said so.
    Opened,
    Act1 {
        suite: CipherSuite,
        identity: Arc<Identity>,
        entropy: Box<Entropy>,
        wait: Wait,
    },
    Act2 {
        /// Taken by the act.
        initiator: Option<Box<Initiator>>,
        wait: Wait,
    },
    Established {
        reader: ConnectionReader,
        writer: ConnectionWriter,
        secrets: Option<Box<SessionSecrets>>,
    },
    Failed(ConnectionError),
}

/// For an act.
#[derive(Clone, Copy, Debug)]
struct Wait {
    deadline: Instant,
    received_len: usize,
    act_len: usize,
}

impl Connection {
    /// The side that opened the connection. Appends act 1 to `out` if there is one.
    ///
    /// Call [`Connection::receive`] once before anything has arrived: a plain connection is
    /// established at once.
    pub fn initiator(
        config: ConnectionConfig,
        security: InitiatorSecurity,
        now: Now,
        entropy: &mut Entropy,
        out: &mut Vec<u8>,
    ) -> Self {
        let state = match security {
            InitiatorSecurity::Plain => State::Opened,
            InitiatorSecurity::Noise { suite, authority } => {
                let initiator = Box::new(Initiator::new(suite, authority, entropy));
                out.extend_from_slice(&initiator.act_1());
                State::Act2 { initiator: Some(initiator), wait: Wait::new(config, now, ACT_2_LEN) }
            }
        };
        Connection { config, state }
    }

    /// The side that accepted the connection. Call [`Connection::receive`] once before
    /// anything has arrived, as above.
    pub fn responder(
        config: ConnectionConfig,
        security: ResponderSecurity,
        now: Now,
        entropy: &mut Entropy,
    ) -> Self {
        let state = match security {
            ResponderSecurity::Plain => State::Opened,
            ResponderSecurity::Noise { suite, identity } => State::Act1 {
                suite,
                identity,
                // The ephemeral key is made when a client shows up that needs one.
                entropy: Box::new(Entropy::from_bytes(entropy.bytes())),
                wait: Wait::new(config, now, ACT_1_LEN),
            },
        };
        Connection { config, state }
    }

    /// Takes what it can use out of `input`, which may only grow between calls, and appends
    /// to `out` what must be sent. Call it until it returns `None`.
    ///
    /// # Errors
    /// [`ConnectionError`], the same one from then on. Nothing is sent that would explain it
    /// to the peer: Noise has no such message.
    #[inline]
    pub fn receive(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Received>, ConnectionError> {
        if let State::Established { reader, .. } = &mut self.state {
            return Ok(reader.next_frame(input)?.map(Received::Frame));
        }
        self.proceed(now, input, out).inspect_err(|error| {
            self.state = State::Failed(error.clone());
        })
    }

    fn proceed(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<Option<Received>, ConnectionError> {
        match &mut self.state {
            State::Opened => {
                self.state = State::Established {
                    reader: ConnectionReader(Reader::Plain {
                        decoder: FrameDecoder::new(self.config.payload_len_max),
                        failure: None,
                    }),
                    writer: ConnectionWriter(Writer::Plain),
                    secrets: None,
                };
                Ok(Some(Received::Established { server: None }))
            }
            State::Act1 { suite, identity, entropy, wait } => {
                let Some(act_1) = wait.act(now, input)? else { return Ok(None) };
                let (act_2, session) = Responder::respond(*suite, identity, &act_1, entropy);
                out.extend_from_slice(&act_2);
                self.establish(session);
                Ok(Some(Received::Established { server: None }))
            }
            State::Act2 { initiator, wait } => {
                let Some(act_2) = wait.act(now, input)? else { return Ok(None) };
                let initiator = initiator.take().expect("an act is taken once");
                let (session, server) = initiator.finish(&act_2, now.unix)?;
                self.establish(session);
                Ok(Some(Received::Established { server: Some(server) }))
            }
            State::Established { .. } => unreachable!("`receive` reads frames itself"),
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn establish(&mut self, session: Session) {
        let Session { sealer, mut opener, secrets } = session;
        opener.limit_payload_len(self.config.payload_len_max);
        self.state = State::Established {
            reader: ConnectionReader(Reader::Noise(Box::new(opener))),
            writer: ConnectionWriter(Writer::Noise(Box::new(sealer))),
            secrets: Some(Box::new(secrets)),
        };
    }

    /// Whether frames can be sent.
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established { .. })
    }

    /// When [`Connection::expire`] must be called; `None` once the handshake has ended.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Act1 { wait, .. } | State::Act2 { wait, .. } => Some(wait.deadline),
            State::Opened | State::Established { .. } | State::Failed(_) => None,
        }
    }

    /// Looks at the deadline.
    ///
    /// # Errors
    /// [`ConnectionError::HandshakeTimedOut`], or whatever has failed before.
    pub fn expire(&mut self, now: Instant) -> Result<(), ConnectionError> {
        match &self.state {
            State::Act1 { wait, .. } | State::Act2 { wait, .. } => {
                wait.check(now).inspect_err(|error| self.state = State::Failed(error.clone()))
            }
            State::Failed(error) => Err(error.clone()),
            State::Opened | State::Established { .. } => Ok(()),
        }
    }

    /// What it means that the peer has closed the connection with `rest` received but unused:
    /// nothing, if it stopped between two frames.
    ///
    /// # Errors
    /// [`ConnectionError::ClosedInHandshake`], [`ConnectionError::ClosedInFrame`], or whatever
    /// has failed before.
    pub fn end(&self, rest: &BytesMut) -> Result<(), ConnectionError> {
        match &self.state {
            State::Opened => Ok(()),
            State::Act1 { wait, .. } | State::Act2 { wait, .. } => {
                Err(ConnectionError::ClosedInHandshake {
                    received_len: rest.len(),
                    expected_len: wait.act_len,
                })
            }
            State::Established { reader, .. } => reader.end(rest),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Appends a message as it goes over the wire.
    ///
    /// # Errors
    /// [`ConnectionError`]; nothing was appended.
    ///
    /// # Panics
    /// Unless the connection is established: nobody may send before.
    #[inline]
    pub fn send_message(
        &mut self,
        message: &Message,
        tlvs: &Tlvs,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        self.writer().write_message(message, tlvs, out)
    }

    /// Appends a frame as it goes over the wire.
    ///
    /// # Errors
    /// [`ConnectionError`]; nothing was appended.
    ///
    /// # Panics
    /// Unless the connection is established: nobody may send before.
    #[inline]
    pub fn send_frame(&mut self, frame: &Frame, out: &mut Vec<u8>) -> Result<(), ConnectionError> {
        self.writer().write_frame(frame, out)
    }

    #[inline]
    fn writer(&mut self) -> &mut ConnectionWriter {
        match &mut self.state {
            State::Established { writer, .. } => writer,
            _ => panic!("a connection sends only after `Received::Established`"),
        }
    }

    /// The secrets with which a capture of this connection can be read; `None` if it is plain
    /// or not established.
    pub fn key_log(&self) -> Option<&SessionSecrets> {
        match &self.state {
            State::Established { secrets, .. } => secrets.as_deref(),
            _ => None,
        }
    }

    /// Goes on with as little memory as it can, if it is established: forgets the secrets of
    /// [`Connection::key_log`], and keeps keys as [`CipherKey::shrink`] does.
    ///
    /// [`CipherKey::shrink`]: crate::noise::CipherKey::shrink
    pub fn shrink(&mut self) {
        let State::Established { reader, writer, secrets } = &mut self.state else { return };
        *secrets = None;
        if let Reader::Noise(opener) = &mut reader.0 {
            opener.shrink();
        }
        if let Writer::Noise(sealer) = &mut writer.0 {
            sealer.shrink();
        }
    }

    /// The two directions, for two tasks. Forgets the secrets of [`Connection::key_log`].
    ///
    /// # Panics
    /// Unless the connection is established: before, both directions are one.
    pub fn split(self) -> (ConnectionReader, ConnectionWriter) {
        match self.state {
            State::Established { reader, writer, .. } => (reader, writer),
            _ => panic!("a connection is split only after `Received::Established`"),
        }
    }
}

/// What the peer sends.
#[derive(Debug)]
pub struct ConnectionReader(Reader);

#[derive(Debug)]
enum Reader {
    Plain { decoder: FrameDecoder, failure: Option<FrameError> },
    Noise(Box<Opener>),
}

impl ConnectionReader {
    /// Takes the next whole frame out of `input`; `None` if it has not arrived yet. Between
    /// calls `input` may only grow.
    ///
    /// # Errors
    /// [`ConnectionError`], the same one from then on.
    #[inline]
    pub fn next_frame(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, ConnectionError> {
        match &mut self.0 {
            Reader::Noise(opener) => Ok(opener.next_frame(input)?),
            Reader::Plain { failure: Some(failure), .. } => Err((*failure).into()),
            Reader::Plain { decoder, failure } => {
                decoder.next_frame(input).map_err(|error| (*failure.insert(error)).into())
            }
        }
    }

    /// As [`Connection::end`].
    ///
    /// # Errors
    /// [`ConnectionError::ClosedInFrame`], or whatever has failed before.
    pub fn end(&self, rest: &BytesMut) -> Result<(), ConnectionError> {
        let is_inside_frame = match &self.0 {
            Reader::Noise(opener) => match opener.failure() {
                Some(failure) => return Err(failure.into()),
                None => opener.is_inside_frame(),
            },
            Reader::Plain { failure: Some(failure), .. } => return Err((*failure).into()),
            Reader::Plain { failure: None, .. } => false,
        };
        if rest.is_empty() && !is_inside_frame {
            return Ok(());
        }
        Err(ConnectionError::ClosedInFrame { rest_len: rest.len() })
    }
}

/// What we send.
#[derive(Debug)]
pub struct ConnectionWriter(Writer);

#[derive(Debug)]
enum Writer {
    Plain,
    Noise(Box<Sealer>),
}

impl ConnectionWriter {
    /// Appends a message as it goes over the wire.
    ///
    /// # Errors
    /// [`ConnectionError`]; nothing was appended.
    #[inline]
    pub fn write_message(
        &mut self,
        message: &Message,
        tlvs: &Tlvs,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectionError> {
        let descriptor = message.descriptor();
        let header = FrameHeader {
            extension_type: descriptor.extension_type(),
            message_type: descriptor.number,
            payload_len: announced_len(message.wire_len() + tlvs.as_bytes().len())?,
        };
        self.write(header, out, |out| {
            message.write(out);
            out.extend_from_slice(tlvs.as_bytes());
        })
    }

    /// Appends a frame as it goes over the wire.
    ///
    /// # Errors
    /// [`ConnectionError`]; nothing was appended.
    #[inline]
    pub fn write_frame(&mut self, frame: &Frame, out: &mut Vec<u8>) -> Result<(), ConnectionError> {
        announced_len(frame.payload.len())?;
        self.write(frame.header(), out, |out| out.extend_from_slice(&frame.payload))
    }

    #[inline]
    fn write(
        &mut self,
        header: FrameHeader,
        out: &mut Vec<u8>,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), ConnectionError> {
        match &mut self.0 {
            Writer::Noise(sealer) => sealer.seal_with(header, out, payload)?,
            Writer::Plain => {
                out.reserve(FrameHeader::LEN + header.payload_len as usize);
                out.extend_from_slice(&header.to_bytes());
                payload(out);
            }
        }
        Ok(())
    }
}

impl Wait {
    fn new(config: ConnectionConfig, now: Now, act_len: usize) -> Self {
        Wait { deadline: now.instant + config.handshake_timeout, received_len: 0, act_len }
    }

    /// The act, once it has arrived in time.
    fn act<const LEN: usize>(
        &mut self,
        now: Now,
        input: &mut BytesMut,
    ) -> Result<Option<[u8; LEN]>, ConnectionError> {
        self.received_len = input.len();
        self.check(now.instant)?;
        let Some(act) = input.first_chunk().copied() else { return Ok(None) };
        input.advance(LEN);
        Ok(Some(act))
    }

    fn check(&self, now: Instant) -> Result<(), ConnectionError> {
        if now < self.deadline {
            return Ok(());
        }
        Err(ConnectionError::HandshakeTimedOut {
            received_len: self.received_len,
            expected_len: self.act_len,
        })
    }
}

#[inline]
fn announced_len(payload_len: usize) -> Result<u32, ConnectionError> {
    match u32::try_from(payload_len) {
        Ok(len) if payload_len <= FrameHeader::PAYLOAD_LEN_MAX => Ok(len),
        _ => Err(ConnectionError::Unsendable { payload_len }),
    }
}

/// Why a connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConnectionError {
    /// The handshake was not finished in time.
    #[error(
        "the handshake was not finished in time: {received_len} of {expected_len} bytes have \
         come (spec 4.5)"
    )]
    HandshakeTimedOut {
        /// Of the act, in bytes.
        received_len: usize,
        /// Length of the act, in bytes.
        expected_len: usize,
    },
    /// The peer closed the connection during the handshake.
    #[error(
        "closed by the peer during the handshake: {received_len} of {expected_len} bytes have \
         come (spec 4.5)"
    )]
    ClosedInHandshake {
        /// Of the act, in bytes.
        received_len: usize,
        /// Length of the act, in bytes.
        expected_len: usize,
    },
    /// The peer closed the connection inside a frame.
    #[error("closed by the peer inside a frame, {rest_len} bytes of it unread (spec 3.2)")]
    ClosedInFrame {
        /// In bytes.
        rest_len: usize,
    },
    /// The handshake failed: a wrong MAC, or a certificate that does not hold.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// Sealed frames cannot be read or written any more.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Plain frames cannot be read any more.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// We were to send what no frame can hold.
    #[error("a payload of {payload_len} bytes does not fit a frame (spec 3.2)")]
    Unsendable {
        /// In bytes.
        payload_len: usize,
    },
}

impl ConnectionError {
    /// The certificate's problem, if that is what it is.
    pub fn certificate(&self) -> Option<CertificateError> {
        match self {
            ConnectionError::Handshake(HandshakeError::Certificate(error)) => Some(*error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

//! The contract between a role and whoever drives it.
//!
//! A role is a pure state machine: the driver calls [`Role::handle`] with one input, does what
//! the outbox says, and reads [`Role::wake_at`], which replaces what it said before. The same
//! role runs over tokio, in virtual time, under the conformance suite and under the fuzzer.
//!
//! Noise, frames and the handshake's deadline lie below a role ([`crate::connection`]), so
//! that encryption runs on all cores and a simulator can leave it out. Set-up, extensions and
//! everything after are messages, and belong to the role.

mod command;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::chain::BlockTemplate;
use crate::connection::ConnectionError;
use crate::event::Event;
use crate::message::{DecodeError, Message};
use crate::mining::share_record::ShareRecord;
use crate::noise::AuthorityPublicKey;
use crate::sv1::{self, Sv1Error};
use crate::time::{Instant, Now};
use crate::violation::Violation;
use crate::wire::{Frame, Tlvs, U256};

pub use command::{Channels, Command, CommandError};

/// A pure state machine that speaks SV2.
pub trait Role {
    /// Takes one input; everything to be done about it is in `out` afterwards.
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox);
    /// When the role wants [`Input::Woken`]; read after every call, replaces the last answer.
    fn wake_at(&self) -> Option<Instant>;
}

impl<R: Role + ?Sized> Role for Box<R> {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        (**self).handle(now, input, out);
    }

    fn wake_at(&self) -> Option<Instant> {
        (**self).wake_at()
    }
}

/// What a role is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A connection is ready for frames: the handshake is done, set-up is not. Or for lines.
    Connected {
        /// From now on.
        connection: ConnectionId,
        /// Who opened it.
        via: Via,
    },
    /// A connection that the role asked for did not come about.
    DialFailed {
        /// Of the request.
        dial: DialId,
        /// Why.
        reason: DialFailure,
    },
    /// A message that could be decoded.
    Received {
        /// Where it came from.
        connection: ConnectionId,
        /// The message.
        message: Message,
        /// What stands behind its fields.
        tlvs: Tlvs,
        /// Its frame, kept only where the message would not encode to the same bytes: a role
        /// that forwards must forward this.
        original: Option<Box<Frame>>,
    },
    /// A whole frame that is no message that we know, or a malformed one.
    Undecodable {
        /// Where it came from.
        connection: ConnectionId,
        /// As it came.
        frame: Frame,
        /// Why.
        error: DecodeError,
    },
    /// A line, on a connection that speaks Stratum V1 ([`crate::sv1`]).
    Line {
        /// Where it came from.
        connection: ConnectionId,
        /// Without its end; not yet looked at.
        line: Bytes,
    },
    /// The connection is gone. Also follows the role's own [`Output::Close`].
    Closed {
        /// Not used again.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// News from the chain.
    Chain(ChainEvent),
    /// The world's answer to an [`Output::Request`].
    Answer {
        /// Of the request.
        request: RequestId,
        /// What came of it.
        answer: Answer,
    },
    /// An operator wants something; what came of it is told as an event.
    Command(Command),
    /// The moment of [`Role::wake_at`] has come.
    Woken,
}

/// What a role wants to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a message.
    Send {
        /// Where to.
        connection: ConnectionId,
        /// The message.
        message: Message,
        /// What to put behind its fields.
        tlvs: Tlvs,
    },
    /// Pass on a frame that we do not know, byte for byte (spec 3.4).
    Forward {
        /// Where to.
        connection: ConnectionId,
        /// As it came.
        frame: Frame,
    },
    /// Send a line, on a connection that speaks Stratum V1.
    Line {
        /// Where to.
        connection: ConnectionId,
        /// Without its end, and without one in it.
        line: Bytes,
    },
    /// Send what is queued, then close.
    Close {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// Open a connection.
    Dial {
        /// Comes back in [`Via::Dial`] or [`Input::DialFailed`].
        dial: DialId,
        /// To whom.
        peer: PeerAddress,
    },
    /// Something that the world must do and answer with [`Input::Answer`].
    Request {
        /// Comes back in the answer.
        request: RequestId,
        /// What.
        what: Request,
    },
    /// Something that people, checkers and tests want to know.
    Event(Event),
}

/// Where a role puts its outputs, in order. It belongs to the driver: a queue inside each role
/// costs a quarter of the speed and twice the memory.
#[derive(Debug, Default)]
pub struct Outbox {
    outputs: Vec<Output>,
}

impl Outbox {
    /// Nothing yet.
    pub fn new() -> Self {
        Outbox::default()
    }

    /// Adds an output.
    #[inline]
    pub fn put(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// Sends a message without TLVs.
    #[inline]
    pub fn send(&mut self, connection: ConnectionId, message: impl Into<Message>) {
        self.put(Output::Send { connection, message: message.into(), tlvs: Tlvs::NONE });
    }

    /// Sends a line of Stratum V1.
    #[inline]
    pub fn say(&mut self, connection: ConnectionId, message: &sv1::Message) {
        self.put(Output::Line { connection, line: message.to_line() });
    }

    /// A line for a role that speaks Stratum V2 alone: the connection ends.
    pub(crate) fn refuse_line(&mut self, connection: ConnectionId) {
        self.close(connection, CloseReason::Sv1(Sv1Error::OutOfPlace));
    }

    /// Closes a connection.
    pub fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        self.put(Output::Close { connection, reason });
    }

    /// Tells an event.
    #[inline]
    pub fn tell(&mut self, event: Event) {
        self.put(Output::Event(event));
    }

    /// All outputs since the last call, in order.
    pub fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// The same, keeping the allocation.
    pub fn drain(&mut self) -> impl Iterator<Item = Output> + '_ {
        self.outputs.drain(..)
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }
}

/// A connection, named by the driver. Small numbers, reused after [`Input::Closed`], so that
/// roles can index by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// A dial, named by the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u32);

/// A request, named by the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// How a connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The peer dialled one of our listeners, counted from 0 in the order of configuration.
    Listener(u16),
    /// We dialled.
    Dial(DialId),
}

/// Whom to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whose certificate to accept; `None` connects without authentication (AMB-27).
    pub authority: Option<AuthorityPublicKey>,
}

/// Why a dial failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DialFailure {
    /// No TCP connection.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// No Noise session.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// The peer closed it, or it broke.
    #[error("closed by the peer")]
    ByPeer,
    /// The socket failed.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// No set-up within its deadline.
    #[error("no SetupConnection in time (spec 3.6.1)")]
    SetupTimedOut,
    /// No channel, or no token, within its deadline.
    #[error("no channel was opened (spec 5.3.2), or no token asked for (spec 6.4.2), in time")]
    Idle,
    /// We answered `SetupConnection.Error`.
    #[error("set-up was refused: {0}")]
    SetupRefused(&'static str),
    /// The peer answered `SetupConnection.Error`, or something that we cannot work with.
    #[error("the peer refused: {0}")]
    RefusedByPeer(String),
    /// The peer has not answered within the time that we grant.
    #[error("{0} was not answered in time")]
    Unanswered(&'static str),
    /// The peer broke a rule.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The peer sent what cannot be decoded.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// Noise or frames failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// What should be lines of Stratum V1 is none, or says something wrong.
    #[error("Stratum V1: {0}")]
    Sv1(#[from] Sv1Error),
    /// The peer does not read what we send.
    #[error("{unsent_len} bytes are unsent, the limit is {limit}")]
    TooSlow {
        /// In bytes.
        unsent_len: usize,
        /// In bytes.
        limit: usize,
    },
    /// What the peer was promised does not hold any more.
    #[error("the service has changed: {0}")]
    ServiceChanged(&'static str),
    /// The role has reached a limit of its own.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// We are shutting down, or do not need it any more.
    #[error("closed by us")]
    ByUs,
}

/// News from the chain, for a template provider.
#[derive(Clone, Debug, PartialEq)]
pub enum ChainEvent {
    /// The best template has changed: another tip (`prev_hash` differs) or more fees.
    Template(Arc<BlockTemplate>),
    /// The node cannot be reached; the last template stands.
    Unreachable(String),
}

/// What a role cannot do by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Bring a block to the chain.
    SubmitBlock {
        /// Serialised with witnesses.
        block: Bytes,
    },
    /// Judge a block without its proof of work.
    ValidateBlock {
        /// Serialised with witnesses.
        block: Bytes,
    },
    /// Write accounts to disk before the share is acknowledged.
    Persist {
        /// What to account for.
        record: Box<ShareRecord>,
    },
}

/// What came of a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The block is part of the chain, or valid.
    BlockAccepted {
        /// Of its header.
        hash: U256,
    },
    /// The block is not wanted.
    BlockRejected {
        /// In the node's words, such as `bad-cb-amount`.
        reason: String,
    },
    /// The record is on disk.
    Persisted,
    /// The world failed: disk full, node gone.
    Failed(String),
}

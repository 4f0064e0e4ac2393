//! What a reader of captures finds, one observation after the other: the seam between the
//! readers of files and whoever understands what was said (state, rules, filter).
//!
//! A reader knows bytes, streams and keys, and nothing of channels or shares.

use std::net::SocketAddr;

use sv2::noise::Certificate;
use sv2::wire::Frame;

use crate::Direction;

/// What a reader has found on a connection, in the order of the capture.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// From 1, without holes, of messages and happenings alike.
    pub number: u64,
    /// Nanoseconds since the Unix epoch, as stamped by who captured.
    pub at: u64,
    /// From 0, in the order of their first packets; a pair of addresses used again is a new one.
    pub connection: u32,
    /// What it is.
    pub what: What<'a>,
}

/// A message, or something that happened.
#[derive(Clone, Debug)]
pub enum What<'a> {
    /// The first packet of a connection.
    Opened {
        /// Who opened it; guessed by ports where the SYN was not captured.
        client: SocketAddr,
        /// Who accepted it.
        server: SocketAddr,
        /// The SYN was captured: nothing was said before.
        from_the_start: bool,
        /// Messages were left out when the capture was written, not only lost.
        is_selection: bool,
        /// Coinbase transactions were replaced ([`redact`](crate::redact)): no proof and no merkle
        /// root is that of what the capture says.
        is_redacted: bool,
    },
    /// The Noise handshake has passed, or has stopped (spec 4.5).
    Handshake(HandshakeSeen),
    /// A whole frame of SV2.
    Frame {
        /// Who sent it.
        direction: Direction,
        /// In clear.
        frame: &'a Frame,
        /// How far to trust its bytes.
        integrity: Integrity,
    },
    /// Encrypted, and there is no key, or it does not fit.
    Opaque {
        /// Who sent it.
        direction: Direction,
        /// Bytes of the stream.
        len: usize,
    },
    /// A line of Stratum V1, without its line feed.
    Line {
        /// Who sent it.
        direction: Direction,
        /// As on the wire.
        line: &'a [u8],
    },
    /// Bytes of the stream that were not captured.
    Gap {
        /// Who sent them.
        direction: Direction,
        /// In bytes, as far as sequence numbers tell.
        len: u64,
        /// The reader has found the start of a frame behind it; otherwise this direction is lost.
        resynced: bool,
    },
    /// The connection has ended.
    Closed {
        /// Who ended it.
        by: Direction,
        /// By RST instead of FIN.
        reset: bool,
    },
}

impl What<'_> {
    /// Who sent it; `None` for what both sides do.
    pub fn direction(&self) -> Option<Direction> {
        match self {
            What::Frame { direction, .. }
            | What::Opaque { direction, .. }
            | What::Line { direction, .. }
            | What::Gap { direction, .. } => Some(*direction),
            What::Closed { by, .. } => Some(*by),
            What::Opened { .. } | What::Handshake(_) => None,
        }
    }

    /// What it is, in one word.
    pub fn word(&self) -> &'static str {
        match self {
            What::Opened { .. } => "opened",
            What::Handshake(_) => "handshake",
            What::Frame { .. } => "message",
            What::Opaque { .. } => "opaque",
            What::Line { .. } => "line",
            What::Gap { .. } => "gap",
            What::Closed { .. } => "closed",
        }
    }
}

/// How far the bytes of a frame are to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Every MAC was right.
    Verified,
    /// Decrypted, the MAC was not looked at (yet, or its bytes were not captured).
    Unverified,
    /// Decrypted, and a MAC was wrong.
    Bad,
    /// Never encrypted.
    Plain,
}

/// What was seen of a Noise handshake (spec 4.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandshakeSeen {
    /// Bytes of act 1 that were captured; 64 are right.
    pub act_1_len: usize,
    /// Bytes that the responder sent before anything that is a frame; 234 are right (AMB-02).
    pub act_2_len: usize,
    /// From the first byte of act 1 to the last of act 2, in nanoseconds.
    pub duration: u64,
    /// Whether what follows can be read.
    pub key: SessionKey,
    /// What act 2 carried, where a key of the handshake was there to open it.
    pub certificate: Option<CertificateSeen>,
    /// What went wrong, each in one sentence for people.
    pub failures: Vec<String>,
}

/// Whether there is a key for what follows a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionKey {
    /// Nobody has given one for this session.
    #[default]
    Missing,
    /// It opens what follows.
    Fits,
    /// One was given for this session, and nothing opens with it.
    DoesNotFit,
}

/// The certificate of a server as it was sent, and what became of checking it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSeen {
    /// As on the wire (spec 4.5.2).
    pub certificate: Certificate,
    /// x coordinate of the server's static key.
    pub static_x: [u8; 32],
    /// Whether the authority that the reader was told of has signed it; `None`: it knows none.
    pub is_signed: Option<bool>,
}

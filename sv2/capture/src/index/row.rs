//! What is known of every observation.

use crate::Direction;
use crate::observed::Integrity;

/// One observation, without its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Nanoseconds since the Unix epoch.
    pub at: u64,
    /// As the reader numbers them.
    pub connection: u32,
    /// What it is.
    pub kind: Kind,
    /// Who sent it.
    pub direction: Option<Direction>,
    /// Of a frame.
    pub integrity: Option<Integrity>,
    /// It asks for an answer.
    pub is_request: bool,
    /// What became of a share.
    pub outcome: Option<Outcome>,
    /// The channel or group that it concerns.
    pub channel: Option<u32>,
    /// The job that it names.
    pub job: Option<u32>,
    /// The other half of a request and its answer, by its number.
    pub pair: Option<u64>,
    /// Nanoseconds between the two; of the answer.
    pub latency: Option<u64>,
    /// Nanoseconds since the last one on its connection.
    pub since_last: Option<u64>,
    /// Whether rules have found something; what, is in the extra.
    pub has_findings: bool,
    /// Where its bytes as sent begin, if they lie there in one piece.
    pub position: Option<Position>,
    /// What opens them, but for the key.
    pub sealed: Option<Sealed>,
}

/// A place in one of the files of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(u64);

impl Position {
    const AT_BITS: u32 = 48;

    /// `at` in bytes of the (unpacked) file with a number. `None` beyond what a row has room for,
    /// and for the very first byte of the first file, where nothing can be.
    pub fn new(file: u32, at: u64) -> Option<Position> {
        let is_small = at < 1 << Self::AT_BITS && file < 1 << (u64::BITS - Self::AT_BITS);
        is_small.then(|| u64::from(file) << Self::AT_BITS | at).and_then(Position::from_bits)
    }

    /// The number of the file.
    pub fn file(self) -> u32 {
        u32::try_from(self.0 >> Self::AT_BITS).expect("sixteen bits")
    }

    /// In bytes.
    pub fn at(self) -> u64 {
        self.0 & ((1 << Self::AT_BITS) - 1)
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }

    pub(super) fn from_bits(bits: u64) -> Option<Position> {
        (bits != 0).then_some(Position(bits))
    }
}

/// What an observation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The first packet of a connection.
    #[default]
    Opened,
    /// A Noise handshake.
    Handshake,
    /// A frame.
    Frame {
        /// With the channel bit.
        extension_type: u16,
        /// Within the extension.
        message_type: u8,
        /// In bytes.
        payload_len: u32,
    },
    /// Nobody has a key for it.
    Opaque,
    /// A line of Stratum V1.
    Line {
        /// In bytes, without its end.
        len: u32,
    },
    /// Bytes that were not captured.
    Gap,
    /// The connection has ended.
    Closed,
}

/// What the server has said of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It counts.
    Accepted,
    /// It does not.
    Rejected,
}

/// How a frame was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Of the header (spec 4.6).
    pub nonce: u64,
    /// AES-GCM instead of ChaCha20-Poly1305.
    pub is_aes: bool,
}

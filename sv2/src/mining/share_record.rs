//! What whoever keeps accounts is told about one share.

use bytes::Bytes;

use crate::time::UnixTime;
use crate::wire::{Str255, U256};

/// One share, as it changes the account of its worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareRecord {
    /// When the share was judged.
    pub at: UnixTime,
    /// Whose channel it came on (spec 5.3.2); as the client sent it.
    pub user_identity: Str255,
    /// The worker that the share itself names (extension 0x0002), at most 32 bytes; empty
    /// where it names none.
    pub worker: Bytes,
    /// What was made of it.
    pub outcome: ShareOutcome,
}

/// What was made of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareOutcome {
    /// It earns the difficulty of its job's target.
    Accepted {
        /// Of the header.
        hash: U256,
        /// In units of 2^-64 (bdiff), as [`crate::mining::accounting`] adds them.
        difficulty: u128,
        /// It meets the target of the network.
        is_block: bool,
    },
    /// It earns nothing.
    Rejected {
        /// As sent to the peer: one of [`crate::mining::error_code::share`].
        error_code: &'static str,
    },
}

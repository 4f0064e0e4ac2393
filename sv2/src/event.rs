//! What roles tell people: logs, metrics, checkers and tests read events, and nothing parses
//! log text.

use crate::role::{CloseReason, ConnectionId};
use crate::wire::{Str255, Target, U256};

/// Something worth knowing.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A connection passed set-up.
    SetupDone {
        /// Which.
        connection: ConnectionId,
        /// Protocol number (spec 3.6.1).
        protocol: u8,
        /// As the client sent them.
        flags: u32,
    },
    /// A connection ended.
    ConnectionClosed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// A channel was opened.
    ChannelOpened {
        /// Where.
        connection: ConnectionId,
        /// Its id.
        channel_id: u32,
    },
    /// A channel was closed.
    ChannelClosed {
        /// Where.
        connection: ConnectionId,
        /// Its id.
        channel_id: u32,
    },
    /// A share was accepted.
    ShareAccepted {
        /// Where.
        connection: ConnectionId,
        /// Of the share.
        channel_id: u32,
        /// Of the share.
        sequence_number: u32,
        /// Of the header.
        hash: U256,
    },
    /// An accepted share names its worker (extension 0x0002).
    WorkerNamed {
        /// Where.
        connection: ConnectionId,
        /// Of the share.
        channel_id: u32,
        /// Escaped: only printable ASCII.
        worker: String,
    },
    /// A share was refused.
    ShareRejected {
        /// Where.
        connection: ConnectionId,
        /// Of the share.
        channel_id: u32,
        /// Of the share.
        sequence_number: u32,
        /// As sent to the peer.
        error_code: &'static str,
    },
    /// A device has begun to work on a job.
    WorkStarted {
        /// Where.
        connection: ConnectionId,
        /// Its channel.
        channel_id: u32,
        /// Of the job.
        job_id: u32,
        /// What a hash must meet until the next job.
        target: Target,
    },
    /// A device has sent a share.
    ShareSubmitted {
        /// Where.
        connection: ConnectionId,
        /// Of the share.
        channel_id: u32,
        /// Of the share.
        sequence_number: u32,
        /// Of the share.
        job_id: u32,
        /// Of the header.
        hash: U256,
    },
    /// The peer says that it has accepted our shares.
    SharesAcknowledged {
        /// Where.
        connection: ConnectionId,
        /// Of the shares.
        channel_id: u32,
        /// Of the last one.
        last_sequence_number: u32,
        /// How many.
        accepted_count: u32,
        /// Sum of their difficulties, as the peer counts.
        difficulty_sum: u64,
    },
    /// The peer has refused a share of ours.
    ShareRefused {
        /// Where.
        connection: ConnectionId,
        /// Of the share.
        channel_id: u32,
        /// Of the share.
        sequence_number: u32,
        /// In the peer's words.
        error_code: Str255,
    },
    /// A share is a block.
    BlockFound {
        /// Of the header.
        hash: U256,
    },
    /// The tip of the chain changed.
    TipChanged {
        /// The block to build on.
        prev_hash: U256,
    },
    /// Something unusual that needs no action, in words, with the clause if a peer is at fault.
    Noted {
        /// Where, if on a connection.
        connection: Option<ConnectionId>,
        /// What.
        what: String,
    },
}

//! What roles tell people: logs, metrics, checkers and tests read events, and nothing parses
//! log text.

use crate::role::{CloseReason, ConnectionId};
use crate::wire::U256;

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

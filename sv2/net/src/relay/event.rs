//! What a relay tells people.

use std::fmt;
use std::net::SocketAddr;

use super::record::Side;

/// Something happened to a relayed connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the same few fields in all variants: see the first ones")]
pub enum RelayEvent {
    /// A client was accepted and its server reached.
    Opened {
        /// Of the relayed connection, from 0.
        session: u64,
        /// Who has dialled us.
        client: SocketAddr,
        /// Whom we have dialled.
        server: SocketAddr,
    },
    /// A client was not served.
    Refused {
        client: SocketAddr,
        /// In words.
        why: String,
    },
    /// Something passed that people may want to know.
    Noted { session: u64, from: Side, what: String },
    /// Both connections are gone.
    Closed { session: u64, why: String, client_frame_count: u64, server_frame_count: u64 },
    /// It concerns no connection.
    Said(String),
}

impl fmt::Display for RelayEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RelayEvent::Opened { session, client, server } => {
                write!(f, "{session}: {client} to {server}")
            }
            RelayEvent::Refused { client, why } => write!(f, "{client}: {why}"),
            RelayEvent::Noted { session, from, what } => {
                write!(f, "{session}: from the {}: {what}", from.name())
            }
            RelayEvent::Closed { session, why, client_frame_count, server_frame_count } => write!(
                f,
                "{session}: {why}; {client_frame_count} frames from the client, \
                 {server_frame_count} from the server"
            ),
            RelayEvent::Said(what) => f.write_str(what),
        }
    }
}

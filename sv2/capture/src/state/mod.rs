//! What a capture means: connections, channels, jobs, shares, requests, tokens and templates,
//! followed message by message (spec 3.6, 5, 6, 7).
//!
//! [`State::read`] says what an observation means where it stands, [`State::apply`] lets the
//! state follow it; rules look in between. Memory is bounded by the named limits of the types
//! here, and what no longer fits is forgotten in a way that rules can tell.

mod apply;
mod budget;
pub mod channel;
pub mod connection;
pub mod declaration;
mod facts;
pub mod job;
pub mod legs;
mod mark;
mod proofs;
mod read;
pub mod request;
pub mod share;
mod standing;
pub mod template;

use std::collections::BTreeMap;
use std::net::IpAddr;

use budget::Budgets;
use connection::Connection;
use declaration::Tokens;
use legs::Legs;

use crate::ById;

pub use facts::{Batch, Derived, Facts, JobFacts, target_of};
pub use mark::{History, Mark};
pub use standing::{ChannelStanding, Standing};

/// Everything that is known of a capture up to here.
#[derive(Debug, Default)]
pub struct State {
    connections: ById<Box<Connection>>,
    /// What ties connections to each other.
    pub legs: Legs,
    /// Of all job declarator servers.
    pub tokens: Tokens,
    /// Connections that found no room: their messages are read, and nothing follows from them.
    pub untracked: u64,
    /// When a connection of a client was last opened.
    arrivals: BTreeMap<IpAddr, Mark>,
    budgets: Budgets,
}

impl State {
    /// Connections that are followed at once. A new one takes the place of the oldest that has
    /// ended; where all are open it is not followed.
    pub const CONNECTIONS_MAX: usize = 16_384;
    /// Channels that are followed, on all connections.
    pub const CHANNELS_MAX: usize = 65_536;
    /// Groups that are followed, on all connections.
    pub const GROUPS_MAX: usize = 65_536;
    /// Jobs that are remembered, of all channels.
    pub const JOBS_MAX: usize = 262_144;
    /// Shares without a verdict that are remembered, of all channels.
    pub const SHARES_MAX: usize = 262_144;
    /// Requests without an answer that are remembered, on all connections.
    pub const REQUESTS_MAX: usize = 65_536;

    /// A connection that is followed.
    pub fn connection(&self, id: u32) -> Option<&Connection> {
        self.connections.get(id).map(|connection| &**connection)
    }

    /// All connections that are followed, by their ids.
    pub fn connections(&self) -> impl DoubleEndedIterator<Item = &Connection> {
        self.connections.values().map(|connection| &**connection)
    }

    /// Counts how long the channels of a connection have been silent, until `at` nanoseconds since
    /// the Unix epoch: whoever looks at [`channel::Channel::silence`] calls this first.
    pub fn count_silence(&mut self, id: u32, at: u64) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.count_silence(at);
        }
    }

    /// When a connection of a client was last opened, as far as that is remembered.
    pub fn last_arrival(&self, client: IpAddr) -> Option<Mark> {
        self.arrivals.get(&client).copied()
    }

    fn make_room(&mut self) -> bool {
        if self.connections.len() < Self::CONNECTIONS_MAX {
            return true;
        }
        let ended = self.connections.values().find(|connection| connection.ended.is_some());
        let Some(id) = ended.map(|connection| connection.id) else { return false };
        self.connections.remove(id);
        true
    }
}

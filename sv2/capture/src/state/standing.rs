//! Where an observation belongs, as that stands behind it: for whoever looks when the state has
//! gone on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use sv2::common::Protocol;
use sv2::wire::{B32, Target};

use super::channel::{Channel, ChannelKind, Group, shares_per_minute};
use super::connection::SetupAnswered;
use super::{Facts, State};
use crate::observed::Observed;

/// What is known of a connection, and of the channel that a message concerns.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who opened the connection.
    pub client: SocketAddr,
    /// Who accepted it.
    pub server: SocketAddr,
    /// Coinbase transactions were replaced.
    pub is_redacted: bool,
    /// As in [`super::connection::Connection::protocol`].
    pub protocol: Option<Protocol>,
    /// Lines of Stratum V1 were seen.
    pub is_sv1: bool,
    /// Whether the connection has ended.
    pub is_ended: bool,
    /// In use, where both sides have agreed.
    pub version: Option<u16>,
    /// Of the client; 0 where they were not captured.
    pub client_flags: u32,
    /// Open channels.
    pub channel_count: usize,
    /// Messages from the client and from the server.
    pub message_count: [u64; 2],
    /// The channel, where it is open.
    pub channel: Option<ChannelStanding>,
    /// The message concerns what is neither a channel nor a group.
    pub is_orphan: bool,
    /// Channels that the message has closed.
    pub closed: Vec<u32>,
}

/// What is known of a channel; as in [`Channel`], where nothing else is said.
#[derive(Clone, Debug)]
pub struct ChannelStanding {
    /// Standard or extended.
    pub kind: ChannelKind,
    /// The message that opened it, by number.
    pub opened: u64,
    /// The group that it is in (spec 5.2.3).
    pub group: u32,
    /// As in the request.
    pub user_identity: Arc<str>,
    /// Hashes per second, as the client says.
    pub nominal_hashrate: f32,
    /// For jobs that come.
    pub target: Target,
    /// In force for jobs that come.
    pub extranonce_prefix: B32,
    /// Bytes that the client may roll.
    pub rollable_extranonce_size: u16,
    /// Shares that were sent.
    pub submitted: u64,
    /// Shares that were acknowledged.
    pub accepted: u64,
    /// Shares that were refused.
    pub rejected: u64,
    /// Shares that are blocks, by their recomputed hash.
    pub blocks_found: u64,
}

impl ChannelStanding {
    fn of(channel: &Channel, groups: &BTreeMap<u32, Group>) -> Self {
        ChannelStanding {
            kind: channel.kind,
            opened: channel.opened.number,
            group: channel.group,
            user_identity: Arc::clone(&channel.user_identity),
            nominal_hashrate: channel.nominal_hashrate,
            target: channel.target(groups),
            extranonce_prefix: *channel.extranonce_prefix.now(),
            rollable_extranonce_size: channel.rollable_extranonce_size,
            submitted: channel.shares.submitted,
            accepted: channel.shares.shares_accepted,
            rejected: channel.shares.shares_rejected(),
            blocks_found: channel.shares.blocks_found,
        }
    }

    /// As [`Channel::expected_shares_per_minute`].
    pub fn expected_shares_per_minute(&self) -> f64 {
        shares_per_minute(self.nominal_hashrate, self.target)
    }
}

impl State {
    /// Where an observation that was followed belongs; `None` where its connection is not followed.
    pub fn standing(&self, observed: &Observed<'_>, facts: &Facts) -> Option<Standing> {
        let connection = self.connection(observed.connection)?;
        let channel = facts.channel.and_then(|id| connection.channels.get(&id));
        let is_group = |id| connection.groups.contains_key(&id);
        let version = match connection.answered {
            Some(SetupAnswered::Success { version, .. }) => Some(version),
            Some(SetupAnswered::Error { .. }) | None => None,
        };
        let (closed_by, closed) = &connection.closed_last;
        Some(Standing {
            client: connection.client,
            server: connection.server,
            protocol: connection.protocol,
            is_redacted: connection.is_redacted,
            is_sv1: connection.is_sv1,
            is_ended: connection.ended.is_some(),
            version,
            client_flags: connection.client_flags(),
            channel_count: connection.channels.len(),
            message_count: connection.message_count,
            channel: channel.map(|channel| ChannelStanding::of(channel, &connection.groups)),
            is_orphan: channel.is_none() && facts.channel.is_some_and(|id| !is_group(id)),
            closed: if *closed_by == observed.number { closed.clone() } else { Vec::new() },
        })
    }
}

//! One connection: what both sides have agreed on so far.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use sv2::common::{Protocol, SetupConnection};

use super::Mark;
use super::channel::{Channel, Group};
use super::job::View;
use super::request::Requests;
use super::template::Templates;
use crate::Direction;
use crate::observed::HandshakeSeen;

/// How far what is known of a connection can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Everything since its start was seen.
    Known,
    /// The start, or something in between, was not: what is unknown may have been said.
    Assumed,
    /// A selection: messages were left out on purpose, so that what is missing says nothing.
    Selected,
    /// One direction cannot be read any more: nothing can be said.
    Lost,
}

/// What the client has asked for in `SetupConnection` (spec 3.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupAsked {
    /// The message.
    pub sent: Mark,
    /// As numbered; see [`Protocol`].
    pub protocol: u8,
    /// Lowest version.
    pub min_version: u16,
    /// Highest version.
    pub max_version: u16,
    /// Bits of the protocol (spec 5.3.1, 6.4.1).
    pub flags: u32,
}

impl SetupAsked {
    pub(super) fn new(sent: Mark, message: &SetupConnection) -> Self {
        let SetupConnection { protocol, min_version, max_version, flags, .. } = *message;
        SetupAsked { sent, protocol, min_version, max_version, flags }
    }
}

/// What the server has answered (spec 3.6.2, 3.6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupAnswered {
    /// The connection is open.
    Success {
        /// The message.
        sent: Mark,
        /// In use.
        version: u16,
        /// Other bits than the client's (spec 5.3.1).
        flags: u32,
    },
    /// The connection is refused.
    Error {
        /// The message.
        sent: Mark,
        /// Not supported.
        flags: u32,
        /// Why.
        code: String,
    },
}

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Mark,
    /// Who.
    pub by: Direction,
    /// By RST.
    pub reset: bool,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// In the order of their first packets.
    pub id: u32,
    /// Who opened it.
    pub client: SocketAddr,
    /// Who accepted it.
    pub server: SocketAddr,
    /// First packet.
    pub opened: Mark,
    /// Last observation.
    pub last: Mark,
    /// How far to rely on what follows.
    pub trust: Trust,
    /// Coinbase transactions were replaced: no proof of it is one.
    pub is_redacted: bool,
    /// From `SetupConnection`, or from the messages where that was not captured.
    pub protocol: Option<Protocol>,
    /// Lines of Stratum V1 were seen.
    pub is_sv1: bool,
    /// Of Noise.
    pub handshake: Option<HandshakeSeen>,
    /// What the client wants.
    pub asked: Option<SetupAsked>,
    /// What the server says to it.
    pub answered: Option<SetupAnswered>,
    /// Extensions that may be used, as far as their negotiation was seen.
    pub extensions: BTreeSet<u16>,
    /// Open channels.
    pub channels: BTreeMap<u32, Channel>,
    /// Groups, whether or not they have members.
    pub groups: BTreeMap<u32, Group>,
    /// Channels that were closed, with the message that did it.
    pub closed_channels: VecDeque<(u32, Mark)>,
    /// The message that closed something last, by number, and the channels that it has closed.
    pub(super) closed_last: (u64, Vec<u32>),
    /// Requests and their answers.
    pub requests: Requests,
    /// Of a template provider.
    pub templates: Templates,
    /// The last `Reconnect`.
    pub reconnect: Option<Mark>,
    /// The last message that said goodbye: `SetupConnection.Error`, `CloseChannel`, `Reconnect`.
    pub farewell: Option<Mark>,
    /// How it ended.
    pub ended: Option<Ended>,
    /// Messages from the client and from the server.
    pub message_count: [u64; 2],
}

impl Connection {
    /// Channels that are followed on one connection; further ones are unknown to every rule.
    pub const CHANNELS_MAX: usize = 65_536;
    /// Groups that are followed on one connection.
    pub const GROUPS_MAX: usize = 4096;
    /// Closed channels that are remembered.
    pub const CLOSED_MAX: usize = 64;

    pub(super) fn new(
        id: u32,
        client: SocketAddr,
        server: SocketAddr,
        opened: Mark,
        trust: Trust,
    ) -> Self {
        Connection {
            id,
            client,
            server,
            opened,
            last: opened,
            trust,
            is_redacted: false,
            protocol: None,
            is_sv1: false,
            handshake: None,
            asked: None,
            answered: None,
            extensions: BTreeSet::new(),
            channels: BTreeMap::new(),
            groups: BTreeMap::new(),
            closed_channels: VecDeque::new(),
            closed_last: (0, Vec::new()),
            requests: Requests::default(),
            templates: Templates::default(),
            reconnect: None,
            farewell: None,
            ended: None,
            message_count: [0; 2],
        }
    }

    /// What a channel works on; `None` if there is no such channel.
    pub fn view(&self, channel_id: u32) -> Option<View<'_>> {
        Some(self.channels.get(&channel_id)?.view(&self.groups))
    }

    /// Members of a group.
    pub fn members(&self, group_id: u32) -> impl Iterator<Item = (u32, &Channel)> {
        let ids = self.groups.get(&group_id).into_iter().flat_map(|group| &group.members);
        ids.filter_map(|id| Some((*id, self.channels.get(id)?)))
    }

    /// Flags of the client; 0 where they were not captured.
    pub fn client_flags(&self) -> u32 {
        self.asked.map_or(0, |asked| asked.flags)
    }

    /// Flags of the server; 0 where they were not captured.
    pub fn server_flags(&self) -> u32 {
        match self.answered {
            Some(SetupAnswered::Success { flags, .. }) => flags,
            Some(SetupAnswered::Error { .. }) | None => 0,
        }
    }

    /// The message that closed a channel, if one did.
    pub fn closed_by(&self, channel_id: u32) -> Option<Mark> {
        let mut newest_first = self.closed_channels.iter().rev();
        newest_first.find(|(id, _)| *id == channel_id).map(|(_, mark)| *mark)
    }

    /// Counts how long channels have been silent, until `at`.
    pub(super) fn count_silence(&mut self, at: u64) {
        for channel in self.channels.values_mut() {
            channel.count_silence(&self.groups, at);
        }
    }

    pub(super) fn leave_group(&mut self, channel_id: u32) {
        if let Some(channel) = self.channels.get(&channel_id)
            && let Some(group) = self.groups.get_mut(&channel.group)
        {
            group.members.remove(&channel_id);
        }
    }

    pub(super) fn lower_trust(&mut self, trust: Trust) {
        self.trust = self.trust.max(trust);
    }

    pub(super) fn close_channel(&mut self, channel_id: u32, by: Mark) {
        let group = self.groups.remove(&channel_id);
        let members = group.map(|group| group.members).unwrap_or_default();
        self.closed_last = (by.number, Vec::new());
        for id in members.into_iter().chain([channel_id]) {
            self.leave_group(id);
            if self.channels.remove(&id).is_some() {
                self.closed_last.1.push(id);
            }
            if self.closed_channels.len() == Self::CLOSED_MAX {
                self.closed_channels.pop_front();
            }
            self.closed_channels.push_back((id, by));
        }
    }
}

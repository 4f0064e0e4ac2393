//! One upstream connection, and what is open there for clients that ask for the same flags.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::MiningProxyConfig;
use super::group::Group;
use crate::common::{Protocol, SetupConnectionError};
use crate::extensions::{RequestExtensions, RequestExtensionsError, RequestExtensionsSuccess};
use crate::message::Message;
use crate::mining::UpdateChannel;
use crate::mining::channel::ChannelKind;
use crate::mining::setup_flag::{REQUIRES_VERSION_ROLLING, REQUIRES_WORK_SELECTION};
use crate::role::{CloseReason, ConnectionId, Outbox, Output};
use crate::roles::uplink::{Uplink, UplinkPurpose, UplinkSettings};
use crate::time::{Instant, Now};
use crate::wire::{B32, Seq64K, Tlvs};

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) uplink: Uplink,
    /// Of `SetupConnection`.
    pub(super) flags: u32,
    /// Of `SetupConnection.Success`; `None` while there is no upstream.
    pub(super) granted: Option<u32>,
    /// The last refusal of set-up, and how many there have been since the last success.
    pub(super) refusal: Option<SetupConnectionError>,
    pub(super) refusal_count: usize,
    /// Connections that are on it, or wait for it.
    pub(super) client_count: usize,
    /// Extensions that are asked for.
    wanted: Vec<u16>,
    pub(super) extensions: Extensions,
    /// Extensions that the upstream requires of whoever opens channels.
    pub(super) required: Vec<u16>,
    /// By our request ids, which ascend with time.
    pub(super) opens: BTreeMap<u32, OpenRequest>,
    /// By our request ids.
    pub(super) custom_jobs: BTreeMap<u32, CustomJobRequest>,
    pub(super) channels: BTreeMap<u32, Channel>,
    pub(super) groups: BTreeMap<u32, Group>,
    next_request_id: u32,
    answer_timeout: Duration,
    silence_timeout: Duration,
    /// Shares that wait for an answer, of all channels.
    in_flight: u64,
    /// Since when shares wait, and the upstream says nothing.
    pub(super) silent_since: Option<Instant>,
}

/// What the upstream has agreed on (extension 0x0001).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extensions {
    /// An upstream that knows of no extensions answers nothing; then it has agreed on none.
    Asked {
        /// Of the request that is under way.
        request_id: u16,
        until: Instant,
    },
    Agreed(Vec<u16>),
}

/// A request for a channel that the upstream has not answered.
#[derive(Debug)]
pub(super) struct OpenRequest {
    /// `None`: it has gone.
    pub(super) client: Option<ConnectionId>,
    /// The client's.
    pub(super) request_id: u32,
    pub(super) kind: ChannelKind,
    pub(super) min_extranonce_size: u16,
    until: Instant,
}

/// A request for a custom job that the upstream has not answered.
#[derive(Debug)]
pub(super) struct CustomJobRequest {
    pub(super) client: ConnectionId,
    /// The client's.
    pub(super) request_id: u32,
}

/// A channel that is open at the upstream.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) client: ConnectionId,
    pub(super) group_id: u32,
    /// See [`Group::join`].
    pub(super) member_since: u64,
    pub(super) prefix: B32,
    /// Shares that the upstream has not answered.
    in_flight: u32,
    pub(super) updated_at: Option<Instant>,
    /// Sent when the interval between two is over; a later one takes its place.
    pub(super) held_update: Option<UpdateChannel>,
}

impl Channel {
    /// Shares that wait for an answer; beyond, they are refused.
    pub(super) const IN_FLIGHT_MAX: u32 = 65_536;

    pub(super) fn new(client: ConnectionId, group_id: u32, member_since: u64, prefix: B32) -> Self {
        Channel {
            client,
            group_id,
            member_since,
            prefix,
            in_flight: 0,
            updated_at: None,
            held_update: None,
        }
    }
}

impl Lane {
    /// As many sets of flags that are passed on.
    pub(super) const COUNT: usize = 4;
    /// Requests for channels that wait for an answer, of all clients.
    pub(super) const OPENS_MAX: usize = 65_536;
    /// Of our first `RequestExtensions` on a connection.
    pub(super) const REQUIREMENTS_REQUEST_ID: u16 = 1;
    /// Of our second one.
    pub(super) const EXTENSIONS_REQUEST_ID: u16 = 2;
    /// For the answers to both: extension 0x0001, 4 gives a client about a second before it
    /// should go on without.
    const EXTENSIONS_TIMEOUT: Duration = Duration::from_secs(1);

    /// The flags that are passed on are neighbours.
    const FLAGS_SHIFT: u32 = REQUIRES_WORK_SELECTION.trailing_zeros();

    pub(super) fn new(config: &MiningProxyConfig, index: usize) -> Self {
        let index = u32::try_from(index).expect("a handful");
        let flags = index << Self::FLAGS_SHIFT;
        let settings = UplinkSettings {
            peers: config.upstreams.clone(),
            redial_wait: config.redial_wait,
            setup_timeout: config.server.setup_timeout,
        };
        let purpose = UplinkPurpose {
            protocol: Protocol::Mining,
            flags,
            role: "proxy",
            peer: "upstream",
            turn: (index, u32::try_from(Self::COUNT).expect("a handful")),
        };
        Lane {
            uplink: Uplink::new(settings, purpose),
            flags,
            granted: None,
            refusal: None,
            refusal_count: 0,
            client_count: 0,
            wanted: config.server.supported_extensions.clone(),
            extensions: Extensions::Agreed(Vec::new()),
            required: Vec::new(),
            opens: BTreeMap::new(),
            custom_jobs: BTreeMap::new(),
            channels: BTreeMap::new(),
            groups: BTreeMap::new(),
            next_request_id: 1,
            answer_timeout: config.answer_timeout,
            silence_timeout: config.silence_timeout,
            in_flight: 0,
            silent_since: None,
        }
    }

    /// The lane for clients that ask for these flags.
    pub(super) fn of_flags(flags: u32) -> usize {
        let passed_on = flags & (REQUIRES_WORK_SELECTION | REQUIRES_VERSION_ROLLING);
        (passed_on >> Self::FLAGS_SHIFT) as usize
    }

    /// Sends to the upstream; nothing if there is none, which its clients are being told.
    pub(super) fn send<M: Into<Message>>(&self, message: M, out: &mut Outbox) {
        self.send_with(message.into(), Tlvs::NONE, out);
    }

    pub(super) fn send_with(&self, message: Message, tlvs: Tlvs, out: &mut Outbox) {
        if let Some(connection) = self.uplink.ready() {
            out.put(Output::Send { connection, message, tlvs });
        }
    }

    /// Before anything else on a new connection, and alone until it is answered (extension
    /// 0x0001, 4). An upstream may require some: which, it says when asked for none.
    pub(super) fn ask_for_extensions(&mut self, now: Now, out: &mut Outbox) {
        if self.wanted.is_empty() {
            self.extensions = Extensions::Agreed(Vec::new());
            return;
        }
        let request_id = Self::REQUIREMENTS_REQUEST_ID;
        let until = now.instant + Self::EXTENSIONS_TIMEOUT;
        self.extensions = Extensions::Asked { request_id, until };
        self.send(RequestExtensions { request_id, requested_extensions: Seq64K::default() }, out);
    }

    /// The upstream has answered the first request.
    fn ask_for_wanted(&mut self, out: &mut Outbox) {
        let request_id = Self::EXTENSIONS_REQUEST_ID;
        if let Extensions::Asked { request_id: under_way, .. } = &mut self.extensions {
            *under_way = request_id;
        }
        let requested_extensions = Seq64K::new(self.wanted.clone()).unwrap_or_default();
        self.send(RequestExtensions { request_id, requested_extensions }, out);
    }

    fn is_awaited(&self, answered: u16) -> bool {
        matches!(self.extensions, Extensions::Asked { request_id, .. } if request_id == answered)
    }

    /// What the upstream has agreed on, beyond what we have asked for, is nothing to us.
    pub(super) fn handle_extensions_success(
        &mut self,
        success: &RequestExtensionsSuccess,
        out: &mut Outbox,
    ) {
        if !self.is_awaited(success.request_id) {
            return;
        }
        if success.request_id == Self::REQUIREMENTS_REQUEST_ID {
            return self.ask_for_wanted(out);
        }
        let mut agreed = success.supported_extensions.as_slice().to_vec();
        agreed.retain(|extension| self.wanted.contains(extension));
        self.extensions = Extensions::Agreed(agreed);
    }

    /// What the upstream requires and does not get from us ends with the connection.
    pub(super) fn handle_extensions_error(
        &mut self,
        error: &RequestExtensionsError,
        out: &mut Outbox,
    ) {
        if !self.is_awaited(error.request_id) {
            return;
        }
        if error.request_id == Self::REQUIREMENTS_REQUEST_ID {
            let required = error.required_extensions.as_slice();
            self.required.clone_from(&self.wanted);
            self.required.retain(|extension| required.contains(extension));
            return self.ask_for_wanted(out);
        }
        self.extensions = Extensions::Agreed(Vec::new());
    }

    pub(super) fn take_request_id(&mut self) -> u32 {
        let request_id = self.next_request_id;
        self.next_request_id = request_id.wrapping_add(1);
        request_id
    }

    /// Returns the request id to use with the upstream.
    pub(super) fn add_open(
        &mut self,
        now: Now,
        client: ConnectionId,
        request_id: u32,
        kind: ChannelKind,
        min_extranonce_size: u16,
    ) -> u32 {
        let ours = self.take_request_id();
        let until = now.instant + self.answer_timeout;
        let client = Some(client);
        let request = OpenRequest { client, request_id, kind, min_extranonce_size, until };
        self.opens.insert(ours, request);
        ours
    }

    /// Counts a share that goes up; `false`: too many wait for an answer.
    pub(super) fn add_share(&mut self, channel_id: u32) -> bool {
        let Some(channel) = self.channels.get_mut(&channel_id) else { return false };
        if channel.in_flight == Channel::IN_FLIGHT_MAX {
            return false;
        }
        channel.in_flight += 1;
        self.in_flight += 1;
        true
    }

    /// Returns whose shares the upstream has answered; it may count more than there are.
    pub(super) fn answer_shares(&mut self, channel_id: u32, count: u32) -> Option<ConnectionId> {
        let channel = self.channels.get_mut(&channel_id)?;
        let count = count.min(channel.in_flight);
        channel.in_flight -= count;
        self.in_flight -= u64::from(count);
        Some(channel.client)
    }

    /// Returns how many of its shares wait for an answer; `None` if there is no such channel.
    pub(super) fn remove_channel(&mut self, channel_id: u32) -> Option<u32> {
        let channel = self.channels.remove(&channel_id)?;
        self.leave_group(channel_id, channel.group_id);
        self.in_flight -= u64::from(channel.in_flight);
        Some(channel.in_flight)
    }

    /// A group without members here is nobody's business here.
    fn leave_group(&mut self, channel_id: u32, group_id: u32) {
        if let Some(group) = self.groups.get_mut(&group_id) {
            group.members.remove(&channel_id);
            if group.members.is_empty() {
                self.groups.remove(&group_id);
            }
        }
    }

    /// Spec 5.3.22.
    pub(super) fn move_to_group(&mut self, channel_id: u32, group_id: u32) {
        let Some(channel) = self.channels.get_mut(&channel_id) else { return };
        let old_id = std::mem::replace(&mut channel.group_id, group_id);
        if old_id != group_id {
            channel.member_since = self.groups.entry(group_id).or_default().join(channel_id);
            self.leave_group(channel_id, old_id);
        }
    }

    /// Clients that a message about a channel or a group is for, each with its channels.
    pub(super) fn recipients(&self, id: u32) -> BTreeMap<ConnectionId, Vec<u32>> {
        let mut recipients: BTreeMap<ConnectionId, Vec<u32>> = BTreeMap::new();
        let members = self.groups.get(&id).into_iter().flat_map(|group| &group.members);
        for channel_id in members.chain([&id]) {
            if let Some(channel) = self.channels.get(channel_id) {
                recipients.entry(channel.client).or_default().push(*channel_id);
            }
        }
        recipients
    }

    /// Whether an id means something on the connection already: channels and groups have one
    /// name space (spec 5.2.3).
    pub(super) fn is_in_use(&self, id: u32) -> bool {
        self.channels.contains_key(&id) || self.groups.contains_key(&id)
    }

    /// A client is gone; its channels are removed one by one.
    pub(super) fn forget_client(&mut self, client: ConnectionId) {
        self.client_count -= 1;
        for request in self.opens.values_mut() {
            if request.client == Some(client) {
                request.client = None;
            }
        }
        self.custom_jobs.retain(|_, request| request.client != client);
    }

    /// The upstream is gone. Returns how many shares wait for its answer.
    pub(super) fn forget_everything(&mut self) -> u64 {
        self.granted = None;
        self.silent_since = None;
        self.extensions = Extensions::Agreed(Vec::new());
        self.required.clear();
        self.opens.clear();
        self.custom_jobs.clear();
        self.channels.clear();
        self.groups.clear();
        std::mem::take(&mut self.in_flight)
    }

    /// When the upstream has to have said something.
    fn answer_due(&self) -> Option<Instant> {
        // Request ids are given in the order of time, but for the one moment when they wrap.
        self.uplink.ready()?;
        let answer = self.opens.values().next().map(|request| request.until);
        let silence = self.silent_since.map(|since| since + self.silence_timeout);
        [answer, silence].into_iter().flatten().min()
    }

    fn extensions_due(&self) -> Option<Instant> {
        match self.extensions {
            Extensions::Asked { until, .. } => Some(until),
            Extensions::Agreed(_) => None,
        }
    }

    pub(super) fn wake_at(&self) -> Option<Instant> {
        let uplink = self.uplink.is_started().then(|| self.uplink.wake_at()).flatten();
        [uplink, self.answer_due(), self.extensions_due()].into_iter().flatten().min()
    }

    /// Returns whether waiting for extensions is over.
    pub(super) fn handle_woken(&mut self, now: Now, out: &mut Outbox) -> bool {
        self.uplink.handle_woken(now, out);
        let gives_up = self.extensions_due().is_some_and(|due| due <= now.instant);
        if gives_up {
            self.extensions = Extensions::Agreed(Vec::new());
        }
        if self.answer_due().is_some_and(|due| due <= now.instant) {
            self.uplink.close(CloseReason::Unanswered("a request"), out);
        }
        gives_up
    }

    /// An upstream connection without clients would be closed as idle (spec 5.3.2).
    pub(super) fn follow_demand(&mut self, now: Now, out: &mut Outbox) {
        if self.in_flight == 0 {
            self.silent_since = None;
        } else {
            self.silent_since.get_or_insert(now.instant);
        }
        if self.client_count == 0 {
            if self.uplink.is_started() {
                self.uplink.rest(out);
            }
        } else if !self.uplink.is_started() {
            self.uplink.dial(out);
        }
    }
}

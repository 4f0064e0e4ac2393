//! Opening, updating and closing channels (spec 5.3.2 to 5.3.9).

use super::downstream::{Downstream, Served};
use super::{MiningServer, Timer, served_connections, slot};
use crate::event::Event;
use crate::mining::channel::{Channel, ChannelKind};
use crate::mining::error_code::channel as error_code;
use crate::mining::extranonce::ExtranonceError;
use crate::mining::group::Group;
use crate::mining::vardiff::Vardiff;
use crate::mining::{
    CloseChannel, OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess,
    OpenMiningChannelError, OpenStandardMiningChannel, OpenStandardMiningChannelSuccess, SetTarget,
    UpdateChannel, UpdateChannelError,
};
use crate::role::{ConnectionId, Outbox};
use crate::time::{Instant, Now};
use crate::wire::{Str255, Target, U256};

/// A request for a channel of either kind.
#[derive(Debug)]
pub(super) struct OpenRequest {
    kind: ChannelKind,
    request_id: u32,
    /// A copy: what outlives its frame does not keep the read buffer alive.
    user_identity: Box<[u8]>,
    nominal_hash_rate: f32,
    max_target: Target,
    min_extranonce_size: u16,
}

impl OpenRequest {
    pub(super) fn hash_rate(&self) -> f64 {
        f64::from(self.nominal_hash_rate)
    }
}

impl From<OpenStandardMiningChannel> for OpenRequest {
    fn from(request: OpenStandardMiningChannel) -> Self {
        OpenRequest {
            kind: ChannelKind::Standard,
            request_id: request.request_id,
            user_identity: request.user_identity.as_slice().into(),
            nominal_hash_rate: request.nominal_hash_rate,
            max_target: request.max_target,
            min_extranonce_size: 0,
        }
    }
}

impl From<OpenExtendedMiningChannel> for OpenRequest {
    fn from(request: OpenExtendedMiningChannel) -> Self {
        OpenRequest {
            kind: ChannelKind::Extended,
            request_id: request.request_id,
            user_identity: request.user_identity.as_slice().into(),
            nominal_hash_rate: request.nominal_hash_rate,
            max_target: request.max_target,
            min_extranonce_size: request.min_extranonce_size,
        }
    }
}

impl MiningServer {
    /// Answers now, or when there is work: a channel without a job is no use to anyone.
    pub(super) fn handle_open(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: OpenRequest,
        out: &mut Outbox,
    ) {
        let has_work = self.stock.is_ready();
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let refusal = self.config.refusal(downstream, &request);
        if let Some(error_code) = refusal {
            refuse_open(connection, request.request_id, error_code, out);
            self.count_useless(now, connection, out);
        } else if has_work || downstream.selects_work() {
            self.open_channel(now, connection, request, out);
        } else {
            downstream.wait(request);
            self.channel_changes += 1;
            self.timers.cancel(Timer::Idle(connection));
        }
    }

    /// Work has come: answers everybody who waits for it.
    pub(super) fn open_waiting(&mut self, now: Now, out: &mut Outbox) {
        if !self.stock.is_ready() {
            return;
        }
        let waits =
            |downstream: &Downstream| downstream.is_open() && !downstream.waiting().is_empty();
        for connection in self.connections_where(waits) {
            let Some(downstream) = slot(&mut self.connections, connection) else { continue };
            for request in downstream.take_waiting() {
                self.open_channel(now, connection, request, out);
            }
            self.watch_idleness(now.instant, connection);
        }
    }

    fn open_channel(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: OpenRequest,
        out: &mut Outbox,
    ) {
        let request_id = request.request_id;
        let extranonce = match request.kind {
            ChannelKind::Standard => self.extranonces.standard(),
            ChannelKind::Extended => self.extranonces.extended(request.min_extranonce_size),
        };
        let extranonce = match extranonce {
            Ok(extranonce) => extranonce,
            Err(error) => return refuse_open(connection, request_id, capacity_code(error), out),
        };
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let ids = group_for(downstream, extranonce.full_len())
            .and_then(|group_id| Some((group_id, downstream.take_id()?)));
        let Some((group_id, channel_id)) = ids else {
            self.extranonces.release(extranonce);
            return refuse_open(
                connection,
                request_id,
                error_code::CHANNEL_CAPACITY_EXHAUSTED,
                out,
            );
        };
        let hash_rate = request.hash_rate();
        let vardiff = self.config.vardiff;
        let target = self.config.target_for(hash_rate, request.max_target);
        let (extranonce_prefix, rollable_len) = (extranonce.prefix(), extranonce.rollable_len());
        match request.kind {
            ChannelKind::Standard => out.send(
                connection,
                OpenStandardMiningChannelSuccess {
                    request_id,
                    channel_id,
                    target,
                    extranonce_prefix,
                    group_channel_id: group_id,
                },
            ),
            ChannelKind::Extended => out.send(
                connection,
                OpenExtendedMiningChannelSuccess {
                    request_id,
                    channel_id,
                    target,
                    extranonce_size: u16::try_from(rollable_len).expect("at most 32"),
                    extranonce_prefix,
                    group_channel_id: group_id,
                },
            ),
        }
        let seen = (self.config.shares_per_tip_max, self.entropy.u64());
        let channel = Channel::new(channel_id, request.kind, group_id, extranonce, target, seen);
        let vardiff =
            vardiff.map(|algorithm| Vardiff::new(algorithm, now.instant, target.expected_hashes()));
        let claim = (request.nominal_hash_rate, request.max_target);
        let served = Served::new(channel, request.user_identity, claim, vardiff);
        downstream.channels.insert(channel_id, served);
        let group = downstream.groups.iter_mut().find(|group| group.id() == group_id);
        group.expect("it was found or made above").join(channel_id);
        self.timers.cancel(Timer::Idle(connection));
        self.channel_changes += 1;
        out.tell(Event::ChannelOpened { connection, channel_id });
        self.start_channel(connection, channel_id, out);
    }

    pub(super) fn handle_update(
        &mut self,
        now: Now,
        connection: ConnectionId,
        update: &UpdateChannel,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let channel_id = update.channel_id;
        let served = downstream.channels.get_mut(channel_id);
        let refusal = match served {
            None => Some(error_code::INVALID_CHANNEL_ID),
            Some(_) => measure_refusal(update.nominal_hash_rate, update.maximum_target),
        };
        if let Some(error_code) = refusal {
            let error_code = Str255::from_static(error_code);
            out.send(connection, UpdateChannelError { channel_id, error_code });
            return self.count_useless(now, connection, out);
        }
        if let Some(served) = served {
            served.set_max_target(update.maximum_target);
            let hash_rate =
                served.claim(now.instant, update.nominal_hash_rate, self.config.vardiff);
            retarget(&self.config, connection, served, hash_rate, out);
            self.channel_changes += 1;
        }
    }

    /// Closes a channel or a whole group; an unknown id is nothing to be told (AMB-44).
    pub(super) fn handle_close_channel(
        &mut self,
        now: Now,
        connection: ConnectionId,
        close: &CloseChannel,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let group_at = downstream.groups.iter().position(|group| group.id() == close.channel_id);
        let closed: Vec<u32> = match group_at {
            // The client has ended the group too: a later channel gets a new one.
            Some(group_at) => downstream.groups.remove(group_at).members().collect(),
            None => vec![close.channel_id],
        };
        for channel_id in closed {
            let Some(downstream) = slot(&mut self.connections, connection) else { return };
            if !downstream.channels.contains(channel_id) {
                self.note_ignored(now, connection, "CloseChannel of an unknown channel", out);
                continue;
            }
            self.end_channel(connection, channel_id, out);
        }
        self.watch_idleness(now.instant, connection);
    }

    /// Ends an open channel, whoever has closed it.
    pub(super) fn end_channel(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let Some(served) = downstream.channels.remove(channel_id) else { return };
        let group_id = served.channel.group_id();
        if let Some(group) = downstream.groups.iter_mut().find(|group| group.id() == group_id) {
            group.leave(channel_id);
        }
        self.timers.cancel(Timer::Acknowledge(connection, channel_id));
        let extranonces = served.channel.into_extranonces();
        extranonces.for_each(|extranonce| self.extranonces.release(extranonce));
        self.channel_changes += 1;
        out.tell(Event::ChannelClosed { connection, channel_id });
    }

    /// Spec 5.3.2: a connection without channels is closed after a while.
    pub(super) fn watch_idleness(&mut self, now: Instant, connection: ConnectionId) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        if downstream.is_open() && downstream.channels.is_empty() && downstream.waiting().is_empty()
        {
            self.timers.set(Timer::Idle(connection), now + self.config.idle_timeout);
        }
    }

    /// Gives channels the targets that their shares call for.
    pub(super) fn adjust_targets(&mut self, now: Instant, out: &mut Outbox) {
        let Some(algorithm) = self.config.vardiff else { return };
        for (connection, downstream) in served_connections(&mut self.connections) {
            for (_, served) in downstream.channels.iter_mut() {
                if adjust_target(&self.config, now, connection, served, out) {
                    self.channel_changes += 1;
                }
            }
        }
        self.timers.set(Timer::Vardiff, now + algorithm.interval());
    }
}

impl super::MiningServerConfig {
    /// Why a request cannot be granted, apart from a lack of room.
    fn refusal(&self, downstream: &Downstream, request: &OpenRequest) -> Option<&'static str> {
        let identity = &*request.user_identity;
        let open_count = downstream.channels.len() + downstream.waiting().len();
        match request.kind {
            ChannelKind::Standard if downstream.selects_work() => {
                Some(error_code::STANDARD_CHANNELS_NOT_SUPPORTED_FOR_CUSTOM_WORK)
            }
            ChannelKind::Standard if self.requires_extended_channels => {
                Some(error_code::STANDARD_CHANNELS_NOT_SUPPORTED)
            }
            // AMB-28: such a client could not read the jobs.
            ChannelKind::Extended if downstream.requires_standard_jobs() => {
                Some(error_code::EXTENDED_CHANNELS_NOT_SUPPORTED_FOR_STANDARD_JOBS)
            }
            _ if self.refused_user_identities.iter().any(|refused| refused == identity) => {
                Some(error_code::INVALID_USER_IDENTITY)
            }
            _ if open_count >= self.channels_per_connection_max => {
                Some(error_code::CHANNEL_CAPACITY_EXHAUSTED)
            }
            _ => measure_refusal(request.nominal_hash_rate, request.max_target),
        }
    }

    /// Never easier than the client and the operator allow.
    fn target_for(&self, hash_rate: f64, max_target: Target) -> Target {
        Target::from_hash_rate(hash_rate, self.shares_per_minute)
            .min(self.easiest_target)
            .max(self.hardest_target)
            .min(max_target)
    }
}

/// AMB-17: a hash rate is a finite number from zero on. No hash could meet a target of zero.
fn measure_refusal(hash_rate: f32, max_target: Target) -> Option<&'static str> {
    if !hash_rate.is_finite() || hash_rate < 0.0 {
        Some(error_code::INVALID_NOMINAL_HASHRATE)
    } else if max_target.0 == U256::ZERO {
        Some(error_code::MAX_TARGET_OUT_OF_RANGE)
    } else {
        None
    }
}

/// Gives a channel the target that its shares call for; whether they call for another hash rate.
pub(super) fn adjust_target(
    config: &super::MiningServerConfig,
    now: Instant,
    connection: ConnectionId,
    served: &mut Served,
    out: &mut Outbox,
) -> bool {
    let aim = served.aim(config.shares_per_minute);
    let shown = served.vardiff.as_mut().and_then(|vardiff| vardiff.judge(now, &aim));
    if let Some(hash_rate) = shown {
        retarget(config, connection, served, hash_rate, out);
    }
    shown.is_some()
}

/// Tells the channel its new target, if it is another one.
pub(super) fn retarget(
    config: &super::MiningServerConfig,
    connection: ConnectionId,
    served: &mut Served,
    hash_rate: f64,
    out: &mut Outbox,
) {
    served.hash_rate = hash_rate;
    let maximum_target = config.target_for(hash_rate, served.max_target());
    if maximum_target != served.channel.target() {
        served.channel.set_target(maximum_target);
        out.send(connection, SetTarget { channel_id: served.channel.id(), maximum_target });
    }
}

/// The group of all channels with extranonces of this length (spec 5.2.3).
fn group_for(downstream: &mut Downstream, full_len: usize) -> Option<u32> {
    let can_join = |group: &&Group| group.full_len() == full_len && !group.is_closed();
    if let Some(group) = downstream.groups.iter().find(can_join) {
        return Some(group.id());
    }
    let id = downstream.take_id()?;
    // Most connections have one.
    downstream.groups.reserve_exact(1);
    downstream.groups.push(Group::new(id, full_len));
    Some(id)
}

fn capacity_code(error: ExtranonceError) -> &'static str {
    match error {
        ExtranonceError::Exhausted { .. } => error_code::CHANNEL_CAPACITY_EXHAUSTED,
        ExtranonceError::TooLong { .. } => error_code::MIN_EXTRANONCE_SIZE_TOO_LARGE,
    }
}

fn refuse_open(
    connection: ConnectionId,
    request_id: u32,
    error_code: &'static str,
    out: &mut Outbox,
) {
    let error_code = Str255::from_static(error_code);
    out.send(connection, OpenMiningChannelError { request_id, error_code });
}

//! Channels at the upstream: opened where a device needs one, told of hash rates, closed with
//! the device that they were for (spec 5.3.4 to 5.3.9).

use super::lane::{Lane, LaneId, Opening};
use super::upstream::{Extensions, Upstream};
use super::{Timer, Translator, budget, slot};
use crate::event::Event;
use crate::mining::error_code::close_reason;
use crate::mining::{
    CloseChannel, OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess,
    OpenMiningChannelError, UpdateChannel,
};
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::{Str255, Target};

impl Translator {
    /// A device has subscribed: it needs a channel, whose answer it waits for.
    pub(super) fn join_lane(
        &mut self,
        now: Now,
        connection: ConnectionId,
        is_named: bool,
        out: &mut Outbox,
    ) {
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let id = device.lane;
        let budget = budget(&self.config);
        let identity = &self.config.user_identity;
        let lane = self.lanes.entry(id).or_insert_with(|| Lane::new(identity.clone(), budget));
        if device.index.is_none() {
            let Some(index) = lane.indexes.take() else {
                let reason = CloseReason::Limit("extranonces to tell devices apart");
                return self.close_device(connection, reason, out);
            };
            device.index = Some(index);
        }
        lane.devices.insert(connection);
        let is_open = lane.channel().is_some();
        if is_open {
            return self.answer_subscribe(now, connection, out);
        }
        if id == LaneId::Shared || is_named {
            self.open_lane(now, id, out);
        } else {
            self.timers.set(Timer::Name(connection), now.instant + self.config.name_wait);
        }
    }

    /// The upstream can be asked for channels: for all that are waited for.
    pub(super) fn open_all(&mut self, now: Now, out: &mut Outbox) {
        let wanted: Vec<LaneId> = self.lanes.keys().copied().collect();
        for id in wanted {
            let waits_for_name =
                matches!(id, LaneId::Of(device) if self.timers.is_set(Timer::Name(device)));
            if !waits_for_name {
                self.open_lane(now, id, out);
            }
        }
    }

    /// Asks for a channel, if there is somebody for it and somebody to ask.
    pub(super) fn open_lane(&mut self, now: Now, id: LaneId, out: &mut Outbox) {
        if let LaneId::Of(device) = id {
            self.timers.cancel(Timer::Name(device));
            self.name_lane(device);
        }
        let nominal_hash_rate = self.hash_rate(id);
        let upstream = &mut self.upstream;
        let Some(connection) = upstream.uplink.ready() else { return };
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let is_wanted = matches!(lane.opening, Opening::Closed) && !lane.devices.is_empty();
        if !is_wanted || upstream.extensions == Extensions::Unknown {
            return;
        }
        if upstream.asked.len() >= Upstream::ASKED_MAX {
            return upstream.uplink.close(CloseReason::Limit("requests without an answer"), out);
        }
        let request_id = upstream.next_request_id;
        upstream.next_request_id = request_id.wrapping_add(1);
        upstream.asked.insert(request_id, id);
        lane.opening = Opening::Asked(request_id);
        (lane.told_hash_rate, lane.told_at) = (nominal_hash_rate, now.instant);
        self.timers.set(Timer::Answer(id), now.instant + self.config.answer_timeout);
        out.send(
            connection,
            OpenExtendedMiningChannel {
                request_id,
                user_identity: lane.user_identity.clone(),
                nominal_hash_rate,
                max_target: Target::MAX,
                min_extranonce_size: u16::try_from(lane.budget.asked()).expect("at most 12"),
            },
        );
    }

    /// A device's channel is its user's, if the user is known.
    fn name_lane(&mut self, connection: ConnectionId) {
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let Some(lane) = self.lanes.get_mut(&device.lane) else { return };
        if let Some(user) = device.workers.first() {
            let identity = Str255::new(user.as_bytes().to_vec());
            lane.user_identity = identity.unwrap_or_else(|_| self.config.user_identity.clone());
        }
    }

    pub(super) fn handle_opened(
        &mut self,
        now: Now,
        success: OpenExtendedMiningChannelSuccess,
        out: &mut Outbox,
    ) {
        let upstream = &mut self.upstream;
        let Some(id) = upstream.asked.remove(&success.request_id) else { return };
        let channel_id = success.channel_id;
        if upstream.channels.contains_key(&channel_id) {
            let violation = Violation::ChannelIdInUse { id: channel_id };
            return upstream.uplink.close(violation.into(), out);
        }
        let lane = self.lanes.get_mut(&id).filter(|lane| lane.has_asked(success.request_id));
        let Some(lane) = lane else {
            // Whoever it was for is gone.
            return close_channel(upstream, channel_id, out);
        };
        self.timers.cancel(Timer::Answer(id));
        upstream.opened += 1;
        if let Err(error) = lane.open(upstream.opened, upstream.fixes_version, &success) {
            return self.leave_for_budget(&error.to_string(), out);
        }
        upstream.channels.insert(channel_id, id);
        if let Some(connection) = upstream.uplink.ready() {
            out.tell(Event::ChannelOpened { connection, channel_id });
        }
        let waiting: Vec<ConnectionId> = lane.devices.iter().copied().collect();
        for device in waiting {
            self.answer_subscribe(now, device, out);
        }
        self.want_update(id);
    }

    /// An upstream that opens nothing is left for the next; one that serves others refuses a
    /// single device.
    pub(super) fn handle_not_opened(&mut self, error: &OpenMiningChannelError, out: &mut Outbox) {
        let upstream = &mut self.upstream;
        let Some(id) = upstream.asked.remove(&error.request_id) else { return };
        let lane = self.lanes.get_mut(&id).filter(|lane| lane.has_asked(error.request_id));
        // Whoever it was for is gone.
        let Some(lane) = lane else { return };
        self.timers.cancel(Timer::Answer(id));
        let code = error.error_code.as_slice().escape_ascii().to_string();
        match id {
            LaneId::Of(device) if !upstream.channels.is_empty() => {
                lane.opening = Opening::Closed;
                let what = format!("the upstream opens no channel for it: {code} (spec 5.3.6)");
                out.tell(Event::Noted { connection: Some(device), what });
                self.refuse_subscribe(device, out);
                self.close_device(device, CloseReason::RefusedByPeer(code), out);
            }
            LaneId::Of(_) | LaneId::Shared => {
                upstream.uplink.close(CloseReason::RefusedByPeer(code), out);
            }
        }
    }

    /// A device is gone. The channel of all stays open; the upstream hears how many are left.
    pub(super) fn leave_lane(
        &mut self,
        id: LaneId,
        connection: ConnectionId,
        index: Option<u32>,
        out: &mut Outbox,
    ) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        index.into_iter().for_each(|index| lane.indexes.release(index));
        lane.devices.remove(&connection);
        match id {
            LaneId::Shared => self.want_update(id),
            LaneId::Of(_) => {
                let channel_id = lane.channel().map(|channel| channel.id);
                self.forget_channel(id, out);
                self.lanes.remove(&id);
                if let Some(channel_id) = channel_id {
                    close_channel(&self.upstream, channel_id, out);
                }
            }
        }
    }

    /// A channel has ended; what was in flight there is not answered any more.
    pub(super) fn forget_channel(&mut self, id: LaneId, out: &mut Outbox) {
        self.timers.cancel(Timer::Answer(id));
        self.timers.cancel(Timer::Update(id));
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let opening = std::mem::replace(&mut lane.opening, Opening::Closed);
        let Opening::Open(channel) = opening else { return };
        self.upstream.channels.remove(&channel.id);
        let count = channel.in_flight.len();
        self.upstream.in_flight -= count;
        if count > 0 {
            out.tell(Event::SharesLost { count });
        }
        if let Some(connection) = self.upstream.uplink.ready() {
            out.tell(Event::ChannelClosed { connection, channel_id: channel.id });
        }
    }

    /// The hash rate below has changed.
    pub(super) fn want_update(&mut self, id: LaneId) {
        let Some(lane) = self.lanes.get(&id) else { return };
        if lane.channel().is_some() && !self.timers.is_set(Timer::Update(id)) {
            self.timers.set(Timer::Update(id), lane.told_at + self.config.update_interval);
        }
    }

    /// Spec 5.3.7: not more often than once in a second, and only what is new.
    pub(super) fn update_channel(&mut self, now: Now, id: LaneId, out: &mut Outbox) {
        let nominal_hash_rate = self.hash_rate(id);
        let Some(connection) = self.upstream.uplink.ready() else { return };
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(channel_id) = lane.channel().map(|channel| channel.id) else { return };
        if nominal_hash_rate.to_bits() == lane.told_hash_rate.to_bits() {
            return;
        }
        (lane.told_hash_rate, lane.told_at) = (nominal_hash_rate, now.instant);
        let maximum_target = Target::MAX;
        out.send(connection, UpdateChannel { channel_id, nominal_hash_rate, maximum_target });
    }

    /// What the devices of a channel show together, in hashes per second; 0 without any.
    fn hash_rate(&self, id: LaneId) -> f32 {
        let Some(lane) = self.lanes.get(&id) else { return 0.0 };
        let devices = lane.devices.iter();
        let devices = devices.filter_map(|device| self.devices.get(device.0 as usize)?.as_deref());
        let sum: f64 = devices.map(|device| device.pace.proven()).sum();
        #[expect(clippy::cast_possible_truncation, reason = "the field has 24 bits for it")]
        let hash_rate = sum.min(f64::from(f32::MAX)) as f32;
        hash_rate
    }
}

fn close_channel(upstream: &Upstream, channel_id: u32, out: &mut Outbox) {
    if let Some(connection) = upstream.uplink.ready() {
        let reason_code = Str255::from_static(close_reason::DOWNSTREAM_CLOSED);
        out.send(connection, CloseChannel { channel_id, reason_code });
    }
}

//! What a pool says to a connection that is set up (spec 5.3).

use std::sync::Arc;

use sv2::message::Message;
use sv2::mining::{
    CloseChannel, NewExtendedMiningJob, SetNewPrevHash, SubmitSharesError, SubmitSharesSuccess,
};
use sv2::time::Instant;
use sv2::wire::B32;

use super::{Channel, DeviceState, Sv2Line, text};
use crate::load::channel::Coinbase;
use crate::load::tally::Wait;

impl Sv2Line {
    /// Takes any message; what is wrong with it is counted.
    pub(super) fn handle(&mut self, now: Instant, message: Message) {
        match message {
            Message::OpenStandardMiningChannelSuccess(answer) => {
                let channel = Channel::new(
                    answer.channel_id,
                    answer.group_channel_id,
                    answer.extranonce_prefix,
                    None,
                    answer.target,
                );
                self.handle_opened(now, answer.request_id, channel);
            }
            Message::OpenExtendedMiningChannelSuccess(answer) => {
                let size = u8::try_from(answer.extranonce_size).unwrap_or(u8::MAX);
                if usize::from(size) > B32::MAX {
                    return self.fault("an extranonce_size above 32 bytes (spec 5.3.5)");
                }
                let channel = Channel::new(
                    answer.channel_id,
                    answer.group_channel_id,
                    answer.extranonce_prefix,
                    Some(size),
                    answer.target,
                );
                self.handle_opened(now, answer.request_id, channel);
            }
            Message::OpenMiningChannelError(answer) => {
                self.fault(&format!("OpenMiningChannel.Error {}", text(&answer.error_code)));
                if let Some(state) = self.asked(answer.request_id) {
                    *state = DeviceState::Closed;
                    self.fleet.tally.pending.take(1);
                }
            }
            Message::NewMiningJob(job) => {
                let id = job.channel_id;
                self.for_channels(id, |channel| match channel.id == id {
                    true => channel.take_standard_job(now, &job),
                    false => Err("NewMiningJob for a group (spec 5.3.15)"),
                });
            }
            Message::NewExtendedMiningJob(job) => self.handle_extended_job(now, &job),
            Message::SetNewPrevHash(tip) => self.handle_tip(now, &tip),
            // Spec 5.3.21: for jobs that become active from now on.
            Message::SetTarget(message) => self.for_channels(message.channel_id, |channel| {
                channel.target = message.maximum_target;
                Ok(())
            }),
            Message::SetExtranoncePrefix(message) => {
                self.for_channels(message.channel_id, |channel| {
                    channel.extranonce_prefix = message.extranonce_prefix;
                    Ok(())
                });
            }
            Message::SetGroupChannel(message) => {
                for id in message.channel_ids.as_slice() {
                    if let Some(channel) = self.channel(*id) {
                        channel.group_id = message.group_channel_id;
                    }
                }
            }
            Message::CloseChannel(message) => self.handle_close(&message),
            Message::SubmitSharesSuccess(answer) => self.handle_accepted(now, &answer),
            Message::SubmitSharesError(answer) => self.handle_refused(now, &answer),
            Message::Reconnect(_) => self.fault("Reconnect, which this fleet does not follow"),
            Message::ChannelEndpointChanged(_) => {}
            other => {
                let name = other.name();
                self.fault(&format!("{name} is out of place"));
            }
        }
    }

    /// Spec 5.3.3 and 5.3.5.
    fn handle_opened(&mut self, now: Instant, request_id: u32, channel: Channel) {
        let id = channel.id;
        let at = match self.by_channel.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(_) => return self.fault("a channel id that is in use (spec 5.2)"),
            Err(at) => at,
        };
        let is_extended = self.fleet.config.channel == crate::load::FleetChannel::Extended;
        let number = self.number;
        let Some(state) = self.asked(request_id) else {
            return self.fault("a channel that was not asked for");
        };
        let DeviceState::Asked(since) = *state else { return };
        if channel.extranonce_size.is_some() != is_extended {
            *state = DeviceState::Closed;
            self.fleet.tally.pending.take(1);
            return self.fault("a channel of another kind than asked for (spec 5.3.2)");
        }
        *state = DeviceState::Open(Box::new(channel));
        self.by_channel.insert(at, (id, request_id - 1));
        self.fleet.tally.opened_channels.add(1);
        self.fleet.tally.pending.take(1);
        self.fleet.tally.waited(Wait::Open, number, now.since(since));
    }

    /// The state of the device whose request that is, if it waits for an answer.
    fn asked(&mut self, request_id: u32) -> Option<&mut DeviceState> {
        let place = usize::try_from(request_id.checked_sub(1)?).ok()?;
        let state = &mut self.devices.get_mut(place)?.state;
        matches!(state, DeviceState::Asked(_)).then_some(state)
    }

    fn channel(&mut self, id: u32) -> Option<&mut Channel> {
        let at = self.by_channel.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let (_, place) = self.by_channel[at];
        match &mut self.devices[place as usize].state {
            DeviceState::Open(channel) => Some(channel),
            _ => None,
        }
    }

    fn handle_extended_job(&mut self, now: Instant, job: &NewExtendedMiningJob) {
        let coinbase = Coinbase::of(job);
        self.for_channels(job.channel_id, |channel| channel.take_extended_job(now, job, &coinbase));
    }

    fn handle_tip(&mut self, now: Instant, tip: &SetNewPrevHash) {
        let (fleet, number) = (Arc::clone(&self.fleet), self.number);
        self.for_channels(tip.channel_id, |channel| {
            // The tip of a channel that was just opened is nobody's news.
            if channel.has_tip() {
                let late = fleet.tally.tips.heard(&tip.prev_hash, now);
                fleet.tally.waited(Wait::Tip, number, late);
            }
            channel.take_tip(now, tip)
        });
    }

    /// Applies a message to the channel, or to all channels of the group, that it names.
    fn for_channels(
        &mut self,
        id: u32,
        mut apply: impl FnMut(&mut Channel) -> Result<(), &'static str>,
    ) {
        if let Some(channel) = self.channel(id) {
            if let Err(what) = apply(channel) {
                self.fault(what);
            }
            return;
        }
        let mut is_addressed = false;
        let tally = &self.fleet.tally;
        for device in &mut self.devices {
            let DeviceState::Open(channel) = &mut device.state else { continue };
            if channel.group_id == id {
                is_addressed = true;
                apply(channel).unwrap_or_else(|what| tally.errors.add(what));
            }
        }
        if !is_addressed {
            self.fault("a message for a channel that is not open");
        }
    }

    /// Spec 5.3.9: a group is closed with all of its channels.
    fn handle_close(&mut self, message: &CloseChannel) {
        let id = message.channel_id;
        let tally = &self.fleet.tally;
        let mut is_addressed = false;
        for device in &mut self.devices {
            let DeviceState::Open(channel) = &device.state else { continue };
            if channel.id == id || channel.group_id == id {
                is_addressed = true;
                tally.lost.add(channel.in_flight.len() as u64);
                tally.closed_channels.add(1);
                tally.closes.add(&format!("CloseChannel {}", text(&message.reason_code)));
                tally.errors.add("a channel was closed by the pool");
                device.state = DeviceState::Closed;
            }
        }
        let devices = &self.devices;
        let is_open = |place: u32| matches!(devices[place as usize].state, DeviceState::Open(_));
        self.by_channel.retain(|(_, place)| is_open(*place));
        if !is_addressed {
            self.fault("CloseChannel for a channel that is not open");
        }
    }

    /// Spec 5.3.13: one answer for all shares up to the one that it names.
    fn handle_accepted(&mut self, now: Instant, answer: &SubmitSharesSuccess) {
        let number = self.number;
        let fleet = Arc::clone(&self.fleet);
        let tally = &fleet.tally;
        let Some(channel) = self.channel(answer.channel_id) else {
            return self.fault("SubmitShares.Success for a channel that is not open");
        };
        let mut covered = 0;
        for share in channel.acknowledged(answer.last_sequence_number) {
            covered += 1;
            tally.waited(Wait::Answer, number, now.since(share.sent_at));
        }
        let accepted = u64::from(answer.new_submits_accepted_count);
        tally.accepted.add(accepted.min(covered));
        if accepted > covered {
            self.fault("an acknowledgement of more shares than were in flight (spec 5.3.13)");
        }
        // Refusals of the others may still come: answers need not be in order.
        if let Some(channel) = self.channel(answer.channel_id) {
            let skipped = covered.saturating_sub(accepted);
            channel.skipped_count += skipped;
            tally.unaccounted.add(skipped);
        }
    }

    /// Spec 5.3.14.
    fn handle_refused(&mut self, now: Instant, answer: &SubmitSharesError) {
        let number = self.number;
        let fleet = Arc::clone(&self.fleet);
        let tally = &fleet.tally;
        let code = text(&answer.error_code);
        let Some(channel) = self.channel(answer.channel_id) else {
            return self
                .fault(&format!("SubmitShares.Error {code} for a channel that is not open"));
        };
        match channel.refused(answer.sequence_number) {
            Some(share) => tally.waited(Wait::Answer, number, now.since(share.sent_at)),
            None if channel.skipped_count > 0 => {
                channel.skipped_count -= 1;
                tally.accounted.add(1);
            }
            None => return self.fault("SubmitShares.Error for no share in flight (spec 5.3.14)"),
        }
        tally.rejections.add(&code);
        match code.as_str() {
            // Of a tip that changed while the share was on its way: nobody's fault.
            "stale-share" => tally.stale.add(1),
            _ => tally.rejected.add(1),
        }
    }
}

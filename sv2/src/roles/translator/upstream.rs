//! What the upstream says (spec 5.3), and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lane::{Lane, LaneId, Opening};
use super::{Timer, Translator, TranslatorConfig};
use crate::common::Protocol;
use crate::event::Event;
use crate::message::Message;
use crate::mining::coinbase::Coinbase;
use crate::mining::job::Work;
use crate::mining::setup_flag::{REQUIRES_VERSION_ROLLING, success};
use crate::mining::{
    CloseChannel, NewExtendedMiningJob, SetExtranoncePrefix, SetGroupChannel, SetNewPrevHash,
    SetTarget, SubmitSharesError, SubmitSharesSuccess,
};
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::roles::uplink::{Uplink, UplinkNews, UplinkPurpose, UplinkSettings};
use crate::time::Now;
use crate::violation::Violation;

/// The connection to the upstream, and what all channels have in common.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) uplink: Uplink,
    /// Flag REQUIRES_FIXED_VERSION of its set-up.
    pub(super) fixes_version: bool,
    pub(super) extensions: Extensions,
    /// Channels that were asked for, by request id; whoever wanted one may be gone.
    pub(super) asked: BTreeMap<u32, LaneId>,
    /// Open channels, by their ids.
    pub(super) channels: BTreeMap<u32, LaneId>,
    pub(super) next_request_id: u32,
    /// Channels that were ever opened.
    pub(super) opened: u64,
    /// Shares of all channels that wait for an answer.
    pub(super) in_flight: usize,
}

/// What was agreed on (extension 0x0001).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extensions {
    /// There is no connection, or the answer is due: nothing is opened yet.
    Unknown,
    /// Nothing.
    None,
    /// Shares name their workers (extension 0x0002).
    Workers,
}

impl Upstream {
    /// Requests for channels that wait for an answer; more devices have to come again.
    pub(super) const ASKED_MAX: usize = 65_536;
    /// Shares that wait for an answer; who answers none of so many is left for the next.
    pub(super) const IN_FLIGHT_MAX: usize = 65_536;

    pub(super) fn new(config: &TranslatorConfig) -> Self {
        let settings = UplinkSettings {
            peers: config.upstreams.clone(),
            redial_wait: config.redial_wait,
            setup_timeout: config.setup_timeout,
        };
        let purpose = UplinkPurpose {
            turn: (0, 1),
            protocol: Protocol::Mining,
            flags: if config.requires_version_rolling { REQUIRES_VERSION_ROLLING } else { 0 },
            role: "translator",
            peer: "upstream",
        };
        Upstream {
            uplink: Uplink::new(settings, purpose),
            fixes_version: false,
            extensions: Extensions::Unknown,
            asked: BTreeMap::new(),
            channels: BTreeMap::new(),
            next_request_id: 0,
            opened: 0,
            in_flight: 0,
        }
    }

    /// The connection is gone; how many shares are lost with it.
    pub(super) fn end(&mut self, lanes: &mut BTreeMap<LaneId, Lane>) -> usize {
        for lane in lanes.values_mut() {
            lane.opening = Opening::Closed;
        }
        self.extensions = Extensions::Unknown;
        self.asked.clear();
        self.channels.clear();
        std::mem::take(&mut self.in_flight)
    }
}

impl Translator {
    pub(super) fn handle_upstream_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        self.timers.cancel(Timer::Silence);
        let upstream = &mut self.upstream;
        let message = match upstream.uplink.handle_message(now, connection, message, out) {
            Some(UplinkNews::Message(message)) => message,
            Some(UplinkNews::Ready { flags }) => {
                upstream.fixes_version = flags & success::REQUIRES_FIXED_VERSION != 0;
                return self.negotiate(now, connection, out);
            }
            Some(UplinkNews::Refused(_)) | None => return,
        };
        match message {
            Message::SubmitSharesSuccess(success) => {
                self.handle_shares_taken(connection, &success, out);
            }
            Message::SubmitSharesError(error) => self.handle_share_refused(connection, error, out),
            Message::NewExtendedMiningJob(job) => self.handle_job(now, &job, out),
            Message::SetNewPrevHash(news) => self.handle_tip(now, &news, out),
            Message::SetTarget(news) => self.handle_target(&news),
            Message::OpenExtendedMiningChannelSuccess(success) => {
                self.handle_opened(now, *success, out);
            }
            Message::OpenMiningChannelError(error) => self.handle_not_opened(&error, out),
            Message::SetExtranoncePrefix(news) => self.handle_prefix(&news, out),
            Message::SetGroupChannel(news) => self.handle_group(&news),
            Message::CloseChannel(close) => self.handle_channel_closed(&close, out),
            Message::UpdateChannelError(error) => {
                let code = error.error_code.as_slice().escape_ascii();
                let what = format!("the upstream refuses UpdateChannel: {code} (spec 5.3.8)");
                out.tell(Event::Noted { connection: Some(connection), what });
            }
            Message::RequestExtensionsSuccess(success) => {
                self.handle_extensions(now, success.supported_extensions.as_slice(), out);
            }
            Message::RequestExtensionsError(error) => {
                self.handle_extensions_refused(now, connection, &error, out);
            }
            other => upstream.uplink.note_ignored(connection, other.name(), out),
        }
    }

    /// A job for one channel, or for all of a group.
    fn handle_job(&mut self, now: Now, job: &NewExtendedMiningJob, out: &mut Outbox) {
        let coinbase = match Coinbase::from_parts(&job.coinbase_tx_prefix, &job.coinbase_tx_suffix)
        {
            Ok(coinbase) => coinbase,
            Err(error) => {
                let what = format!("job {} is not usable: {error}", job.job_id);
                let connection = self.upstream.uplink.ready();
                return out.tell(Event::Noted { connection, what });
            }
        };
        let work = Arc::new(Work {
            template_id: None,
            min_ntime: job.min_ntime,
            version: job.version,
            version_rolling_allowed: job.version_rolling_allowed,
            merkle_path: job.merkle_path.clone(),
            coinbase,
        });
        for id in self.meant(job.channel_id) {
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            if lane.add_job(now, job.job_id, job.min_ntime, Arc::clone(&work)) {
                self.share_work(now, id, false, out);
            }
        }
    }

    /// A channel that was opened between a job for its group and the block for it has not been
    /// given the job itself: what one member has, all have.
    fn handle_tip(&mut self, now: Now, news: &SetNewPrevHash, out: &mut Outbox) {
        let meant = self.meant(news.channel_id);
        if meant.is_empty() {
            return;
        }
        let work = meant.iter().find_map(|id| self.lanes.get(id)?.work_of(news.job_id));
        let Some(work) = work else {
            let violation = Violation::UnknownJob { job_id: news.job_id };
            return self.upstream.uplink.close(violation.into(), out);
        };
        for id in meant {
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            lane.follow(now, news, Arc::clone(&work), self.config.proof_check);
            self.share_work(now, id, true, out);
        }
    }

    /// For jobs to come, and for future ones at their activation (spec 5.3.21): devices hear of
    /// it with the next.
    fn handle_target(&mut self, news: &SetTarget) {
        for id in self.meant(news.channel_id) {
            if let Some(channel) = self.lanes.get_mut(&id).and_then(Lane::channel_mut) {
                channel.target = news.maximum_target;
            }
        }
    }

    /// For jobs to come; how much is ours to roll stays. Never for a group (spec 5.3.10).
    fn handle_prefix(&mut self, news: &SetExtranoncePrefix, out: &mut Outbox) {
        let lane = self.upstream.channels.get(&news.channel_id);
        let Some(lane) = lane.and_then(|id| self.lanes.get_mut(id)) else { return };
        let budget = lane.budget;
        let Some(channel) = lane.channel_mut() else { return };
        match budget.check(news.extranonce_prefix.as_slice().len(), channel.granted) {
            Ok(()) => channel.prefix = news.extranonce_prefix,
            Err(error) => self.leave_for_budget(&error.to_string(), out),
        }
    }

    fn handle_group(&mut self, news: &SetGroupChannel) {
        for channel_id in news.channel_ids.as_slice() {
            let lane = self.upstream.channels.get(channel_id);
            let lane = lane.and_then(|id| self.lanes.get_mut(id));
            if let Some(channel) = lane.and_then(Lane::channel_mut) {
                channel.group_id = news.group_channel_id;
            }
        }
    }

    /// The upstream of all devices is left for the next; the channel of one device ends with
    /// its device, which may come again.
    fn handle_channel_closed(&mut self, close: &CloseChannel, out: &mut Outbox) {
        for id in self.meant(close.channel_id) {
            match id {
                LaneId::Shared => {
                    let code = close.reason_code.as_slice().escape_ascii().to_string();
                    return self.upstream.uplink.close(CloseReason::RefusedByPeer(code), out);
                }
                LaneId::Of(device) => {
                    self.forget_channel(id, out);
                    let reason = CloseReason::ServiceChanged("the upstream has closed the channel");
                    self.close_device(device, reason, out);
                }
            }
        }
    }

    /// The channels that a message is for.
    pub(super) fn meant(&self, channel_id: u32) -> Vec<LaneId> {
        // Most messages that come often are for one channel.
        if let Some(id) = self.upstream.channels.get(&channel_id) {
            return vec![*id];
        }
        let is_member =
            |lane: &Lane| lane.channel().is_some_and(|channel| channel.is_meant(channel_id));
        self.lanes.iter().filter(|(_, lane)| is_member(lane)).map(|(id, _)| *id).collect()
    }

    fn handle_shares_taken(
        &mut self,
        connection: ConnectionId,
        success: &SubmitSharesSuccess,
        out: &mut Outbox,
    ) {
        let lane = self.upstream.channels.get(&success.channel_id);
        let lane = lane.and_then(|id| self.lanes.get_mut(id));
        let Some(channel) = lane.and_then(Lane::channel_mut) else { return };
        let answered = success.new_submits_accepted_count as usize;
        let answered = answered.min(channel.in_flight.len());
        channel.in_flight.drain(..answered);
        self.upstream.in_flight -= answered;
        out.tell(Event::SharesAcknowledged {
            connection,
            channel_id: success.channel_id,
            last_sequence_number: success.last_sequence_number,
            accepted_count: success.new_submits_accepted_count,
            difficulty_sum: success.new_shares_sum,
        });
    }

    fn handle_share_refused(
        &mut self,
        connection: ConnectionId,
        error: SubmitSharesError,
        out: &mut Outbox,
    ) {
        let SubmitSharesError { channel_id, sequence_number, error_code } = error;
        let lane = self.upstream.channels.get(&channel_id);
        let lane = lane.and_then(|id| self.lanes.get_mut(id));
        let Some(channel) = lane.and_then(Lane::channel_mut) else { return };
        let at = channel.in_flight.iter().position(|sent| *sent == sequence_number);
        if let Some(at) = at {
            channel.in_flight.remove(at);
            self.upstream.in_flight -= 1;
        }
        out.tell(Event::ShareRefused { connection, channel_id, sequence_number, error_code });
    }

    /// Leaves an upstream that owes us answers for too long, or too many.
    pub(super) fn watch_answers(&mut self, now: Now, out: &mut Outbox) {
        if self.upstream.in_flight >= Upstream::IN_FLIGHT_MAX {
            self.upstream.uplink.close(CloseReason::Limit("shares without an answer"), out);
        }
        match self.upstream.in_flight {
            0 => self.timers.cancel(Timer::Silence),
            _ if self.timers.is_set(Timer::Silence) => {}
            _ => self.timers.set(Timer::Silence, now.instant + self.config.silence_timeout),
        }
    }

    /// An upstream whose extranonces we cannot divide is no use.
    pub(super) fn leave_for_budget(&mut self, what: &str, out: &mut Outbox) {
        let connection = self.upstream.uplink.ready();
        out.tell(Event::Noted { connection, what: what.to_owned() });
        self.upstream.uplink.close(CloseReason::Limit("extranonce of the upstream"), out);
    }
}

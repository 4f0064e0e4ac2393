//! What the upstream says goes down: to the client of a channel, or to all that have members of
//! a group (spec 5.2.3).

use std::collections::BTreeMap;

use super::group::FutureJob;
use super::opening::Opened;
use super::requests::extension_channel;
use super::{Passage, Timer, Transparent, tell_lost};
use crate::event::Event;
use crate::message::Message;
use crate::mining::coinbase::Coinbase;
use crate::mining::job::Work;
use crate::mining::{
    CloseChannel, NewExtendedMiningJob, SetCustomMiningJobError, SetCustomMiningJobSuccess,
    SetGroupChannel, SetNewPrevHash, SetTarget, SubmitSharesError, SubmitSharesSuccess,
};
use crate::role::{ConnectionId, Outbox, Output};
use crate::roles::uplink::UplinkNews;
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::{Frame, Seq64K};

/// Clients, each with those of its channels that a message is for.
type Recipients = BTreeMap<ConnectionId, Vec<u32>>;

impl Transparent {
    /// A message of the upstream of a lane.
    pub(super) fn handle_news(
        &mut self,
        now: Now,
        lane: usize,
        connection: ConnectionId,
        passage: Passage,
        out: &mut Outbox,
    ) {
        let Passage { message, tlvs, original } = passage;
        self.lanes[lane].silent_since = None;
        let uplink = &mut self.lanes[lane].uplink;
        match uplink.handle_message(now, connection, message, out) {
            Some(UplinkNews::Message(message)) => {
                let passage = Passage { message, tlvs, original };
                self.handle_upstream_message(now, lane, connection, passage, out);
            }
            Some(UplinkNews::Ready { flags }) => self.handle_upstream_ready(now, lane, flags, out),
            Some(UplinkNews::Refused(refusal)) => {
                self.handle_upstream_refusal(lane, refusal, out);
            }
            None => {}
        }
    }

    fn handle_upstream_message(
        &mut self,
        now: Now,
        lane: usize,
        upstream: ConnectionId,
        passage: Passage,
        out: &mut Outbox,
    ) {
        match &passage.message {
            Message::SubmitSharesSuccess(success) => {
                self.note_success(lane, upstream, success, out);
                self.pass_down(lane, success.channel_id, passage, out);
            }
            Message::SubmitSharesError(error) => {
                let client = self.note_error(lane, upstream, error, out);
                self.pass_down(lane, error.channel_id, passage, out);
                client.into_iter().for_each(|client| self.count_useless(now, client, out));
            }
            Message::NewMiningJob(job) => self.pass_down(lane, job.channel_id, passage, out),
            Message::NewExtendedMiningJob(_) => self.pass_job(lane, passage, out),
            Message::SetNewPrevHash(_) => self.pass_tip(lane, passage, out),
            Message::SetTarget(_) => self.pass_target(lane, passage, out),
            Message::SetExtranoncePrefix(news) => {
                let (channel_id, prefix) = (news.channel_id, news.extranonce_prefix);
                if let Some(channel) = self.lanes[lane].channels.get_mut(&channel_id) {
                    channel.prefix = prefix;
                    self.pass_down(lane, channel_id, passage, out);
                }
            }
            Message::SetGroupChannel(_) => self.pass_group(lane, passage, out),
            Message::UpdateChannelError(error) => {
                let client = self.client_of(lane, error.channel_id);
                self.pass_down(lane, error.channel_id, passage, out);
                client.into_iter().for_each(|client| self.count_useless(now, client, out));
            }
            Message::ChannelEndpointChanged(news) => {
                self.pass_down(lane, news.channel_id, passage, out);
            }
            Message::CloseChannel(_) => self.pass_closed(now, lane, passage, out),
            _ => self.handle_upstream_answer(now, lane, upstream, passage, out),
        }
    }

    /// What carries the id of a request.
    fn handle_upstream_answer(
        &mut self,
        now: Now,
        lane: usize,
        upstream: ConnectionId,
        passage: Passage,
        out: &mut Outbox,
    ) {
        let Passage { message, tlvs, original: _ } = passage;
        match message {
            Message::OpenStandardMiningChannelSuccess(ref success) => {
                let opened = Opened {
                    channel_id: success.channel_id,
                    group_id: success.group_channel_id,
                    prefix: success.extranonce_prefix,
                    extranonce_size: 0,
                };
                self.handle_opened(now, lane, &opened, message, tlvs, out);
            }
            Message::OpenExtendedMiningChannelSuccess(ref success) => {
                let opened = Opened {
                    channel_id: success.channel_id,
                    group_id: success.group_channel_id,
                    prefix: success.extranonce_prefix,
                    extranonce_size: success.extranonce_size,
                };
                self.handle_opened(now, lane, &opened, message, tlvs, out);
            }
            Message::OpenMiningChannelError(refusal) => {
                self.handle_open_refused(now, lane, refusal, out);
            }
            Message::SetCustomMiningJobSuccess(success) => {
                if let Some((client, request_id)) = self.custom_job_of(lane, success.request_id) {
                    out.send(client, SetCustomMiningJobSuccess { request_id, ..success });
                }
            }
            Message::SetCustomMiningJobError(error) => {
                if let Some((client, request_id)) = self.custom_job_of(lane, error.request_id) {
                    out.send(client, SetCustomMiningJobError { request_id, ..error });
                    self.count_useless(now, client, out);
                }
            }
            Message::RequestExtensionsSuccess(success) => {
                self.lanes[lane].handle_extensions_success(&success, out);
                self.answer_waiting(now, lane, out);
            }
            Message::RequestExtensionsError(error) => {
                self.lanes[lane].handle_extensions_error(&error, out);
                self.answer_waiting(now, lane, out);
            }
            other => self.lanes[lane].uplink.note_ignored(upstream, other.name(), out),
        }
    }

    fn client_of(&self, lane: usize, channel_id: u32) -> Option<ConnectionId> {
        self.lanes[lane].channels.get(&channel_id).map(|channel| channel.client)
    }

    fn custom_job_of(&mut self, lane: usize, request_id: u32) -> Option<(ConnectionId, u32)> {
        let request = self.lanes[lane].custom_jobs.remove(&request_id)?;
        self.client(request.client)?.custom_job_count -= 1;
        Some((request.client, request.request_id))
    }

    /// To the client of a channel.
    fn pass_down(&mut self, lane: usize, channel_id: u32, passage: Passage, out: &mut Outbox) {
        let Some(connection) = self.client_of(lane, channel_id) else { return };
        let keeps_tlvs = self.client(connection).is_some_and(|client| client.keeps_tlvs());
        passage.pass(connection, keeps_tlvs, out);
    }

    /// To everybody: to a client that reads standard jobs alone, who is told nothing about
    /// groups, `translated` for each of its channels, to the others as it came.
    fn fan_out(
        &mut self,
        recipients: &Recipients,
        passage: &Passage,
        translated: impl Fn(u32) -> Message,
        out: &mut Outbox,
    ) {
        for (connection, channel_ids) in recipients {
            let Some(client) = self.client(*connection) else { continue };
            if client.requires_standard_jobs() {
                channel_ids.iter().for_each(|id| out.send(*connection, translated(*id)));
            } else {
                passage.clone().pass(*connection, client.keeps_tlvs(), out);
            }
        }
    }

    fn note_success(
        &mut self,
        lane: usize,
        connection: ConnectionId,
        success: &SubmitSharesSuccess,
        out: &mut Outbox,
    ) {
        let count = success.new_submits_accepted_count;
        if self.lanes[lane].answer_shares(success.channel_id, count).is_some() {
            out.tell(Event::SharesAcknowledged {
                connection,
                channel_id: success.channel_id,
                last_sequence_number: success.last_sequence_number,
                accepted_count: success.new_submits_accepted_count,
                difficulty_sum: success.new_shares_sum,
            });
        }
    }

    /// Whose share it was.
    fn note_error(
        &mut self,
        lane: usize,
        connection: ConnectionId,
        error: &SubmitSharesError,
        out: &mut Outbox,
    ) -> Option<ConnectionId> {
        let client = self.lanes[lane].answer_shares(error.channel_id, 1)?;
        let SubmitSharesError { channel_id, sequence_number, error_code } = error.clone();
        out.tell(Event::ShareRefused { connection, channel_id, sequence_number, error_code });
        Some(client)
    }

    /// Spec 5.3.16: standard jobs are derived at arrival, with the prefix of this moment, which
    /// is the one that counts for the job (spec 5.3.10).
    fn pass_job(&mut self, lane: usize, passage: Passage, out: &mut Outbox) {
        let Message::NewExtendedMiningJob(job) = &passage.message else { return };
        let lane = &mut self.lanes[lane];
        let recipients = lane.recipients(job.channel_id);
        if job.min_ntime.is_none()
            && let Some(group) = lane.groups.get_mut(&job.channel_id)
        {
            group.add_future(job);
        }
        let lane_prefix = |channel_id: &u32| lane.channels.get(channel_id).map(|c| c.prefix);
        let prefixes: BTreeMap<u32, _> = recipients
            .values()
            .flatten()
            .filter_map(|channel_id| Some((*channel_id, lane_prefix(channel_id)?)))
            .collect();
        let mut work = None;
        for (connection, channel_ids) in &recipients {
            let Some(client) = self.client(*connection) else { continue };
            if !client.requires_standard_jobs() {
                passage.clone().pass(*connection, client.keeps_tlvs(), out);
                continue;
            }
            let Some(work) = work.get_or_insert_with(|| derivable(job, *connection, out)) else {
                continue;
            };
            for channel_id in channel_ids {
                let prefix = &prefixes[channel_id];
                let derived = work.standard_job(*channel_id, job.job_id, job.min_ntime, prefix);
                out.send(*connection, derived);
            }
        }
    }

    /// A future job of a group becomes active. Those whose connection has not seen it, since
    /// their channels came later, get it now.
    fn pass_tip(&mut self, lane: usize, passage: Passage, out: &mut Outbox) {
        let Message::SetNewPrevHash(tip) = &passage.message else { return };
        let at = &mut self.lanes[lane];
        let recipients = at.recipients(tip.channel_id);
        let group = at.groups.get_mut(&tip.channel_id);
        if let Some(future) = group.and_then(|group| group.take_future(tip.job_id)) {
            self.send_missed(lane, &recipients, &future, out);
        }
        let translated = |channel_id| SetNewPrevHash { channel_id, ..tip.clone() }.into();
        self.fan_out(&recipients, &passage, translated, out);
    }

    fn send_missed(
        &mut self,
        lane: usize,
        recipients: &Recipients,
        future: &FutureJob,
        out: &mut Outbox,
    ) {
        for (connection, channel_ids) in recipients {
            let channels = &self.lanes[lane].channels;
            let missing: Vec<(u32, _)> = channel_ids
                .iter()
                .filter_map(|channel_id| Some((*channel_id, channels.get(channel_id)?)))
                .filter(|(_, channel)| future.is_missed_by(channel.member_since))
                .map(|(channel_id, channel)| (channel_id, channel.prefix))
                .collect();
            let Some(client) = self.client(*connection) else { continue };
            if client.requires_standard_jobs() {
                let Some(work) = derivable(&future.job, *connection, out) else { continue };
                for (channel_id, prefix) in missing {
                    let job_id = future.job.job_id;
                    out.send(*connection, work.standard_job(channel_id, job_id, None, &prefix));
                }
            } else if missing.len() == channel_ids.len() {
                out.send(*connection, future.job.clone());
            }
        }
    }

    /// On a group: for all of its members (spec 5.3.21).
    fn pass_target(&mut self, lane: usize, passage: Passage, out: &mut Outbox) {
        let Message::SetTarget(news) = &passage.message else { return };
        let maximum_target = news.maximum_target;
        let recipients = self.lanes[lane].recipients(news.channel_id);
        let translated = |channel_id| SetTarget { channel_id, maximum_target }.into();
        self.fan_out(&recipients, &passage, translated, out);
    }

    /// Spec 5.3.22: each client hears of its own channels; never one that requires standard
    /// jobs.
    fn pass_group(&mut self, lane: usize, passage: Passage, out: &mut Outbox) {
        let Message::SetGroupChannel(news) = &passage.message else { return };
        let group_channel_id = news.group_channel_id;
        let at = &mut self.lanes[lane];
        if at.channels.contains_key(&group_channel_id) {
            let violation = Violation::ChannelIdInUse { id: group_channel_id };
            return at.uplink.close(violation.into(), out);
        }
        let mut recipients = Recipients::new();
        for channel_id in news.channel_ids.as_slice() {
            if let Some(channel) = at.channels.get(channel_id) {
                recipients.entry(channel.client).or_default().push(*channel_id);
                at.move_to_group(*channel_id, group_channel_id);
            }
        }
        for (connection, channel_ids) in recipients {
            let Some(client) = self.client(connection) else { continue };
            if !client.requires_standard_jobs() {
                let channel_ids = Seq64K::new(channel_ids).unwrap_or_default();
                out.send(connection, SetGroupChannel { group_channel_id, channel_ids });
            }
        }
    }

    /// Spec 5.3.9: a channel, or all of a group.
    fn pass_closed(&mut self, now: Now, lane: usize, passage: Passage, out: &mut Outbox) {
        let Message::CloseChannel(close) = &passage.message else { return };
        let recipients = self.lanes[lane].recipients(close.channel_id);
        let reason_code = close.reason_code.clone();
        let translated =
            |channel_id| CloseChannel { channel_id, reason_code: reason_code.clone() }.into();
        self.fan_out(&recipients, &passage, translated, out);
        for (connection, channel_ids) in recipients {
            for channel_id in channel_ids {
                self.timers.cancel(Timer::Update(lane, channel_id));
                let in_flight = self.lanes[lane].remove_channel(channel_id).unwrap_or_default();
                tell_lost(u64::from(in_flight), out);
                if let Some(client) = self.client(connection) {
                    client.channels.remove(&channel_id);
                }
                out.tell(Event::ChannelClosed { connection, channel_id });
            }
            self.watch_idleness(now, connection);
        }
    }

    /// A message of an extension that we do not know (spec 3.4.1).
    pub(super) fn pass_frame_down(
        &mut self,
        lane: usize,
        upstream: ConnectionId,
        frame: Frame,
        out: &mut Outbox,
    ) {
        let at = &self.lanes[lane];
        let channel_id = extension_channel(&frame).filter(|_| at.uplink.ready().is_some());
        let recipients = channel_id.map(|id| at.recipients(id)).unwrap_or_default();
        if recipients.is_empty() {
            let (number, extension) = (frame.message_type, frame.header().extension());
            let what = format!("message {number:#04x} of extension {extension:#06x}");
            at.uplink.note_ignored(upstream, &what, out);
        }
        for connection in recipients.into_keys() {
            let frame = frame.clone();
            out.put(Output::Forward { connection, frame });
        }
    }
}

/// `None`: what is no coinbase transaction has no merkle root; people are told.
fn derivable(
    job: &NewExtendedMiningJob,
    connection: ConnectionId,
    out: &mut Outbox,
) -> Option<Work> {
    match Coinbase::from_parts(&job.coinbase_tx_prefix, &job.coinbase_tx_suffix) {
        Ok(coinbase) => Some(Work {
            template_id: None,
            min_ntime: None,
            version: job.version,
            version_rolling_allowed: job.version_rolling_allowed,
            merkle_path: job.merkle_path.clone(),
            coinbase,
        }),
        Err(error) => {
            let what = format!("no standard job can be derived from job {}: {error}", job.job_id);
            out.tell(Event::Noted { connection: Some(connection), what });
            None
        }
    }
}

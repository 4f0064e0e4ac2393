//! What clients say goes up (spec 5.3).

use super::client::{Client, Phase};
use super::lane::{Channel, CustomJobRequest};
use super::{Passage, Timer, Transparent, tell_lost};
use crate::event::Event;
use crate::extensions::NEGOTIATION;
use crate::message::Message;
use crate::mining::channel::ChannelKind;
use crate::mining::error_code::{channel as channel_code, custom_job, share as share_code};
use crate::mining::{
    CloseChannel, SetCustomMiningJob, SetCustomMiningJobError, SubmitSharesError, UpdateChannel,
    UpdateChannelError,
};
use crate::role::{ConnectionId, Outbox, Output};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::{Frame, Str255, Tlvs};

impl Transparent {
    /// A message of a client that is set up.
    pub(super) fn handle_request(
        &mut self,
        now: Now,
        connection: ConnectionId,
        passage: Passage,
        out: &mut Outbox,
    ) {
        let Passage { message, tlvs, original } = passage;
        match message {
            // First what comes a thousand times as often as the rest.
            Message::SubmitSharesStandard(ref share) => {
                let ids = (share.channel_id, share.sequence_number);
                let passage = Passage { message, tlvs, original };
                self.pass_share(now, connection, ids, passage, out);
            }
            Message::SubmitSharesExtended(ref share) => {
                let ids = (share.channel_id, share.sequence_number);
                let passage = Passage { message, tlvs, original };
                self.pass_share(now, connection, ids, passage, out);
            }
            Message::OpenStandardMiningChannel(mut request) => {
                let (theirs, kind) = (request.request_id, ChannelKind::Standard);
                if let Some(ours) = self.begin_open(now, connection, theirs, kind, 0, out) {
                    request.request_id = ours;
                    self.send_up(
                        connection,
                        Message::OpenStandardMiningChannel(request),
                        tlvs,
                        out,
                    );
                }
            }
            Message::OpenExtendedMiningChannel(mut request) => {
                let (theirs, kind) = (request.request_id, ChannelKind::Extended);
                let min_len = request.min_extranonce_size;
                if let Some(ours) = self.begin_open(now, connection, theirs, kind, min_len, out) {
                    request.request_id = ours;
                    self.send_up(
                        connection,
                        Message::OpenExtendedMiningChannel(request),
                        tlvs,
                        out,
                    );
                }
            }
            Message::UpdateChannel(update) => self.pass_update(now, connection, update, out),
            Message::CloseChannel(close) => self.pass_close(now, connection, &close, out),
            Message::SetCustomMiningJob(request) => {
                self.pass_custom_job(now, connection, *request, tlvs, out);
            }
            Message::RequestExtensions(request) => {
                self.handle_request_extensions(now, connection, request, out);
            }
            // AMB-47: the two sides no longer agree about what the connection is.
            Message::SetupConnection(_) => {
                self.close(connection, Violation::SecondSetup.into(), out);
            }
            // A message of another protocol, or one that only a server sends (spec 8).
            other => self.note_ignored(now, connection, other.name(), out),
        }
    }

    /// Sends to the upstream of a client.
    fn send_up(
        &mut self,
        connection: ConnectionId,
        message: Message,
        tlvs: Tlvs,
        out: &mut Outbox,
    ) {
        let Some(client) = self.client(connection) else { return };
        let tlvs = if client.keeps_tlvs() { tlvs } else { Tlvs::NONE };
        if let Some(lane) = client.lane {
            self.lanes[lane].send_with(message, tlvs, out);
        }
    }

    /// The channel, if it is one of this client.
    fn own_channel(&mut self, connection: ConnectionId, channel_id: u32) -> Option<&mut Channel> {
        let lane = self.client(connection)?.lane?;
        let channel = self.lanes[lane].channels.get_mut(&channel_id)?;
        (channel.client == connection).then_some(channel)
    }

    fn pass_share(
        &mut self,
        now: Now,
        connection: ConnectionId,
        (channel_id, sequence_number): (u32, u32),
        passage: Passage,
        out: &mut Outbox,
    ) {
        let lane = self.client(connection).and_then(|client| client.lane);
        let is_own = self.own_channel(connection, channel_id).is_some();
        let error_code = match lane.filter(|_| is_own) {
            None => share_code::INVALID_CHANNEL_ID,
            Some(lane) if self.lanes[lane].add_share(channel_id) => {
                return self.pass_up(connection, passage, out);
            }
            Some(_) => share_code::TOO_MANY_SHARES,
        };
        out.tell(Event::ShareRejected { connection, channel_id, sequence_number, error_code });
        let error_code = Str255::from_static(error_code);
        out.send(connection, SubmitSharesError { channel_id, sequence_number, error_code });
        self.count_useless(now, connection, out);
    }

    fn pass_up(&mut self, connection: ConnectionId, passage: Passage, out: &mut Outbox) {
        let Some(&mut Client { lane: Some(lane), .. }) = self.client(connection) else { return };
        let keeps_tlvs = self.client(connection).is_some_and(|client| client.keeps_tlvs());
        if let Some(upstream) = self.lanes[lane].uplink.ready() {
            passage.pass(upstream, keeps_tlvs, out);
        }
    }

    /// Not more often than in every interval; the last word counts (spec 5.3.7).
    fn pass_update(
        &mut self,
        now: Now,
        connection: ConnectionId,
        update: UpdateChannel,
        out: &mut Outbox,
    ) {
        let (channel_id, interval) = (update.channel_id, self.update_interval);
        let Some(channel) = self.own_channel(connection, channel_id) else {
            let error_code = Str255::from_static(channel_code::INVALID_CHANNEL_ID);
            out.send(connection, UpdateChannelError { channel_id, error_code });
            return self.count_useless(now, connection, out);
        };
        let next_at = channel.updated_at.map(|updated_at| updated_at + interval);
        let Some(next_at) = next_at.filter(|next_at| *next_at > now.instant) else {
            channel.updated_at = Some(now.instant);
            channel.held_update = None;
            return self.send_up(connection, update.into(), Tlvs::NONE, out);
        };
        channel.held_update = Some(update);
        if let Some(lane) = self.client(connection).and_then(|client| client.lane) {
            self.timers.set(Timer::Update(lane, channel_id), next_at);
        }
    }

    /// A group may have members of other clients, which this one must not close.
    fn pass_close(
        &mut self,
        now: Now,
        connection: ConnectionId,
        close: &CloseChannel,
        out: &mut Outbox,
    ) {
        let Some(&mut Client { lane: Some(lane), .. }) = self.client(connection) else { return };
        let mut recipients = self.lanes[lane].recipients(close.channel_id);
        let Some(closed) = recipients.remove(&connection) else {
            return self.note_ignored(now, connection, "CloseChannel of an unknown channel", out);
        };
        for channel_id in closed {
            self.timers.cancel(Timer::Update(lane, channel_id));
            let in_flight = self.lanes[lane].remove_channel(channel_id).unwrap_or_default();
            tell_lost(u64::from(in_flight), out);
            if let Some(client) = self.client(connection) {
                client.channels.remove(&channel_id);
            }
            let reason_code = close.reason_code.clone();
            self.lanes[lane].send(CloseChannel { channel_id, reason_code }, out);
            out.tell(Event::ChannelClosed { connection, channel_id });
        }
        self.watch_idleness(now, connection);
    }

    /// Spec 5.3.18. A custom job for a group would be one for all of its members, so they have
    /// to be this client's.
    fn pass_custom_job(
        &mut self,
        now: Now,
        connection: ConnectionId,
        mut request: SetCustomMiningJob,
        tlvs: Tlvs,
        out: &mut Outbox,
    ) {
        let Some(client) = self.client(connection) else { return };
        let (selects_work, waiting) = (client.selects_work(), client.custom_job_count);
        let Some(lane) = client.lane else { return };
        let recipients = self.lanes[lane].recipients(request.channel_id);
        let error_code = if !selects_work {
            custom_job::JD_NOT_SUPPORTED
        } else if recipients.keys().ne([&connection]) {
            custom_job::INVALID_CHANNEL_ID
        } else if waiting == Client::CUSTOM_JOBS_MAX {
            custom_job::TOO_MANY_CUSTOM_JOBS
        } else {
            let ours = self.lanes[lane].take_request_id();
            let theirs = std::mem::replace(&mut request.request_id, ours);
            let request_of = CustomJobRequest { client: connection, request_id: theirs };
            self.lanes[lane].custom_jobs.insert(ours, request_of);
            if let Some(client) = self.client(connection) {
                client.custom_job_count += 1;
            }
            return self.send_up(connection, request.into(), tlvs, out);
        };
        let SetCustomMiningJob { channel_id, request_id, .. } = request;
        let error_code = Str255::from_static(error_code);
        out.send(connection, SetCustomMiningJobError { channel_id, request_id, error_code });
        self.count_useless(now, connection, out);
    }

    /// A message of an extension that we do not know (spec 3.4.1).
    pub(super) fn pass_frame_up(
        &mut self,
        now: Now,
        connection: ConnectionId,
        frame: Frame,
        out: &mut Outbox,
    ) {
        let Some(client) = self.client(connection) else { return };
        let (phase, lane) = (client.phase, client.lane);
        match phase {
            Phase::Closing => return,
            Phase::AwaitingSetup | Phase::AwaitingUpstream => {
                let violation = Violation::BeforeSetup { message: "an unknown message" };
                return self.close(connection, violation.into(), out);
            }
            Phase::Open => {}
        }
        let channel_id = extension_channel(&frame);
        let is_own = channel_id.is_some_and(|id| self.own_channel(connection, id).is_some());
        let upstream = lane.and_then(|lane| self.lanes[lane].uplink.ready());
        match (is_own, upstream) {
            (true, Some(connection)) => out.put(Output::Forward { connection, frame }),
            (true, None) => {}
            (false, _) => {
                let (number, extension) = (frame.message_type, frame.header().extension());
                let what = format!("message {number:#04x} of extension {extension:#06x}");
                self.note_ignored(now, connection, &what, out);
            }
        }
    }
}

/// The channel that a frame of an unknown extension is for; numbers of the core that we do not
/// know are nothing to be passed on.
pub(super) fn extension_channel(frame: &Frame) -> Option<u32> {
    let extension = frame.header().extension();
    if extension == 0 || extension == NEGOTIATION {
        return None;
    }
    frame.channel_id()
}

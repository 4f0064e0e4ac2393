//! Opening channels: a client asks, the upstream answers (spec 5.3.2 to 5.3.6).

use super::lane::{Channel, Lane, OpenRequest};
use super::setup::missing_from;
use super::{Timer, Transparent};
use crate::event::Event;
use crate::message::Message;
use crate::mining::channel::ChannelKind;
use crate::mining::error_code::{channel as error_code, close_reason};
use crate::mining::extranonce::ExtranonceLayout;
use crate::mining::setup_flag::success;
use crate::mining::{CloseChannel, OpenMiningChannelError};
use crate::role::{ConnectionId, Outbox, Output};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::{B32, Str255, Tlvs};

/// What both answers of an upstream have in common.
pub(super) struct Opened {
    pub(super) channel_id: u32,
    pub(super) group_id: u32,
    pub(super) prefix: B32,
    /// Of what the client rolls; 0 for a standard channel.
    pub(super) extranonce_size: u16,
}

impl Transparent {
    /// Whether a request goes up, and under which id.
    pub(super) fn begin_open(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request_id: u32,
        kind: ChannelKind,
        min_extranonce_size: u16,
        out: &mut Outbox,
    ) -> Option<u32> {
        let channels_max = self.server.channels_per_connection_max;
        let client = self.client(connection)?;
        let (lane, count) = (client.lane?, client.channels.len() + client.open_count);
        let reads_standard_jobs = client.requires_standard_jobs();
        let agreed = client.extensions.clone();
        // Without a channel nothing is served, so this is where going on without a required
        // extension ends.
        let missing = missing_from(&self.lanes[lane].required, &agreed);
        if let Some(extension) = missing.first().copied() {
            let violation = Violation::RequiredExtensionMissing { extension };
            self.close(connection, violation.into(), out);
            return None;
        }
        let granted = self.lanes[lane].granted.unwrap_or_default();
        let takes_standard = granted & success::REQUIRES_EXTENDED_CHANNELS == 0;
        // Spec 5.3.1: such an upstream is not asked; the client was told at set-up.
        let error_code = if kind == ChannelKind::Standard && !takes_standard {
            error_code::STANDARD_CHANNELS_NOT_SUPPORTED
        // AMB-28: the upstream does not know that this client could not read the jobs.
        } else if kind == ChannelKind::Extended && reads_standard_jobs {
            error_code::EXTENDED_CHANNELS_NOT_SUPPORTED_FOR_STANDARD_JOBS
        } else if count >= channels_max || self.lanes[lane].opens.len() >= Lane::OPENS_MAX {
            error_code::CHANNEL_CAPACITY_EXHAUSTED
        } else {
            self.client(connection)?.open_count += 1;
            self.timers.cancel(Timer::Idle(connection));
            let lane = &mut self.lanes[lane];
            return Some(lane.add_open(now, connection, request_id, kind, min_extranonce_size));
        };
        let error_code = Str255::from_static(error_code);
        out.send(connection, OpenMiningChannelError { request_id, error_code });
        self.count_useless(now, connection, out);
        None
    }

    /// The request of ours that the upstream answers.
    fn answered_open(
        &mut self,
        lane: usize,
        request_id: u32,
        kind: Option<ChannelKind>,
        out: &mut Outbox,
    ) -> Option<OpenRequest> {
        let lane = &mut self.lanes[lane];
        let request = lane.opens.remove(&request_id);
        let is_good = |request: &OpenRequest| kind.is_none_or(|kind| request.kind == kind);
        let request = request.filter(is_good);
        if request.is_none()
            && let Some(upstream) = lane.uplink.ready()
        {
            lane.uplink.note_ignored(upstream, "an answer to no request", out);
        }
        let request = request?;
        if let Some(client) = request.client.and_then(|connection| self.client(connection)) {
            client.open_count -= 1;
        }
        Some(request)
    }

    /// `message` is what the client will read, once it has got its request id back.
    pub(super) fn handle_opened(
        &mut self,
        now: Now,
        lane: usize,
        opened: &Opened,
        mut message: Message,
        tlvs: Tlvs,
        out: &mut Outbox,
    ) {
        let (request_id, kind) = match &mut message {
            Message::OpenStandardMiningChannelSuccess(success) => {
                (&mut success.request_id, ChannelKind::Standard)
            }
            Message::OpenExtendedMiningChannelSuccess(success) => {
                (&mut success.request_id, ChannelKind::Extended)
            }
            _ => return,
        };
        let Some(request) = self.answered_open(lane, *request_id, Some(kind), out) else { return };
        *request_id = request.request_id;
        let Opened { channel_id, group_id, .. } = *opened;
        let at = &mut self.lanes[lane];
        let is_twice = channel_id == group_id || at.channels.contains_key(&group_id);
        if is_twice || at.is_in_use(channel_id) {
            return at.uplink.close(Violation::ChannelIdInUse { id: channel_id }.into(), out);
        }
        let Some(connection) = request.client else {
            let reason_code = Str255::from_static(close_reason::DOWNSTREAM_CLOSED);
            return at.send(CloseChannel { channel_id, reason_code }, out);
        };
        if !gives_enough(opened, request.min_extranonce_size) {
            let reason_code = Str255::from_static(close_reason::EXTRANONCE_TOO_SHORT);
            at.send(CloseChannel { channel_id, reason_code }, out);
            let error_code = error_code::MIN_EXTRANONCE_SIZE_TOO_LARGE;
            return self.tell_refusal(
                now,
                connection,
                &request,
                Str255::from_static(error_code),
                out,
            );
        }
        let member_since = at.groups.entry(group_id).or_default().join(channel_id);
        let channel = Channel::new(connection, group_id, member_since, opened.prefix);
        at.channels.insert(channel_id, channel);
        let Some(client) = self.client(connection) else { return };
        client.channels.insert(channel_id);
        let tlvs = if client.keeps_tlvs() { tlvs } else { Tlvs::NONE };
        out.put(Output::Send { connection, message, tlvs });
        out.tell(Event::ChannelOpened { connection, channel_id });
    }

    pub(super) fn handle_open_refused(
        &mut self,
        now: Now,
        lane: usize,
        refusal: OpenMiningChannelError,
        out: &mut Outbox,
    ) {
        let Some(request) = self.answered_open(lane, refusal.request_id, None, out) else { return };
        if let Some(connection) = request.client {
            self.tell_refusal(now, connection, &request, refusal.error_code, out);
        }
    }

    fn tell_refusal(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &OpenRequest,
        error_code: Str255,
        out: &mut Outbox,
    ) {
        let request_id = request.request_id;
        out.send(connection, OpenMiningChannelError { request_id, error_code });
        self.count_useless(now, connection, out);
        self.watch_idleness(now, connection);
    }
}

/// The client gets as much to roll as it needs (spec 5.3.4), and no more than a coinbase
/// transaction takes (AMB-15).
fn gives_enough(opened: &Opened, min_extranonce_size: u16) -> bool {
    let full_len = opened.prefix.as_slice().len() + usize::from(opened.extranonce_size);
    opened.extranonce_size >= min_extranonce_size && full_len <= ExtranonceLayout::FULL_LEN_MAX
}

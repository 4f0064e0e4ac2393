//! The proxy as a client of its upstream: one extended channel, its jobs, and the shares that
//! are worth sending (spec 5.3).

use std::collections::VecDeque;
use std::time::Duration;

use super::jobs::Jobs;
use super::{Aggregated, MiningProxyConfig};
use crate::common::Protocol;
use crate::event::Event;
use crate::message::Message;
use crate::mining::extranonce::ExtranonceLayout;
use crate::mining::job::Tip;
use crate::mining::setup_flag::success;
use crate::mining::{
    CloseChannel, NewExtendedMiningJob, OpenExtendedMiningChannel,
    OpenExtendedMiningChannelSuccess, SetExtranoncePrefix, SetGroupChannel, SetNewPrevHash,
    SetTarget, SubmitSharesError, SubmitSharesExtended, SubmitSharesSuccess, UpdateChannel,
};
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::roles::mining_server::{MiningServer, Owner, Proof, UnknownWork, WorkSource};
use crate::roles::uplink::{Uplink, UplinkNews, UplinkPurpose, UplinkSettings};
use crate::time::{Instant, Now};
use crate::violation::Violation;
use crate::wire::{B32, Str255, Target};

/// The upstream, and what is open there.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) uplink: Uplink,
    user_identity: Str255,
    index_len: u8,
    rollable_len: u8,
    update_interval: Duration,
    answer_timeout: Duration,
    silence_timeout: Duration,
    /// Flag REQUIRES_FIXED_VERSION of its set-up.
    fixes_version: bool,
    opening: Opening,
    jobs: Jobs,
    next_sequence_number: u32,
    /// Sequence numbers that the upstream has not answered.
    in_flight: VecDeque<u32>,
    /// Since when shares wait, and the upstream says nothing.
    silent_since: Option<Instant>,
    /// See [`MiningServer::channel_changes`](crate::roles::mining_server::MiningServer).
    told_changes: u64,
    /// When the upstream was last told of the hash rate.
    told_at: Instant,
}

/// Where the channel at the upstream stands.
#[derive(Debug)]
enum Opening {
    /// Nobody needs one, or there is no connection.
    Closed,
    /// Asked for under this request id; the answer is due.
    Asked {
        request_id: u32,
        until: Instant,
    },
    Open(UpstreamChannel),
}

/// The channel at the upstream.
#[derive(Debug)]
struct UpstreamChannel {
    id: u32,
    group_id: u32,
    prefix: B32,
    /// What we roll behind the prefix, in bytes.
    extranonce_size: usize,
    /// Of jobs to come.
    target: Target,
}

impl UpstreamChannel {
    fn full_len(&self) -> usize {
        self.prefix.as_slice().len() + self.extranonce_size
    }

    fn is_meant(&self, channel_id: u32) -> bool {
        channel_id == self.id || channel_id == self.group_id
    }
}

impl Upstream {
    /// Shares that wait for an answer; who answers none of so many is left for the next.
    const IN_FLIGHT_MAX: usize = 65_536;

    pub(super) fn new(config: &MiningProxyConfig) -> Self {
        assert!(!config.upstreams.is_empty(), "somebody must be dialled");
        let settings = UplinkSettings {
            peers: config.upstreams.clone(),
            redial_wait: config.redial_wait,
            setup_timeout: config.server.setup_timeout,
        };
        let purpose = UplinkPurpose {
            turn: (0, 1),
            protocol: Protocol::Mining,
            // We read extended jobs, and pass on whether versions are rolled.
            flags: 0,
            role: "proxy",
            peer: "upstream",
        };
        Upstream {
            uplink: Uplink::new(settings, purpose),
            user_identity: config.user_identity.clone(),
            index_len: config.extranonce_index_len,
            rollable_len: config.rollable_extranonce_len,
            update_interval: config.update_interval,
            answer_timeout: config.answer_timeout,
            silence_timeout: config.silence_timeout,
            fixes_version: false,
            opening: Opening::Closed,
            jobs: Jobs::default(),
            next_sequence_number: 0,
            in_flight: VecDeque::new(),
            silent_since: None,
            told_changes: 0,
            told_at: Instant::ZERO,
        }
    }

    /// When the upstream is to be told of what has changed below.
    pub(super) fn update_at(&self, channel_changes: u64) -> Option<Instant> {
        let is_open = matches!(self.opening, Opening::Open(_));
        (is_open && channel_changes != self.told_changes)
            .then(|| self.told_at + self.update_interval)
    }

    /// When the upstream has to have said something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.uplink.ready()?;
        match self.opening {
            Opening::Closed => None,
            Opening::Asked { until, .. } => Some(until),
            Opening::Open(_) => self.silent_since.map(|since| since + self.silence_timeout),
        }
    }

    /// Leaves an upstream that owes us an answer for too long, or for too much.
    pub(super) fn watch_answers(&mut self, now: Now, out: &mut Outbox) {
        if self.in_flight.is_empty() {
            self.silent_since = None;
        } else {
            self.silent_since.get_or_insert(now.instant);
        }
        if self.in_flight.len() == Self::IN_FLIGHT_MAX {
            self.uplink.close(CloseReason::Limit("shares without an answer"), out);
        } else if self.deadline().is_some_and(|deadline| deadline <= now.instant) {
            self.uplink.close(CloseReason::Unanswered("a request"), out);
        }
    }

    fn channel(&self) -> Option<&UpstreamChannel> {
        match &self.opening {
            Opening::Open(channel) => Some(channel),
            Opening::Closed | Opening::Asked { .. } => None,
        }
    }

    /// The open channel, if the message is for it or its group.
    fn meant(&mut self, channel_id: u32) -> Option<&mut UpstreamChannel> {
        match &mut self.opening {
            Opening::Open(channel) if channel.is_meant(channel_id) => Some(channel),
            _ => None,
        }
    }

    /// What the upstream takes does not come back: it has answered these and all before.
    fn handle_success(
        &mut self,
        connection: ConnectionId,
        success: &SubmitSharesSuccess,
        out: &mut Outbox,
    ) {
        if self.channel().is_none_or(|channel| channel.id != success.channel_id) {
            return;
        }
        let answered = success.new_submits_accepted_count as usize;
        self.in_flight.drain(..answered.min(self.in_flight.len()));
        out.tell(Event::SharesAcknowledged {
            connection,
            channel_id: success.channel_id,
            last_sequence_number: success.last_sequence_number,
            accepted_count: success.new_submits_accepted_count,
            difficulty_sum: success.new_shares_sum,
        });
    }

    fn handle_refused_share(
        &mut self,
        connection: ConnectionId,
        error: SubmitSharesError,
        out: &mut Outbox,
    ) {
        let SubmitSharesError { channel_id, sequence_number, error_code } = error;
        let at = self.in_flight.iter().position(|sent| *sent == sequence_number);
        at.map(|at| self.in_flight.remove(at));
        out.tell(Event::ShareRefused { connection, channel_id, sequence_number, error_code });
    }
}

impl Owner for Upstream {
    fn handle_proof(&mut self, proof: &Proof<'_>, out: &mut Outbox) {
        let Proof { connection, channel_id, sequence_number, .. } = *proof;
        let work_id = proof.work().template_id;
        let job = work_id.and_then(|work_id| self.jobs.of_work(work_id)).copied();
        let (Some(upstream), Some(channel), Some(job)) = (self.uplink.ready(), self.channel(), job)
        else {
            return out.tell(Event::SharesLost { count: 1 });
        };
        let hash = proof.accepted.hash;
        if hash > job.target.0 && !proof.accepted.is_block {
            return out.tell(Event::ShareFiltered { connection, channel_id, sequence_number });
        }
        if self.in_flight.len() == Self::IN_FLIGHT_MAX {
            return out.tell(Event::SharesLost { count: 1 });
        }
        let (channel_id, sequence_number) = (channel.id, self.next_sequence_number);
        self.next_sequence_number = sequence_number.wrapping_add(1);
        self.in_flight.push_back(sequence_number);
        let whole = proof.extranonce();
        let extranonce = B32::new(&whole.as_slice()[job.prefix_len..]);
        let share = SubmitSharesExtended {
            channel_id,
            sequence_number,
            job_id: job.job_id,
            nonce: proof.nonce,
            ntime: proof.ntime,
            version: proof.version,
            extranonce: extranonce.expect("a part of 32 bytes at most"),
        };
        out.send(upstream, share);
        let (connection, job_id) = (upstream, job.job_id);
        out.tell(Event::ShareSubmitted { connection, channel_id, sequence_number, job_id, hash });
    }
}

impl Aggregated {
    pub(super) fn handle_upstream_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        let upstream = &mut self.upstream;
        upstream.silent_since = None;
        let message = match upstream.uplink.handle_message(now, connection, message, out) {
            Some(UplinkNews::Message(message)) => message,
            Some(UplinkNews::Ready { flags }) => {
                upstream.fixes_version = flags & success::REQUIRES_FIXED_VERSION != 0;
                return self.server.set_requires_fixed_version(upstream.fixes_version, out);
            }
            Some(UplinkNews::Refused(_)) | None => return,
        };
        match message {
            Message::SubmitSharesSuccess(success) => {
                upstream.handle_success(connection, &success, out);
            }
            Message::SubmitSharesError(error) => {
                upstream.handle_refused_share(connection, error, out);
            }
            Message::NewExtendedMiningJob(job) => self.handle_job(now, &job, out),
            Message::SetNewPrevHash(news) => self.handle_tip(now, &news, out),
            Message::SetTarget(news) => self.handle_target(&news, out),
            Message::OpenExtendedMiningChannelSuccess(success) => {
                self.handle_opened(now, *success, out);
            }
            Message::OpenMiningChannelError(error) => {
                let code = error.error_code.as_slice().escape_ascii().to_string();
                upstream.uplink.close(CloseReason::RefusedByPeer(code), out);
            }
            Message::SetExtranoncePrefix(news) => self.handle_prefix(now, &news, out),
            Message::SetGroupChannel(news) => upstream.handle_group(&news),
            Message::CloseChannel(close) => self.handle_channel_closed(&close, out),
            Message::UpdateChannelError(error) => {
                let code = error.error_code.as_slice().escape_ascii();
                let what = format!("the upstream refuses UpdateChannel: {code} (spec 5.3.8)");
                out.tell(Event::Noted { connection: Some(connection), what });
            }
            other => upstream.uplink.note_ignored(connection, other.name(), out),
        }
    }

    /// Whoever mines for nobody needs no upstream; whoever does, one channel, that knows how
    /// much.
    pub(super) fn follow_demand(&mut self, now: Now, out: &mut Outbox) {
        let changes = self.server.channel_changes();
        let upstream = &mut self.upstream;
        let Some(connection) = upstream.uplink.ready() else { return };
        match &upstream.opening {
            Opening::Closed if self.server.channel_count() > 0 => {
                let request_id = upstream.next_sequence_number;
                let lens = [upstream.index_len, upstream.rollable_len].map(u16::from);
                let until = now.instant + upstream.answer_timeout;
                upstream.opening = Opening::Asked { request_id, until };
                out.send(
                    connection,
                    OpenExtendedMiningChannel {
                        request_id,
                        user_identity: upstream.user_identity.clone(),
                        nominal_hash_rate: nominal(&self.server),
                        max_target: Target::MAX,
                        min_extranonce_size: lens[0] + lens[1],
                    },
                );
            }
            Opening::Open(channel)
                if upstream.update_at(changes).is_some_and(|at| at <= now.instant) =>
            {
                out.send(
                    connection,
                    UpdateChannel {
                        channel_id: channel.id,
                        nominal_hash_rate: nominal(&self.server),
                        maximum_target: Target::MAX,
                    },
                );
            }
            Opening::Closed | Opening::Asked { .. } | Opening::Open(_) => return,
        }
        (upstream.told_changes, upstream.told_at) = (changes, now.instant);
    }

    fn handle_opened(
        &mut self,
        now: Now,
        opened: OpenExtendedMiningChannelSuccess,
        out: &mut Outbox,
    ) {
        let upstream = &mut self.upstream;
        let is_ours = |request_id| request_id == opened.request_id;
        if !matches!(upstream.opening, Opening::Asked { request_id, .. } if is_ours(request_id)) {
            return;
        }
        let wanted = u16::from(upstream.index_len) + u16::from(upstream.rollable_len);
        if opened.extranonce_size < wanted {
            return upstream.uplink.close(TOO_SHORT, out);
        }
        upstream.jobs.clear();
        let channel = UpstreamChannel {
            id: opened.channel_id,
            group_id: opened.group_channel_id,
            prefix: opened.extranonce_prefix,
            extranonce_size: usize::from(opened.extranonce_size),
            target: opened.target,
        };
        self.server.set_hardest_target(channel.target, out);
        self.divide(now, channel, out);
    }

    /// Divides what the upstream gives among our channels. An upstream that gives too little
    /// for them is no use.
    fn divide(&mut self, now: Now, channel: UpstreamChannel, out: &mut Outbox) {
        let upstream = &mut self.upstream;
        let (prefix, full_len) = (channel.prefix.as_slice().to_vec(), channel.full_len());
        let index_len = usize::from(upstream.index_len);
        match ExtranonceLayout::behind_upstream(prefix, index_len, full_len) {
            Ok(layout) => {
                upstream.opening = Opening::Open(channel);
                self.server.set_extranonce_layout(now, layout, out);
            }
            Err(error) => {
                let what = format!("the upstream's extranonces cannot be divided: {error}");
                out.tell(Event::Noted { connection: upstream.uplink.ready(), what });
                upstream.uplink.close(TOO_SHORT, out);
            }
        }
    }

    fn handle_job(&mut self, now: Now, job: &NewExtendedMiningJob, out: &mut Outbox) {
        let upstream = &mut self.upstream;
        let Some(channel) = upstream.meant(job.channel_id) else { return };
        let (prefix_len, full_len) = (channel.prefix.as_slice().len(), channel.full_len());
        let (target, is_future) = (channel.target, job.min_ntime.is_none());
        let work_id = upstream.jobs.add(job.job_id, prefix_len, target, is_future);
        // We have not asked for jobs whose version may be rolled, so any of them can end it.
        let is_fixed = upstream.fixes_version || !job.version_rolling_allowed;
        if is_fixed != self.server.config().requires_fixed_version {
            self.server.set_requires_fixed_version(is_fixed, out);
        }
        match WorkSource::from_job(work_id, job, full_len) {
            Ok(source) if is_future => self.server.add_future(source, out),
            Ok(source) => self.server.set_current(now, source, out),
            Err(error) => {
                let what = format!("job {} is not usable: {error}", job.job_id);
                out.tell(Event::Noted { connection: upstream.uplink.ready(), what });
            }
        }
    }

    fn handle_tip(&mut self, now: Now, news: &SetNewPrevHash, out: &mut Outbox) {
        let upstream = &mut self.upstream;
        let Some(target) = upstream.meant(news.channel_id).map(|channel| channel.target) else {
            return;
        };
        let tip = Tip {
            prev_hash: news.prev_hash,
            nbits: news.nbits,
            min_ntime: news.min_ntime,
            network_target: Target::from_compact(news.nbits).unwrap_or(Target::MAX),
            since: now.instant,
            proof_check: self.server.config().proof_check,
        };
        let job_id = news.job_id;
        let tipped = match upstream.jobs.activate(job_id, target) {
            Some(work_id) => self.server.set_tip(now, tip, work_id, out),
            None => Err(UnknownWork { work_id: u64::from(job_id) }),
        };
        if let Err(UnknownWork { work_id: _ }) = tipped {
            self.upstream.uplink.close(Violation::UnknownJob { job_id }.into(), out);
        }
    }

    /// For jobs to come, and for future ones at their activation (spec 5.3.21).
    fn handle_target(&mut self, news: &SetTarget, out: &mut Outbox) {
        let Some(channel) = self.upstream.meant(news.channel_id) else { return };
        channel.target = news.maximum_target;
        self.server.set_hardest_target(news.maximum_target, out);
    }

    /// For jobs to come; the size of what we roll stays. Never for a group (spec 5.3.10).
    fn handle_prefix(&mut self, now: Now, news: &SetExtranoncePrefix, out: &mut Outbox) {
        let Some(channel) = self.upstream.channel().filter(|open| open.id == news.channel_id)
        else {
            return;
        };
        let channel = UpstreamChannel {
            id: channel.id,
            group_id: channel.group_id,
            prefix: news.extranonce_prefix,
            extranonce_size: channel.extranonce_size,
            target: channel.target,
        };
        self.divide(now, channel, out);
    }

    /// An upstream that does not want our work any more is left for the next.
    fn handle_channel_closed(&mut self, close: &CloseChannel, out: &mut Outbox) {
        if self.upstream.meant(close.channel_id).is_some() {
            let code = close.reason_code.as_slice().escape_ascii().to_string();
            self.upstream.uplink.close(CloseReason::RefusedByPeer(code), out);
        }
    }

    /// Our clients go on with what they have; what they find until there is an upstream again
    /// is paid here and by nobody else.
    pub(super) fn handle_upstream_lost(&mut self, out: &mut Outbox) {
        let upstream = &mut self.upstream;
        upstream.opening = Opening::Closed;
        upstream.silent_since = None;
        upstream.jobs.clear();
        let count = upstream.in_flight.len();
        if count > 0 {
            upstream.in_flight.clear();
            out.tell(Event::SharesLost { count });
        }
        self.server.forget_futures();
    }
}

const TOO_SHORT: CloseReason = CloseReason::Limit("extranonce of the upstream");

/// What all clients together claim or show, in hashes per second.
fn nominal(server: &MiningServer) -> f32 {
    // Each client claims a finite number; what they claim together need not fit the field.
    #[expect(clippy::cast_possible_truncation, reason = "the field has 24 bits for it")]
    let hash_rate = server.hash_rate().min(f64::from(f32::MAX)) as f32;
    hash_rate
}

impl Upstream {
    fn handle_group(&mut self, news: &SetGroupChannel) {
        if let Opening::Open(channel) = &mut self.opening
            && news.channel_ids.as_slice().contains(&channel.id)
        {
            channel.group_id = news.group_channel_id;
        }
    }
}

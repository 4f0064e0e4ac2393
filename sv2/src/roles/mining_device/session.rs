//! One connection to a pool, from set-up to its end.

mod extensions;

use self::extensions::WorkerTracking;
use super::channel::{Channel, Kind, Outcome, Progress, Rules, Share};
use super::config::{ChannelKind, MiningDeviceConfig, VersionRolling};
use crate::common::{PROTOCOL_VERSION, Protocol, SetupConnectionSuccess};
use crate::entropy::Entropy;
use crate::event::Event;
use crate::message::Message;
use crate::mining::job::PinnedTarget;
use crate::mining::{
    CloseChannel, NewExtendedMiningJob, NewMiningJob, OpenExtendedMiningChannel,
    OpenStandardMiningChannel, SetExtranoncePrefix, SetGroupChannel, SetNewPrevHash, SetTarget,
    SubmitSharesError, SubmitSharesSuccess, setup_flag,
};
use crate::role::{CloseReason, ConnectionId, Outbox, Output, PeerAddress};
use crate::roles::hashing::{CoinbaseRest, Pace, Proof, ShareAccounts};
use crate::time::{Instant, Now};
use crate::violation::Violation;
use crate::wire::{B32, Str255, Target, Tlvs};

/// A connection and its channels.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: ConnectionId,
    /// While there is anything to wait for; boxed, for mostly there is nothing.
    awaited: Option<Box<Awaited>>,
    /// See [`Rules::version_mask`].
    version_mask: u32,
    is_set_up: bool,
    worker_tracking: WorkerTracking,
    channels: Vec<Channel>,
    /// Whose turn it is to be hashed.
    turn: u32,
}

/// Answers of the pool that are due.
#[derive(Debug)]
struct Awaited {
    deadline: Instant,
    /// Requests for channels that have no answer yet; none, where another answer is due.
    request_ids: Vec<u32>,
}

impl Awaited {
    fn new(deadline: Instant, request_ids: Vec<u32>) -> Box<Self> {
        Box::new(Awaited { deadline, request_ids })
    }
}

/// What the session may use of the device.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) config: &'a MiningDeviceConfig,
    /// Instead of the config's.
    pub(super) user_identity: Option<&'a [u8]>,
    pub(super) accounts: &'a mut ShareAccounts,
    pub(super) entropy: &'a mut Entropy,
    pub(super) out: &'a mut Outbox,
}

/// How it goes on after a message.
#[derive(Debug)]
pub(super) enum Verdict {
    /// As before.
    Stay,
    /// A channel has begun to work: the pool is of use.
    Working,
    /// The pool is of no use.
    Leave(CloseReason),
    /// The pool asks to be left (spec 3.6.5).
    Redirect { host: Option<String>, port: Option<u16> },
}

impl Session {
    /// Begins with `SetupConnection`.
    pub(super) fn begin(
        connection: ConnectionId,
        peer: &PeerAddress,
        context: &mut Context<'_>,
    ) -> Self {
        context.out.send(connection, context.config.setup_connection(peer));
        Session {
            connection,
            awaited: Some(Awaited::new(context.now.instant + super::ANSWER_TIMEOUT, Vec::new())),
            version_mask: context.config.version_rolling.mask(),
            is_set_up: false,
            worker_tracking: WorkerTracking::Off,
            channels: Vec::new(),
            turn: 0,
        }
    }

    /// For the answers that are due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.awaited.as_ref().map(|awaited| awaited.deadline)
    }

    pub(super) fn handle(&mut self, message: Message, context: &mut Context<'_>) -> Verdict {
        match message {
            Message::Reconnect(message) => {
                let host = String::from_utf8(message.new_host.as_slice().to_vec());
                return match host {
                    Ok(host) if host.bytes().all(|byte| byte.is_ascii_graphic()) => {
                        Verdict::Redirect {
                            host: (!host.is_empty()).then_some(host),
                            port: (message.new_port != 0).then_some(message.new_port),
                        }
                    }
                    _ => self.note(context, "Reconnect to a host that is no name".to_owned()),
                };
            }
            Message::SetupConnectionSuccess(message) if !self.is_set_up => {
                return self.handle_setup_success(&message, context);
            }
            Message::SetupConnectionError(message) if !self.is_set_up => {
                let code = message.error_code.as_slice().escape_ascii();
                let reason = format!("SetupConnection.Error {code}, flags {:#x}", message.flags);
                return Verdict::Leave(CloseReason::RefusedByPeer(reason));
            }
            other if !self.is_set_up => {
                let what = format!("{} before the answer to SetupConnection", other.name());
                return self.note(context, what);
            }
            _ => {}
        }
        match message {
            Message::OpenStandardMiningChannelSuccess(answer) => {
                let prefix = answer.extranonce_prefix;
                let channel = Channel::new(
                    answer.channel_id,
                    answer.group_channel_id,
                    prefix,
                    answer.target,
                    Kind::Standard,
                );
                self.handle_opened(answer.request_id, channel, context)
            }
            Message::OpenExtendedMiningChannelSuccess(answer) => {
                let size = match u8::try_from(answer.extranonce_size) {
                    Ok(size) if usize::from(size) <= B32::MAX => size,
                    _ => {
                        return Verdict::Leave(CloseReason::RefusedByPeer(format!(
                            "extranonce_size {} does not fit a share (spec 5.3.12)",
                            answer.extranonce_size
                        )));
                    }
                };
                let channel = Channel::new(
                    answer.channel_id,
                    answer.group_channel_id,
                    answer.extranonce_prefix,
                    answer.target,
                    Kind::Extended(size),
                );
                self.handle_opened(answer.request_id, channel, context)
            }
            Message::OpenMiningChannelError(answer) => {
                let code = answer.error_code.as_slice().escape_ascii().to_string();
                self.end_request(answer.request_id);
                self.lose_channel(format!("OpenMiningChannel.Error {code}"), context)
            }
            Message::NewMiningJob(job) => self.handle_standard_job(&job, context),
            Message::NewExtendedMiningJob(job) => self.handle_extended_job(&job, context),
            Message::SetNewPrevHash(tip) => self.handle_tip(&tip, context),
            Message::SetTarget(message) => self.handle_target(&message, context),
            Message::SetExtranoncePrefix(message) => self.handle_prefix(&message, context),
            Message::SetGroupChannel(message) => self.handle_group(&message, context),
            Message::CloseChannel(message) => self.handle_close_channel(&message, context),
            Message::SubmitSharesSuccess(answer) => self.handle_accepted(&answer, context),
            Message::SubmitSharesError(answer) => self.handle_rejected(&answer, context),
            Message::UpdateChannelError(answer) => {
                let code = answer.error_code.as_slice().escape_ascii();
                let what = format!("UpdateChannel.Error {code} on channel {}", answer.channel_id);
                self.note(context, what)
            }
            Message::RequestExtensionsSuccess(answer) => {
                self.handle_extensions_success(&answer, context)
            }
            Message::RequestExtensionsError(answer) => {
                self.handle_extensions_error(&answer, context)
            }
            // There is no state of extensions to be voided.
            Message::ChannelEndpointChanged(_) => Verdict::Stay,
            other => {
                let violation = Violation::OutOfPlace { message: other.name() };
                self.note(context, violation.to_string())
            }
        }
    }

    /// Spec 3.6.2 and 5.3.1.
    fn handle_setup_success(
        &mut self,
        answer: &SetupConnectionSuccess,
        context: &mut Context<'_>,
    ) -> Verdict {
        if answer.used_version != PROTOCOL_VERSION {
            return Verdict::Leave(CloseReason::Violation(Violation::VersionOutOfRange {
                used: answer.used_version,
                min: PROTOCOL_VERSION,
                max: PROTOCOL_VERSION,
            }));
        }
        let leave = |why: &str| Verdict::Leave(CloseReason::RefusedByPeer(why.to_owned()));
        if answer.flags & setup_flag::success::REQUIRES_FIXED_VERSION != 0 {
            if matches!(context.config.version_rolling, VersionRolling::Required(_)) {
                return leave(
                    "REQUIRES_FIXED_VERSION, but this device needs version rolling (spec 5.3.1)",
                );
            }
            self.version_mask = 0;
        }
        if answer.flags & setup_flag::success::REQUIRES_EXTENDED_CHANNELS != 0
            && matches!(context.config.channel_kind, ChannelKind::Standard { .. })
        {
            return leave(
                "REQUIRES_EXTENDED_CHANNELS, but this device opens standard channels (spec 5.3.1)",
            );
        }
        self.is_set_up = true;
        context.out.tell(Event::SetupDone {
            connection: self.connection,
            protocol: Protocol::Mining as u8,
            flags: context.config.setup_flags(),
        });
        match context.config.asks_for_worker_tracking() {
            true => self.request_extensions(context),
            false => self.open_channels(context),
        }
        Verdict::Stay
    }

    /// The deadline has passed.
    pub(super) fn expire(&mut self, context: &mut Context<'_>) -> Verdict {
        if self.worker_tracking == WorkerTracking::Asked {
            // A pool that does not know extensions ignores the question (extension 0x0001, 4).
            self.worker_tracking = WorkerTracking::Off;
            self.open_channels(context);
            return self.note(context, "no answer to RequestExtensions: none are used".to_owned());
        }
        let why = format!("no answer within {} s", super::ANSWER_TIMEOUT.as_secs());
        Verdict::Leave(CloseReason::RefusedByPeer(why))
    }

    fn open_channels(&mut self, context: &mut Context<'_>) {
        let config = context.config;
        let user_identity = match context.user_identity {
            Some(own) => Str255::new(own.to_vec()).expect("it was given as one"),
            None => config.user_identity.clone(),
        };
        let max_target = config.max_target;
        let nominal_hash_rate = config.nominal_hash_rate;
        self.channels.reserve_exact(config.channel_count.get().into());
        for request_id in 1..=u32::from(config.channel_count.get()) {
            let user_identity = user_identity.clone();
            match config.channel_kind {
                ChannelKind::Standard { .. } => context.out.send(
                    self.connection,
                    OpenStandardMiningChannel {
                        request_id,
                        user_identity,
                        nominal_hash_rate,
                        max_target,
                    },
                ),
                ChannelKind::Extended { min_extranonce_size } => context.out.send(
                    self.connection,
                    OpenExtendedMiningChannel {
                        request_id,
                        user_identity,
                        nominal_hash_rate,
                        max_target,
                        min_extranonce_size,
                    },
                ),
            }
        }
        let request_ids = (1..=u32::from(config.channel_count.get())).collect();
        let deadline = context.now.instant + super::ANSWER_TIMEOUT;
        self.awaited = Some(Awaited::new(deadline, request_ids));
    }

    /// Spec 5.3.3 and 5.3.5.
    fn handle_opened(
        &mut self,
        request_id: u32,
        channel: Channel,
        context: &mut Context<'_>,
    ) -> Verdict {
        let pending = self.awaited.as_ref().map_or(&[][..], |awaited| &awaited.request_ids);
        let is_asked_for = pending.contains(&request_id)
            && (channel.kind == Kind::Standard)
                == matches!(context.config.channel_kind, ChannelKind::Standard { .. });
        if !is_asked_for {
            let what =
                format!("request {request_id} is answered with a channel it did not ask for");
            return self.note(context, what);
        }
        if self.channels.iter().any(|open| open.id == channel.id) {
            return Verdict::Leave(CloseReason::RefusedByPeer(format!(
                "channel {} was opened twice (spec 5.2)",
                channel.id
            )));
        }
        self.end_request(request_id);
        if channel.target().target > context.config.max_target {
            let what = format!("channel {} has a target above max_target", channel.id);
            self.note(context, what);
        }
        context
            .out
            .tell(Event::ChannelOpened { connection: self.connection, channel_id: channel.id });
        self.channels.push(channel);
        Verdict::Stay
    }

    fn handle_standard_job(
        &mut self,
        message: &NewMiningJob,
        context: &mut Context<'_>,
    ) -> Verdict {
        let now = context.now.instant;
        self.for_channels(message.channel_id, "NewMiningJob", context, |channel, rules, entropy| {
            if channel.id != message.channel_id {
                return Err("NewMiningJob for a group (spec 5.3.15)".to_owned());
            }
            channel.handle_standard_job(now, message, rules, entropy)
        })
    }

    fn handle_extended_job(
        &mut self,
        message: &NewExtendedMiningJob,
        context: &mut Context<'_>,
    ) -> Verdict {
        if context.config.setup_flags() & setup_flag::REQUIRES_STANDARD_JOBS != 0 {
            let what = "NewExtendedMiningJob in spite of REQUIRES_STANDARD_JOBS (spec 5.3.1)";
            return self.note(context, what.to_owned());
        }
        let now = context.now.instant;
        let rest = CoinbaseRest::of(message);
        let name = "NewExtendedMiningJob";
        self.for_channels(message.channel_id, name, context, |channel, rules, entropy| {
            channel.handle_extended_job(now, message, &rest, rules, entropy)
        })
    }

    fn handle_tip(&mut self, message: &SetNewPrevHash, context: &mut Context<'_>) -> Verdict {
        let now = context.now.instant;
        self.for_channels(
            message.channel_id,
            "SetNewPrevHash",
            context,
            |channel, rules, entropy| channel.handle_tip(now, message, rules, entropy),
        )
    }

    /// Spec 5.3.21: for jobs to come and for queued ones.
    fn handle_target(&mut self, message: &SetTarget, context: &mut Context<'_>) -> Verdict {
        let target = message.maximum_target;
        let pinned = PinnedTarget::new(target);
        self.for_channels(message.channel_id, "SetTarget", context, |channel, _, _| {
            channel.set_target(pinned);
            match target == Target::default() {
                true => Err("SetTarget to zero, which no hash meets".to_owned()),
                false => Ok(Progress::Queued),
            }
        })
    }

    /// Spec 5.3.10: for jobs to come alone.
    fn handle_prefix(
        &mut self,
        message: &SetExtranoncePrefix,
        context: &mut Context<'_>,
    ) -> Verdict {
        let prefix = message.extranonce_prefix;
        let name = "SetExtranoncePrefix";
        self.for_channels(message.channel_id, name, context, |channel, _, _| {
            if channel.id != message.channel_id {
                return Err("SetExtranoncePrefix for a group (spec 5.3.10)".to_owned());
            }
            channel.extranonce_prefix = prefix;
            Ok(Progress::Queued)
        })
    }

    /// Spec 5.3.22.
    fn handle_group(&mut self, message: &SetGroupChannel, context: &mut Context<'_>) -> Verdict {
        if context.config.setup_flags() & setup_flag::REQUIRES_STANDARD_JOBS != 0 {
            let what = "SetGroupChannel in spite of REQUIRES_STANDARD_JOBS (spec 5.3.22)";
            return self.note(context, what.to_owned());
        }
        for channel in &mut self.channels {
            if message.channel_ids.as_slice().contains(&channel.id) {
                channel.group_id = message.group_channel_id;
            }
        }
        Verdict::Stay
    }

    /// Spec 5.3.9: a group is closed with all of its channels.
    fn handle_close_channel(
        &mut self,
        message: &CloseChannel,
        context: &mut Context<'_>,
    ) -> Verdict {
        let CloseChannel { channel_id: id, reason_code } = message;
        let connection = self.connection;
        let count = self.channels.len();
        self.channels.retain(|channel| {
            let is_closed = channel.id == *id || channel.group_id == *id;
            if is_closed {
                context.out.tell(Event::ChannelClosed { connection, channel_id: channel.id });
            }
            !is_closed
        });
        if self.channels.len() == count {
            return self.note(context, format!("CloseChannel names {id}, which is not open"));
        }
        self.lose_channel(
            format!("CloseChannel {}", reason_code.as_slice().escape_ascii()),
            context,
        )
    }

    /// It has its answer; where that was the last one, nothing is due any more.
    fn end_request(&mut self, request_id: u32) {
        if let Some(awaited) = &mut self.awaited {
            awaited.request_ids.retain(|pending| *pending != request_id);
        }
        self.awaited.take_if(|awaited| awaited.request_ids.is_empty());
    }

    fn lose_channel(&mut self, why: String, context: &mut Context<'_>) -> Verdict {
        self.awaited.take_if(|awaited| awaited.request_ids.is_empty());
        match self.channels.is_empty() && self.awaited.is_none() {
            true => Verdict::Leave(CloseReason::RefusedByPeer(why)),
            false => self.note(context, why),
        }
    }

    /// Spec 5.3.13.
    fn handle_accepted(
        &mut self,
        answer: &SubmitSharesSuccess,
        context: &mut Context<'_>,
    ) -> Verdict {
        context.accounts.accepted(answer.new_submits_accepted_count, answer.new_shares_sum);
        context.out.tell(Event::SharesAcknowledged {
            connection: self.connection,
            channel_id: answer.channel_id,
            last_sequence_number: answer.last_sequence_number,
            accepted_count: answer.new_submits_accepted_count,
            difficulty_sum: answer.new_shares_sum,
        });
        Verdict::Stay
    }

    /// Spec 5.3.14.
    fn handle_rejected(
        &mut self,
        answer: &SubmitSharesError,
        context: &mut Context<'_>,
    ) -> Verdict {
        context.accounts.rejected(answer.error_code.as_slice());
        context.out.tell(Event::ShareRefused {
            connection: self.connection,
            channel_id: answer.channel_id,
            sequence_number: answer.sequence_number,
            error_code: answer.error_code.clone(),
        });
        Verdict::Stay
    }

    /// Applies a message to the channel, or to all channels of the group, that it names.
    fn for_channels(
        &mut self,
        id: u32,
        name: &str,
        context: &mut Context<'_>,
        mut apply: impl FnMut(&mut Channel, Rules, &mut Entropy) -> Outcome,
    ) -> Verdict {
        let (connection, version_mask) = (self.connection, self.version_mask);
        let rules = Rules { version_mask, rolls_ntime: context.config.rolls_ntime };
        let mut verdict = Verdict::Stay;
        let mut is_addressed = false;
        for channel in &mut self.channels {
            if channel.id != id && channel.group_id != id {
                continue;
            }
            is_addressed = true;
            match apply(channel, rules, context.entropy) {
                Ok(Progress::Queued) => {}
                Ok(Progress::Started) => {
                    verdict = Verdict::Working;
                    if let Some(search) = channel.search() {
                        context.out.tell(Event::WorkStarted {
                            connection,
                            channel_id: channel.id,
                            job_id: search.job_id(),
                            target: search.target().target,
                        });
                    }
                }
                Err(what) => {
                    context.out.tell(Event::Noted { connection: Some(connection), what });
                }
            }
        }
        match is_addressed {
            true => verdict,
            false => self.note(context, format!("{name} for channel {id}, which is not open")),
        }
    }

    fn note(&self, context: &mut Context<'_>, what: String) -> Verdict {
        context.out.tell(Event::Noted { connection: Some(self.connection), what });
        Verdict::Stay
    }

    /// Hashes on the channel whose turn it is, and sends what it finds.
    pub(super) fn hash(&mut self, pace: &mut Pace<'_>, context: &mut Context<'_>) {
        let now = context.now.instant;
        let count = self.channels.len();
        let ready = (0..count).map(|offset| (self.turn as usize + offset) % count).find(|at| {
            let search = self.channels[*at].search_mut();
            let due_at = search.and_then(|search| pace.due_at(search, count, now, context.entropy));
            due_at.is_some_and(|at| at <= now)
        });
        let Some(at) = ready else { return };
        self.turn = u32::try_from(at + 1).unwrap_or(0);
        let channel = &mut self.channels[at];
        let Some(search) = channel.search_mut() else { return };
        let mut proofs = Vec::new();
        let tried = pace.advance(search, now, &mut proofs);
        context.accounts.hash_count += u64::from(tried);
        let target = *search.target();
        let tlvs = self.worker_tracking.tlvs(&context.config.worker_name);
        for proof in &proofs {
            context.accounts.submitted(&target);
            submit(self.connection, channel, proof, &tlvs, context.out);
        }
    }

    /// When there is something to hash.
    pub(super) fn hash_at(
        &mut self,
        pace: &mut Pace<'_>,
        entropy: &mut Entropy,
        now: Instant,
    ) -> Option<Instant> {
        let count = self.channels.len();
        let searches = self.channels.iter_mut().filter_map(Channel::search_mut);
        let due = searches.filter_map(|search| pace.due_at(search, count, now, entropy));
        let earliest = due.min()?;
        if earliest > now {
            return Some(earliest);
        }
        pace.start(now);
        Some(pace.next_at(now))
    }
}

fn submit(
    connection: ConnectionId,
    channel: &mut Channel,
    proof: &Proof,
    tlvs: &Tlvs,
    out: &mut Outbox,
) {
    let channel_id = channel.id;
    let sequence_number = match channel.share(proof) {
        Share::Standard(share) => {
            let sequence_number = share.sequence_number;
            out.send(connection, share);
            sequence_number
        }
        Share::Extended(share) => {
            let sequence_number = share.sequence_number;
            let (message, tlvs) = (share.into(), tlvs.clone());
            out.put(Output::Send { connection, message, tlvs });
            sequence_number
        }
    };
    let (job_id, hash) = (proof.job_id, proof.hash);
    out.tell(Event::ShareSubmitted { connection, channel_id, sequence_number, job_id, hash });
}

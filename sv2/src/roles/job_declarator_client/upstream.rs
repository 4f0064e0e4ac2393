//! The pool as a client sees it: one extended channel without jobs (spec 5.3).

use super::declaration::Negotiation;
use super::fallback::Departure;
use super::tokens::Tokens;
use super::{Client, JobDeclaratorClient, Timer};
use crate::event::Event;
use crate::message::Message;
use crate::mining::extranonce::ExtranonceLayout;
use crate::mining::setup_flag::success;
use crate::mining::{
    CloseChannel, OpenExtendedMiningChannel, OpenExtendedMiningChannelSuccess, SetExtranoncePrefix,
    SetGroupChannel, SetTarget, UpdateChannel,
};
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::roles::mining_server::MiningServer;
use crate::roles::uplink::UplinkNews;
use crate::time::{Instant, Now};
use crate::wire::{B32, Target};

use bitcoin::TxOut;

/// What is open at the present upstream.
#[derive(Debug, Default)]
pub(super) struct Session {
    opening: Opening,
    pub(super) tokens: Tokens,
    pub(super) negotiation: Option<Negotiation>,
    /// When the upstream first refused a job on this tip, and has accepted none since.
    pub(super) refused_since: Option<Instant>,
    /// After a refusal, until the next attempt.
    pub(super) is_paused: bool,
    /// A share of the newest job was refused, on this tip.
    pub(super) is_suspected: bool,
    /// Clients have its prefix.
    has_entered: bool,
    /// See [`MiningServer::channel_changes`](crate::roles::mining_server::MiningServer).
    told_changes: u64,
    /// When the pool was last told of the hash rate.
    told_at: Instant,
}

/// Where the channel at the pool stands.
#[derive(Debug, Default)]
enum Opening {
    #[default]
    Closed,
    /// Asked for under this request id.
    Asked(u32),
    Open(PoolChannel),
}

/// The channel at the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolChannel {
    pub(super) id: u32,
    group_id: u32,
    prefix: B32,
    /// What we roll behind the prefix, in bytes.
    extranonce_size: usize,
    /// Of jobs to come.
    pub(super) target: Target,
}

impl PoolChannel {
    pub(super) fn prefix_len(&self) -> usize {
        self.prefix.as_slice().len()
    }

    pub(super) fn full_len(&self) -> usize {
        self.prefix_len() + self.extranonce_size
    }
}

impl Session {
    pub(super) fn channel(&self) -> Option<&PoolChannel> {
        match &self.opening {
            Opening::Open(channel) => Some(channel),
            Opening::Closed | Opening::Asked(_) => None,
        }
    }

    fn meant(&mut self, channel_id: u32) -> Option<&mut PoolChannel> {
        match &mut self.opening {
            Opening::Open(channel) if [channel.id, channel.group_id].contains(&channel_id) => {
                Some(channel)
            }
            Opening::Open(_) | Opening::Closed | Opening::Asked(_) => None,
        }
    }

    /// Whom work pays, once there is everything that it needs.
    pub(super) fn payee_outputs(&self) -> Option<&[TxOut]> {
        self.tokens.outputs().filter(|_| self.has_entered)
    }

    /// A new tip: what was refused on the old one says nothing.
    pub(super) fn forget_tip(&mut self) {
        self.negotiation = None;
        self.refused_since = None;
        self.is_paused = false;
        self.is_suspected = false;
    }
}

impl Client {
    /// When the pool is to be told of what has changed below.
    pub(super) fn update_at(&self, channel_changes: u64) -> Option<Instant> {
        let session = &self.session;
        (session.channel().is_some() && channel_changes != session.told_changes)
            .then(|| session.told_at + self.config.update_interval)
    }

    /// What all clients together claim or show, in hashes per second.
    fn nominal(&self, server: &MiningServer) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "the field has 24 bits for it")]
        let hash_rate = server.hash_rate() as f32;
        if server.channel_count() == 0 { self.config.nominal_hash_rate } else { hash_rate }
    }
}

impl JobDeclaratorClient {
    pub(super) fn handle_pool_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        let pool = &mut self.client.pool;
        let message = match pool.handle_message(now, connection, message, out) {
            Some(UplinkNews::Message(message)) => message,
            Some(UplinkNews::Ready { flags }) => return self.handle_pool_ready(now, flags, out),
            Some(UplinkNews::Refused(_)) | None => return,
        };
        match message {
            Message::SubmitSharesSuccess(success) => {
                self.client.shares.handle_success(connection, &success, out);
            }
            Message::SubmitSharesError(error) => {
                self.handle_refused_share(now, connection, error, out);
            }
            Message::SetCustomMiningJobSuccess(success) => {
                self.handle_custom_job_success(connection, &success, out);
            }
            Message::SetCustomMiningJobError(error) => {
                let answer = "SetCustomMiningJob.Error";
                let id = error.request_id;
                self.handle_refused_job(now, connection, (answer, id), error.error_code, out);
            }
            Message::SetTarget(news) => self.handle_target(&news, out),
            Message::OpenExtendedMiningChannelSuccess(success) => {
                self.handle_opened(now, &success, out);
            }
            Message::OpenMiningChannelError(error) => {
                let code = error.error_code.as_slice().escape_ascii().to_string();
                self.leave(now, Departure::gone(CloseReason::RefusedByPeer(code)), out);
            }
            Message::SetExtranoncePrefix(news) => self.handle_prefix(now, &news, out),
            Message::SetGroupChannel(news) => self.handle_group(&news),
            Message::CloseChannel(close) => self.handle_channel_closed(now, &close, out),
            Message::UpdateChannelError(error) => {
                let code = error.error_code.as_slice().escape_ascii();
                let what = format!("the pool refuses UpdateChannel: {code} (spec 5.3.8)");
                out.tell(Event::Noted { connection: Some(connection), what });
            }
            // AMB-07: who selects their own work has no use for them.
            Message::NewExtendedMiningJob(_) | Message::SetNewPrevHash(_) => {}
            other => pool.note_ignored(connection, other.name(), out),
        }
    }

    fn handle_pool_ready(&mut self, now: Now, flags: u32, out: &mut Outbox) {
        if flags & success::REQUIRES_FIXED_VERSION != 0 {
            // We have asked for the opposite (spec 5.3.1).
            let reason = "it fixes the version, which our clients roll (spec 5.3.1)".to_owned();
            self.leave(now, Departure::gone(CloseReason::RefusedByPeer(reason)), out);
        }
    }

    /// One channel, open as long as there is a pool, that knows how much to expect.
    pub(super) fn follow_demand(&mut self, now: Now, out: &mut Outbox) {
        let changes = self.server.channel_changes();
        let client = &mut self.client;
        let Some(connection) = client.pool.ready() else { return };
        let nominal_hash_rate = client.nominal(&self.server);
        match &client.session.opening {
            Opening::Closed => {
                let request_id = client.take_request_id();
                client.session.opening = Opening::Asked(request_id);
                out.send(
                    connection,
                    OpenExtendedMiningChannel {
                        request_id,
                        user_identity: client.config.user_identity.clone(),
                        nominal_hash_rate,
                        max_target: Target::MAX,
                        min_extranonce_size: client.config.extranonce_len_min(),
                    },
                );
                let deadline = now.instant + client.config.answer_timeout;
                client.timers.set(Timer::Channel, deadline);
            }
            Opening::Open(channel)
                if client.update_at(changes).is_some_and(|at| at <= now.instant) =>
            {
                let (channel_id, maximum_target) = (channel.id, Target::MAX);
                let update = UpdateChannel { channel_id, nominal_hash_rate, maximum_target };
                out.send(connection, update);
            }
            Opening::Asked(_) | Opening::Open(_) => return,
        }
        (client.session.told_changes, client.session.told_at) = (changes, now.instant);
    }

    fn handle_opened(
        &mut self,
        now: Now,
        opened: &OpenExtendedMiningChannelSuccess,
        out: &mut Outbox,
    ) {
        let session = &mut self.client.session;
        if !matches!(session.opening, Opening::Asked(request) if request == opened.request_id) {
            return;
        }
        self.client.timers.cancel(Timer::Channel);
        if opened.extranonce_size < self.client.config.extranonce_len_min() {
            // Spec 5.3.4 lets it refuse, not give less.
            let reason = format!("it gives {} bytes of extranonce", opened.extranonce_size);
            return self.leave(now, Departure::gone(CloseReason::RefusedByPeer(reason)), out);
        }
        session.opening = Opening::Open(PoolChannel {
            id: opened.channel_id,
            group_id: opened.group_channel_id,
            prefix: opened.extranonce_prefix,
            extranonce_size: usize::from(opened.extranonce_size),
            target: opened.target,
        });
        self.enter(now, out);
    }

    /// Puts clients on the upstream, as soon as it has given a channel and a token.
    pub(super) fn enter(&mut self, now: Now, out: &mut Outbox) {
        let session = &self.client.session;
        let (Some(channel), Some(_)) = (session.channel().copied(), session.tokens.outputs())
        else {
            return;
        };
        if !session.has_entered {
            self.server.set_hardest_target(channel.target, out);
            self.divide(now, &channel, out);
        } else {
            self.client.jobs.drop_unaccepted();
            self.renew_work(now, out);
        }
    }

    /// Divides what the pool gives among our channels. A pool that gives too little for them is
    /// no use.
    fn divide(&mut self, now: Now, channel: &PoolChannel, out: &mut Outbox) {
        let (prefix, full_len) = (channel.prefix.as_slice().to_vec(), channel.full_len());
        let index_len = usize::from(self.client.config.extranonce_index_len);
        match ExtranonceLayout::behind_upstream(prefix, index_len, full_len) {
            Ok(layout) => {
                self.client.session.has_entered = true;
                self.handle_standing_firm();
                // Whatever the pool has not accepted would be judged under the new prefix.
                self.client.session.negotiation = None;
                self.client.timers.cancel(Timer::Answer);
                self.client.jobs.drop_unaccepted();
                self.server.set_extranonce_layout(now, layout, out);
                self.renew_work(now, out);
            }
            Err(error) => {
                let reason = format!("its extranonces cannot be divided: {error}");
                self.leave(now, Departure::gone(CloseReason::RefusedByPeer(reason)), out);
            }
        }
    }

    /// For jobs to come (spec 5.3.21).
    fn handle_target(&mut self, news: &SetTarget, out: &mut Outbox) {
        let Some(channel) = self.client.session.meant(news.channel_id) else { return };
        channel.target = news.maximum_target;
        if self.client.session.has_entered {
            self.server.set_hardest_target(news.maximum_target, out);
        }
    }

    /// For jobs to come; the size of what we roll stays (spec 5.3.10).
    fn handle_prefix(&mut self, now: Now, news: &SetExtranoncePrefix, out: &mut Outbox) {
        let session = &mut self.client.session;
        let Some(channel) = session.meant(news.channel_id) else { return };
        channel.prefix = news.extranonce_prefix;
        let channel = *channel;
        if session.has_entered {
            self.divide(now, &channel, out);
        }
    }

    fn handle_group(&mut self, news: &SetGroupChannel) {
        if let Opening::Open(channel) = &mut self.client.session.opening
            && news.channel_ids.as_slice().contains(&channel.id)
        {
            channel.group_id = news.group_channel_id;
        }
    }

    fn handle_channel_closed(&mut self, now: Now, close: &CloseChannel, out: &mut Outbox) {
        if self.client.session.meant(close.channel_id).is_some() {
            let code = close.reason_code.as_slice().escape_ascii().to_string();
            self.leave(now, Departure::gone(CloseReason::RefusedByPeer(code)), out);
        }
    }
}

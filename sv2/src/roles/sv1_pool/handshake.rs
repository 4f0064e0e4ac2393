//! Who connects, what it can do, for whom it works.

use super::client::{self, Client};
use super::{Sv1Pool, Timer, slot};
use crate::event::Event;
use crate::mining::vardiff::Vardiff;
use crate::role::{ConnectionId, Outbox};
use crate::sv1::{
    Call, Configure, Configured, Difficulty, Granted, Id, Message, Outcome, Response, Subscribed,
    error_code,
};
use crate::time::Now;
use crate::wire::Target;

impl Sv1Pool {
    /// BIP 310. May come before `mining.subscribe`, after it, or never.
    pub(super) fn handle_configure(
        &mut self,
        connection: ConnectionId,
        id: Id,
        configure: Configure,
        out: &mut Outbox,
    ) {
        let server_mask = self.config.version_mask;
        let Some(client) = slot(&mut self.clients, connection) else { return };
        let mut configured = Configured::default();
        if let Some(rolling) = configure.version_rolling {
            // Never a bit that was not asked for. A device that needs more bits than that may
            // work slower, and is no reason for a refusal.
            let mask = rolling.asked_mask() & server_mask;
            client.version_mask = Some(mask);
            configured.version_rolling = Some(Granted::Yes);
            configured.version_rolling_mask = Some(mask);
        }
        if let Some(difficulty) = configure.minimum_difficulty {
            client.max_target = difficulty.target();
            configured.minimum_difficulty = Some(Granted::Yes);
        }
        if configure.subscribe_extranonce {
            client.takes_extranonces = true;
            configured.subscribe_extranonce = Some(Granted::Yes);
        }
        if configure.info.is_some() {
            configured.info = Some(Granted::Yes);
        }
        let unknown = configure.unknown.into_iter();
        configured.others = unknown.map(|name| (name, Granted::No)).collect();
        let outcome = Outcome::Configured(Box::new(configured));
        out.say(connection, &Response { id, outcome }.into());
        self.retarget(connection, out);
    }

    /// The answer has all that a job needs beside itself; jobs come after `mining.authorize`.
    pub(super) fn handle_subscribe(
        &mut self,
        now: Now,
        connection: ConnectionId,
        id: Id,
        out: &mut Outbox,
    ) {
        let Some(client) = slot(&mut self.clients, connection) else { return };
        if client.channel.is_none() {
            let extranonce = match self.extranonces.extended(0) {
                Ok(extranonce) => extranonce,
                Err(error) => {
                    let text = error.to_string();
                    return self.refuse(now, connection, id, error_code::OTHER, text, out);
                }
            };
            let seen = (self.config.shares_per_tip_max, self.entropy.u64());
            client.channel = Some(client::channel(extranonce, seen));
            out.tell(Event::ChannelOpened { connection, channel_id: super::CHANNEL_ID });
        }
        let Some(channel) = &client.channel else { return };
        let size = channel.extranonce().rollable_len();
        // One name for all subscriptions: nobody takes up an old one.
        let session = format!("{:08x}", connection.0);
        let pair = |method: &str| (method.to_owned(), session.clone());
        let subscribed = Subscribed {
            subscriptions: vec![pair("mining.set_difficulty"), pair("mining.notify")],
            extranonce1: channel.extranonce().prefix(),
            extranonce2_size: u8::try_from(size).expect("at most 32"),
        };
        let outcome = Outcome::Subscribed(subscribed);
        out.say(connection, &Response { id, outcome }.into());
        self.begin_work(now, connection, out);
    }

    pub(super) fn handle_authorize(
        &mut self,
        now: Now,
        connection: ConnectionId,
        id: Id,
        user: String,
        out: &mut Outbox,
    ) {
        let limit = self.config.users_per_connection_max;
        let is_refused = user.is_empty() || self.config.refused_users.contains(&user);
        let Some(client) = slot(&mut self.clients, connection) else { return };
        let is_known = client.users.contains(&user);
        if is_refused {
            let text = "Unauthorized worker".to_owned();
            return self.refuse(now, connection, id, error_code::UNAUTHORIZED, text, out);
        }
        if !is_known && client.users.len() >= limit {
            let text = format!("{limit} workers are authorised, which is the limit");
            return self.refuse(now, connection, id, error_code::UNAUTHORIZED, text, out);
        }
        if !is_known {
            client.users.push(user);
        }
        out.say(connection, &Response::yes(id).into());
        self.timers.cancel(Timer::Authorize(connection));
        self.begin_work(now, connection, out);
    }

    /// A suggestion is what the device thinks of its own hash rate.
    pub(super) fn handle_suggestion(
        &mut self,
        now: Now,
        connection: ConnectionId,
        id: Id,
        target: Target,
        out: &mut Outbox,
    ) {
        let shares_per_minute = self.config.shares_per_minute;
        let Some(client) = slot(&mut self.clients, connection) else { return };
        client.hash_rate = target.expected_hashes() * shares_per_minute / 60.0;
        out.say(connection, &Response::yes(id).into());
        self.retarget(connection, out);
        self.forget_shares(now, connection);
    }

    /// Both parts of the handshake are done: the first difficulty, and the first job.
    fn begin_work(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let config = &self.config;
        let Some(client) = slot(&mut self.clients, connection) else { return };
        if !client.is_ready() || client.is_working() || self.job.is_none() {
            return;
        }
        let difficulty = config.difficulty_for(client.hash_rate, client.max_target);
        set_difficulty(connection, client, difficulty, out);
        self.forget_shares(now, connection);
        self.send_present_job(connection, true, out);
    }

    /// What was shown so far says nothing about what comes.
    fn forget_shares(&mut self, now: Now, connection: ConnectionId) {
        let algorithm = self.config.vardiff;
        let Some(client) = slot(&mut self.clients, connection) else { return };
        let share_hashes = client.share_hashes();
        client.vardiff = algorithm.map(|one| Vardiff::new(one, now.instant, share_hashes));
    }

    /// Work has come: everybody who waits for it gets some.
    pub(super) fn begin_waiting(&mut self, now: Now, out: &mut Outbox) {
        for connection in self.connections_where(|client| !client.is_working()) {
            self.begin_work(now, connection, out);
        }
    }
}

/// Tells a difficulty, and counts shares for jobs to come by exactly this one.
pub(super) fn set_difficulty(
    connection: ConnectionId,
    client: &mut Client,
    difficulty: Difficulty,
    out: &mut Outbox,
) {
    let Some(channel) = &mut client.channel else { return };
    channel.set_target(difficulty.target());
    client.difficulty = Some(difficulty);
    out.say(connection, &Message::notification(Call::SetDifficulty(difficulty)));
}

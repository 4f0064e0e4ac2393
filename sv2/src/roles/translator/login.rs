//! What a device says before it works, and all that is no share: `mining.configure`,
//! `mining.subscribe`, `mining.authorize` and suggestions, in whatever order.

use super::device::{Phase, Rolling, Subscription};
use super::{DEVICE_CHANNEL, Timer, Translator, slot};
use crate::common::Protocol;
use crate::event::Event;
use crate::mining::error_code::share as event_code;
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::sv1::{
    Call, Configure, Configured, Granted, Id, Message, Outcome, ParseError, Response,
    ResponseError, Subscribed, Sv1Error, error_code,
};
use crate::time::Now;
use crate::violation::Violation;
use crate::wire::Target;

impl Translator {
    /// A line of a device; nothing if the connection is none of a device.
    pub(super) fn handle_line(
        &mut self,
        now: Now,
        connection: ConnectionId,
        line: &[u8],
        out: &mut Outbox,
    ) {
        if self.upstream.uplink.is(connection) {
            let reason = CloseReason::Sv1(Sv1Error::OutOfPlace);
            return self.upstream.uplink.close(reason, out);
        }
        let Some(device) = slot(&mut self.devices, connection) else { return };
        if device.phase == Phase::Closing {
            return;
        }
        match Message::parse(line) {
            Ok(Message::Call { id, call }) => self.handle_call(now, connection, id, call, out),
            // We ask devices nothing.
            Ok(Message::Response(_)) => self.count_useless(now, connection, out),
            Err(error) => self.handle_nonsense(now, connection, error, out),
        }
    }

    fn handle_call(
        &mut self,
        now: Now,
        connection: ConnectionId,
        id: Id,
        call: Call,
        out: &mut Outbox,
    ) {
        // First what comes a thousand times as often as the rest.
        if let Call::Submit(submit) = call {
            return self.handle_submit(now, connection, id, &submit, out);
        }
        match call {
            Call::Configure(configure) => self.handle_configure(connection, id, &configure, out),
            Call::Subscribe(_) => self.handle_subscribe(now, connection, id, out),
            Call::Authorize { user, password: _ } => {
                self.handle_authorize(now, connection, id, user, out);
            }
            Call::ExtranonceSubscribe => {
                if let Some(device) = slot(&mut self.devices, connection) {
                    device.takes_extranonce = true;
                }
                answer(connection, Response::yes(id), out);
            }
            Call::SuggestDifficulty(difficulty) => {
                answer(connection, Response::yes(id), out);
                self.handle_suggestion(now, connection, difficulty.target(), out);
            }
            Call::SuggestTarget(target) => {
                answer(connection, Response::yes(id), out);
                self.handle_suggestion(now, connection, target, out);
            }
            Call::Ping => {
                answer(connection, Response { id, outcome: Outcome::Text("pong".to_owned()) }, out);
            }
            Call::GetVersion => {
                let version = concat!("assay-", env!("CARGO_PKG_VERSION")).to_owned();
                answer(connection, Response { id, outcome: Outcome::Text(version) }, out);
            }
            Call::Pong => {}
            Call::Submit(_)
            | Call::SetDifficulty(_)
            | Call::SetExtranonce { .. }
            | Call::SetVersionMask(_)
            | Call::Notify(_)
            | Call::Reconnect(_)
            | Call::ShowMessage(_)
            | Call::Unknown { .. } => {
                let error = ResponseError::new(error_code::OTHER, "no method of a pool");
                answer(connection, Response::error(id, error), out);
            }
        }
        // A device says such things once: whoever goes on with it makes us work for nothing.
        self.count_useless(now, connection, out);
    }

    /// A line that says nothing, or not what it should.
    fn handle_nonsense(
        &mut self,
        now: Now,
        connection: ConnectionId,
        error: ParseError,
        out: &mut Outbox,
    ) {
        let text = error.to_string();
        if error.method == Some("mining.submit") {
            let Some(device) = slot(&mut self.devices, connection) else { return };
            let sequence_number = device.take_sequence_number();
            let (channel_id, error_code) = (DEVICE_CHANNEL, event_code::MALFORMED);
            out.tell(Event::ShareRejected { connection, channel_id, sequence_number, error_code });
        } else {
            out.tell(Event::Noted { connection: Some(connection), what: text.clone() });
        }
        let error = (error.id, ResponseError::new(error_code::OTHER, text));
        self.refuse(now, connection, error.0, error.1, out);
    }

    /// BIP 310: each extension that was asked for is answered, and no other.
    fn handle_configure(
        &mut self,
        connection: ConnectionId,
        id: Id,
        configure: &Configure,
        out: &mut Outbox,
    ) {
        let is_fixed = self.is_version_fixed(connection);
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let mut configured = Configured {
            minimum_difficulty: configure.minimum_difficulty.map(|_| Granted::No),
            subscribe_extranonce: configure.subscribe_extranonce.then_some(Granted::Yes),
            info: configure.info.as_ref().map(|_| Granted::No),
            others: configure.unknown.iter().map(|name| (name.clone(), Granted::No)).collect(),
            ..Configured::default()
        };
        device.takes_extranonce |= configure.subscribe_extranonce;
        if let Some(asked) = configure.version_rolling {
            let mask = asked.asked_mask() & self.config.version_mask;
            let has_too_few =
                asked.min_bit_count.is_some_and(|count| mask.count_ones() < u32::from(count));
            device.rolling = None;
            configured.version_rolling = Some(if is_fixed {
                Granted::No
            } else if has_too_few {
                Granted::Because("fewer bits than version-rolling.min-bit-count".to_owned())
            } else {
                device.rolling = Some(Rolling { mask, told: mask });
                configured.version_rolling_mask = Some(mask);
                Granted::Yes
            });
            let granted = device.rolling.map_or(0, |rolling| rolling.mask);
            for given in device.jobs.iter_mut() {
                given.mask = if given.source.may_roll { granted } else { 0 };
            }
        }
        let outcome = Outcome::Configured(Box::new(configured));
        answer(connection, Response { id, outcome }, out);
    }

    /// Whether the upstream takes no rolled versions, as far as it has said so by now.
    fn is_version_fixed(&mut self, connection: ConnectionId) -> bool {
        let Some(device) = slot(&mut self.devices, connection) else { return false };
        let lane = self.lanes.get(&device.lane);
        let current = lane.and_then(|lane| lane.current.as_ref());
        current.map_or(self.upstream.fixes_version, |job| !job.may_roll)
    }

    /// Answered at once where there is a channel, or as soon as there is one.
    fn handle_subscribe(&mut self, now: Now, connection: ConnectionId, id: Id, out: &mut Outbox) {
        let Some(device) = slot(&mut self.devices, connection) else { return };
        match device.subscription {
            Subscription::None => {
                device.subscription = Subscription::Waiting(id);
                let is_named = !device.workers.is_empty();
                if is_named {
                    self.timers.cancel(Timer::Login(connection));
                }
                self.join_lane(now, connection, is_named, out);
            }
            Subscription::Waiting(_) => {
                let error = ResponseError::new(error_code::OTHER, "the first one is not answered");
                answer(connection, Response::error(id, error), out);
            }
            Subscription::Done => {
                let subscribed = self.subscribed(connection);
                answer(connection, Response { id, outcome: subscribed }, out);
            }
        }
    }

    /// There is a channel now: whoever waits for it is told of its extranonce.
    pub(super) fn answer_subscribe(
        &mut self,
        now: Now,
        connection: ConnectionId,
        out: &mut Outbox,
    ) {
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let (Subscription::Waiting(id), Some(index)) = (&device.subscription, device.index) else {
            return;
        };
        let lane = self.lanes.get(&device.lane);
        let extranonce1 = lane.and_then(|lane| lane.extranonce1(index));
        let Some(extranonce1) = extranonce1 else { return };
        let id = id.clone();
        device.extranonce1 = extranonce1;
        device.subscription = Subscription::Done;
        device.pace.restart();
        let authorized = std::mem::take(&mut device.unanswered);
        let subscribed = self.subscribed(connection);
        answer(connection, Response { id, outcome: subscribed }, out);
        for id in authorized {
            answer(connection, Response::yes(id), out);
        }
        out.tell(Event::SetupDone { connection, protocol: Protocol::Mining as u8, flags: 0 });
        out.tell(Event::ChannelOpened { connection, channel_id: DEVICE_CHANNEL });
        self.give_work(now, connection, true, out);
    }

    fn subscribed(&mut self, connection: ConnectionId) -> Outcome {
        let device = slot(&mut self.devices, connection);
        let extranonce1 = device.map_or_else(Default::default, |device| device.extranonce1);
        let session = format!("{:x}", connection.0);
        let subscription = |method: &str| (method.to_owned(), session.clone());
        Outcome::Subscribed(Subscribed {
            subscriptions: ["mining.set_difficulty", "mining.notify"].map(subscription).into(),
            extranonce1,
            extranonce2_size: self.config.extranonce2_len,
        })
    }

    /// The upstream opens no channel for it.
    pub(super) fn refuse_subscribe(&mut self, connection: ConnectionId, out: &mut Outbox) {
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let subscription = std::mem::replace(&mut device.subscription, Subscription::None);
        if let Subscription::Waiting(id) = subscription {
            let error = ResponseError::new(error_code::OTHER, "the pool opens no channel");
            answer(connection, Response::error(id, error), out);
        }
    }

    /// Everybody is welcome; who is paid is the upstream's business.
    fn handle_authorize(
        &mut self,
        now: Now,
        connection: ConnectionId,
        id: Id,
        user: String,
        out: &mut Outbox,
    ) {
        let max = self.config.workers_per_device_max;
        let Some(device) = slot(&mut self.devices, connection) else { return };
        let is_new = !device.workers.contains(&user);
        let refused = match (user.is_empty(), is_new) {
            (true, _) => Some("a user has a name"),
            (_, true) if device.workers.len() >= max => Some("too many users on one connection"),
            _ if device.unanswered.len() >= max => Some("too many calls that wait"),
            _ => None,
        };
        if let Some(text) = refused {
            let error = ResponseError::new(error_code::UNAUTHORIZED, text);
            return answer(connection, Response::error(id, error), out);
        }
        if is_new {
            device.workers.push(user);
        }
        let is_first = device.workers.len() == 1 && is_new;
        let lane = device.lane;
        match device.subscription {
            Subscription::None => answer(connection, Response::yes(id), out),
            // Naive devices take the first answer for that to their first call.
            Subscription::Waiting(_) => {
                device.unanswered.push(id);
                self.timers.cancel(Timer::Login(connection));
                if self.timers.is_set(Timer::Name(connection)) {
                    self.open_lane(now, lane, out);
                }
            }
            Subscription::Done => {
                answer(connection, Response::yes(id), out);
                self.timers.cancel(Timer::Login(connection));
                if is_first {
                    self.give_work(now, connection, true, out);
                }
            }
        }
    }

    /// The difficulty that a device wants says how fast it is.
    fn handle_suggestion(
        &mut self,
        now: Now,
        connection: ConnectionId,
        target: Target,
        out: &mut Outbox,
    ) {
        let suggested = target.expected_hashes() * self.config.shares_per_minute / 60.0;
        let Some(device) = slot(&mut self.devices, connection) else { return };
        device.pace.suggest(suggested, &self.config);
        let lane = device.lane;
        self.want_update(lane);
        self.renew_difficulty(now, connection, out);
    }

    /// Answers with an error, which earns nothing.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        connection: ConnectionId,
        id: Id,
        error: ResponseError,
        out: &mut Outbox,
    ) {
        answer(connection, Response::error(id, error), out);
        self.count_useless(now, connection, out);
    }

    fn count_useless(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let limit = self.config.useless_lines_per_minute_max;
        let Some(device) = slot(&mut self.devices, connection) else { return };
        if let Err(violation) = device.useless.count(now.instant, limit) {
            let reason = match violation {
                Violation::Flood { what: _, count, seconds, limit } => {
                    CloseReason::Sv1(Sv1Error::Flood { count, seconds, limit })
                }
                other => other.into(),
            };
            self.close_device(connection, reason, out);
        }
    }
}

pub(super) fn answer(connection: ConnectionId, response: Response, out: &mut Outbox) {
    out.say(connection, &response.into());
}

pub(super) fn tell(connection: ConnectionId, call: Call, out: &mut Outbox) {
    out.say(connection, &Message::notification(call));
}

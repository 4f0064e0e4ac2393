//! What a Stratum V1 pool says to a device.

use std::cmp::Reverse;
use std::sync::Arc;

use sv2::sv1::{Call, Configured, Granted, Id, Message, Outcome, Response, error_code};
use sv2::time::Instant;

use super::{ANSWER_TIMEOUT, Stage, Sv1Line, Task};
use crate::load::line::End;
use crate::load::sv1_calls::{self, id};
use crate::load::tally::Wait;

impl Sv1Line {
    /// Takes any line; what is wrong with it is counted, and ends nothing but the set-up.
    pub(super) fn take_line(
        &mut self,
        now: Instant,
        line: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        let message = Message::parse(line);
        let kind = match &message {
            Ok(Message::Call { call, .. }) => sv1_calls::kind_of(call.method()),
            Ok(Message::Response(response)) => sv1_calls::kind_of_answer(asked(&response.id)),
            Err(_) => sv1_calls::kind_of(""),
        };
        self.fleet.tally.received.add(0, kind, line.len() + 1);
        match message {
            Ok(Message::Call { id, call }) => {
                self.handle_call(now, id, call, out);
                Ok(())
            }
            Ok(Message::Response(response)) => self.handle_response(now, response, out),
            Err(error) => {
                self.fault(&error.to_string());
                Ok(())
            }
        }
    }

    fn handle_call(&mut self, now: Instant, id: Id, call: Call, out: &mut Vec<u8>) {
        match call {
            Call::SetDifficulty(difficulty) => self.work.set_difficulty(difficulty),
            Call::SetExtranonce { extranonce1, extranonce2_size } => {
                self.work.set_extranonce(extranonce1, extranonce2_size);
            }
            Call::SetVersionMask(mask) => match &mut self.work.version_mask {
                Some(agreed) => *agreed = mask,
                None => self.fault("mining.set_version_mask, and rolling was not agreed on"),
            },
            Call::Notify(notify) => {
                let prev_hash = notify.prev_hash;
                if self.work.take_job(now, notify) {
                    let late = self.fleet.tally.tips.heard(&prev_hash, now);
                    self.fleet.tally.waited(Wait::Tip, self.number, late);
                }
                if self.stage == Stage::Opening {
                    self.open(now);
                }
            }
            Call::GetVersion => {
                self.answer(id, concat!("assay-load/", env!("CARGO_PKG_VERSION")), out);
            }
            Call::Ping => self.answer(id, "pong", out),
            Call::ShowMessage(_) | Call::Pong => {}
            Call::Reconnect(_) => self.fault("client.reconnect, which this fleet does not follow"),
            // Pools tell devices things that only some of them know.
            Call::Unknown { .. } => {}
            other @ (Call::Configure(_)
            | Call::Subscribe(_)
            | Call::Authorize { .. }
            | Call::Submit(_)
            | Call::ExtranonceSubscribe
            | Call::SuggestDifficulty(_)
            | Call::SuggestTarget(_)) => {
                self.fault(&format!("{} is out of place", other.method()));
            }
        }
    }

    fn answer(&self, id: Id, text: &str, out: &mut Vec<u8>) {
        if id.is_some() {
            let outcome = Outcome::Text(text.to_owned());
            self.send(&Response { id, outcome }.into(), out);
        }
    }

    fn handle_response(
        &mut self,
        now: Instant,
        Response { id, outcome }: Response,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        match id {
            // Old pools know no `mining.configure`: then nothing is rolled.
            Id::Number(id::CONFIGURE) => {
                if let Outcome::Configured(configured) = outcome {
                    self.work.version_mask = agreed_mask(&configured);
                }
            }
            // Pools need not follow it.
            Id::Number(id::SUGGEST_DIFFICULTY) => {}
            Id::Number(id::SUBSCRIBE) if self.stage == Stage::Subscribing => {
                let Outcome::Subscribed(subscribed) = outcome else {
                    let why = said(&outcome);
                    return Err(End::Refused(format!("mining.subscribe is answered with {why}")));
                };
                self.work.set_extranonce(subscribed.extranonce1, subscribed.extranonce2_size);
                self.stage = Stage::Authorizing;
                let config = &self.fleet.config;
                let rate = config.nominal_hash_rate;
                self.send(&sv1_calls::suggest_difficulty(config, rate), out);
                self.send(&sv1_calls::authorize(config, self.number), out);
            }
            Id::Number(id::AUTHORIZE) if self.stage == Stage::Authorizing => {
                if !outcome.is_yes() {
                    let why = said(&outcome);
                    return Err(End::Refused(format!("mining.authorize is answered with {why}")));
                }
                self.handle_set_up(now);
            }
            Id::Number(id) => self.handle_verdict(now, id, &outcome),
            Id::Missing | Id::Null | Id::Raw(_) => {
                self.fault(&format!("an answer to no call of ours: {}", said(&outcome)));
            }
        }
        Ok(())
    }

    /// Subscribed and authorised. Some pools have sent a job by then.
    fn handle_set_up(&mut self, now: Instant) {
        let tally = &self.fleet.tally;
        tally.set_up.add(1);
        tally.waited(Wait::SetUp, self.number, now.since(self.since));
        // The connection waits no more, but its device does.
        tally.asked_channels.add(1);
        (self.stage, self.since) = (Stage::Opening, now);
        if self.work.price().is_some() {
            return self.open(now);
        }
        self.agenda.push(Reverse((now + ANSWER_TIMEOUT, Task::MissJob)));
    }

    /// There is work.
    fn open(&mut self, now: Instant) {
        let tally = &self.fleet.tally;
        tally.pending.take(1);
        tally.opened_channels.add(1);
        tally.waited(Wait::Open, self.number, now.since(self.since));
        (self.stage, self.since) = (Stage::Running, now);
    }

    /// The answer to a share.
    fn handle_verdict(&mut self, now: Instant, id: u64, outcome: &Outcome) {
        let fleet = Arc::clone(&self.fleet);
        let tally = &fleet.tally;
        // Most pools answer in order.
        let at = self.in_flight.iter().position(|share| share.id == id);
        let Some(share) = at.and_then(|at| self.in_flight.remove(at)) else {
            return self.fault(&format!("an answer to no share in flight: {}", said(outcome)));
        };
        tally.waited(Wait::Answer, self.number, now.since(share.sent_at));
        if outcome.is_yes() {
            return tally.accepted.add(1);
        }
        tally.rejections.add(&said(outcome));
        match outcome {
            // Of a job that was replaced while the share was on its way: nobody's fault.
            Outcome::Error(error) if error.code == error_code::JOB_NOT_FOUND => tally.stale.add(1),
            _ => tally.rejected.add(1),
        }
    }
}

/// BIP 310: no bit that was not granted, and none without a mask.
fn agreed_mask(configured: &Configured) -> Option<u32> {
    let is_granted = configured.version_rolling.as_ref().is_some_and(Granted::is_yes);
    configured.version_rolling_mask.filter(|_| is_granted)
}

/// The method that an answer is to.
fn asked(id: &Id) -> &'static str {
    match id {
        Id::Number(id::CONFIGURE) => "mining.configure",
        Id::Number(id::SUBSCRIBE) => "mining.subscribe",
        Id::Number(id::SUGGEST_DIFFICULTY) => "mining.suggest_difficulty",
        Id::Number(id::AUTHORIZE) => "mining.authorize",
        Id::Number(id::FIRST_SUBMIT..) => "mining.submit",
        Id::Number(_) | Id::Missing | Id::Null | Id::Raw(_) => "",
    }
}

/// An answer in words.
pub(in crate::load) fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Error(error) => format!("{} {}", error.code, error.text.escape_debug()),
        Outcome::Flag(flag) => flag.to_string(),
        Outcome::Null => "null".to_owned(),
        Outcome::Subscribed(_) => "an array".to_owned(),
        Outcome::Configured(_) => "an object".to_owned(),
        Outcome::Text(_) => "a text".to_owned(),
        Outcome::Other(_) => "a number".to_owned(),
    }
}

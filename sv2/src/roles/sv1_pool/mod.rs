//! A small pool that speaks Stratum V1: what devices in the field are used to, on templates of a
//! template provider (spec 7).
//!
//! Every connection has its own extranonce1, difficulty and version mask. What a peer does wrong
//! is answered with an error that names it, and disturbs nobody else. It keeps no accounts on
//! disk.

mod client;
mod commands;
mod config;
mod handshake;
mod jobs;
mod shares;
#[cfg(test)]
mod tests;

pub use config::Sv1PoolConfig;

use self::client::Client;
use self::jobs::PresentJob;
use super::mining_server::Stock;
use super::pool::{Provider, ProviderNews, ProviderSettings};
use crate::entropy::Entropy;
use crate::event::Event;
use crate::message::Message as FrameMessage;
use crate::mining::extranonce::ExtranonceAllocator;
use crate::role::{CloseReason, ConnectionId, Input, Outbox, Role, Via};
use crate::sv1::{
    Call, Id, Message, Outcome, ParseError, Response, ResponseError, Sv1Error, error_code,
};
use crate::time::{Instant, Now};
use crate::timers::Timers;
use crate::violation::Violation;

/// A Stratum V1 pool as a pure state machine.
#[derive(Debug)]
pub struct Sv1Pool {
    config: Sv1PoolConfig,
    entropy: Entropy,
    provider: Provider,
    stock: Stock,
    extranonces: ExtranonceAllocator,
    /// Of extranonce1 and extranonce2 together.
    full_len: usize,
    /// By [`ConnectionId`]: the driver hands out small numbers.
    clients: Vec<Option<Box<Client>>>,
    job: Option<PresentJob>,
    next_job_id: u32,
    timers: Timers<Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Vardiff,
    Authorize(ConnectionId),
}

impl Sv1Pool {
    /// A pool that has no work yet. It wants to be woken at once, to dial its template
    /// provider.
    pub fn new(config: Sv1PoolConfig, entropy: Entropy) -> Self {
        let settings = ProviderSettings {
            template_provider: config.template_provider.clone(),
            redial_wait: config.redial_wait,
            setup_timeout: config.setup_timeout,
            payout_script: config.payout_script.clone(),
            coinbase_tag: config.coinbase_tag.clone(),
            proof_check: config.proof_check,
        };
        Sv1Pool {
            provider: Provider::new(settings),
            stock: Stock::default(),
            extranonces: ExtranonceAllocator::new(config.extranonce.clone()),
            full_len: config.extranonce.full_len(),
            clients: Vec::new(),
            job: None,
            next_job_id: 1,
            timers: Timers::new(),
            config,
            entropy,
        }
    }

    fn handle_provider_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: FrameMessage,
        out: &mut Outbox,
    ) {
        match self.provider.handle_message(now, connection, message, true, out) {
            Some(ProviderNews::Restarted) => self.stock.futures.clear(),
            // Without a tip there is nothing yet that the template could be for.
            Some(ProviderNews::Template { source, is_future })
                if is_future || self.stock.tip.is_none() =>
            {
                self.add_future(source);
            }
            Some(ProviderNews::Template { source, is_future: _ }) => {
                self.set_current(now, source, out);
            }
            Some(ProviderNews::Tip { tip, template_id }) => {
                if let Err(unknown) = self.set_tip(now, tip, template_id, out) {
                    self.provider.refuse_tip(unknown, out);
                }
            }
            None => {}
        }
    }

    fn handle_connected(&mut self, now: Now, connection: ConnectionId) {
        let index = connection.0 as usize;
        if self.clients.len() <= index {
            self.clients.resize_with(index + 1, || None);
        }
        let client = Client::new(self.config.assumed_hash_rate);
        self.clients[index] = Some(Box::new(client));
        let deadline = now.instant + self.config.authorize_timeout;
        self.timers.set(Timer::Authorize(connection), deadline);
    }

    fn handle_line(&mut self, now: Now, connection: ConnectionId, line: &[u8], out: &mut Outbox) {
        let Some(client) = slot(&mut self.clients, connection) else { return };
        if client.is_closing {
            return;
        }
        match Message::parse(line) {
            Ok(Message::Call { id, call: Call::Submit(submit) }) => {
                self.handle_submit(now, connection, id, &submit, out);
            }
            Ok(Message::Call { id, call }) => self.handle_call(now, connection, id, call, out),
            // We ask nothing that would be answered.
            Ok(Message::Response(_)) => self.count_useless(now, connection, out),
            Err(ParseError { id, method, fault }) => {
                let text = match method {
                    Some(method) => format!("{method}: {fault}"),
                    None => fault.to_string(),
                };
                self.refuse(now, connection, id, error_code::OTHER, text, out);
            }
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
        match call {
            Call::Configure(configure) => {
                self.handle_configure(connection, id, *configure, out);
            }
            Call::Subscribe(_) => self.handle_subscribe(now, connection, id, out),
            Call::Authorize { user, password: _ } => {
                self.handle_authorize(now, connection, id, user, out);
            }
            Call::ExtranonceSubscribe => {
                if let Some(client) = slot(&mut self.clients, connection) {
                    client.takes_extranonces = true;
                }
                out.say(connection, &Response::yes(id).into());
            }
            Call::SuggestDifficulty(difficulty) => {
                self.handle_suggestion(now, connection, id, difficulty.target(), out);
            }
            Call::SuggestTarget(target) => {
                self.handle_suggestion(now, connection, id, target, out);
            }
            Call::Ping => {
                let outcome = Outcome::Text("pong".to_owned());
                out.say(connection, &Response { id, outcome }.into());
            }
            Call::Pong => {}
            Call::GetVersion => {
                let outcome =
                    Outcome::Text(concat!("assay/", env!("CARGO_PKG_VERSION")).to_owned());
                out.say(connection, &Response { id, outcome }.into());
            }
            Call::Submit(submit) => self.handle_submit(now, connection, id, &submit, out),
            Call::SetDifficulty(_)
            | Call::SetExtranonce { .. }
            | Call::SetVersionMask(_)
            | Call::Notify(_)
            | Call::Reconnect(_)
            | Call::ShowMessage(_)
            | Call::Unknown { .. } => {
                let text = "Method not found".to_owned();
                self.refuse(now, connection, id, error_code::OTHER, text, out);
            }
        }
    }

    /// Answers with an error, also where there is no id to answer to: who sends nonsense is told.
    fn refuse(
        &mut self,
        now: Now,
        connection: ConnectionId,
        id: Id,
        code: i64,
        text: String,
        out: &mut Outbox,
    ) {
        let error = ResponseError { code, text, form: self.config.error_form };
        out.say(connection, &Response::error(id, error).into());
        self.count_useless(now, connection, out);
    }

    fn count_useless(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let limit = self.config.useless_lines_per_minute_max;
        let Some(client) = slot(&mut self.clients, connection) else { return };
        let Err(violation) = client.useless.count(now.instant, limit) else { return };
        let reason = match violation {
            Violation::Flood { what: _, count, seconds, limit } => {
                Sv1Error::Flood { count, seconds, limit }.into()
            }
            other => other.into(),
        };
        self.close(connection, reason, out);
    }

    /// Asks the driver to close; its `Closed` will follow.
    fn close(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        let Some(client) = slot(&mut self.clients, connection) else { return };
        if !client.is_closing {
            client.is_closing = true;
            self.release(connection);
            out.close(connection, reason);
        }
    }

    /// Ends everything that a connection holds.
    fn release(&mut self, connection: ConnectionId) {
        self.timers.cancel(Timer::Authorize(connection));
        let Some(client) = slot(&mut self.clients, connection) else { return };
        if let Some(channel) = client.channel.take() {
            let extranonces = channel.into_extranonces();
            extranonces.for_each(|extranonce| self.extranonces.release(extranonce));
        }
    }

    fn handle_closed(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        if slot(&mut self.clients, connection).is_some() {
            self.release(connection);
            self.clients[connection.0 as usize] = None;
            out.tell(Event::ConnectionClosed { connection, reason });
        }
    }

    fn handle_woken(&mut self, now: Now, out: &mut Outbox) {
        while let Some(timer) = self.timers.take_due(now.instant) {
            match timer {
                Timer::Vardiff => self.adjust_difficulties(now, out),
                Timer::Authorize(connection) => {
                    let seconds = self.config.authorize_timeout.as_secs();
                    self.close(connection, Sv1Error::NotAuthorized { seconds }.into(), out);
                }
            }
        }
    }

    /// In the order of their ids.
    fn connections_where(&self, is_wanted: impl Fn(&Client) -> bool) -> Vec<ConnectionId> {
        (0..)
            .zip(&self.clients)
            .filter(|(_, client)| client.as_deref().is_some_and(&is_wanted))
            .map(|(index, _)| ConnectionId(index))
            .collect()
    }
}

impl Role for Sv1Pool {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if !self.provider.uplink.is_started() {
            self.provider.uplink.dial(out);
            self.watch_vardiff(now.instant);
        }
        let uplink = &mut self.provider.uplink;
        match input {
            Input::Line { connection, .. } if uplink.is(connection) => out.refuse_line(connection),
            Input::Line { connection, line } => self.handle_line(now, connection, &line, out),
            Input::Received { connection, message, .. } if uplink.is(connection) => {
                self.handle_provider_message(now, connection, message, out);
            }
            Input::Undecodable { connection, frame: _, error } if uplink.is(connection) => {
                uplink.handle_undecodable(connection, error, out);
            }
            // Frames: the driver serves its miners as something that we are not.
            Input::Received { connection, .. } | Input::Undecodable { connection, .. } => {
                self.close(connection, Sv1Error::FrameOutOfPlace.into(), out);
            }
            Input::Connected { connection, via: Via::Dial(dial) } => {
                uplink.handle_connected(now, dial, connection, out);
            }
            Input::Connected { connection, via: Via::Listener(_) } => {
                self.handle_connected(now, connection);
            }
            Input::DialFailed { dial, reason: _ } => {
                uplink.handle_dial_failed(now, dial);
            }
            Input::Closed { connection, reason } if uplink.is(connection) => {
                uplink.handle_closed(now, connection, reason, out);
            }
            Input::Closed { connection, reason } => self.handle_closed(connection, reason, out),
            Input::Command(command) => self.handle_command(&command, out),
            Input::Woken => {
                uplink.handle_woken(now, out);
                self.handle_woken(now, out);
            }
            // News of a chain come through the template provider, and nothing is asked of the
            // world.
            Input::Chain(_) | Input::Answer { .. } => {}
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let both = [self.provider.uplink.wake_at(), self.timers.earliest()];
        both.into_iter().flatten().min()
    }
}

fn slot(clients: &mut [Option<Box<Client>>], connection: ConnectionId) -> Option<&mut Client> {
    clients.get_mut(connection.0 as usize)?.as_deref_mut()
}

/// Of events: a connection of Stratum V1 is what a channel is in Stratum V2.
pub const CHANNEL_ID: u32 = 1;

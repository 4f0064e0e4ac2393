//! The pool: serves work to miners and proxies, and pays for their shares (spec 5).
//!
//! Templates come from a template provider, which the pool dials itself; opens that come before
//! the first template are answered with it.

mod channels;
mod config;
mod downstream;
mod extensions;
mod jobs;
mod setup;
mod shares;
#[cfg(test)]
mod tests;
mod upstream;

pub use config::PoolConfig;

use self::downstream::{Downstream, Phase};
use self::jobs::TemplateWork;
use self::shares::Unwritten;
use self::upstream::Upstream;
use crate::common::SetupOffer;
use crate::entropy::Entropy;
use crate::event::Event;
use crate::message::{DecodeError, Message};
use crate::mining::extranonce::ExtranonceAllocator;
use crate::role::{CloseReason, ConnectionId, Input, Outbox, Role, Via};
use crate::time::{Instant, Now};
use crate::timers::Timers;
use crate::violation::Violation;
use crate::wire::{Frame, Tlvs};

/// A pool as a pure state machine.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    entropy: Entropy,
    offer: SetupOffer,
    /// By [`ConnectionId`]: the driver hands out small numbers.
    connections: Vec<Option<Box<Downstream>>>,
    /// Clients that have ever connected.
    generation: u64,
    extranonces: ExtranonceAllocator,
    work: TemplateWork,
    upstream: Upstream,
    unwritten: Unwritten,
    timers: Timers<Timer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Redial,
    UpstreamSetup,
    Vardiff,
    Setup(ConnectionId),
    Idle(ConnectionId),
    /// Of a channel's batch.
    Acknowledge(ConnectionId, u32),
}

impl Pool {
    /// A pool that has no work yet. It wants to be woken at once, to dial its template
    /// provider.
    pub fn new(config: PoolConfig, entropy: Entropy) -> Self {
        Pool {
            offer: config.setup_offer(),
            connections: Vec::new(),
            generation: 0,
            extranonces: ExtranonceAllocator::new(config.extranonce.clone()),
            work: TemplateWork::default(),
            upstream: Upstream::new(config.template_provider.clone(), config.redial_wait.0),
            unwritten: Unwritten::default(),
            timers: Timers::new(),
            config,
            entropy,
        }
    }

    fn start(&mut self, now: Now, out: &mut Outbox) {
        self.dial_upstream(out);
        if let Some(settings) = self.config.vardiff {
            self.timers.set(Timer::Vardiff, now.instant + settings.interval);
        }
    }

    fn handle_connected(&mut self, now: Now, connection: ConnectionId, via: Via, out: &mut Outbox) {
        if let Via::Dial(dial) = via {
            return self.handle_upstream_connected(now, dial, connection, out);
        }
        let index = connection.0 as usize;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        self.generation += 1;
        self.connections[index] = Some(Box::new(Downstream::new(self.generation)));
        self.timers.set(Timer::Setup(connection), now.instant + self.config.setup_timeout);
    }

    fn handle_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        tlvs: &Tlvs,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else {
            if self.upstream.is(connection) {
                self.handle_upstream_message(now, connection, message, out);
            }
            return;
        };
        match (downstream.phase, message) {
            // First what comes a thousand times as often as the rest.
            (Phase::Open, Message::SubmitSharesStandard(share)) => {
                self.handle_standard_share(now, connection, &share, out);
            }
            (Phase::Open, Message::SubmitSharesExtended(share)) => {
                self.handle_extended_share(now, connection, &share, tlvs, out);
            }
            (Phase::Closing, _) => {}
            (Phase::AwaitingSetup, Message::SetupConnection(request)) => {
                self.handle_setup(now, connection, &request, out);
            }
            (Phase::AwaitingSetup, other) => {
                let violation = Violation::BeforeSetup { message: other.name() };
                self.close(connection, violation.into(), out);
            }
            // AMB-47: the two sides no longer agree about what the connection is.
            (Phase::Open, Message::SetupConnection(_)) => {
                self.close(connection, Violation::SecondSetup.into(), out);
            }
            (Phase::Open, Message::RequestExtensions(request)) => {
                self.handle_request_extensions(connection, &request, out);
            }
            (Phase::Open, other) => self.handle_mining(now, connection, other, out),
        }
    }

    /// Everything of the mining protocol but shares.
    fn handle_mining(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let opens = matches!(
            message,
            Message::OpenStandardMiningChannel(_) | Message::OpenExtendedMiningChannel(_)
        );
        // Without a channel nothing is served, so this is where going on without a required
        // extension ends.
        let missing = self.config.missing_extension(&downstream.negotiated).filter(|_| opens);
        if let Some(violation) = missing {
            return self.close(connection, violation.into(), out);
        }
        match message {
            Message::OpenStandardMiningChannel(request) => {
                self.handle_open(now, connection, (*request).into(), out);
            }
            Message::OpenExtendedMiningChannel(request) => {
                self.handle_open(now, connection, (*request).into(), out);
            }
            Message::UpdateChannel(update) => self.handle_update(now, connection, &update, out),
            Message::CloseChannel(close) => {
                self.handle_close_channel(now, connection, &close, out);
            }
            Message::SetCustomMiningJob(request) => {
                self.handle_custom_job(now, connection, &request, out);
            }
            // A message of another protocol, or one that only a server sends (spec 8).
            other => self.note_ignored(now, connection, other.name(), out),
        }
    }

    fn handle_undecodable(
        &mut self,
        now: Now,
        connection: ConnectionId,
        frame: &Frame,
        error: DecodeError,
        out: &mut Outbox,
    ) {
        let Some(downstream) = slot(&mut self.connections, connection) else {
            return self.handle_upstream_undecodable(connection, error, out);
        };
        match (downstream.phase, error) {
            (Phase::Closing, _) => {}
            // Spec 3.4.1: a pool is the endpoint of connection and channel, so it drops what it
            // does not know; before set-up nothing but SetupConnection has a place.
            (Phase::Open, DecodeError::Unknown { .. }) => {
                let (number, extension) = (frame.message_type, frame.header().extension());
                let what = format!("message {number:#04x} of extension {extension:#06x}");
                self.note_ignored(now, connection, &what, out);
            }
            (Phase::AwaitingSetup, DecodeError::Unknown { .. }) => {
                let violation = Violation::BeforeSetup { message: "an unknown message" };
                self.close(connection, violation.into(), out);
            }
            (_, error @ DecodeError::Malformed { .. }) => {
                self.close(connection, CloseReason::Undecodable(error), out);
            }
        }
    }

    fn handle_upstream_undecodable(
        &mut self,
        connection: ConnectionId,
        error: DecodeError,
        out: &mut Outbox,
    ) {
        match error {
            _ if !self.upstream.is(connection) => {}
            DecodeError::Unknown { .. } => out.tell(Event::Noted {
                connection: Some(connection),
                what: format!("ignored from the template provider: {error}"),
            }),
            DecodeError::Malformed { .. } => {
                self.close_upstream(CloseReason::Undecodable(error), out);
            }
        }
    }

    fn note_ignored(&mut self, now: Now, connection: ConnectionId, what: &str, out: &mut Outbox) {
        out.tell(Event::Noted {
            connection: Some(connection),
            what: format!("ignored {what}: nothing for a pool (spec 3.4.1, 8)"),
        });
        self.count_useless(now, connection, out);
    }

    fn count_useless(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        let limit = self.config.useless_messages_per_minute_max;
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        if let Err(violation) = downstream.count_useless(now.instant, limit) {
            self.close(connection, violation.into(), out);
        }
    }

    /// Asks the driver to close; its `Closed` will follow.
    fn close(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        if downstream.phase != Phase::Closing {
            downstream.phase = Phase::Closing;
            self.release(connection);
            out.close(connection, reason);
        }
    }

    /// Ends everything that a connection holds.
    fn release(&mut self, connection: ConnectionId) {
        self.timers.cancel(Timer::Setup(connection));
        self.timers.cancel(Timer::Idle(connection));
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        downstream.waiting.clear();
        downstream.groups.clear();
        for (channel_id, served) in downstream.channels.drain(..) {
            self.timers.cancel(Timer::Acknowledge(connection, channel_id));
            self.extranonces.release(served.channel.into_extranonce());
        }
    }

    fn handle_closed(
        &mut self,
        now: Now,
        connection: ConnectionId,
        reason: CloseReason,
        out: &mut Outbox,
    ) {
        if slot(&mut self.connections, connection).is_some() {
            self.release(connection);
            self.connections[connection.0 as usize] = None;
        } else if self.upstream.is(connection) {
            self.handle_upstream_lost(now);
        } else {
            return;
        }
        out.tell(Event::ConnectionClosed { connection, reason });
    }

    fn handle_woken(&mut self, now: Now, out: &mut Outbox) {
        while let Some(timer) = self.timers.take_due(now.instant) {
            match timer {
                Timer::Redial => self.dial_upstream(out),
                Timer::UpstreamSetup => self.close_upstream(CloseReason::SetupTimedOut, out),
                Timer::Vardiff => self.adjust_targets(now.instant, out),
                Timer::Setup(connection) => self.close(connection, CloseReason::SetupTimedOut, out),
                Timer::Idle(connection) => self.close(connection, CloseReason::Idle, out),
                Timer::Acknowledge(connection, channel_id) => {
                    self.acknowledge(connection, channel_id, out);
                }
            }
        }
    }

    /// Connections that are served.
    fn open_connections(&self) -> Vec<ConnectionId> {
        self.connections_where(Downstream::is_open)
    }

    /// In the order of their ids.
    fn connections_where(&self, is_wanted: impl Fn(&Downstream) -> bool) -> Vec<ConnectionId> {
        (0..)
            .zip(&self.connections)
            .filter(|(_, downstream)| downstream.as_deref().is_some_and(&is_wanted))
            .map(|(index, _)| ConnectionId(index))
            .collect()
    }
}

impl Role for Pool {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if !self.upstream.is_started() {
            self.start(now, out);
        }
        match input {
            Input::Received { connection, message, tlvs, original: _ } => {
                self.handle_message(now, connection, message, &tlvs, out);
            }
            Input::Connected { connection, via } => {
                self.handle_connected(now, connection, via, out);
            }
            Input::DialFailed { dial, reason: _ } => self.handle_dial_failed(now, dial),
            Input::Undecodable { connection, frame, error } => {
                self.handle_undecodable(now, connection, &frame, error, out);
            }
            Input::Closed { connection, reason } => {
                self.handle_closed(now, connection, reason, out);
            }
            Input::Answer { request, answer } => self.handle_answer(now, request, &answer, out),
            Input::Woken => self.handle_woken(now, out),
            // News of a chain come through the template provider.
            Input::Chain(_) => {}
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        if self.upstream.is_started() { self.timers.earliest() } else { Some(Instant::ZERO) }
    }
}

fn slot(
    connections: &mut [Option<Box<Downstream>>],
    connection: ConnectionId,
) -> Option<&mut Downstream> {
    connections.get_mut(connection.0 as usize)?.as_deref_mut()
}

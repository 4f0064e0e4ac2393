//! The pool: serves work to miners and proxies, and pays for their shares (spec 5).

mod config;
mod setup;
#[cfg(test)]
mod tests;

pub use config::PoolConfig;

use crate::common::SetupOffer;
use crate::entropy::Entropy;
use crate::event::Event;
use crate::message::{DecodeError, Message};
use crate::role::{CloseReason, ConnectionId, Input, Outbox, Role};
use crate::time::{Instant, Now};
use crate::timers::Timers;
use crate::wire::Frame;

/// A pool as a pure state machine.
#[derive(Debug)]
pub struct Pool {
    config: PoolConfig,
    #[expect(dead_code, reason = "channels will draw the seeds of their tables from it")]
    entropy: Entropy,
    offer: SetupOffer,
    /// By [`ConnectionId`]: the driver hands out small numbers.
    connections: Vec<Option<Box<Downstream>>>,
    timers: Timers<Timer>,
}

/// A connection that a client has opened.
#[derive(Debug)]
struct Downstream {
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    AwaitingSetup,
    Open,
    /// We have asked the driver to close it; nothing more is read or sent.
    Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Setup(ConnectionId),
    Idle(ConnectionId),
}

impl Pool {
    /// A pool that has no work yet.
    pub fn new(config: PoolConfig, entropy: Entropy) -> Self {
        let offer = config.setup_offer();
        Pool { config, entropy, offer, connections: Vec::new(), timers: Timers::new() }
    }

    fn handle_connected(&mut self, now: Now, connection: ConnectionId) {
        let index = connection.0 as usize;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        self.connections[index] = Some(Box::new(Downstream { phase: Phase::AwaitingSetup }));
        self.timers.set(Timer::Setup(connection), now.instant + self.config.setup_timeout);
    }

    fn downstream(&mut self, connection: ConnectionId) -> Option<&mut Downstream> {
        self.connections.get_mut(connection.0 as usize)?.as_deref_mut()
    }

    fn handle_message(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: &Message,
        out: &mut Outbox,
    ) {
        let Some(downstream) = self.downstream(connection) else { return };
        match (downstream.phase, message) {
            (Phase::Closing, _) => {}
            (Phase::AwaitingSetup, Message::SetupConnection(request)) => {
                self.handle_setup(now, connection, request, out);
            }
            (Phase::AwaitingSetup, other) => {
                self.close(connection, setup::before_setup(other), out);
            }
            (Phase::Open, Message::SetupConnection(_)) => {
                self.close(connection, setup::second_setup(), out);
            }
            (Phase::Open, other) => note_ignored(connection, other, out),
        }
    }

    fn handle_undecodable(
        &mut self,
        connection: ConnectionId,
        frame: &Frame,
        error: DecodeError,
        out: &mut Outbox,
    ) {
        let Some(downstream) = self.downstream(connection) else { return };
        match (downstream.phase, error) {
            (Phase::Closing, _) => {}
            // Spec 3.4.1: a pool is the endpoint of connection and channel, so it drops what it
            // does not know; before set-up nothing but SetupConnection has a place.
            (Phase::Open, DecodeError::Unknown { .. }) => out.tell(Event::Noted {
                connection: Some(connection),
                what: format!(
                    "ignored message {:#04x} of extension {:#06x} (spec 3.4.1)",
                    frame.message_type,
                    frame.header().extension()
                ),
            }),
            (Phase::AwaitingSetup, DecodeError::Unknown { .. }) => {
                self.close(connection, setup::unknown_before_setup(), out);
            }
            (_, error @ DecodeError::Malformed { .. }) => {
                self.close(connection, CloseReason::Undecodable(error), out);
            }
        }
    }

    /// Asks the driver to close; its `Closed` will follow.
    fn close(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        let Some(downstream) = self.downstream(connection) else { return };
        downstream.phase = Phase::Closing;
        self.timers.cancel(Timer::Setup(connection));
        self.timers.cancel(Timer::Idle(connection));
        out.close(connection, reason);
    }

    fn handle_closed(&mut self, connection: ConnectionId, reason: CloseReason, out: &mut Outbox) {
        let Some(slot) = self.connections.get_mut(connection.0 as usize) else { return };
        if slot.take().is_some() {
            self.timers.cancel(Timer::Setup(connection));
            self.timers.cancel(Timer::Idle(connection));
            out.tell(Event::ConnectionClosed { connection, reason });
        }
    }

    fn handle_woken(&mut self, now: Now, out: &mut Outbox) {
        while let Some(timer) = self.timers.take_due(now.instant) {
            match timer {
                Timer::Setup(connection) => self.close(connection, CloseReason::SetupTimedOut, out),
                Timer::Idle(connection) => self.close(connection, CloseReason::Idle, out),
            }
        }
    }
}

impl Role for Pool {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Connected { connection, via: _ } => self.handle_connected(now, connection),
            Input::Received { connection, message, .. } => {
                self.handle_message(now, connection, &message, out);
            }
            Input::Undecodable { connection, frame, error } => {
                self.handle_undecodable(connection, &frame, error, out);
            }
            Input::Closed { connection, reason } => self.handle_closed(connection, reason, out),
            Input::Woken => self.handle_woken(now, out),
            // News of a chain and validation are the template provider's business.
            Input::DialFailed { .. } | Input::Chain(_) | Input::Answer { .. } => {}
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.timers.earliest()
    }
}

/// A message of another protocol, or one that only a server sends, is dropped (spec 8).
fn note_ignored(connection: ConnectionId, message: &Message, out: &mut Outbox) {
    out.tell(Event::Noted {
        connection: Some(connection),
        what: format!("ignored {}: no message for a pool (spec 8)", message.name()),
    });
}

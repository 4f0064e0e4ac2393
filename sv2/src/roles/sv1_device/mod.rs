//! A device that speaks Stratum V1 and really hashes, as those in the field do.
//!
//! It hashes within [`Input::Woken`], a bounded number of nonces each time, and otherwise obeys
//! the pool: which job, which difficulty, which extranonce. What it sends is a real proof. Where
//! firmware differs, [`Dialect`] says how.

mod config;
mod pending;
mod session;
mod share;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use super::hashing::ShareAccounts;
pub use config::{Configures, Dialect, Follows, Sv1DeviceConfig};

use self::session::{Context, Session, Verdict};
use super::hashing::{Dialler, Pace, RECONNECT_WAIT_MAX, Running};
use crate::entropy::Entropy;
use crate::event::Event;
use crate::role::{CloseReason, ConnectionId, DialId, Input, Outbox, Role, Via};
use crate::sv1::{Reconnect, Sv1Error};
use crate::time::{Instant, Now};

/// A Stratum V1 device as a pure state machine. It dials as soon as it is woken for the first
/// time.
#[derive(Debug)]
pub struct Sv1Device {
    config: Sv1DeviceConfig,
    entropy: Entropy,
    phase: Phase,
    dialler: Dialler,
    running: Running,
    hash_at: Option<Instant>,
    accounts: ShareAccounts,
}

#[derive(Debug)]
enum Phase {
    Waiting { dial_at: Instant },
    Dialling,
    Connected(Box<Session>),
}

impl Sv1Device {
    /// A device that has not dialled yet.
    pub fn new(config: Sv1DeviceConfig, entropy: Entropy) -> Self {
        Sv1Device {
            phase: Phase::Waiting { dial_at: Instant::ZERO },
            dialler: Dialler::default(),
            running: Running::default(),
            hash_at: None,
            accounts: ShareAccounts::default(),
            config,
            entropy,
        }
    }

    /// What was submitted, and what became of it.
    pub fn accounts(&self) -> &ShareAccounts {
        &self.accounts
    }

    fn handle_woken(&mut self, now: Now, out: &mut Outbox) {
        match &mut self.phase {
            Phase::Waiting { dial_at } if *dial_at <= now.instant => {
                self.phase = Phase::Dialling;
                self.dialler.dial(&self.config.pool, now.instant, out);
            }
            Phase::Connected(session) => {
                if session.deadline.is_some_and(|deadline| deadline <= now.instant) {
                    self.leave(now.instant, CloseReason::Unanswered("the handshake"), out);
                } else if self.hash_at.is_some_and(|hash_at| hash_at <= now.instant) {
                    self.with_session(now, out, |session, pace, context| {
                        session.hash(pace, context)
                    });
                }
            }
            Phase::Waiting { .. } | Phase::Dialling => {}
        }
    }

    fn is_awaited(&self, dial: DialId) -> bool {
        matches!(self.phase, Phase::Dialling) && self.dialler.is_last(dial)
    }

    fn is_connected(&self, connection: ConnectionId) -> bool {
        matches!(&self.phase, Phase::Connected(session) if session.connection == connection)
    }

    fn handle_connected(&mut self, now: Now, connection: ConnectionId, via: Via, out: &mut Outbox) {
        match via {
            Via::Dial(dial) if self.is_awaited(dial) => {
                let mut context = Context {
                    now,
                    config: &self.config,
                    peer: self.dialler.peer(&self.config.pool),
                    accounts: &mut self.accounts,
                    entropy: &mut self.entropy,
                    out,
                };
                let session = Session::begin(connection, &mut context);
                self.phase = Phase::Connected(Box::new(session));
            }
            Via::Dial(_) | Via::Listener(_) => out.close(connection, CloseReason::ByUs),
        }
    }

    /// Lets the session do something, and does what follows from it.
    fn with_session(
        &mut self,
        now: Now,
        out: &mut Outbox,
        act: impl FnOnce(&mut Session, &mut Pace<'_>, &mut Context<'_>) -> Verdict,
    ) {
        let Phase::Connected(session) = &mut self.phase else { return };
        let mut context = Context {
            now,
            config: &self.config,
            peer: self.dialler.peer(&self.config.pool),
            accounts: &mut self.accounts,
            entropy: &mut self.entropy,
            out,
        };
        match act(session, &mut self.config.pace(&mut self.running), &mut context) {
            Verdict::Stay => {}
            Verdict::Working => self.dialler.has_work(),
            Verdict::Leave(reason) => self.leave(now.instant, reason, out),
            Verdict::Redirect(Reconnect { host, port, wait }) => {
                self.close(CloseReason::ByUs, out);
                // No pool sends us away for a day.
                let wait = Duration::from_secs(wait.into()).min(RECONNECT_WAIT_MAX);
                let home = &self.config.pool;
                let dial_at = self.dialler.redirect(home, now.instant, host, port);
                self.phase = Phase::Waiting { dial_at: dial_at.max(now.instant + wait) };
            }
        }
    }

    fn leave(&mut self, now: Instant, reason: CloseReason, out: &mut Outbox) {
        self.close(reason, out);
        self.retry(now);
    }

    fn close(&mut self, reason: CloseReason, out: &mut Outbox) {
        let Phase::Connected(session) = &self.phase else { return };
        let connection = session.connection;
        out.close(connection, reason.clone());
        out.tell(Event::ConnectionClosed { connection, reason });
    }

    fn retry(&mut self, now: Instant) {
        let dial_at = self.dialler.retry(now, &mut self.entropy);
        self.phase = Phase::Waiting { dial_at };
    }
}

impl Role for Sv1Device {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Command(command) => command.refuse(out),
            Input::Woken => self.handle_woken(now, out),
            Input::Connected { connection, via } => {
                self.handle_connected(now, connection, via, out);
            }
            Input::DialFailed { dial, reason } if self.is_awaited(dial) => {
                let peer = self.dialler.peer(&self.config.pool);
                let what = format!("{}:{}: {reason}", peer.host, peer.port);
                out.tell(Event::Noted { connection: None, what });
                self.retry(now.instant);
            }
            Input::Line { connection, line } if self.is_connected(connection) => {
                self.with_session(now, out, |session, _, context| session.handle(&line, context));
            }
            // Frames: the driver has connected us as something that we are not.
            Input::Received { connection, .. } | Input::Undecodable { connection, .. }
                if self.is_connected(connection) =>
            {
                self.leave(now.instant, Sv1Error::FrameOutOfPlace.into(), out);
            }
            Input::Closed { connection, reason } if self.is_connected(connection) => {
                out.tell(Event::ConnectionClosed { connection, reason });
                self.retry(now.instant);
            }
            // Of a connection or dial that we have given up.
            Input::DialFailed { .. }
            | Input::Line { .. }
            | Input::Received { .. }
            | Input::Undecodable { .. }
            | Input::Closed { .. } => {}
            // A device asks for nothing and follows no chain.
            Input::Chain(_) | Input::Answer { .. } => {}
        }
        self.hash_at = match &mut self.phase {
            Phase::Connected(session) => {
                let mut pace = self.config.pace(&mut self.running);
                session.hash_at(&mut pace, &mut self.entropy, now.instant)
            }
            Phase::Waiting { .. } | Phase::Dialling => None,
        };
        if self.hash_at.is_none() {
            self.running.stop();
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting { dial_at } => Some(*dial_at),
            Phase::Dialling => None,
            Phase::Connected(session) => session.deadline.into_iter().chain(self.hash_at).min(),
        }
    }
}

/// How long the pool may take for each answer of the handshake.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Of events: a connection of Stratum V1 is what a channel is in Stratum V2.
pub const CHANNEL_ID: u32 = 1;

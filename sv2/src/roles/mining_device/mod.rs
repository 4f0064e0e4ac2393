//! A mining device that really hashes (spec 5, 10.4.1).
//!
//! It hashes within [`Input::Woken`], a bounded number of nonces each time, and otherwise obeys
//! the pool: which job, which target, which prefix, until when. What it sends is a real proof.
//! It does not choose work (spec 6), and it serves nobody.

mod channel;
mod config;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use super::hashing::{ProofTiming, RECONNECT_WAIT_MAX, RECONNECT_WAIT_MIN, ShareAccounts};
pub use config::{ChannelKind, MiningDeviceConfig, VersionRolling};

use self::session::{Context, Session, Verdict};
use super::hashing::{Dialler, Pace, Running};
use crate::entropy::Entropy;
use crate::event::Event;
use crate::message::DecodeError;
use crate::role::{CloseReason, ConnectionId, DialId, Input, Outbox, Role, Via};
use crate::time::{Instant, MaybeInstant, Now};
use crate::wire::Str255;

/// A mining device as a pure state machine. It dials as soon as it is woken for the first time.
#[derive(Debug)]
pub struct MiningDevice {
    config: Arc<MiningDeviceConfig>,
    /// Instead of the settings'; a [`Str255`] when it is sent, which is once.
    user_identity: Option<Box<[u8]>>,
    entropy: Entropy,
    phase: Phase,
    dialler: Dialler,
    running: Running,
    hash_at: MaybeInstant,
    accounts: ShareAccounts,
}

#[derive(Debug)]
enum Phase {
    Waiting { dial_at: Instant },
    Dialling,
    Connected(Session),
}

impl MiningDevice {
    /// A device that has not dialled yet.
    pub fn new(config: MiningDeviceConfig, entropy: Entropy) -> Self {
        MiningDevice::with(Arc::new(config), None, entropy)
    }

    /// One of many that differ in nothing but whom the pool pays for them: the settings are kept
    /// once for all.
    pub fn member(
        config: Arc<MiningDeviceConfig>,
        user_identity: Str255,
        entropy: Entropy,
    ) -> Self {
        MiningDevice::with(config, Some(user_identity.as_slice().into()), entropy)
    }

    fn with(
        config: Arc<MiningDeviceConfig>,
        user_identity: Option<Box<[u8]>>,
        entropy: Entropy,
    ) -> Self {
        MiningDevice {
            user_identity,
            phase: Phase::Waiting { dial_at: Instant::ZERO },
            dialler: Dialler::default(),
            running: Running::default(),
            hash_at: MaybeInstant::NONE,
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
                if session.deadline().is_some_and(|deadline| deadline <= now.instant) {
                    self.with_session(now, out, |session, _, context| session.expire(context));
                } else if self.hash_at.get().is_some_and(|hash_at| hash_at <= now.instant) {
                    self.with_session(now, out, |session, pace, context| {
                        session.hash(pace, context);
                        Verdict::Stay
                    });
                }
            }
            Phase::Waiting { .. } | Phase::Dialling => {}
        }
    }

    /// Whether this is the dial that we wait for.
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
                    user_identity: self.user_identity.as_deref(),
                    accounts: &mut self.accounts,
                    entropy: &mut self.entropy,
                    out,
                };
                let session =
                    Session::begin(connection, self.dialler.peer(&self.config.pool), &mut context);
                self.phase = Phase::Connected(session);
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
            user_identity: self.user_identity.as_deref(),
            accounts: &mut self.accounts,
            entropy: &mut self.entropy,
            out,
        };
        match act(session, &mut self.config.pace(&mut self.running), &mut context) {
            Verdict::Stay => {}
            Verdict::Working => self.dialler.has_work(),
            Verdict::Leave(reason) => self.leave(now.instant, reason, out),
            Verdict::Redirect { host, port } => {
                self.close(CloseReason::ByUs, out);
                let home = &self.config.pool;
                let dial_at = self.dialler.redirect(home, now.instant, host, port);
                self.phase = Phase::Waiting { dial_at };
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

impl Role for MiningDevice {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Command(command) => command.refuse(out),
            Input::Line { connection, .. } => out.refuse_line(connection),
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
            Input::Received { connection, message, .. } if self.is_connected(connection) => {
                self.with_session(now, out, |session, _, context| session.handle(message, context));
            }
            Input::Undecodable { connection, error, .. } if self.is_connected(connection) => {
                match error {
                    // Spec 3.4: what we do not know is ignored.
                    DecodeError::Unknown { .. } => {
                        let what = error.to_string();
                        out.tell(Event::Noted { connection: Some(connection), what });
                    }
                    DecodeError::Malformed { .. } => {
                        self.leave(now.instant, CloseReason::Undecodable(error), out);
                    }
                }
            }
            Input::Closed { connection, reason } if self.is_connected(connection) => {
                out.tell(Event::ConnectionClosed { connection, reason });
                self.retry(now.instant);
            }
            // Of a connection or dial that we have given up.
            Input::DialFailed { .. }
            | Input::Received { .. }
            | Input::Undecodable { .. }
            | Input::Closed { .. } => {}
            // A device asks for nothing and follows no chain.
            Input::Chain(_) | Input::Answer { .. } => {}
        }
        let hash_at = match &mut self.phase {
            Phase::Connected(session) => {
                let mut pace = self.config.pace(&mut self.running);
                session.hash_at(&mut pace, &mut self.entropy, now.instant)
            }
            Phase::Waiting { .. } | Phase::Dialling => None,
        };
        self.hash_at = hash_at.into();
        if hash_at.is_none() {
            self.running.stop();
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting { dial_at } => Some(*dial_at),
            Phase::Dialling => None,
            Phase::Connected(session) => {
                session.deadline().into_iter().chain(self.hash_at.get()).min()
            }
        }
    }
}

/// How long the pool may take for the answers to `SetupConnection` and to all requests for
/// channels.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the pool may take for the answer to `RequestExtensions`; it need not know the message
/// (extension 0x0001, 4).
pub const EXTENSIONS_TIMEOUT: Duration = Duration::from_secs(5);

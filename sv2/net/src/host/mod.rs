//! Runs one role over TCP.
//!
//! One task owns the role. Every connection has a task of its own, which reads, decrypts and
//! decodes, and encodes, encrypts and writes, so that only the role's own work is serial. Both
//! directions are bounded: batches to the role by a queue that all connections share (when it
//! is full, sockets are not read), messages to a peer by a limit on what is unsent.

mod log_budget;
mod outbound;
mod role_task;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sv2::connection::ConnectionConfig;
use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::noise::{CipherSuite, SessionSecrets};
use sv2::role::{CloseReason, ConnectionId, DialFailure, DialId, Input, Role, Via};
use sv2::sv1::lines::LineConfig;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::counters::{Counters, Counting};
use crate::entropy;
use crate::identity::Certifier;
use crate::limits::Limits;
use crate::listener;
use crate::tap::{KeyLog, Link, Tap, Trace};
use crate::world::World;

use log_budget::LogBudget;
pub(crate) use outbound::{Outbound, Outgoing, Unsent, outbound};
use role_task::RoleTask;

/// How to host a role.
pub struct HostConfig {
    /// For logs.
    pub name: String,
    /// Where to listen; a role knows them by their position.
    pub listeners: Vec<ListenerConfig>,
    /// How dialled connections are secured.
    pub dial_security: DialSecurity,
    /// What peers can make us hold.
    pub limits: Limits,
    /// Takes the secrets of all sessions, if given.
    pub key_log: Option<Arc<KeyLog>>,
    /// Sees all bytes, if given.
    pub tap: Option<Arc<dyn Tap>>,
    /// Sees all messages, if given.
    pub trace: Option<Arc<dyn Trace>>,
    /// For ephemeral keys.
    pub entropy: Entropy,
}

impl HostConfig {
    /// Listens nowhere, dials with Noise, has the default limits and the system's randomness.
    pub fn new(name: impl Into<String>) -> Self {
        HostConfig {
            name: name.into(),
            listeners: Vec::new(),
            dial_security: DialSecurity::Noise(CipherSuite::default()),
            limits: Limits::default(),
            key_log: None,
            tap: None,
            trace: None,
            entropy: entropy::from_system(),
        }
    }
}

/// Where to listen.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Host and port; port 0 lets the system choose.
    pub address: String,
    /// How connections are secured.
    pub security: ListenerSecurity,
}

/// How accepted connections are secured.
#[derive(Clone, Debug)]
pub enum ListenerSecurity {
    /// Not at all: for local networks (spec 4; AMB-10).
    Plain,
    /// Noise.
    Noise {
        /// The same as the clients'.
        suite: CipherSuite,
        /// What clients are shown.
        certifier: Arc<Certifier>,
    },
    /// No frames at all, but lines of Stratum V1.
    Sv1,
}

/// How dialled connections are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialSecurity {
    /// Not at all: for local networks (spec 4; AMB-10).
    Plain,
    /// Noise, with the authority that the role names.
    Noise(CipherSuite),
    /// No frames at all, but lines of Stratum V1.
    Sv1,
}

/// A listener that could not be opened.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// As configured.
    pub address: String,
    /// Why.
    pub source: io::Error,
}

/// Sockets that are open, and no role yet.
pub struct Host {
    config: HostConfig,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    events: broadcast::Sender<Event>,
    inbound: (mpsc::Sender<Inbound>, mpsc::Receiver<Inbound>),
}

impl Host {
    /// Opens the listeners. Connections wait in the system's queue until [`Host::start`].
    ///
    /// # Errors
    /// The first listener that cannot be opened.
    pub async fn bind(config: HostConfig) -> Result<Host, BindError> {
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for ListenerConfig { address, .. } in &config.listeners {
            let failed = |source| BindError { address: address.clone(), source };
            let listener = listener::open(address).await.map_err(failed)?;
            addresses.push(listener.local_addr().map_err(failed)?);
            listeners.push(listener);
        }
        let events = broadcast::Sender::new(config.limits.events_kept.max(1));
        let inbound = mpsc::channel(config.limits.inbound_batches_max.max(1));
        Ok(Host { config, listeners, addresses, events, inbound })
    }

    /// Where we listen, in the order of configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The role's events from the first one on, and what the host itself has noted.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// A way to the role for what does not come from a socket.
    pub fn injector(&self) -> Injector {
        Injector(self.inbound.0.clone())
    }

    /// Runs a role. Must be called within a tokio runtime.
    pub fn start(self, role: impl Role + Send + 'static, world: impl World) -> Handle {
        let Host { config, listeners, addresses, events, inbound: (inbound, queue) } = self;
        let HostConfig { name, dial_security, limits, key_log, tap, trace, entropy, .. } = config;
        let stop = watch::Sender::new(Stop::No);
        let shared = Arc::new(Shared {
            name,
            clock: Clock::of_process(),
            limits,
            dial_security,
            counting: Counting::default(),
            inbound,
            ids: Ids::default(),
            events,
            log_budget: LogBudget::default(),
            key_log,
            tap,
            stop: stop.subscribe(),
        });
        let admission = Admission::new(&limits);
        let configs = config.listeners.into_iter();
        let mut listening = Vec::new();
        for (index, (listener, config)) in listeners.into_iter().zip(configs).enumerate() {
            let index = u16::try_from(index).expect("a configuration has few listeners");
            listening.push(tokio::spawn(listener::listen(
                listener,
                index,
                config.security,
                Arc::clone(&admission),
                Arc::clone(&shared),
                entropy.fork("listener", index.into()),
            )));
        }
        let task = RoleTask::new(role, Arc::new(world), Arc::clone(&shared), trace, entropy);
        let running = tokio::spawn(task.run(queue));
        Handle { shared, addresses, stop, running, listening }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// A role that runs. Dropping it closes everything at once.
#[derive(Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<Stop>,
    running: JoinHandle<()>,
    listening: Vec<JoinHandle<()>>,
}

impl Handle {
    /// Where we listen, in the order of configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The role's events from now on, and what the host itself has noted.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// A way to the role for what does not come from a socket.
    pub fn injector(&self) -> Injector {
        Injector(self.shared.inbound.clone())
    }

    /// The numbers at this moment.
    pub fn counters(&self) -> Counters {
        let inbound = &self.shared.inbound;
        self.shared.counting.read(inbound.max_capacity() - inbound.capacity())
    }

    /// Waits until the role ends, which it does by itself only when it fails.
    ///
    /// # Errors
    /// If the role has panicked.
    pub async fn ended(&mut self) -> Result<(), JoinError> {
        (&mut self.running).await
    }

    /// Accepts nothing more, sends what is queued, closes all connections, and ends. Another
    /// host can listen on the same addresses afterwards.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(Stop::Gracefully);
        for listening in &mut self.listening {
            // A listener that panicked has closed its socket as well.
            let _ = listening.await;
        }
        let patience = self.shared.limits.close_timeout + MARGIN;
        if !self.running.is_finished() && timeout(patience, &mut self.running).await.is_err() {
            tracing::error!(host = self.shared.name, "the role does not end");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.send_replace(Stop::AtOnce);
        self.running.abort();
    }
}

/// Gives a role what does not come from a socket.
#[derive(Clone, Debug)]
pub struct Injector(mpsc::Sender<Inbound>);

/// The role has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the role has ended")]
pub struct HostEnded;

impl Injector {
    /// Waits for room in the role's queue.
    ///
    /// # Errors
    /// [`HostEnded`].
    pub async fn inject(&self, input: Input) -> Result<(), HostEnded> {
        self.0.send(Inbound::Injected(Box::new(input))).await.map_err(|_| HostEnded)
    }
}

/// What the tasks of a host have in common.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) dial_security: DialSecurity,
    pub(crate) counting: Counting,
    pub(crate) inbound: mpsc::Sender<Inbound>,
    pub(crate) ids: Ids,
    pub(crate) events: broadcast::Sender<Event>,
    log_budget: LogBudget,
    key_log: Option<Arc<KeyLog>>,
    pub(crate) tap: Option<Arc<dyn Tap>>,
    pub(crate) stop: watch::Receiver<Stop>,
}

impl Shared {
    pub(crate) fn connection_config(&self, payload_len_max: u32) -> ConnectionConfig {
        ConnectionConfig { handshake_timeout: self.limits.handshake_timeout, payload_len_max }
    }

    pub(crate) fn line_config(&self, line_len_max: usize) -> LineConfig {
        LineConfig { line_len_max, line_timeout: self.limits.line_timeout }
    }

    pub(crate) fn log_keys(&self, link: Link, secrets: &SessionSecrets) {
        if let Some(tap) = &self.tap {
            tap.secrets(self.clock.now(), link, secrets);
        }
        if let Some(key_log) = &self.key_log {
            key_log.keep(secrets);
        }
    }

    /// Tells people what has happened to a peer that the role knows nothing of.
    pub(crate) fn note(&self, link: Link, what: &dyn fmt::Display) {
        if let Some(left_out_count) = self.log_budget.spend(self.clock.now().instant) {
            if left_out_count > 0 {
                tracing::warn!(host = self.name, left_out_count, "more like these were left out");
            }
            tracing::warn!(host = self.name, peer = %link, "{what}");
        }
        let what = format!("{link}: {what}");
        let _ = self.events.send(Event::Noted { connection: None, what });
    }

    /// Returns when tasks must end, as gently as told or less so.
    pub(crate) async fn stopped(&self, how: Stop) {
        let mut stop = self.stop.clone();
        // An error means that the handle is gone, which stops everything as well.
        let _ = stop.wait_for(|stop| *stop >= how).await;
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether a host goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    No,
    /// Listeners end, connections send what is queued.
    Gracefully,
    /// Everything ends.
    AtOnce,
}

/// On the way to the role. What concerns one connection comes in order.
#[derive(Debug)]
pub(crate) enum Inbound {
    Opened { connection: ConnectionId, via: Via, link: Link, outbound: Outbound },
    Batch { connection: ConnectionId, inputs: Vec<Input> },
    Closed { connection: ConnectionId, reason: CloseReason },
    DialFailed { dial: DialId, reason: DialFailure },
    Injected(Box<Input>),
}

/// Gives connections the smallest free numbers.
#[derive(Debug, Default)]
pub(crate) struct Ids(std::sync::Mutex<FreeIds>);

#[derive(Debug, Default)]
struct FreeIds {
    given_count: u32,
    free: std::collections::BinaryHeap<std::cmp::Reverse<u32>>,
}

impl Ids {
    pub(crate) fn take(&self) -> ConnectionId {
        let mut ids = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ConnectionId(ids.free.pop().map_or_else(
            || {
                ids.given_count += 1;
                ids.given_count - 1
            },
            |std::cmp::Reverse(id)| id,
        ))
    }

    pub(crate) fn give_back(&self, ConnectionId(id): ConnectionId) {
        let mut ids = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ids.free.push(std::cmp::Reverse(id));
    }
}

/// For the role to take note that its connections are closed.
const MARGIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_free_id_is_given_again() {
        let ids = Ids::default();
        let given = [ids.take(), ids.take(), ids.take()];

        ids.give_back(ConnectionId(2));
        ids.give_back(ConnectionId(0));

        assert_eq!(given, [0, 1, 2].map(ConnectionId));
        assert_eq!([ids.take(), ids.take(), ids.take()], [0, 2, 3].map(ConnectionId));
    }
}

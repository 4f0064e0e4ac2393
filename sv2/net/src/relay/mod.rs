//! A man in the middle: accepts connections, dials a server for each, passes on what either says,
//! and shows it to a recorder.
//!
//! A relay either ends Noise on both sides and passes on frames ([`Mode::Terminating`]), or passes
//! on bytes as they are ([`Mode::PassThrough`]). What one side does not read is not read from the
//! other: nothing queues up. Frames that we do not know, or that are malformed, are passed on like
//! all others and noted.
//!
//! Two messages would lead clients around a relay or tell servers of it: `Reconnect` (spec 3.6.5)
//! is rewritten and followed by the relay itself, the endpoint of `SetupConnection` (spec 3.6.1)
//! only on request.

mod alter;
mod budget;
mod event;
mod intercept;
mod leg;
mod pump;
mod record;
mod routes;
mod rules;
mod session;
mod through;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sv2::entropy::Entropy;
use sv2::noise::CipherSuite;
use sv2::role::PeerAddress;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::admission::Admission;
use crate::clock::Clock;
use crate::entropy;
use crate::host::BindError;
use crate::identity::Certifier;
use crate::limits::Limits;
use crate::listener;
use crate::tap::KeyLog;

use budget::Budget;
pub use budget::OutOfBudget;
pub use event::RelayEvent;
pub use intercept::{
    Attached, Chooser, Decision, HELD_COUNT_MAX, HELD_LEN_MAX, Intercepted, Interception,
    NotReplayed, Passing,
};
pub use record::{Leg, NotRecorded, Record, Recorder, Side};
use routes::Routes;
pub use rules::Rules;

/// How to relay.
pub struct RelayConfig {
    /// Where to listen: host and port; port 0 lets the system choose.
    pub listen: String,
    /// Whom to dial for each client. Without an authority, any certificate is taken.
    pub upstream: PeerAddress,
    /// What is passed on.
    pub mode: Mode,
    /// What clients can make us hold, and for how long. Of payloads the limits for dialled
    /// connections hold on both sides.
    pub limits: Limits,
    /// Whether `SetupConnection` names the server in place of the relay.
    pub rewrites_endpoint: bool,
    /// What is done to frames on their way, from now on. Bytes that are only passed on have none.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// Lets somebody hold frames on their way, if given. Bytes that are only passed on have none.
    pub interception: Option<Arc<Interception>>,
    /// Sees everything, if given.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Takes the secrets of all sessions, if given.
    pub key_log: Option<Arc<KeyLog>>,
    /// For ephemeral keys.
    pub entropy: Entropy,
}

impl RelayConfig {
    /// Neither records nor changes anything; with the default limits and the system's randomness.
    pub fn new(listen: impl Into<String>, upstream: PeerAddress, mode: Mode) -> Self {
        RelayConfig {
            listen: listen.into(),
            upstream,
            mode,
            limits: Limits::default(),
            rewrites_endpoint: false,
            rules: watch::channel(Arc::default()).1,
            interception: None,
            recorder: None,
            key_log: None,
            entropy: entropy::from_system(),
        }
    }
}

/// What is passed on.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Bytes. Whatever is spoken, nobody but its two ends understands it.
    PassThrough,
    /// Frames: each leg is secured for itself.
    Terminating {
        /// What clients are shown; without it they are spoken with in clear (spec 4; AMB-10).
        down: Option<Arc<Certifier>>,
        /// Whether the server is spoken with in clear.
        is_up_plain: bool,
        /// Of sessions with Noise.
        suite: CipherSuite,
    },
}

/// A relay that listens, and has not accepted anybody.
pub struct Relay {
    config: RelayConfig,
    listener: TcpListener,
    address: SocketAddr,
    events: broadcast::Sender<RelayEvent>,
}

impl Relay {
    /// Opens the listener. Clients wait in the system's queue until [`Relay::start`].
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn bind(config: RelayConfig) -> Result<Relay, BindError> {
        let failed = |source| BindError { address: config.listen.clone(), source };
        let listener = listener::open(&config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let events = broadcast::Sender::new(config.limits.events_kept.max(1));
        Ok(Relay { config, listener, address, events })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens, from the first connection on.
    pub fn events(&self) -> broadcast::Receiver<RelayEvent> {
        self.events.subscribe()
    }

    /// Relays. Must be called within a tokio runtime.
    pub fn start(self) -> RelayHandle {
        let Relay { config, listener, address, events } = self;
        let stop = watch::Sender::new(false);
        let shared = Arc::new(Shared {
            upstream: config.upstream,
            mode: config.mode,
            limits: config.limits,
            rewrites_endpoint: config.rewrites_endpoint,
            rules: config.rules,
            interception: config.interception,
            recorder: config.recorder,
            key_log: config.key_log,
            clock: Clock::of_process(),
            budget: Budget::new(ARRIVING_LEN_MAX),
            routes: Routes::default(),
            open_count: AtomicU64::new(0),
            events,
            stop: stop.subscribe(),
        });
        let running = tokio::spawn(accept(listener, Arc::clone(&shared), config.entropy));
        RelayHandle { shared, address, stop, running }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A relay that runs. Dropping it closes everything at once.
#[derive(Debug)]
pub struct RelayHandle {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl RelayHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<RelayEvent> {
        self.shared.events.subscribe()
    }

    /// Connections that are relayed at this moment.
    pub fn open_count(&self) -> u64 {
        self.shared.open_count.load(Ordering::Relaxed)
    }

    /// Accepts nobody more, closes all connections, and ends.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let ended = async {
            let _ = (&mut self.running).await;
            // Each holds the state that they share until its records are written.
            while Arc::strong_count(&self.shared) > 1 {
                sleep(POLL).await;
            }
        };
        if timeout(self.shared.limits.close_timeout, ended).await.is_err() {
            tracing::error!("connections of the relay do not end");
        }
    }
}

impl Drop for RelayHandle {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.running.abort();
    }
}

/// What the connections of a relay have in common.
struct Shared {
    upstream: PeerAddress,
    mode: Mode,
    limits: Limits,
    rewrites_endpoint: bool,
    rules: watch::Receiver<Arc<Rules>>,
    interception: Option<Arc<Interception>>,
    recorder: Option<Arc<dyn Recorder>>,
    key_log: Option<Arc<KeyLog>>,
    clock: Clock,
    budget: Arc<Budget>,
    routes: Routes,
    open_count: AtomicU64,
    events: broadcast::Sender<RelayEvent>,
    stop: watch::Receiver<bool>,
}

impl Shared {
    fn tell(&self, event: RelayEvent) {
        let _ = self.events.send(event);
    }

    async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // An error means that the handle is gone, which stops everything as well.
        let _ = stop.wait_for(|stop| *stop).await;
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

/// Accepts until the relay stops. Whatever a client does, the next one is accepted.
async fn accept(listener: TcpListener, shared: Arc<Shared>, mut entropy: Entropy) {
    let admission = Admission::new(&shared.limits);
    for session in 0_u64.. {
        let stream = loop {
            let accepted = tokio::select! {
                biased;
                () = shared.stopped() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => break stream,
                Err(error) if listener::is_of_one_connection(&error) => {}
                Err(error) => {
                    shared.tell(RelayEvent::Said(format!("cannot accept connections: {error}")));
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        };
        // Without addresses the client has gone already.
        let Ok(link) = listener::link(&stream) else { continue };
        match admission.admit(link.peer.ip()) {
            Ok(permit) => {
                let entropy = Entropy::from_bytes(entropy.bytes());
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    serve(stream, session, &shared, entropy).await;
                    drop(permit);
                });
            }
            Err(refusal) => {
                let why = refusal.to_string();
                shared.tell(RelayEvent::Refused { client: link.peer, why });
            }
        }
    }
}

async fn serve(stream: TcpStream, session: u64, shared: &Shared, entropy: Entropy) {
    shared.open_count.fetch_add(1, Ordering::Relaxed);
    let relayed = async {
        match &shared.mode {
            Mode::PassThrough => through::run(stream, session, shared).await,
            Mode::Terminating { .. } => {
                Box::pin(session::run(stream, session, shared, entropy)).await;
            }
        }
    };
    tokio::select! {
        () = shared.stopped() => {}
        () = relayed => {}
    }
    shared.open_count.fetch_sub(1, Ordering::Relaxed);
}

/// Of frames that are still arriving, on all connections together and beyond what each may have for
/// itself: sixteen of the longest ones.
const ARRIVING_LEN_MAX: usize = 1 << 28;
/// For a side to end when the other one has.
const HALF_CLOSED_MAX: Duration = Duration::from_secs(60);
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(5);

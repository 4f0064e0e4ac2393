//! A fleet of devices on a pool: real connections, real proofs, in one process.
//!
//! [`probe`] asks the pool what a share costs, [`Load`] runs the fleet. Each connection is a task
//! that owns a [`line::Line`]: what is spoken on it, without the socket. Nothing is kept for a
//! line that waits but its keys, its channels and what is in flight.

mod arrivals;
mod budget;
mod channel;
mod config;
mod driver;
mod figures;
mod fleet;
mod line;
mod own_pool;
mod probe;
mod sv1_calls;
mod sv1_line;
mod sv1_probe;
mod sv1_work;
mod sv2_line;
mod system;
mod tally;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

pub use config::{FleetChannel, LoadConfig};
pub use figures::{Figures, MessageFigures, ShareFigures, Times};
pub use own_pool::{OwnPool, OwnPoolCounters, OwnPoolError, serve_own_pool};
pub use probe::{Price, ProbeError, probe};
pub use system::{TooManyConnections, Usage, allow_connections};
pub use tally::Wait;

use driver::Stage;
use fleet::Fleet;

/// A fleet that runs. Dropping it closes everything at once.
pub struct Load {
    fleet: Arc<Fleet>,
    stage: watch::Sender<Stage>,
    lines: JoinHandle<JoinSet<()>>,
}

impl Load {
    /// Begins to open connections. Must be called within a tokio runtime.
    pub fn start(config: LoadConfig) -> Self {
        let fleet = Arc::new(Fleet::new(config));
        let stage = watch::Sender::new(Stage::Running);
        let lines = tokio::spawn(ramp(Arc::clone(&fleet), stage.subscribe()));
        Load { fleet, stage, lines }
    }

    /// The numbers at this moment.
    pub fn figures(&self) -> Figures {
        Figures::of(&self.fleet, false)
    }

    /// How long something took so far.
    pub fn times(&self, wait: Wait) -> Times {
        Times::waited(&self.fleet.tally, wait)
    }

    /// Sends nothing more, and waits for answers that are due, though not for ever.
    pub async fn quieten(&self, patience: Duration) {
        self.stage.send_replace(Stage::Quiet);
        let deadline = Instant::now() + patience;
        let is_awaited = || {
            let figures = self.figures();
            figures.shares.in_flight_count > 0 || figures.pending_count > 0
        };
        while is_awaited() && Instant::now() < deadline {
            sleep(POLL).await;
        }
    }

    /// Closes all connections; the numbers are those of the whole run.
    pub async fn finish(&mut self) -> Figures {
        self.stage.send_replace(Stage::Ending);
        if let Ok(mut lines) = (&mut self.lines).await {
            while lines.join_next().await.is_some_and(|line| line.is_ok()) {}
        }
        Figures::of(&self.fleet, true)
    }
}

/// Starts all lines, each when its first device opens its channel.
async fn ramp(fleet: Arc<Fleet>, mut stage: watch::Receiver<Stage>) -> JoinSet<()> {
    let mut lines = JoinSet::new();
    for number in 0..fleet.config.connection_count() {
        let at = fleet.started_at + fleet.config.opens_after(number);
        tokio::select! {
            _ = stage.wait_for(|stage| *stage != Stage::Running) => break,
            () = sleep_until(fleet.clock.to_tokio(at)) => {}
        }
        lines.spawn(driver::run(Arc::clone(&fleet), number, stage.clone()));
    }
    lines
}

/// Between two looks at what is in flight.
const POLL: Duration = Duration::from_millis(20);

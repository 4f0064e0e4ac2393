//! `assay load`: a fleet on a pool, and how the pool has borne it.

mod lines;
mod machine;
mod options;
mod report;
mod screen;

use std::io::IsTerminal as _;
use std::time::Duration;

use simulator_live::load::{self, FleetChannel, LoadConfig, OwnPool, probe};
use sv2::noise::StratumUrl;
use sv2::role::PeerAddress;
use tokio::time::{Instant, MissedTickBehavior, interval};

pub(crate) use options::Load;

use crate::interruption::Interruption;
use crate::outcome::Outcome;
use report::{Ending, Plan, Report, Sample};

/// Shows a run.
trait View {
    /// Some time has passed; an error ends the run.
    fn tick(&mut self, plan: &Plan, sample: &Sample) -> std::io::Result<()>;
    /// The run is over.
    fn finish(&mut self, plan: &Plan, report: &Report);
}

/// Runs `assay load`.
pub(crate) fn run(arguments: &Load) -> Outcome {
    let prepared = arguments.config().and_then(|config| Ok((config, arguments.hold()?)));
    let (config, hold) = match prepared {
        Ok(prepared) => prepared,
        Err(outcome) => return outcome,
    };
    if let Err(error) = load::allow_connections(config.connection_count()) {
        return Outcome::usage(error.to_string());
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::usage(format!("cannot start the runtime: {error}")),
    };
    runtime.block_on(start(arguments, config, hold)).unwrap_or_else(|outcome| outcome)
}

/// The process of our own pool: the hidden command `load-pool`.
pub(crate) fn serve(starter: std::net::SocketAddr) -> Outcome {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Outcome::usage(format!("cannot start the runtime: {error}")),
    };
    match runtime.block_on(load::serve_own_pool(starter)) {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Internal(error.to_string()),
    }
}

async fn start(
    arguments: &Load,
    mut config: LoadConfig,
    hold: Duration,
) -> Result<Outcome, Outcome> {
    let mut own_pool = None;
    if arguments.address.is_none() {
        let pool = OwnPool::start(&[OWN_POOL])
            .await
            .map_err(|error| Outcome::Internal(error.to_string()))?;
        config.pool = pool.address.clone();
        own_pool = Some(pool);
    }
    let PeerAddress { host, port, authority } = config.pool.clone();
    let url = StratumUrl { host, port, authority }.to_string();
    let target = match config.channel {
        FleetChannel::Sv1 => url.replacen("stratum2+", "stratum+", 1),
        FleetChannel::Standard { .. } | FleetChannel::Extended => url,
    };
    let price = probe(&config).await.map_err(|error| match error.is_refusal() {
        true => Outcome::Said(format!("{target}: {error}"), ERRORS),
        false => Outcome::Unreachable(format!("{target}: {error}")),
    })?;
    config.nominal_hash_rate = price.nominal_hash_rate;
    let plan = Plan { config, price, hold, target, is_own_pool: own_pool.is_some() };
    let mut view = view(arguments, &plan)?;
    let pool_process = own_pool.as_ref().map(|pool| pool.process_id).or(arguments.pool_pid);
    let report = load(&plan, &mut *view, pool_process, &mut own_pool).await?;
    view.finish(&plan, &report);
    Ok(if report.error_count() > 0 { Outcome::Code(ERRORS) } else { Outcome::Done })
}

fn view(arguments: &Load, plan: &Plan) -> Result<Box<dyn View>, Outcome> {
    let is_watched = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    Ok(match (arguments.json, is_watched && !arguments.plain) {
        (true, _) => Box::new(machine::Machine::new(plan)),
        (false, true) => Box::new(
            screen::Screen::open()
                .map_err(|error| Outcome::Internal(format!("the terminal: {error}")))?,
        ),
        (false, false) => Box::new(lines::Lines::new(plan)),
    })
}

async fn load(
    plan: &Plan,
    view: &mut dyn View,
    pool_process: Option<u32>,
    own_pool: &mut Option<OwnPool>,
) -> Result<Report, Outcome> {
    let mut interruption = Interruption::catch()?;
    let mut load = load::Load::start(plan.config.clone());
    let first = Sample::of(&load, pool_process);
    let (ending, ramped) = watch(plan, &load, view, pool_process, &first, &mut interruption).await;
    let held = Sample::of(&load, pool_process);
    tokio::select! {
        () = load.quieten(PATIENCE) => {}
        () = interruption.happened() => {}
    }
    let mut last = Sample::of(&load, pool_process);
    let counters = match own_pool {
        Some(pool) => {
            Some(pool.counters().await.map_err(|error| Outcome::Said(error.to_string(), ERRORS))?)
        }
        None => None,
    };
    last.figures = load.finish().await;
    Ok(Report { ending, first, ramped, held, last, own_pool: counters })
}

/// Until the time is up, or somebody ends it; with the sample of the end of the ramp.
async fn watch(
    plan: &Plan,
    load: &load::Load,
    view: &mut dyn View,
    pool_process: Option<u32>,
    first: &Sample,
    interruption: &mut Interruption,
) -> (Ending, Sample) {
    let started = Instant::now();
    let (ramp_end, end) = (started + plan.config.ramp, started + plan.config.ramp + plan.hold);
    let mut ramped: Option<Sample> = None;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let ending = loop {
        tokio::select! {
            biased;
            () = interruption.happened() => break Ending::Interrupted,
            () = tokio::time::sleep_until(end) => break Ending::TimeIsUp,
            () = tokio::time::sleep_until(ramp_end), if ramped.is_none() => {
                ramped = Some(Sample::of(load, pool_process));
            }
            _ = ticks.tick() => {
                let sample = Sample::of(load, pool_process);
                if view.tick(plan, &sample).is_err() {
                    break Ending::Interrupted;
                }
            }
        }
    };
    (ending, ramped.unwrap_or_else(|| first.clone()))
}

/// The hidden command of our own pool's process.
const OWN_POOL: &str = "load-pool";
/// Between two looks.
const TICK: Duration = Duration::from_millis(250);
/// For the last answers.
const PATIENCE: Duration = Duration::from_secs(5);
/// Something has gone wrong.
const ERRORS: u8 = 1;

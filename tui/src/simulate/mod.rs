//! `assay simulate`: a whole network in virtual time, and what comes of it.

mod capture;
mod compare;
mod explain;
mod files;
mod memory;
mod options;
mod report;
mod swarm;
mod verdict;

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use simulator::mutant::Mutant;
use simulator::report::Timeline;
use simulator::scenario::{Fidelity, Overrides, ProofMode, Scenario};
use simulator::units::parse_duration;
use simulator::world::{Difference, QueueKind, World, WorldSettings};
use sv2::time::Instant;

use crate::interruption::{self, INTERRUPTED};
use crate::outcome::Outcome;
use crate::up::read_scenario;

use files::Files;
pub(crate) use options::Simulate;
use report::Report;

/// Runs `assay simulate`.
pub(crate) fn run(arguments: &Simulate) -> Outcome {
    if arguments.swarm {
        return swarm::run(arguments).unwrap_or_else(|outcome| outcome);
    }
    prepare(arguments)
        .and_then(|(scenario, end)| match arguments.check_determinism {
            _ if !arguments.compare.arms.is_empty() => {
                compare::run(&arguments.compare, scenario, end, arguments.json)
            }
            true => check_determinism(arguments, &scenario, end),
            false if arguments.explain => explain(arguments, &scenario, end),
            false => simulate(arguments, &scenario, end),
        })
        .unwrap_or_else(|outcome| outcome)
}

fn prepare(arguments: &Simulate) -> Result<(Scenario, Instant), Outcome> {
    let (file, text) = read_scenario(arguments.file())?;
    let overrides = Overrides { seed: arguments.seed, ..Overrides::default() };
    let mut scenario = Scenario::load(&file, &text, &overrides)
        .map_err(|error| Outcome::usage(format!("scenario {error}")))?;
    if let Some(count) = arguments.devices {
        scenario
            .set_device_count(count)
            .map_err(|error| Outcome::usage(format!("--devices: scenario {file}: {error}")))?;
    }
    let length = match arguments.duration.as_deref().map(parse_duration).transpose() {
        Ok(length) => length.unwrap_or(scenario.virtual_time.run.length),
        Err(error) => return Err(Outcome::usage(format!("--for: {error}"))),
    };
    scenario.virtual_time.run.length = length;
    if let Some(fidelity) = arguments.fidelity {
        scenario.set_fidelity(fidelity.into());
    }
    if let Some(proofs) = arguments.proofs {
        scenario.virtual_time.run.proofs = proofs;
    }
    if arguments.capture && scenario.virtual_time.run.proofs == ProofMode::Oracle {
        return Err(Outcome::usage(
            "--capture: nobody could check the shares of an oracle: give it --proofs hashed",
        ));
    }
    memory::check(&scenario, &file)?;
    Ok((scenario, Instant::ZERO + length))
}

fn open(
    arguments: &Simulate,
    scenario: &Scenario,
    queue: QueueKind,
    has_checks: bool,
) -> Result<World, Outcome> {
    let folder = Path::new(arguments.file()).parent().unwrap_or(Path::new(""));
    let mut read = |path: &Path| {
        let path = folder.join(path);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let casting = arguments.mutant.map(Mutant::casting);
    let settings = WorldSettings { queue, read: &mut read, casting, has_checks };
    World::with(scenario, settings).map_err(|error| Outcome::usage(format!("scenario: {error}")))
}

fn simulate(arguments: &Simulate, scenario: &Scenario, end: Instant) -> Result<Outcome, Outcome> {
    let mut files = Files::create(arguments)?;
    let mut world = open(arguments, scenario, QueueKind::Radix, !arguments.no_checks)?;
    files.begin(&mut world);
    if arguments.output.is_some() || arguments.json {
        world.measure();
    }
    let interrupted = interruption::flag()?;
    let started = std::time::Instant::now();
    let mut progress = Progress::new(end);
    let mut timeline = Timeline::new(end.since(Instant::ZERO));
    // Where nobody looks at samples, none is taken.
    let stop_of = |timeline: &Timeline| match arguments.output {
        Some(_) => timeline.next_at().min(end),
        None => end,
    };
    let mut stop = stop_of(&timeline);
    while !interrupted.load(Ordering::Relaxed) {
        let has_more = world.run(stop, SLICE);
        progress.tell(&world, started.elapsed());
        files.take(&mut world)?;
        if has_more {
            continue;
        }
        let models: Vec<_> = world.models().map(|(_, _, tally)| tally).collect();
        timeline.sample(stop, &world.tally(), &models);
        if stop == end {
            break;
        }
        stop = stop_of(&timeline);
    }
    files.take(&mut world)?;
    progress.end();
    let is_interrupted = interrupted.load(Ordering::Relaxed);
    let is_partial = is_interrupted || world.violation().is_some();
    let simulated = if is_partial { world.now() } else { end };
    let report = Report::new(&world, simulated, started.elapsed(), is_partial);
    files.finish(&report, &timeline)?;
    match arguments.json {
        true => crate::print::line(report.json()),
        false => crate::print::text(report.text()),
    }
    if let Some(violation) = world.violation() {
        let mut again = open(arguments, scenario, QueueKind::Radix, false)?;
        let text = verdict::text(violation, &mut again, end, &replay(arguments, scenario));
        return Ok(Outcome::Said(text, BROKEN));
    }
    Ok(if is_partial { Outcome::Code(INTERRUPTED) } else { Outcome::Done })
}

fn explain(arguments: &Simulate, scenario: &Scenario, end: Instant) -> Result<Outcome, Outcome> {
    let memory_before = explain::resident_bytes();
    let mut world = open(arguments, scenario, QueueKind::Radix, !arguments.no_checks)?;
    crate::print::text(explain::text(&mut world, end, memory_before));
    Ok(Outcome::Done)
}

/// The command that runs the same again.
fn replay(arguments: &Simulate, scenario: &Scenario) -> String {
    let mut command = format!("assay simulate {} --seed {}", arguments.file(), scenario.seed);
    if let Some(count) = arguments.devices {
        command += &format!(" --devices {count}");
    }
    if let Some(fidelity) = arguments.fidelity {
        command += &format!(" --fidelity {}", Fidelity::from(fidelity).name());
    }
    if let Some(duration) = &arguments.duration {
        command += &format!(" --for {duration}");
    }
    if let Some(proofs) = arguments.proofs {
        command += &format!(" --proofs {}", proofs.name());
    }
    command + &options::mutant_again(arguments.mutant)
}

fn check_determinism(
    arguments: &Simulate,
    scenario: &Scenario,
    end: Instant,
) -> Result<Outcome, Outcome> {
    let mut one = open(arguments, scenario, QueueKind::Radix, false)?;
    let mut other = open(arguments, scenario, QueueKind::Heap, false)?;
    if let Some(difference) = Difference::first(&mut one, &mut other, end) {
        return Ok(Outcome::Said(format!("two runs differ{difference}"), DIFFERENT));
    }
    let (count, digest) = (event_count(&one), one.digest());
    crate::print::text(format!("two runs are the same: {count} events, digest {digest:016x}\n"));
    Ok(Outcome::Done)
}

/// Of roles and of models of fleets.
fn event_count(world: &World) -> u64 {
    world.event_count() + world.models().map(|(_, _, tally)| tally.event_count).sum::<u64>()
}

/// Lines on standard error, where somebody watches.
struct Progress {
    end: Instant,
    told_at: Duration,
    is_watched: bool,
}

impl Progress {
    fn new(end: Instant) -> Self {
        let is_watched = std::io::stderr().is_terminal();
        Progress { end, told_at: Duration::ZERO, is_watched }
    }

    fn tell(&mut self, world: &World, elapsed: Duration) {
        if !self.is_watched || elapsed < self.told_at + PROGRESS_INTERVAL {
            return;
        }
        self.told_at = elapsed;
        let simulated = world.now().since(Instant::ZERO).as_secs_f64();
        let seconds = elapsed.as_secs_f64();
        let all = self.end.since(Instant::ZERO).as_secs_f64();
        let left = if simulated > 0.0 { (all - simulated) * seconds / simulated } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = event_count(world) as f64 / seconds;
        anstream::eprint!(
            "\r\x1b[K{simulated:.0} of {all:.0} s, {:.0} x real time, {rate:.0} events/s, \
             {left:.0} s left",
            simulated / seconds
        );
    }

    fn end(&self) {
        if self.is_watched {
            anstream::eprint!("\r\x1b[K");
        }
    }
}

/// Events between two looks at the clock.
const SLICE: u64 = 20_000;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);
/// Two runs differ.
const DIFFERENT: u8 = 1;
/// A rule does not hold.
const BROKEN: u8 = 1;

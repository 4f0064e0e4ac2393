//! `assay simulate --explain`: what a run will take, before it does.
//!
//! Nothing is computed from the scenario: its first minutes are tried out, as far as they go in a
//! few seconds, and what follows is taken to be like them.

use std::time::{Duration, Instant as WallInstant};

use simulator::world::World;
use sv2::time::Instant;

use super::{SLICE, event_count};

/// A sentence for people.
pub(super) fn text(world: &mut World, end: Instant, memory_before: u64) -> String {
    // Connections and channels come about in the first minute, which is unlike all others.
    let first = run(world, end.min(Instant::ZERO + START), START_PATIENCE);
    let second = run(world, end, PATIENCE);
    let tried = world.now().since(Instant::ZERO).as_secs_f64();
    let all = end.since(Instant::ZERO).as_secs_f64();
    let left = (all - tried).max(0.0);
    let usual = if second.simulated > 0.0 { &second } else { &first };
    let per_second = usual.events / usual.simulated.max(1e-9);
    let events = first.events + second.events + per_second * left;
    let elapsed = first.elapsed + second.elapsed + left * usual.elapsed / usual.simulated.max(1e-9);
    let memory = resident_bytes().saturating_sub(memory_before);
    let scenario = world.scenario();
    format!(
        "{}\n{} roles, {} devices, {} faults in the file; {all:.0} s to simulate\n\
         about {events:.0} events ({per_second:.0} a simulated second)\n\
         about {elapsed:.1} s on this machine ({:.0} x real time)\n\
         {:.1} MiB after the first {tried:.0} s, which were tried out\n",
        scenario.title,
        scenario.roles.len(),
        scenario.device_count(),
        scenario.virtual_time.faults.len(),
        all / elapsed.max(1e-9),
        mebibytes(memory),
    )
}

struct Tried {
    events: f64,
    simulated: f64,
    elapsed: f64,
}

fn run(world: &mut World, end: Instant, patience: Duration) -> Tried {
    let (events, from, started) = (event_count(world), world.now(), WallInstant::now());
    let mut is_over = false;
    while !is_over && started.elapsed() < patience {
        is_over = !world.run(end, SLICE / 10);
    }
    let to = if is_over { end } else { world.now() };
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let events = (event_count(world) - events) as f64;
    Tried {
        events,
        simulated: to.since(from).as_secs_f64(),
        elapsed: started.elapsed().as_secs_f64(),
    }
}

fn mebibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let bytes = bytes as f64;
    bytes / 1_048_576.0
}

/// Of this process; 0 where the system does not say.
pub(super) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * PAGE
}

const PAGE: u64 = 4_096;
const START: Duration = Duration::from_secs(60);
const START_PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(3);

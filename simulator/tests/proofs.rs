//! Proofs that are drawn instead of hashed: what differs is the processor's time alone.

use simulator::scenario::{Kind, Overrides, ProofMode, Scenario, builtin};
use simulator::statistics::ks_test;
use simulator::world::{Happening, QueueKind, World, WorldSettings};
use sv2::event::Event;
use sv2::time::Instant;

fn load(name: &str, text: &str, seed: u64) -> Scenario {
    let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
    Scenario::load(name, text, &overrides).expect("it loads")
}

/// A shipped scenario with roles apart from each other, and these lines more.
fn shipped(name: &str, more: &str) -> String {
    let text = builtin(name).expect("it ships").text;
    format!("{text}\n[network]\nlatency = \"20ms\"\n{more}")
}

const ORACLE: &str = "[simulate]\nproofs = \"oracle\"\n";

/// Without a file; whatever any checker says fails the test.
fn run(scenario: &Scenario, minutes: u64) -> World {
    let mut read = |_: &std::path::Path| Err("no file".to_owned());
    let settings =
        WorldSettings { queue: QueueKind::Radix, read: &mut read, casting: None, has_checks: true };
    let mut world = World::with(scenario, settings).expect("it has a world");
    world.keep_happenings();
    world.run(minute(minutes), u64::MAX);
    assert_eq!(world.violation(), None);
    world
}

fn minute(count: u64) -> Instant {
    Instant(count * 60_000_000_000)
}

#[test]
fn every_configuration_lives_on_drawn_proofs_and_all_checkers_agree() {
    for name in ["pool", "sv1", "config-a", "config-b", "config-c", "config-d"] {
        let scenario = load(name, &shipped(name, ORACLE), 42);

        let world = run(&scenario, 20);

        let tally = world.tally();
        assert!(world.heights().iter().all(|height| *height > 101), "{name}: no blocks");
        let rejected: u64 = tally.roles.iter().map(|figures| figures.rejected_count).sum();
        assert_eq!(rejected, 0, "{name}");
        let servers = scenario.roles.iter().zip(&tally.roles);
        let servers =
            servers.filter(|(role, _)| [Kind::Pool, Kind::Sv1Pool].contains(&role.kind.kind()));
        let accepted: u64 = servers.map(|(_, figures)| figures.accepted_count).sum();
        assert!(accepted > 100, "{name}: {accepted} shares at the pool");
        assert_eq!(tally.stale_unexplained_count, 0, "{name}");
    }
}

#[test]
fn drawn_proofs_are_the_same_in_every_run_of_a_seed() {
    let digest = |queue| {
        let scenario = load("config-d", &shipped("config-d", ORACLE), 7);
        let mut world = World::new(&scenario, queue).expect("it has a world");
        world.run(minute(5), u64::MAX);
        world.digest()
    };

    let first = digest(QueueKind::Radix);

    assert_eq!(digest(QueueKind::Radix), first);
    assert_eq!(digest(QueueKind::Heap), first);
}

/// When something happened at the pool, in seconds.
fn times(happenings: &[Happening], is_meant: fn(&Event) -> bool) -> Vec<f64> {
    let meant = happenings.iter().filter(|happening| is_meant(&happening.event));
    meant.map(|happening| happening.at.since(Instant::ZERO).as_secs_f64()).collect()
}

fn waits(times: &[f64]) -> Vec<f64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// How many fall into each minute.
fn counts(times: &[f64], minutes: u64) -> Vec<f64> {
    let mut counts = vec![0.0; usize::try_from(minutes).expect("few")];
    for time in times {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a minute")]
        let minute = (time / 60.0) as usize;
        if let Some(count) = counts.get_mut(minute) {
            *count += 1.0;
        }
    }
    counts
}

/// Seeds differ, or both modes would draw the same moments; targets stand still, or waits would
/// depend on those before.
#[test]
fn hashed_and_drawn_proofs_come_at_times_of_one_distribution() {
    let fixed =
        |more| shipped("pool", more).replace("kind = \"pool\"", "kind = \"pool\"\nvardiff = false");
    let is_share: fn(&Event) -> bool = |event| matches!(event, Event::ShareAccepted { .. });
    let is_block: fn(&Event) -> bool = |event| matches!(event, Event::BlockFound { .. });
    let of = |more, seed| {
        let mut world = run(&load("pool", &fixed(more), seed), MINUTES);
        let happenings = world.take_happenings();
        (times(&happenings, is_share), times(&happenings, is_block))
    };

    let (hashed, drawn) = (of("", 3), of(ORACLE, 4));

    assert!(hashed.0.len() > 3_000 && hashed.1.len() > 400, "{} shares", hashed.0.len());
    for (what, one, other) in [
        ("waits for shares", waits(&hashed.0), waits(&drawn.0)),
        ("waits for blocks", waits(&hashed.1), waits(&drawn.1)),
        ("shares a minute", counts(&hashed.0, MINUTES), counts(&drawn.0, MINUTES)),
        ("blocks a minute", counts(&hashed.1, MINUTES), counts(&drawn.1, MINUTES)),
    ] {
        let test = ks_test(&one, &other);
        assert!(test.probability > 0.05, "{what}: {test:?}");
    }
}

/// Both modes for so long.
const MINUTES: u64 = 60;

#[test]
fn a_drawn_proof_is_for_the_targets_of_real_devices() {
    let text = shipped("pool", ORACLE)
        .replace("50kH/s", "100TH/s")
        .replace("nbits = 0x1e100000", "nbits = 0x1a00ffff");
    let scenario = load("pool", &text, 42);
    assert_eq!(scenario.virtual_time.run.proofs, ProofMode::Oracle);

    let mut world = run(&scenario, 10);

    let happenings = world.take_happenings();
    let prices = happenings.iter().filter_map(|happening| match &happening.event {
        Event::WorkStarted { target, .. } => Some(target.expected_hashes()),
        _ => None,
    });
    // 20 shares a minute of 100 TH/s.
    let cheapest = prices.fold(f64::INFINITY, f64::min);
    assert!(cheapest > 1e14, "a share takes {cheapest} hashes");
    assert!(times(&happenings, |event| matches!(event, Event::ShareAccepted { .. })).len() > 300);
}

//! The model of a fleet (L1), roles with typed messages (L2) and roles with real bytes (L3) are one
//! network: what all can say, they agree on.

use std::time::Duration;

use simulator::compare::{Comparison, Figure, Figures, run_roles};
use simulator::fleet::{Sizes, Star, StarSettings, stars};
use simulator::link::Latency;
use simulator::scenario::{Fidelity, Overrides, Scenario};
use simulator::statistics::{Interval, Sample};
use simulator::world::{QueueKind, World};
use sv2::time::Instant;

/// A farm far from its pool, whose node is beside it; blocks come often, so that there are late
/// shares to count. `CHANNEL` and `LEVEL` are put in.
const FARM: &str = r#"
[chain]
kind = "embedded"
nbits = 0x1a00ffff
block_interval = "60s"
transactions = 0

[region.site]
latency = "0s"

[region.farm]
latency = "1ms"

[[link]]
between = ["site", "farm"]
latency = "200ms"

[role.template-provider]
kind = "template-provider"
region = "site"
fee_update_interval = "1d"

[role.pool]
kind = "pool"
region = "site"
shares_per_minute = 30
share_batch_size = 1
share_hashes_min = 1
vardiff = false

[fleet.farm]
upstream = "pool"
region = "farm"
hash_rate = "1GH/s"
spread = 0.0
count = 15
channel = "CHANNEL"
fidelity = "LEVEL"

[simulate]
for = "42min"
warm_up = "2min"
proofs = "oracle"
"#;

fn load(channel: &str, level: &str) -> Scenario {
    let text = FARM.replace("CHANNEL", channel).replace("LEVEL", level);
    Scenario::load("farm", &text, &Overrides::default()).expect("it loads")
}

fn model(scenario: &Scenario, settings: &StarSettings, seed: u64) -> Figures {
    let run = &scenario.virtual_time.run;
    let mut star: Star = Star::new(StarSettings { seed, ..settings.clone() });
    star.run_until(Instant::ZERO + run.warm_up);
    let before = *star.tally();
    star.run_until(Instant::ZERO + run.length);
    let seconds = (run.length - run.warm_up).as_secs_f64();
    Figures::of_star(&star.tally().since(&before), settings.device_count, seconds)
}

/// The farm as roles, with a seed that no model has.
fn roles(channel: &str, seed: u64, fidelity: Fidelity) -> Scenario {
    // Fleets of this level are roles of the world's own scenario.
    let world = World::new(&load(channel, "L2"), QueueKind::Radix).expect("it has a world");
    let mut scenario = Scenario { seed: seed + 100, ..world.scenario().clone() };
    scenario.set_fidelity(fidelity);
    scenario
}

/// Runs of both levels, with seeds of their own: nothing but chance may make them differ.
fn both(channel: &str) -> Comparison {
    let one = load(channel, "L1");
    let read = |path: &std::path::Path| Err(format!("{} was not read", path.display()));
    let (_, settings) = stars(&one, read).expect("it has a star").remove(0);
    let models = SEEDS.map(|seed| model(&one, &settings, seed)).to_vec();
    let roles =
        SEEDS.map(|seed| run_roles(&roles(channel, seed, Fidelity::Messages)).expect("it runs"));
    Comparison::new(vec![
        ("L1".to_owned(), models, Figures::default()),
        ("L2".to_owned(), roles.to_vec(), Figures::default()),
    ])
}

/// As many as tell delays apart by their late shares.
const SEEDS: [u64; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

const COMPARED: [Figure; 6] = [
    Figure::ShareRate,
    Figure::UplinkBytes,
    Figure::DownlinkBytes,
    Figure::PacketBytes,
    Figure::StaleCounted,
    Figure::SwitchTime,
];

/// Whether the intervals of both, at 95 %, meet.
fn agree(comparison: &Comparison, figure: Figure) -> Result<(), String> {
    let [one, two] = [0, 1].map(|arm| comparison.interval(arm, figure));
    match overlap(&one, &two) {
        true => Ok(()),
        false => Err(format!("{}: {one:?} at L1, {two:?} at L2", figure.name())),
    }
}

fn overlap(one: &Interval, two: &Interval) -> bool {
    // What is constant has an interval without a width.
    let slack = one.mean.abs() * 1e-3;
    one.low - slack <= two.high && two.low - slack <= one.high
}

#[test]
fn a_model_of_a_fleet_and_its_roles_agree_on_bytes_late_shares_and_delays() {
    let comparison = both("standard");

    for figure in COMPARED {
        assert_eq!(agree(&comparison, figure), Ok(()));
    }
    let bytes =
        SEEDS.iter().take(2).map(|seed| run_roles(&roles("standard", *seed, Fidelity::Bytes)));
    let (bytes, messages): (Vec<_>, _) =
        (bytes.collect(), comparison.values(1, Figure::PayloadBytes));
    for (bytes, messages) in bytes.iter().zip(messages) {
        let bytes = bytes.as_ref().expect("it runs");
        assert_eq!(bytes.value(Figure::PayloadBytes), Some(messages), "at L3");
    }
    // There was something to disagree on.
    let stale: Sample = comparison.values(1, Figure::StaleCounted).into_iter().collect();
    assert!(stale.interval().low > 0.003, "{stale:?}");
}

#[test]
fn levels_that_differ_do_not_agree() {
    let scenario = load("standard", "L1");
    let read = |path: &std::path::Path| Err(format!("{} was not read", path.display()));
    let (_, settings) = stars(&scenario, read).expect("it has a star").remove(0);
    let further = Latency::Constant(Duration::from_millis(280));
    let share_rate = settings.shares_per_minute;
    let other = StarSettings {
        up: further.clone(),
        down: further,
        sizes: Sizes::SV2_EXTENDED,
        shares_per_minute: share_rate * 1.05,
        ..settings.clone()
    };

    let comparison = Comparison::new(vec![
        (
            "one".to_owned(),
            SEEDS.map(|seed| model(&scenario, &settings, seed)).into(),
            <_>::default(),
        ),
        (
            "other".to_owned(),
            SEEDS.map(|seed| model(&scenario, &other, seed)).into(),
            <_>::default(),
        ),
    ]);

    for figure in COMPARED {
        assert!(agree(&comparison, figure).is_err(), "{}", figure.name());
    }
}

//! What breaks in virtual time, and that networks mend themselves.

use simulator::scenario::{Kind, Overrides, Scenario, builtin};
use simulator::world::{QueueKind, Tally, World};
use sv2::time::Instant;

fn minute(count: u64) -> Instant {
    Instant(count * 60_000_000_000)
}

/// A shipped scenario with roles apart from each other, and something that breaks in it.
fn world(name: &str, more: &str) -> World {
    let text = builtin(name).expect("it ships").text.to_owned()
        + "\n[network]\nlatency = \"20ms\"\n"
        + more;
    let scenario = Scenario::load(name, &text, &Overrides::default()).expect("it loads");
    World::new(&scenario, QueueKind::Radix).expect("it has a world")
}

fn fault(kind: &str, more: &str) -> String {
    format!("\n[[fault]]\nkind = \"{kind}\"\nat = \"5min\"\n{more}\n")
}

/// Channels of all devices, and shares that were accepted from all.
fn devices(world: &World, tally: &Tally) -> (u64, u64) {
    let roles = world.scenario().roles.iter().zip(&tally.roles);
    let fleets = roles.filter(|(role, _)| role.kind.kind().is_device());
    fleets.fold((0, 0), |sums, (_, figures)| {
        (sums.0 + figures.channel_count(), sums.1 + figures.accepted_count)
    })
}

/// Both protocols, and the longest chain of roles.
const CONFIGS: [&str; 3] = ["sv1", "config-b", "config-d"];

#[test]
fn every_network_mines_again_after_every_fault() {
    let faults = [
        fault("crash", "role = \"pool\"\nfor = \"30s\""),
        fault("crash", "role = \"miners\"\nfor = \"2min\""),
        fault("restart", "role = \"pool\""),
        fault("restart", "role = \"template-provider\"\nfor = \"20s\""),
        fault("pause", "role = \"pool\"\nfor = \"90s\""),
        fault("pause", "role = \"miners\"\nfor = \"30s\""),
        fault("partition", "between = [\"miners\", \"UPSTREAM\"]\nfor = \"45s\""),
        fault("one-way-partition", "between = [\"UPSTREAM\", \"miners\"]\nfor = \"45s\""),
        fault("clock-step", "role = \"pool\"\nstep_back = \"10min\""),
        fault("clock-step", "role = \"pool\"\nstep_forward = \"10min\"\nfor = \"1min\""),
        fault("bandwidth-drop", "role = \"UPSTREAM\"\nbandwidth = \"64kbit\"\nfor = \"1min\""),
        fault("reconnect-storm", "role = \"UPSTREAM\""),
        fault("curtailment", "role = \"miners\"\npart = 0.5\nfor = \"1min\""),
    ];
    let mut unwell = Vec::new();
    for name in CONFIGS {
        let scenario = world(name, "").scenario().clone();
        let miners = scenario.role_named("miners").expect("all have them");
        let upstream = scenario.role(miners).kind.mines_for().expect("they mine for somebody");
        let provider =
            scenario.roles.iter().find(|role| role.kind.kind() == Kind::TemplateProvider);
        let provider = &provider.expect("all have one").name;
        for fault in &faults {
            let fault = fault
                .replace("UPSTREAM", &scenario.role(upstream).name)
                .replace("\"template-provider\"", &format!("\"{provider}\""));
            let mut world = world(name, &fault);
            world.run(minute(4), u64::MAX);
            let (channels, _) = devices(&world, &world.tally());
            world.run(minute(10), u64::MAX);
            let before = devices(&world, &world.tally()).1;

            world.run(minute(13), u64::MAX);

            let (channels_after, accepted) = devices(&world, &world.tally());
            let is_well = channels_after == channels && accepted > before + 50;
            if !is_well || world.tally().fault_count != 1 {
                let counts = (channels, channels_after, before, accepted);
                unwell.push(format!("{name}: {counts:?}{fault}"));
            }
        }
    }
    assert!(unwell.is_empty(), "{}", unwell.concat());
}

#[test]
fn a_paused_pool_judges_what_has_come_in_when_it_goes_on() {
    let mut world = world("pool", &fault("pause", "role = \"pool\"\nfor = \"2min\""));
    let pool = world.scenario().role_named("pool").expect("it is there").0;
    let mut judged = |at: Instant| {
        world.run(at, u64::MAX);
        let figures = &world.tally().roles[pool];
        figures.accepted_count + figures.stale_count
    };

    let before = judged(minute(5));
    let during = judged(Instant(minute(7).0 - 1)) - before;
    let at_once = judged(Instant(minute(7).0 + 100_000_000)) - before;

    // Three devices with 20 shares a minute; those behind the first block are late.
    assert_eq!(during, 0);
    assert!(at_once > 60, "{at_once}");
}

#[test]
fn a_device_that_vanishes_is_missed_only_when_it_is_back() {
    let of_miners = "role = \"miners\"\nfor = \"2min\"";
    let connections = |kind: &str, seconds: u64| {
        let mut world = world("pool", &fault(kind, of_miners));
        let pool = world.scenario().role_named("pool").expect("it is there").0;
        world.run(Instant(seconds * 1_000_000_000), u64::MAX);
        world.tally().roles[pool].connection_count()
    };

    let all = connections("crash", 299);

    assert_eq!(connections("crash", 419), all, "half open");
    assert_eq!(connections("crash", 430), all);
    assert_eq!(connections("restart", 301), 0, "they have said so");
}

#[test]
fn a_clock_that_was_stepped_shows_in_the_times_of_jobs() {
    let step = "role = \"pool\"\nstep_forward = \"1h\"\nfor = \"1min\"";
    let mut usual = world("pool", "");
    let mut stepped = world("pool", &fault("clock-step", step));

    for world in [&mut usual, &mut stepped] {
        world.run(minute(8), u64::MAX);
    }

    assert_ne!(usual.digest(), stepped.digest());
}

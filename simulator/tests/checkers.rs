//! Checkers find nothing in shipped networks, and ring in one where a role does wrong.

use simulator::checkers::{NAMES, Violation};
use simulator::mutant::MUTANTS;
use simulator::scenario::{Overrides, Scenario, builtin};
use simulator::world::{Casting, QueueKind, World, WorldSettings};
use sv2::time::Instant;

fn minute(count: u64) -> Instant {
    Instant(count * 60_000_000_000)
}

fn scenario(name: &str, more: &str) -> Scenario {
    let text = builtin(name).expect("it ships").text.to_owned()
        + "\n[network]\nlatency = \"20ms\"\n"
        + more;
    Scenario::load(name, &text, &Overrides::default()).expect("it loads")
}

fn check(scenario: &Scenario, casting: Option<Casting>, minutes: u64) -> Option<Violation> {
    let mut read = |_: &std::path::Path| Err("no file".to_owned());
    let settings =
        WorldSettings { queue: QueueKind::Radix, read: &mut read, casting, has_checks: true };
    let mut world = World::with(scenario, settings).expect("it has a world");
    world.run(minute(minutes), u64::MAX);
    world.violation().cloned()
}

#[test]
fn nothing_is_wrong_in_shipped_networks() {
    for name in ["pool", "sv1", "config-a", "config-b", "config-c", "config-d"] {
        assert_eq!(check(&scenario(name, ""), None, 10), None, "{name}");
    }
    let text = include_str!("../scenarios/mine.toml");
    let mut mine = Scenario::load("mine", text, &Overrides::default()).expect("it loads");
    mine.set_device_count(200).expect("it has fleets");
    assert_eq!(check(&mine, None, 60), None);
}

#[test]
fn each_mutant_makes_its_checker_ring() {
    for mutant in &MUTANTS {
        let scenario = scenario(mutant.scenario, mutant.fault);

        let violation = check(&scenario, Some(mutant.casting()), 70);

        let rings = violation.map(|violation| violation.checker);
        assert_eq!(rings, Some(mutant.checker), "{}", mutant.name);
    }
}

#[test]
fn each_checker_rings_for_a_mutant() {
    for name in NAMES.iter().copied() {
        assert!(MUTANTS.iter().any(|mutant| mutant.checker == name), "{name}");
    }
}

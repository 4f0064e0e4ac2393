//! What levels of fidelity agree on.

use simulator::scenario::{Fidelity, Overrides, Scenario, builtin};
use simulator::world::{QueueKind, SegmentKind, World};
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

fn world(scenario: &Scenario) -> World {
    World::new(scenario, QueueKind::Radix).expect("it has a world")
}

#[test]
fn real_bytes_make_the_same_run_as_typed_messages() {
    let storm = "[[fault]]\nkind = \"reconnect-storm\"\nrole = \"pool\"\nat = \"2min\"\n";
    for name in ["pool", "config-a", "config-b", "config-c", "config-d"] {
        let mut scenario = scenario(name, storm);
        let mut messages = world(&scenario);
        scenario.virtual_time.run.fidelity = Fidelity::Bytes;
        let mut bytes = world(&scenario);

        messages.run(minute(5), u64::MAX);
        bytes.run(minute(5), u64::MAX);

        assert!(bytes.secrets().count() > 1 && messages.secrets().count() == 0, "{name}");
        assert_eq!(bytes.tally(), messages.tally(), "{name}");
        assert_eq!(bytes.digest(), messages.digest(), "{name}");
    }
}

#[test]
fn what_is_kept_for_a_capture_is_all_that_was_sent() {
    for name in ["config-a", "config-d"] {
        let mut world = world(&scenario(name, ""));
        world.keep_segments();

        world.run(minute(2), u64::MAX);

        let mut len = 0;
        let (mut opened, mut secrets) = (0, 0);
        for segment in world.take_segments() {
            match segment.what {
                SegmentKind::Bytes { bytes, .. } => len += bytes.len() as u64,
                SegmentKind::Opened { .. } => opened += 1,
                SegmentKind::Secrets(_) => secrets += 1,
                SegmentKind::Closed { .. } => {}
            }
        }
        let tally = world.tally();
        assert_eq!(len, tally.payload_bytes, "{name}");
        assert_eq!(opened, tally.connection_count, "{name}");
        assert!(secrets > 0 && secrets <= opened, "{name}: {secrets} of {opened}");
    }
}

#[test]
fn the_model_of_a_fleet_and_its_devices_as_roles_agree_within_chance() {
    // Slow links and frequent blocks, so that there is something to compare.
    let text = include_str!("../scenarios/farm.toml")
        .replace("lognormal(50ms, 0.2)", "500ms")
        .replace("block_interval = \"10min\"", "block_interval = \"1min\"")
        .replace("every = \"1d\"", "every = \"1000d\"");
    let mut scenario = Scenario::load("farm", &text, &Overrides::default()).expect("it loads");
    scenario.set_device_count(40).expect("it has a fleet");
    scenario.set_fidelity(Fidelity::Model);
    let mut model = world(&scenario);
    scenario.set_fidelity(Fidelity::Messages);
    let mut roles = world(&scenario);
    roles.measure();

    model.run(minute(120), u64::MAX);
    roles.run(minute(120), u64::MAX);

    let (_, _, model) = model.models().next().expect("the farm");
    let tally = roles.tally();
    let farm = roles.scenario().role_named("farm").expect("the farm");
    let (figures, carried) = (&tally.roles[farm.0], roles.carried_by(farm));
    assert_eq!(model.block_count, tally.foreign_block_count);
    let rows = [
        ("accepted", model.accepted_count, figures.accepted_count),
        ("stale", model.stale_count, figures.stale_count),
    ];
    for (what, one, other) in rows {
        assert!(one > 200 && other > 200, "{what}: {one} and {other}");
        // Both are sums of independent rare events: four standard deviations of the difference.
        let deviation = ((one + other) as f64).sqrt();
        assert!((one.abs_diff(other) as f64) < 4.0 * deviation, "{what}: {one} and {other}");
    }
    let waited = roles.measures().expect("measured").tip_to_device().quantile(0.5) as f64 / 1e9;
    let switched = model.switch_ns_sum / model.switch_count as f64 / 1e9;
    let rows = [
        ("bytes up", model.up_bytes as f64, carried.up_bytes as f64),
        ("bytes down", model.down_bytes as f64, carried.down_bytes as f64),
        ("packets", model.packet_bytes as f64, carried.packet_bytes as f64),
        ("seconds to switch", switched, waited),
    ];
    for (what, one, other) in rows {
        assert!((one / other - 1.0).abs() < 0.05, "{what}: {one} and {other}");
    }
}

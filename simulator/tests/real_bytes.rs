//! Fidelity L3: real bytes in real Noise make the run that typed messages make.

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

        assert!(bytes.sealed_count() > 1 && messages.sealed_count() == 0, "{name}");
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

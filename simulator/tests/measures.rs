//! What a world says of its own traffic and delays is what its links have carried and taken.

use simulator::scenario::{Overrides, Scenario, builtin};
use simulator::world::{QueueKind, World};
use sv2::time::Instant;

fn minute(count: u64) -> Instant {
    Instant(count * 60_000_000_000)
}

fn world(name: &str) -> World {
    let text =
        builtin(name).expect("it ships").text.to_owned() + "\n[network]\nlatency = \"20ms\"\n";
    let scenario = Scenario::load(name, &text, &Overrides::default()).expect("it loads");
    World::new(&scenario, QueueKind::Radix).expect("it has a world")
}

#[test]
fn what_messages_take_is_what_connections_have_carried_and_nothing_else_changes() {
    for name in ["pool", "sv1", "config-a", "config-b", "config-c", "config-d"] {
        let mut plain = world(name);
        let mut measured = world(name);
        measured.measure();

        plain.run(minute(5), u64::MAX);
        measured.run(minute(5), u64::MAX);

        assert_eq!(measured.digest(), plain.digest(), "{name}");
        let measures = measured.measures().expect("it was measured");
        let bytes: u64 = measures.traffic().map(|(_, all)| all.up_bytes + all.down_bytes).sum();
        assert_eq!(bytes, measured.tally().payload_bytes, "{name}");
    }
}

#[test]
fn a_share_waits_for_one_way_there_and_back_and_a_tip_comes_by_way_of_the_pool() {
    for name in ["pool", "sv1"] {
        let mut world = world(name);
        world.measure();

        world.run(minute(60), u64::MAX);

        let measures = world.measures().expect("it was measured");
        let (answers, tips) = (measures.share_to_answer(), measures.tip_to_device());
        for (what, all) in [("share to answer", answers), ("tip to device", tips)] {
            assert!(all.count() > 100, "{name}: {what}: {}", all.count());
            let median = all.quantile(0.5);
            // Two ways of 20 ms; buckets are 1.6 % wide, and bytes take their time on links.
            assert!((40_000_000..42_000_000).contains(&median), "{name}: {what}: {median} ns");
        }
    }
}

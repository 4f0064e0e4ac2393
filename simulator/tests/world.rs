//! The scenarios that ship with the program, in virtual time.

use simulator::scenario::{Kind, Overrides, Scenario, builtin, builtins};
use simulator::world::{Casting, Difference, Player, QueueKind, Tally, World, WorldSettings};
use sv2::message::Message;
use sv2::role::{Input, Outbox, Output, Role};
use sv2::time::{Instant, Now};

/// A shipped scenario, with roles apart from each other.
fn scenario(name: &str, seed: u64) -> Scenario {
    let mut text = builtin(name).expect("it ships").text.to_owned();
    if !text.contains("[[link]]") {
        text += "\n[network]\nlatency = \"20ms\"\n";
    }
    let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
    Scenario::load(name, &text, &overrides).expect("it loads")
}

fn open(scenario: &Scenario, queue: QueueKind) -> World {
    World::new(scenario, queue).expect("it has a world")
}

fn after_minutes(name: &str, minutes: u64) -> (Scenario, World) {
    let scenario = scenario(name, 42);
    let mut world = open(&scenario, QueueKind::Radix);
    world.run(minute(minutes), u64::MAX);
    (scenario, world)
}

fn minute(count: u64) -> Instant {
    Instant(count * 60_000_000_000)
}

const CONFIGS: [&str; 4] = ["config-a", "config-b", "config-c", "config-d"];

fn of_kind(scenario: &Scenario, tally: &Tally, kind: Kind) -> [u64; 4] {
    let mut sums = [0; 4];
    for (role, figures) in scenario.roles.iter().zip(&tally.roles) {
        if role.kind.kind() == kind {
            sums[0] += figures.accepted_count;
            sums[1] += figures.rejected_count;
            sums[2] += figures.stale_count;
            sums[3] += figures.block_count;
        }
    }
    sums
}

#[test]
fn every_configuration_finds_blocks_and_rejects_late_shares_alone() {
    for name in CONFIGS {
        let (scenario, world) = after_minutes(name, 20);
        let tally = world.tally();

        let before = 101;
        assert!(world.heights().iter().all(|height| *height > before), "{name}: no blocks");
        for kind in [Kind::MiningDevice, Kind::Sv1Device, Kind::MiningProxy, Kind::Translator] {
            let [_, rejected, _, _] = of_kind(&scenario, &tally, kind);
            assert_eq!(rejected, 0, "{name}: {kind:?}");
        }
        let [accepted, rejected, _, _] = of_kind(&scenario, &tally, Kind::Pool);
        assert!(accepted > 100, "{name}: {accepted} shares at the pool");
        assert_eq!(rejected, 0, "{name}: at the pool");
        assert!(tally.stale_explained_count > 0, "{name}: no tip was ever under way");
        assert_eq!(tally.stale_unexplained_count, 0, "{name}");
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_another_one_is_not() {
    for name in builtins().map(|builtin| builtin.name) {
        let digest = |seed, queue| {
            let mut scenario = scenario(name, seed);
            if scenario.device_count() > FEW {
                scenario.set_device_count(200).expect("there is a fleet");
            }
            let mut world = open(&scenario, queue);
            world.run(minute(5), u64::MAX);
            world.digest()
        };

        let first = digest(7, QueueKind::Radix);

        assert_eq!(digest(7, QueueKind::Radix), first, "{name}: a second run");
        assert_eq!(digest(7, QueueKind::Heap), first, "{name}: the other queue");
        assert_ne!(digest(8, QueueKind::Radix), first, "{name}: another seed");
    }
}

/// Devices of a scenario that are simulated all.
const FEW: u64 = 100;

/// Keeps one message to itself.
struct Forgetful {
    inner: Player,
    inner_out: Outbox,
    share_count: u32,
}

impl Role for Forgetful {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.inner.handle(now, input, &mut self.inner_out);
        for output in self.inner_out.take() {
            if let Output::Send { message: Message::SubmitSharesStandard(_), .. } = &output {
                self.share_count += 1;
                if self.share_count == 5 {
                    continue;
                }
            }
            out.put(output);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at()
    }
}

#[test]
fn fleets_that_are_models_run_beside_roles_and_hear_of_the_same_blocks() {
    let text = include_str!("../scenarios/farm.toml");
    let mut scenario = Scenario::load("farm", text, &Overrides::default()).expect("it loads");
    scenario.set_device_count(100).expect("there is a fleet");
    let (mut whole, mut pieces) =
        (open(&scenario, QueueKind::Radix), open(&scenario, QueueKind::Radix));

    whole.run(minute(360), u64::MAX);
    for part in 1..=360 {
        while pieces.run(minute(part), 7) {}
    }

    let (name, count, tally) = whole.models().next().expect("the farm");
    assert_eq!((name, count), ("farm", 100));
    assert!(tally.accepted_count > 100 * 6 * 240, "{tally:?}");
    assert_eq!(tally.block_count, whole.tally().foreign_block_count);
    assert!(tally.block_count > 20);
    assert_eq!(pieces.digest(), whole.digest());
}

#[test]
fn the_first_event_in_which_two_runs_differ_is_named() {
    let scenario = scenario("pool", 7);
    let casting: Casting = Box::new(|kind, member, inner| match member {
        2 if kind == Kind::MiningDevice => {
            Box::new(Forgetful { inner, inner_out: Outbox::new(), share_count: 0 })
        }
        _ => inner,
    });
    let mut read = |_: &std::path::Path| Err("no file".to_owned());
    let settings = WorldSettings {
        queue: QueueKind::Heap,
        read: &mut read,
        casting: Some(casting),
        has_checks: false,
    };
    let mut other = World::with(&scenario, settings).expect("it has a world");
    let mut one = open(&scenario, QueueKind::Radix);

    let difference = Difference::first(&mut one, &mut other, minute(5)).expect("a share less");

    let (one, other) = (difference.one.expect("it goes on"), difference.other.expect("it too"));
    assert_eq!(one.what, "miners.2 to pool: SubmitSharesStandard (62 bytes)");
    assert!(one.number == other.number && one.what != other.what, "{one:?}, {other:?}");
    let mut again = open(&scenario, QueueKind::Heap);
    let mut same = open(&scenario, QueueKind::Radix);
    assert_eq!(Difference::first(&mut again, &mut same, minute(5)), None);
}

#[test]
fn a_run_in_pieces_is_the_same_run() {
    let scenario = scenario("config-b", 7);
    let mut whole = open(&scenario, QueueKind::Radix);
    let mut pieces = open(&scenario, QueueKind::Radix);

    whole.run(minute(3), u64::MAX);
    for second in 1..=180 {
        while pieces.run(Instant(second * 1_000_000_000), 7) {}
    }

    assert_eq!(pieces.digest(), whole.digest());
    assert_eq!(pieces.tally(), whole.tally());
}

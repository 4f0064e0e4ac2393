use std::time::Duration;

use super::super::{Overrides, RoleId, Scenario};
use super::*;
use crate::link::Latency;

const WORLD: &str = r#"
[chain]
propagation = "lognormal(454ms, 1)"
reorganisations = 0.01

[network]
latency = "20ms"
loss = 0.001

[region.eu]
latency = "11ms"

[region.farm]
latency = "1ms"
uplink = "10Mbit"

[[link]]
between = ["eu", "farm"]
latency = "uniform(100ms, 120ms)"
bandwidth = "1Mbit"

[role.provider]
kind = "template-provider"
region = "eu"

[role.pool]
kind = "pool"
region = "eu"
nic = "1Gbit"

[fleet.s21]
upstream = "pool"
model = "s21"
count = 100_000
region = "farm"
fidelity = "L1"
failure_interval = "1095d"

[[fault]]
kind = "partition"
between = ["farm", "pool"]
at = "6h"
for = "90s"

[[fault]]
kind = "curtailment"
role = "s21"
every = "1d"
for = "2h"
part = 0.5

[simulate]
for = "1d"
warm_up = "1h"

[matrix]
"role.pool.shares_per_minute" = [1, 6, 18.5]
seed = "1..3"
"#;

fn load(text: &str) -> Result<Scenario, LoadError> {
    Scenario::load("world.toml", text, &Overrides::default())
}

#[test]
fn a_world_says_how_far_apart_its_parts_are_and_what_breaks() {
    let world = load(WORLD).unwrap().virtual_time;
    let network = &world.network;
    let fleet = &world.fleets[0];

    let far = network.between(fleet.standing, network.roles[1]);
    let expected = Latency::Uniform(Duration::from_millis(100), Duration::from_millis(120));
    assert_eq!(far.latency, Some(LatencyText::Distribution(expected)));
    assert_eq!(far.bandwidth.map(|rate| rate.per_second()), Some(1e6));
    let near = network.between(network.roles[0], network.roles[1]);
    let expected = Latency::Constant(Duration::from_millis(11));
    assert_eq!(near.latency, Some(LatencyText::Distribution(expected)));
    assert_eq!((near.loss, network.roles[1].nic.is_some()), (0.001, true));
    assert_eq!((fleet.count, fleet.hash_rate.per_second()), (100_000, 200e12));
    assert_eq!((fleet.upstream, fleet.fidelity), (RoleId(1), Fidelity::Model));
    let partition = FaultKind::Partition(Target::Region(RegionId(1)), Target::Role(RoleId(1)));
    assert_eq!(world.faults[0].kind, partition);
    assert_eq!(world.faults[0].when, When::At(Duration::from_secs(6 * 3_600)));
    assert_eq!(world.faults[1].kind, FaultKind::Curtailment(Target::Fleet(0), 0.5));
    assert_eq!((world.run.length, world.reorganisations), (Duration::from_secs(86_400), 0.01));
}

#[test]
fn a_matrix_is_a_list_of_settings_that_a_run_can_take() {
    let scenario = load(WORLD).unwrap();
    let axes = &scenario.virtual_time.matrix;
    assert_eq!(axes[0].values, ["1", "6", "18.5"]);
    assert_eq!(axes[1].values, ["1", "2", "3"]);

    let set = vec![(axes[0].key.clone(), "18.5".to_owned()), ("seed".to_owned(), "3".to_owned())];
    let overrides = Overrides { set, ..Overrides::default() };
    let run = Scenario::load("world.toml", WORLD, &overrides).unwrap();

    assert_eq!(run.seed, 3);
}

#[test]
fn what_sockets_cannot_do_is_noted_with_its_place() {
    let notes: Vec<String> =
        load(WORLD).unwrap().virtual_time.notes.iter().map(ToString::to_string).collect();

    assert_eq!(notes.len(), 10, "{notes:#?}");
    insta::assert_snapshot!(
        notes[0],
        @"world.toml:3:1: `propagation` is for virtual time alone (`assay simulate`)"
    );
    let plain = "[role.provider]\nkind = \"template-provider\"\n[simulate]\nfor = \"1d\"\n";
    assert!(load(plain).unwrap().virtual_time.notes.is_empty());
}

#[test]
fn an_impossible_world_is_refused_with_its_place_and_a_way_out() {
    let wrong = [
        WORLD.replace("\"1Mbit\"", "\"0Mbit\""),
        WORLD.replace("between = [\"eu\", \"farm\"]", "between = [\"eu\", \"asia\"]"),
        WORLD.replace("[region.eu]", "[region.asia]\n[region.eu]").replacen(
            "between = [\"eu\", \"farm\"]",
            "between = [\"eu\", \"asia\"]",
            1,
        ),
        WORLD.replace("upstream = \"pool\"", ""),
        WORLD.replace("model = \"s21\"", "model = \"s22\""),
        WORLD.replace("model = \"s21\"", ""),
        WORLD.replace("uniform(100ms, 120ms)", "uniform(100ms)"),
        WORLD.replace("uniform(100ms, 120ms)", "uniform(200ms, 120ms)"),
        WORLD.replace("kind = \"partition\"", "kind = \"partiton\""),
        WORLD.replace("between = [\"farm\", \"pool\"]", "between = [\"farm\", \"pol\"]"),
        WORLD.replace("at = \"6h\"", ""),
        WORLD.replace("for = \"1d\"", "for = \"1h\""),
        WORLD.replace("loss = 0.001", "loss = 2"),
        WORLD.replace("\"1..3\"", "\"3..1\""),
    ];

    let refusals: Vec<String> =
        wrong.iter().map(|text| load(text).unwrap_err().to_string()).collect();

    insta::assert_snapshot!(refusals.join("\n"), @r#"
    world.toml:20:13: nothing passes at "0Mbit": expected more than zero
    world.toml:18:18: unknown region "asia"; known are eu, farm
    world.toml:33:12: there is no path from "farm" to "eu": add [[link]] with between = ["farm", "eu"]
    world.toml:31:8: fleet "s21" mines for nobody: give it an `upstream`, the name of a pool, mining-proxy or job-declarator-client
    world.toml:33:9: unknown model "s22"; did you mean "s21"?
    world.toml:31:8: fleet "s21" has no hash rate: give it a `model`, such as "s21", or a `hash_rate`
    world.toml:19:11: expected a delay such as "20ms", "uniform(10ms, 50ms)", "lognormal(20ms, 0.5)", "pareto(10ms, 4)" or "file(delays.txt)", got "uniform(100ms)"
    world.toml:19:11: the first delay of "uniform(200ms, 120ms)" is above the second
    world.toml:40:8: unknown kind "partiton"; did you mean "partition"?
    world.toml:41:20: unknown role, fleet or region "pol"; did you mean "pool"?
    world.toml:39:1: a partition needs either `at` or `every`, above zero
    world.toml:54:11: the run ends before anything is measured: `warm_up` (3600s) is not below `for` (3600s)
    world.toml:8:8: expected a number from 0 to 1
    world.toml:58:8: expected a list, or "1..20"
    "#);
}

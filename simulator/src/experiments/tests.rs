use super::*;
use crate::experiments::judge::judge;

fn shipped(name: &str) -> Experiment {
    let found = SHIPPED.iter().find(|shipped| shipped.name == name).unwrap();
    Experiment::load(name, name, found.text).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs an experiment that ships, with fewer runs, and those cells alone.
fn run(name: &str, runs: u64, cells: &[(&str, &[&str])]) -> Vec<(String, Judgement)> {
    let mut experiment = shipped(name);
    experiment.runs = runs;
    for (key, values) in cells {
        let axis = experiment.axes.iter_mut().find(|axis| axis.key == *key).unwrap();
        axis.values.retain(|value| values.contains(&value.as_str()));
        assert_eq!(axis.values.len(), values.len());
    }
    let rows = experiment.run(&mut |_| Err("no file".to_owned()), &mut |_, _| {}).unwrap();
    let has_cell = |assertion: &Assertion| rows.iter().any(|row| row.is_in(&assertion.cells));
    experiment.assertions.retain(has_cell);
    let judgements = judge(&experiment, &rows).unwrap();
    judgements.into_iter().map(|found| (found.assertion.id.clone(), found)).collect()
}

fn check(found: &[(String, Judgement)]) {
    assert!(!found.is_empty());
    for (id, judgement) in found {
        assert!(judgement.is_as_written(), "{id}: {judgement:#?}");
    }
}

#[test]
fn every_experiment_that_ships_loads_and_asserts_something() {
    let mut numbers = Vec::new();
    for Shipped { name, .. } in SHIPPED {
        let experiment = shipped(name);
        assert!(!experiment.assertions.is_empty() && !experiment.cells().is_empty(), "{name}");
        let mut ids: Vec<&str> =
            experiment.assertions.iter().map(|assertion| assertion.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), experiment.assertions.len(), "{name}");
        numbers.push(experiment.number);
    }
    numbers.dedup();
    assert_eq!(numbers, [1, 3, 4, 5, 7, 12]);
}

/// Within 5 % of the closed form, as the files assert.
#[test]
fn the_stale_law_holds() {
    let latency: &[&str] = &["\"1ms\"", "\"500ms\""];
    let switch: &[&str] = &["\"20ms\"", "\"lognormal(20ms, 1.38)\""];
    check(&run(
        "stale-vs-rtt-law",
        10,
        &[("network.latency", latency), ("experiment.switch", switch)],
    ));
}

#[test]
fn the_burst_at_a_new_block_takes_what_the_closed_form_says() {
    check(&run("new-block-egress-burst", 4, &[("fleet.farm.count", &["1000", "10000"])]));
}

#[test]
fn a_man_in_the_middle_steals_from_sv1_and_from_devices_that_check_no_key() {
    let found = run("mitm-hijack", 4, &[("experiment.stolen_part", &["0.2"])]);

    check(&found);
}

#[test]
fn latencies_of_a_new_block_are_those_of_the_way_and_the_server() {
    check(&run("block-change-latency", 3, &[]));
}

#[test]
fn an_experiment_that_makes_no_sense_says_where() {
    let text = SHIPPED[0].text;
    for (from, to, said) in [
        ("below = 0.5\n", "", "expected one of `below`"),
        ("verdict = \"supported\"", "verdict = \"suported\"", "did you mean \"supported\""),
        ("kind = \"fleet\"", "kind = \"fleets\"", "did you mean \"fleet\""),
        ("runs = 10", "runz = 10", "did you mean \"runs\""),
    ] {
        let error = Experiment::load("x", "x.toml", &text.replace(from, to)).unwrap_err();
        assert!(error.line > 0 && error.to_string().contains(said), "{from}: {error}");
    }
}

#[test]
fn a_claim_is_contradicted_by_one_cell() {
    let mut experiment = shipped("stale-vs-rtt-law");
    experiment.assertions = vec![Assertion {
        id: "x".to_owned(),
        says: "It is below 2".to_owned(),
        figure: "stale-part".to_owned(),
        arm: "sv1".to_owned(),
        to: To::Nothing,
        expected: Expectation::Below(2.0),
        verdict: Verdict::Supported,
        cells: Vec::new(),
    }];
    let row = |place: &str, values: &[f64]| Row {
        cell: vec![("place".to_owned(), place.to_owned())],
        arm: "sv1".to_owned(),
        figure: "stale-part".to_owned(),
        values: values.to_vec(),
        closed_form: None,
    };
    let verdict = |rows: &[Row]| judge(&experiment, rows).unwrap()[0].verdict;

    assert_eq!(verdict(&[row("a", &[1.0, 1.0])]), Verdict::Supported);
    assert_eq!(verdict(&[row("a", &[1.0, 1.0]), row("b", &[1.9, 2.2])]), Verdict::Inconclusive);
    assert_eq!(verdict(&[row("a", &[3.0, 3.0]), row("b", &[1.9, 2.2])]), Verdict::Contradicted);
    assert!(judge(&experiment, &[]).unwrap_err().contains("no cell"));
}

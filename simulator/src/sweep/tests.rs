use std::collections::BTreeMap;

use super::*;
use crate::engine::Digest;
use crate::scenario::Axis;

fn axis(key: &str, values: &[&str]) -> Axis {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Axis { key: key.to_owned(), values }
}

fn plan(text: &str) -> Plan {
    let axes = [axis("role.pool.shares_per_minute", &["6", "18"]), axis("seed", &["1", "2", "3"])];
    Plan::new("a.toml", text, &axes, "0.1.0")
}

/// Stands for a simulation: a function of what decides a run.
fn simulate(run: &Run) -> RunResult {
    let mut digest = Digest::default();
    run.set.iter().for_each(|(key, value)| {
        digest.bytes(key.as_bytes());
        digest.bytes(value.as_bytes());
    });
    let figures = BTreeMap::from([("stale".to_owned(), digest.value() as f64 / 3e19)]);
    RunResult { id: run.id.clone(), digest: digest.value(), figures }
}

fn run_shard(plan: &Plan, shard: Shard, limit: usize) -> String {
    plan.of_shard(shard).take(limit).map(|run| simulate(run).to_line()).collect()
}

#[test]
fn merged_shards_are_one_run_to_the_byte() {
    let plan = plan("x");
    let whole = run_shard(&plan, Shard::WHOLE, usize::MAX);

    for count in [1, 2, 4, 7] {
        let shards = (1..=count).map(|index| format!("{index}/{count}").parse().unwrap());
        let mut files: Vec<String> =
            shards.map(|shard| run_shard(&plan, shard, usize::MAX)).collect();
        files.reverse();

        let merged = merge(&plan, files.iter().map(String::as_str)).unwrap();

        assert_eq!((merged.text.as_str(), merged.missing.len()), (whole.as_str(), 0));
    }
}

#[test]
fn a_killed_shard_goes_on_behind_its_last_whole_line() {
    let plan = plan("x");
    let mut file = run_shard(&plan, Shard::WHOLE, 2);
    let whole_len = file.len();
    file += "{\"run\":\"7f";

    let (done, whole) = finished(&file);
    file.truncate(whole);
    for run in plan.runs.iter().filter(|run| !done.contains(&run.id)) {
        file += &simulate(run).to_line();
    }

    assert_eq!((done.len(), whole), (2, whole_len));
    assert_eq!(file, run_shard(&plan, Shard::WHOLE, usize::MAX));
}

#[test]
fn a_plan_is_the_same_after_it_was_written_and_read() {
    let plan = plan("x");

    let text = plan.to_text();

    assert_eq!(Plan::parse(&text), Ok(plan));
    let cut = &text[..text.rfind("{\"run").unwrap()];
    assert!(Plan::parse(cut).unwrap_err().contains("cut off"));
    assert!(Plan::parse("[]").unwrap_err().starts_with("line 1"));
}

#[test]
fn an_id_changes_with_everything_that_decides_a_run() {
    let (one, other) = (plan("x"), plan("y"));
    let newer = Plan::new("a.toml", "x", &[axis("seed", &["1"])], "0.2.0");

    let mut ids: Vec<&RunId> =
        [&one, &other, &newer].into_iter().flat_map(|plan| &plan.runs).map(|run| &run.id).collect();
    ids.sort();
    ids.dedup();

    assert_eq!(ids.len(), 13);
}

#[test]
fn results_of_another_sweep_or_of_another_truth_are_refused() {
    let (plan, other) = (plan("x"), plan("y"));
    let result = simulate(&plan.runs[0]);
    let lie = RunResult { digest: 1, ..result.clone() };
    let foreign = simulate(&other.runs[0]);
    let id = result.id.clone();

    let (result, lie) = (result.to_line(), lie.to_line());
    let twice = merge(&plan, [result.as_str(), result.as_str()]).unwrap();
    let contradiction = merge(&plan, [result.as_str(), lie.as_str()]);
    let unplanned = merge(&plan, [foreign.to_line().as_str()]);

    assert_eq!(twice.missing.len(), 5);
    assert_eq!(contradiction, Err(MergeError::Contradiction(id)));
    assert_eq!(unplanned, Err(MergeError::Unplanned(foreign.id)));
}

#[test]
fn a_shard_is_named_by_hand_or_by_the_engine_that_runs_it() {
    let from = |variables: &[(&str, &str)]| {
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Shard::from_environment(|name| variables.get(name).cloned())
    };
    let second: Shard = "2/3".parse().unwrap();

    let slurm = [
        ("SLURM_ARRAY_TASK_ID", "5"),
        ("SLURM_ARRAY_TASK_MIN", "4"),
        ("SLURM_ARRAY_TASK_COUNT", "3"),
    ];
    assert_eq!(from(&slurm), Ok(second));
    assert_eq!(from(&[("JOB_COMPLETION_INDEX", "1"), ("ASSAY_SHARD_COUNT", "3")]), Ok(second));
    assert_eq!(from(&[("HQ_TASK_ID", "2"), ("ASSAY_SHARD_COUNT", "3")]), Ok(second));
    assert!(from(&[("HQ_TASK_ID", "2")]).unwrap_err().contains("ASSAY_SHARD_COUNT"));
    assert!(from(&[]).unwrap_err().contains("JOB_COMPLETION_INDEX"));
    for wrong in ["0/3", "4/3", "1/0", "3", "a/b"] {
        assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
    }
}

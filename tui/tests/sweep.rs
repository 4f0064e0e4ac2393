//! Sweeps as processes: shards that are merged, killed and named by cluster engines.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCENARIO: &str = r#"
[chain]
block_interval = "60s"
[role.provider]
kind = "template-provider"
[role.pool]
kind = "pool"
vardiff = false
shares_per_minute = 6
[fleet.farm]
upstream = "pool"
model = "s21"
count = 200
fidelity = "L1"
[simulate]
for = "3h"
[matrix]
"role.pool.shares_per_minute" = [6, 18]
seed = "1..6"
"#;

/// A folder with a scenario and its plan.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Bench { folder: tempfile::tempdir().unwrap() };
        std::fs::write(bench.path("farm.toml"), SCENARIO).unwrap();
        let plan = bench.assay(&["sweep", "plan", "farm.toml"], &[]);
        assert!(plan.status.success(), "{plan:?}");
        std::fs::write(bench.path("farm.plan"), plan.stdout).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.current_dir(self.folder.path()).args(arguments);
        for name in ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "HQ_TASK_ID"] {
            command.env_remove(name);
        }
        command
    }

    fn assay(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        self.command(arguments).envs(environment.iter().copied()).output().unwrap()
    }

    fn run(&self, shard: &str, output: &str) {
        let ran =
            self.assay(&["sweep", "run", "farm.plan", "--shard", shard, "--output", output], &[]);
        assert!(ran.status.success(), "{ran:?}");
    }

    fn merge(&self, files: &[&str]) -> Output {
        self.assay(&[&["sweep", "merge", "farm.plan"], files].concat(), &[])
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn merged_shards_are_one_run_to_the_byte_and_a_missing_one_is_said() {
    let bench = Bench::new();
    bench.run("1/1", "whole");
    for shard in ["3/3", "1/3", "2/3"] {
        bench.run(shard, "parts");
    }

    let whole = bench.merge(&["whole/shard-1-of-1.jsonl"]);
    let parts =
        ["parts/shard-2-of-3.jsonl", "parts/shard-1-of-3.jsonl", "parts/shard-3-of-3.jsonl"];
    let merged = bench.merge(&parts);
    let cut = bench.merge(&parts[..2]);

    assert!(merged.status.success() && whole.stdout == merged.stdout, "{merged:?}");
    assert_eq!(merged.stdout.iter().filter(|byte| **byte == b'\n').count(), 12);
    assert_eq!(cut.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&cut.stderr).contains("4 of 12 runs have no result"),
        "{cut:?}"
    );
}

#[test]
fn a_killed_shard_goes_on_and_comes_to_the_same() {
    let bench = Bench::new();
    bench.run("1/1", "whole");
    let path = bench.path("killed/shard-1-of-1.jsonl");
    let run = ["sweep", "run", "farm.plan", "--output", "killed"];

    let mut shard = bench.command(&run).stderr(std::process::Stdio::null()).spawn().unwrap();
    // Until it has a result, or is over already, which is as good.
    while read(&path).lines().count() < 2 && shard.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    shard.kill().unwrap();
    shard.wait().unwrap();
    // As a process leaves it that was killed while it wrote.
    let torn: String = read(&path).lines().take(2).map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, torn + "{\"run\":\"7f").unwrap();
    let resumed = bench.assay(&run, &[]);

    let said = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(resumed.status.success() && said.contains("10 runs, 2 were there already"), "{said}");
    assert_eq!(read(&path), read(&bench.path("whole/shard-1-of-1.jsonl")));
}

#[test]
fn cluster_engines_name_the_shard() {
    let bench = Bench::new();
    let run = ["sweep", "run", "farm.plan", "--shard", "auto", "--output", "auto"];
    for (environment, shard) in [
        (
            &[
                ("SLURM_ARRAY_TASK_ID", "5"),
                ("SLURM_ARRAY_TASK_MIN", "4"),
                ("SLURM_ARRAY_TASK_COUNT", "6"),
            ][..],
            "2-of-6",
        ),
        (&[("JOB_COMPLETION_INDEX", "2"), ("ASSAY_SHARD_COUNT", "6")], "3-of-6"),
        (&[("HQ_TASK_ID", "6"), ("ASSAY_SHARD_COUNT", "6")], "6-of-6"),
    ] {
        let ran = bench.assay(&run, environment);

        assert!(ran.status.success(), "{ran:?}");
        let results = read(&bench.path(&format!("auto/shard-{shard}.jsonl")));
        assert_eq!(results.lines().count(), 2, "{shard}: {results}");
    }
    let none = bench.assay(&run, &[]);
    assert_eq!(none.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&none.stderr).contains("SLURM_ARRAY_TASK_ID"), "{none:?}");
}

#[test]
fn a_scenario_that_has_changed_is_not_run_by_an_old_plan() {
    let bench = Bench::new();
    std::fs::write(bench.path("farm.toml"), SCENARIO.replace("200", "300")).unwrap();

    let ran = bench.assay(&["sweep", "run", "farm.plan"], &[]);

    assert_eq!(ran.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("plan again"), "{ran:?}");
}

//! Which runs there are.

use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Shard;
use crate::scenario::Axis;

/// All runs of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// As the scenario's file is called.
    pub scenario: String,
    /// In the order of the matrix: the last axis changes fastest.
    pub runs: Vec<Run>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Of everything that decides the outcome.
    pub id: RunId,
    /// What is different from the scenario: settings and their values as TOML
    /// ([`crate::scenario::Overrides::set`]).
    pub set: Vec<(String, String)>,
}

/// The first 128 bits of a SHA-256, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(pub String);

impl Plan {
    /// Every combination of the values of all axes; one run where there is no axis. `version` is
    /// that of the program, whose next may come to other results.
    pub fn new(scenario: &str, text: &str, axes: &[Axis], version: &str) -> Self {
        let mut sets: Vec<Vec<(String, String)>> = vec![Vec::new()];
        for axis in axes {
            let longer = |set: &Vec<(String, String)>| {
                let with = |value: &String| {
                    let mut set = set.clone();
                    set.push((axis.key.clone(), value.clone()));
                    set
                };
                axis.values.iter().map(with).collect::<Vec<_>>()
            };
            sets = sets.iter().flat_map(longer).collect();
        }
        let run = |set: Vec<(String, String)>| Run { id: RunId::of(text, &set, version), set };
        Plan { scenario: scenario.to_owned(), runs: sets.into_iter().map(run).collect() }
    }

    /// Those of a shard.
    pub fn of_shard(&self, shard: Shard) -> impl Iterator<Item = &Run> {
        self.runs
            .iter()
            .enumerate()
            .filter(move |(index, _)| shard.takes(*index))
            .map(|(_, run)| run)
    }

    /// As a file: a line for the scenario and one for each run.
    pub fn to_text(&self) -> String {
        let head = json!({ "scenario": self.scenario, "runs": self.runs.len() });
        let runs = self.runs.iter().map(|run| json!({ "run": run.id.0, "set": run.set }));
        std::iter::once(head).chain(runs).map(|line| format!("{line}\n")).collect()
    }

    /// From such a file.
    ///
    /// # Errors
    /// The line, from 1, and what was expected there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().zip(1..).map(|(line, number)| {
            let value: Result<Value, _> = serde_json::from_str(line);
            (value.unwrap_or_default(), number)
        });
        let head = lines.next().map(|(head, _)| head).unwrap_or_default();
        let scenario = head["scenario"].as_str().ok_or("line 1: expected a plan of a sweep")?;
        let count = head["runs"].as_u64();
        let runs = lines.map(|(line, number)| {
            let set: Option<Vec<(String, String)>> =
                serde_json::from_value(line["set"].clone()).ok();
            let run = line["run"].as_str().zip(set);
            let (id, set) = run.ok_or_else(|| format!("line {number}: expected a run"))?;
            Ok(Run { id: RunId(id.to_owned()), set })
        });
        let runs: Vec<Run> = runs.collect::<Result<_, String>>()?;
        if count != Some(runs.len() as u64) {
            return Err(format!(
                "expected {count:?} runs, got {}: the plan is cut off",
                runs.len()
            ));
        }
        Ok(Plan { scenario: scenario.to_owned(), runs })
    }
}

impl RunId {
    fn of(text: &str, set: &[(String, String)], version: &str) -> Self {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        part("assay run");
        part(version);
        part(text);
        for (key, value) in set {
            part(key);
            part(value);
        }
        let digits = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        RunId(digits)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

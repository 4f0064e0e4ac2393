//! What runs have come to, and all of it as one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Plan, RunId};

/// Of one run: a line of a shard's file.
#[derive(Clone, Debug, PartialEq)]
pub struct RunResult {
    /// Which.
    pub id: RunId,
    /// Of all its events.
    pub digest: u64,
    /// By name.
    pub figures: BTreeMap<String, f64>,
}

/// Results of a whole plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// A line for each run, in the order of the plan.
    pub text: String,
    /// Runs without a result, in the order of the plan.
    pub missing: Vec<RunId>,
}

/// Why results are not those of one sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeError {
    /// Two results of one run differ: not the same program, or a run that is not deterministic.
    Contradiction(RunId),
    /// A result is of a run that is not planned: of another scenario or another program.
    Unplanned(RunId),
}

impl RunResult {
    /// As a line, with its end.
    pub fn to_line(&self) -> String {
        let figures: Map<String, Value> =
            self.figures.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let digest = format!("{:016x}", self.digest);
        format!("{}\n", json!({ "run": self.id.0, "digest": digest, "figures": figures }))
    }

    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let figures = value["figures"].as_object()?.iter();
        let figures = figures.map(|(name, value)| Some((name.clone(), value.as_f64()?)));
        Some(RunResult {
            id: RunId(value["run"].as_str()?.to_owned()),
            digest: u64::from_str_radix(value["digest"].as_str()?, 16).ok()?,
            figures: figures.collect::<Option<_>>()?,
        })
    }
}

/// Which runs a shard's file has results of, and how many of its bytes are whole lines: a shard
/// that was killed while it wrote goes on behind them.
pub fn finished(text: &str) -> (BTreeSet<RunId>, usize) {
    let mut whole = 0;
    let mut ids = BTreeSet::new();
    for line in text.split_inclusive('\n') {
        let Some(result) = line.ends_with('\n').then(|| RunResult::parse(line)).flatten() else {
            break;
        };
        ids.insert(result.id);
        whole += line.len();
    }
    (ids, whole)
}

/// The results of all shards as one.
///
/// # Errors
/// If they are not of one sweep.
pub fn merge<'a>(
    plan: &Plan,
    files: impl IntoIterator<Item = &'a str>,
) -> Result<Merged, MergeError> {
    let planned: BTreeSet<&RunId> = plan.runs.iter().map(|run| &run.id).collect();
    // Lines are kept as they came: a number that is read and written again need not be the same.
    let mut results: BTreeMap<RunId, &str> = BTreeMap::new();
    for line in files.into_iter().flat_map(str::lines) {
        let Some(RunResult { id, .. }) = RunResult::parse(line) else { continue };
        if !planned.contains(&id) {
            return Err(MergeError::Unplanned(id));
        }
        if results.get(&id).is_some_and(|earlier| *earlier != line) {
            return Err(MergeError::Contradiction(id));
        }
        results.insert(id, line);
    }
    let mut merged = Merged { text: String::new(), missing: Vec::new() };
    for run in &plan.runs {
        match results.get(&run.id) {
            Some(line) => merged.text.extend([line, "\n"]),
            None => merged.missing.push(run.id.clone()),
        }
    }
    Ok(merged)
}

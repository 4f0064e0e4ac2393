//! JSON lines: one event a line, written at once, so that a run that was killed is readable up
//! to there.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Report;
use crate::run::RunEvent;
use crate::runner::Finding;

/// Version of the format: raised when a field changes its meaning or goes.
const FORMAT: u32 = 1;

/// Writes JSON lines.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: W,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`, which is flushed after every line.
    pub fn new(out: W) -> Self {
        JsonLines { out }
    }
}

impl<W: Write> Report for JsonLines<W> {
    fn event(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &to_json(event))?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

fn to_json(event: &RunEvent<'_>) -> Value {
    match event {
        RunEvent::Started { target, case_count, permutation_count, seed, spec_commit } => json!({
            "event": "run-started",
            "format": FORMAT,
            "suite": env!("CARGO_PKG_VERSION"),
            "spec": spec_commit,
            "target": target,
            "cases": case_count,
            "permutations": permutation_count,
            "seed": seed,
        }),
        RunEvent::Fact { name, value } => {
            json!({ "event": "fact", "name": name, "value": value.to_string() })
        }
        RunEvent::Gap { text } => json!({ "event": "gap", "text": text }),
        RunEvent::CaseStarted { name } => json!({ "event": "case-started", "name": name }),
        RunEvent::CaseFinished(report) => json!({
            "event": "case-finished",
            "name": report.outcome.name,
            "case": report.case,
            "title": report.title,
            "severity": report.severity,
            "clauses": report.clauses,
            "verdict": report.verdict.name(),
            "detail": report.verdict.to_string(),
            "observed": report.outcome.observed,
            "finding": report.outcome.finding.as_ref().map(finding_to_json),
            "warnings": report.outcome.warnings.iter().map(finding_to_json).collect::<Vec<_>>(),
            "expectation": report.expectation,
            "seconds": report.outcome.elapsed.as_secs_f64(),
            "evidence": report.evidence.as_ref().map(|path| path.display().to_string()),
            "rerun": report.rerun,
        }),
        RunEvent::Finished(summary) => json!({
            "event": "run-finished",
            "counts": summary.counts,
            "clauses_kept": summary.clauses_kept,
            "clauses_broken": summary.clauses_broken,
            "unused_expectations": summary.unused_expectations,
            "target_lost": summary.target_lost,
            "interrupted": summary.interrupted,
        }),
    }
}

fn finding_to_json(finding: &Finding) -> Value {
    json!({
        "verdict": finding.verdict.name(),
        "clauses": finding.clauses,
        "because": finding.because,
        "expected": finding.expected,
        "actual": finding.actual,
        "line": finding.line,
        "fixture": finding.fixture,
    })
}

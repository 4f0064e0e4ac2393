//! What a comparison shows, for people and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Claim, Comparison, Expectation, Figure, Finding};
use crate::statistics::Interval;

/// A comparison with what is claimed of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    comparison: Comparison,
    findings: Vec<Finding>,
}

/// What the documents of Stratum V2 say of any network, of an arm called `name` and the one
/// called `first`: the figure whose ratio it is about, and the claim. A difference that nobody
/// would notice is none: a tenth is.
pub fn documented(name: &str, first: &str) -> Vec<(Figure, Claim)> {
    let claim = |id: &str, statement: String, expected| Claim {
        id: format!("{id}-{name}"),
        statement,
        expected,
    };
    vec![
        (
            Figure::PayloadBytes,
            claim(
                "bandwidth",
                format!("{name} takes at least 50 % less bandwidth than {first}"),
                Expectation::Below(0.5),
            ),
        ),
        (
            Figure::PacketBytes,
            claim(
                "bandwidth-with-headers",
                format!("the same with headers of TCP and IP ({name})"),
                Expectation::Below(0.5),
            ),
        ),
        (
            Figure::StalePart,
            claim(
                "stale",
                format!("at least a tenth less work of {name} than of {first} is stale"),
                Expectation::Below(0.9),
            ),
        ),
        (
            Figure::SwitchTime,
            claim(
                "switch",
                format!("{name} is at least a tenth sooner than {first} on a new block"),
                Expectation::Below(0.9),
            ),
        ),
    ]
}

impl Report {
    /// Judges what is documented, where the figures were measured.
    pub fn new(comparison: Comparison) -> Self {
        let mut findings = Vec::new();
        for index in 1..comparison.names().len() {
            let (first, name) = (&comparison.names()[0], &comparison.names()[index]);
            for (figure, claim) in documented(name, first) {
                if !comparison.has(figure) {
                    continue;
                }
                let ratio = comparison.ratio(index, 0, figure);
                findings.push(claim.judge(ratio, comparison.predicted_ratio(index, 0, figure)));
            }
        }
        Report { comparison, findings }
    }

    /// What is claimed and what the runs say to it.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// A table and the verdicts.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:<15} {:<13} {:>22} {:>11} {:>33} {:>26} {:>7}",
            "figure",
            "arm",
            "value",
            "closed form",
            "less the first [95 %]",
            "over the first",
            "closed"
        );
        for (figure, index) in self.rows() {
            let comparison = &self.comparison;
            let value = comparison.interval(index, figure);
            let closed = number_or_dash(comparison.predicted(index, figure));
            let _ = write!(
                text,
                "{:<15} {:<13} {:>22} {closed:>11}",
                if index == 0 { figure.name() } else { "" },
                comparison.names()[index],
                plus_minus(value),
            );
            if index > 0 {
                let _ = write!(
                    text,
                    " {:>33} {:>26} {:>7}",
                    bracket(comparison.difference(index, 0, figure)),
                    bracket(comparison.ratio(index, 0, figure)),
                    number_or_dash(comparison.predicted_ratio(index, 0, figure)),
                );
            }
            text.push('\n');
        }
        for finding in &self.findings {
            let _ = writeln!(
                text,
                "{}: {}: {} (expected {}, closed form {})",
                finding.verdict.name(),
                finding.claim.statement,
                bracket(finding.interval),
                finding.claim.expected,
                number_or_dash(finding.predicted),
            );
        }
        text
    }

    /// The same for machines.
    pub fn json(&self) -> Value {
        let comparison = &self.comparison;
        let rows = self.rows().into_iter().map(|(figure, index)| {
            let mut row = json!({
                "figure": figure.name(),
                "unit": figure.unit(),
                "arm": comparison.names()[index],
                "value": interval_json(comparison.interval(index, figure)),
                "closed_form": comparison.predicted(index, figure),
            });
            if index > 0 {
                row["less_first"] = interval_json(comparison.difference(index, 0, figure));
                row["over_first"] = interval_json(comparison.ratio(index, 0, figure));
                row["closed_form_over_first"] = json!(comparison.predicted_ratio(index, 0, figure));
            }
            row
        });
        let findings = self.findings.iter().map(|finding| {
            json!({
                "id": finding.claim.id,
                "statement": finding.claim.statement,
                "expected": finding.claim.expected.to_string(),
                "found": interval_json(finding.interval),
                "closed_form": finding.predicted,
                "verdict": finding.verdict.name(),
            })
        });
        json!({
            "arms": comparison.names(),
            "runs": comparison.run_count(),
            "figures": rows.collect::<Vec<_>>(),
            "claims": findings.collect::<Vec<_>>(),
        })
    }

    fn rows(&self) -> Vec<(Figure, usize)> {
        let count = self.comparison.names().len();
        let figures = Figure::ALL.into_iter().filter(|figure| self.comparison.has(*figure));
        figures.flat_map(|figure| (0..count).map(move |index| (figure, index))).collect()
    }
}

/// An infinite bound, of a single run, is no number of JSON and becomes null.
fn interval_json(interval: Interval) -> Value {
    json!({ "mean": interval.mean, "low": interval.low, "high": interval.high })
}

/// A mean and half of its interval.
fn plus_minus(interval: Interval) -> String {
    let half = (interval.high - interval.low) / 2.0;
    format!("{} ± {}", number(interval.mean), number(half))
}

/// A mean and its interval.
pub(crate) fn bracket(interval: Interval) -> String {
    let Interval { mean, low, high } = interval;
    format!("{} [{}, {}]", number(mean), number(low), number(high))
}

fn number_or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), number)
}

/// Four digits that count.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return if value > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    let magnitude = value.abs();
    let decimals = match () {
        () if magnitude >= 1_000.0 => 0,
        () if magnitude >= 100.0 => 1,
        () if magnitude >= 10.0 => 2,
        () if magnitude >= 1.0 => 3,
        () if magnitude >= 0.01 => 4,
        () if magnitude >= 1e-6 => 7,
        () => return format!("{value:.2e}"),
    };
    format!("{value:.decimals$}")
}

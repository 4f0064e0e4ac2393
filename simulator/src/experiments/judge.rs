//! What rows say of assertions.

use super::{Assertion, Experiment, Row, To};
use crate::compare::{Verdict, bracket, number};
use crate::statistics::Interval;

/// An assertion that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What was claimed.
    pub assertion: Assertion,
    /// Cell by cell.
    pub cells: Vec<CellFinding>,
    /// Supported if it is in all cells, contradicted if it is in any: a claim without conditions
    /// holds everywhere.
    pub verdict: Verdict,
}

/// What one cell says.
#[derive(Clone, Debug, PartialEq)]
pub struct CellFinding {
    /// Settings of the cell, and their values as TOML.
    pub cell: Vec<(String, String)>,
    /// What was found, at 95 %.
    pub interval: Interval,
    /// What a closed form gives for it.
    pub closed_form: Option<f64>,
    /// What it says.
    pub verdict: Verdict,
}

impl Judgement {
    /// Whether the verdict is the one in the file.
    pub fn is_as_written(&self) -> bool {
        self.verdict == self.assertion.verdict
    }

    /// What was found: the interval of the only cell, or the least and the greatest mean.
    pub fn summary(&self) -> String {
        let [first, rest @ ..] = self.cells.as_slice() else { return String::new() };
        if rest.is_empty() {
            return bracket(first.interval);
        }
        let means = || self.cells.iter().map(|cell| cell.interval.mean);
        let low = means().fold(f64::INFINITY, f64::min);
        let high = means().fold(f64::NEG_INFINITY, f64::max);
        match low == high {
            true => format!("{} in {} cells", number(low), self.cells.len()),
            false => format!("{} to {} in {} cells", number(low), number(high), self.cells.len()),
        }
    }

    /// How many cells have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.cells.iter().filter(|cell| cell.verdict == verdict).count()
    }
}

/// Tries all assertions of an experiment.
///
/// # Errors
/// An assertion that no row is for.
pub fn judge(experiment: &Experiment, rows: &[Row]) -> Result<Vec<Judgement>, String> {
    experiment.assertions.iter().map(|assertion| judge_one(assertion, rows)).collect()
}

fn judge_one(assertion: &Assertion, rows: &[Row]) -> Result<Judgement, String> {
    let of = |arm: &str, cell: Option<&Row>| {
        let is_wanted = |row: &&Row| {
            row.arm == arm
                && row.figure == assertion.figure
                && cell.is_none_or(|cell| cell.cell == row.cell)
        };
        rows.iter().filter(is_wanted).collect::<Vec<&Row>>()
    };
    let mut cells = Vec::new();
    for row in of(&assertion.arm, None) {
        if !row.is_in(&assertion.cells) {
            continue;
        }
        let other = |arm: &str| {
            let found = of(arm, Some(row)).first().copied();
            found.ok_or_else(|| format!("assertion \"{}\": no arm \"{arm}\"", assertion.id))
        };
        let (interval, closed_form) = match &assertion.to {
            To::Nothing => (row.interval(), row.closed_form),
            To::Over(arm) => {
                let other = other(arm)?;
                let forms = row.closed_form.zip(other.closed_form);
                let closed_form = forms.filter(|(_, other)| *other != 0.0);
                (row.over(other), closed_form.map(|(own, other)| own / other))
            }
            To::Less(arm) => {
                let other = other(arm)?;
                let forms = row.closed_form.zip(other.closed_form);
                (row.less(other), forms.map(|(own, other)| own - other))
            }
            To::ClosedForm => {
                let form = row.closed_form.filter(|form| *form != 0.0);
                let form = form.ok_or_else(|| {
                    format!("assertion \"{}\": no closed form here", assertion.id)
                })?;
                let Interval { mean, low, high } = row.interval();
                let interval = Interval { mean: mean / form, low: low / form, high: high / form };
                (interval, Some(1.0))
            }
        };
        let verdict = assertion.expected.judge(interval);
        cells.push(CellFinding { cell: row.cell.clone(), interval, closed_form, verdict });
    }
    let has = |verdict| cells.iter().any(|cell| cell.verdict == verdict);
    let verdict = match () {
        () if cells.is_empty() => {
            return Err(format!("assertion \"{}\": no cell is like that", assertion.id));
        }
        () if has(Verdict::Contradicted) => Verdict::Contradicted,
        () if has(Verdict::Inconclusive) => Verdict::Inconclusive,
        () => Verdict::Supported,
    };
    Ok(Judgement { assertion: assertion.clone(), cells, verdict })
}

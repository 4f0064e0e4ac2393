//! Cells of the laboratory of algorithms for difficulty.

use sv2::mining::vardiff::VardiffAlgorithm;

use super::{Experiment, Row};
use crate::vardiff::baseline::{self, PUBLISHED, Published};
use crate::vardiff::study::{Headline, Study};

/// What was published of the reference implementation's algorithm and what comes out here, and
/// the three numbers by which algorithms are compared.
pub(super) fn run(experiment: &Experiment, cell: &[(String, String)]) -> Result<Vec<Row>, String> {
    let rate = experiment.extras(cell).map_err(|error| error.to_string())?.shares_per_minute;
    let mut rows = Vec::new();
    if let Some(published) = PUBLISHED.iter().find(|row| row.shares_per_minute == rate) {
        let here = baseline::repeat(rate, experiment.runs);
        for (arm, table) in [("sri-published", published), ("sri-here", &here)] {
            let figures = published_figures(table).into_iter();
            rows.extend(figures.map(|(figure, value)| exact(cell, arm, figure, value)));
        }
    }
    for algorithm in VardiffAlgorithm::ALL {
        let Headline { convergence, jitter, reaction } =
            Headline::of(&Study { algorithm, trials: HEADLINE_TRIALS }, rate);
        for (figure, estimate) in
            [("convergence-s", convergence), ("jitter", jitter), ("reaction-s", reaction)]
        {
            rows.push(exact(cell, algorithm.name(), figure, estimate.value));
        }
    }
    Ok(rows)
}

fn published_figures(table: &Published) -> [(&'static str, f64); 6] {
    let [p10, p50, p90] = table.percentiles;
    [
        ("converged", table.converged),
        ("converged-p10-s", p10),
        ("converged-p50-s", p50),
        ("converged-p90-s", p90),
        ("converged-mean-s", table.mean),
        ("reacted", table.reacted),
    ]
}

/// A number of many trials, whose luck the laboratory has averaged already.
fn exact(cell: &[(String, String)], arm: &str, figure: &str, value: f64) -> Row {
    Row {
        cell: cell.to_vec(),
        arm: arm.to_owned(),
        figure: figure.to_owned(),
        values: vec![value; 2],
        closed_form: None,
    }
}

/// As many as the tests of the laboratory run.
const HEADLINE_TRIALS: u64 = 200;

//! Studies as Markdown.

use std::fmt::{self, Write};

use sv2::mining::vardiff::VardiffAlgorithm;

use super::baseline::{self, PUBLISHED, Published};
use super::statistics::Estimate;
use super::study::{CHANGES, CLAIMS, Headline, SHARE_RATES, Study, Times};

/// All that there is to say, from so many trials of each question.
pub fn markdown(trials: u64) -> String {
    let mut text = String::new();
    let written = write_all(&mut text, trials);
    written.expect("a string takes everything");
    text
}

fn write_all(text: &mut String, trials: u64) -> fmt::Result {
    headline(text, trials)?;
    convergence(text, trials)?;
    reaction(text, trials)?;
    steady(text, trials)?;
    repeated(text)
}

fn headline(text: &mut String, trials: u64) -> fmt::Result {
    writeln!(text, "## Convergence, jitter, reaction ({trials} trials each, 95 % intervals)\n")?;
    let columns = ["convergence, s", "jitter, %", "reaction, s"];
    heading(text, &["shares/min", "algorithm"], &columns)?;
    for (shares_per_minute, study) in questions(trials) {
        let Headline { convergence, jitter, reaction } = Headline::of(&study, shares_per_minute);
        let cells = [time(&convergence), percent(&jitter), time(&reaction)];
        row(text, shares_per_minute, &study, &cells)?;
    }
    Ok(())
}

fn convergence(text: &mut String, trials: u64) -> fmt::Result {
    writeln!(text, "\n## Seconds until within 25 % / 10 % of the right difficulty, by claim\n")?;
    let mut columns = CLAIMS.map(|claim| format!("x{claim}")).to_vec();
    columns.extend(["x1".to_owned(), "x0.1, jobs of 30 s".to_owned()]);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    heading(text, &["shares/min", "algorithm"], &columns)?;
    for (shares_per_minute, study) in questions(trials) {
        let claims = CLAIMS.into_iter().chain([1.0]);
        let mut cells: Vec<String> =
            claims.map(|claim| times(&study.convergence(shares_per_minute, claim))).collect();
        cells.push(times(&study.convergence_by_jobs(shares_per_minute, 0.1)));
        row(text, shares_per_minute, &study, &cells)?;
    }
    Ok(())
}

fn reaction(text: &mut String, trials: u64) -> fmt::Result {
    writeln!(text, "\n## The same after a change of the hash rate\n")?;
    let mut columns = CHANGES.map(|change| format!("x{change}")).to_vec();
    columns.extend(["10 min away".to_owned(), "most shares of that trial".to_owned()]);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    heading(text, &["shares/min", "algorithm"], &columns)?;
    for (shares_per_minute, study) in questions(trials) {
        let changes = CHANGES.map(|change| times(&study.reaction(shares_per_minute, change)));
        let outage = study.outage(shares_per_minute);
        let most = format!("{:.0}", outage.shares.percentile(100.0));
        let cells: Vec<String> = changes.into_iter().chain([times(&outage), most]).collect();
        row(text, shares_per_minute, &study, &cells)?;
    }
    Ok(())
}

fn steady(text: &mut String, trials: u64) -> fmt::Result {
    writeln!(text, "\n## Hours 2 to 24 of a miner that does not change\n")?;
    let columns = ["jitter, %", "in one trial, %", "targets/h", "false targets/day"];
    heading(text, &["shares/min", "algorithm"], &columns)?;
    for (shares_per_minute, study) in questions(trials) {
        let steady = study.steady_state(shares_per_minute);
        let cells = [
            percent(&steady.variation),
            percent(&steady.wander),
            number(&steady.steps_per_hour),
            number(&steady.false_steps_per_day),
        ];
        row(text, shares_per_minute, &study, &cells)?;
    }
    Ok(())
}

fn repeated(text: &mut String) -> fmt::Result {
    writeln!(text, "\n## sri, as published and here ({BASELINE_TRIALS} trials)\n")?;
    let columns = ["converged, %", "p10 / p50 / p90, min", "mean, s", "reacted to x0.5, %"];
    heading(text, &["shares/min", "source"], &columns)?;
    for published in PUBLISHED {
        let here = baseline::repeat(published.shares_per_minute, BASELINE_TRIALS);
        for (source, row) in [("published", &published), ("here", &here)] {
            let Published { shares_per_minute, converged, percentiles, mean, reacted } = row;
            let [p10, p50, p90] = percentiles.map(|seconds| seconds / 60.0);
            writeln!(
                text,
                "| {shares_per_minute} | {source} | {:.1} | {p10:.0} / {p50:.0} / {p90:.0} \
                 | {mean:.0} | {:.1} |",
                converged * 100.0,
                reacted * 100.0,
            )?;
        }
    }
    Ok(())
}

/// Every rate of shares, and every algorithm for each.
fn questions(trials: u64) -> impl Iterator<Item = (f64, Study)> {
    SHARE_RATES.into_iter().flat_map(move |shares_per_minute| {
        let studies = VardiffAlgorithm::ALL.into_iter();
        studies.map(move |algorithm| (shares_per_minute, Study { algorithm, trials }))
    })
}

fn heading(text: &mut String, labels: &[&str], columns: &[&str]) -> fmt::Result {
    let names: Vec<&str> = labels.iter().chain(columns).copied().collect();
    writeln!(text, "| {} |", names.join(" | "))?;
    writeln!(text, "| {} |", vec!["---"; names.len()].join(" | "))
}

fn row(text: &mut String, shares_per_minute: f64, study: &Study, cells: &[String]) -> fmt::Result {
    let name = study.algorithm.name();
    writeln!(text, "| {shares_per_minute} | {name} | {} |", cells.join(" | "))
}

fn times(times: &Times) -> String {
    format!("{} / {}", time(&times.within_25.mean()), time(&times.within_10.mean()))
}

fn time(estimate: &Estimate) -> String {
    format!("{:.0} ± {:.0}", estimate.value, estimate.within)
}

fn percent(estimate: &Estimate) -> String {
    format!("{:.2} ± {:.2}", estimate.value * 100.0, estimate.within * 100.0)
}

fn number(estimate: &Estimate) -> String {
    format!("{:.3} ± {:.3}", estimate.value, estimate.within)
}

/// As many as were published.
const BASELINE_TRIALS: u64 = 1000;

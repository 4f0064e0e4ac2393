//! `assay simulate --compare`: the same network in several protocols, with the same luck.

use std::ops::Range;

use simulator::compare::{self, Comparison, Report, arms};
use simulator::fleet::{Sizes, stars};
use simulator::scenario::Scenario;
use sv2::time::Instant;

use crate::outcome::Outcome;
use crate::print;

/// Options of a comparison.
#[derive(Debug, clap::Args)]
pub(crate) struct Compare {
    /// Run the network in each of these protocols and say what differs: sv1, sv2-standard,
    /// sv2-extended; the first is what the others are compared to
    #[arg(
        long = "compare",
        value_name = "ARMS",
        value_delimiter = ',',
        num_args = 1,
        conflicts_with_all = ["check_determinism", "output", "events"],
    )]
    pub(crate) arms: Vec<String>,

    /// Runs of each arm, with seeds from the scenario's on; the more, the narrower the intervals
    #[arg(long, value_name = "NUMBER", default_value_t = 20, requires = "arms")]
    #[arg(value_parser = clap::value_parser!(u64).range(2..=100_000))]
    runs: u64,
}

/// Runs all arms as long as the scenario or `--for` says.
pub(super) fn run(
    compare: &Compare,
    mut scenario: Scenario,
    end: Instant,
    is_json: bool,
) -> Result<Outcome, Outcome> {
    let protocols: Vec<Sizes> =
        compare.arms.iter().map(|name| protocol(name)).collect::<Result<_, _>>()?;
    if protocols.len() < 2 {
        return Err(Outcome::usage(
            "--compare: expected at least two arms, such as sv1,sv2-standard",
        ));
    }
    scenario.virtual_time.run.length = end.since(Instant::ZERO);
    if scenario.virtual_time.run.warm_up >= scenario.virtual_time.run.length {
        return Err(Outcome::usage("--for: nothing is left of the run behind its `warm_up`"));
    }
    let seeds = scenario.seed..scenario.seed.saturating_add(compare.runs);
    let parts = match scenario.virtual_time.fleets.is_empty() {
        true => vec![("roles".to_owned(), of_roles(&scenario, &protocols, seeds)?)],
        false => of_fleets(&scenario, &protocols, &seeds)?,
    };
    let reports = parts.into_iter().map(|(name, comparison)| (name, Report::new(comparison)));
    let reports: Vec<(String, Report)> = reports.collect();
    if is_json {
        let parts = reports.iter().map(|(name, report)| {
            let mut part = report.json();
            part["fleet"] = serde_json::json!(name);
            part
        });
        print::line(serde_json::json!({
            "title": scenario.title,
            "first_seed": scenario.seed,
            "simulated_seconds": end.since(Instant::ZERO).as_secs_f64(),
            "comparisons": parts.collect::<Vec<_>>(),
        }));
        return Ok(Outcome::Done);
    }
    let mut text = format!("{}\n", scenario.title);
    for (name, report) in &reports {
        text += &format!(
            "\n{name}: {} runs of {:.0} s in each arm, seeds from {}, 95 % intervals\n",
            compare.runs,
            end.since(Instant::ZERO).as_secs_f64(),
            scenario.seed,
        );
        text += &report.text();
    }
    print::text(text);
    Ok(Outcome::Done)
}

/// Each fleet as a model (L1): equal shares, equal blocks, exact sizes.
fn of_fleets(
    scenario: &Scenario,
    protocols: &[Sizes],
    seeds: &Range<u64>,
) -> Result<Vec<(String, Comparison)>, Outcome> {
    let run = &scenario.virtual_time.run;
    let stars = stars(scenario, |path| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    });
    let stars = stars.map_err(|error| Outcome::usage(format!("--compare: {error}")))?;
    let parts = stars.into_iter().map(|(name, settings)| {
        // What tells fleets of one scenario apart stays in the seed.
        let own = settings.seed ^ scenario.seed;
        let arms = arms(&settings, protocols);
        let seeds = seeds.clone().map(|seed| seed ^ own);
        (name, compare::compare(&arms, seeds, run.length, run.warm_up))
    });
    Ok(parts.collect())
}

/// The roles themselves.
fn of_roles(
    scenario: &Scenario,
    protocols: &[Sizes],
    seeds: Range<u64>,
) -> Result<Comparison, Outcome> {
    compare::compare_roles(scenario, protocols, seeds)
        .map_err(|error| Outcome::usage(format!("--compare: {error}")))
}

fn protocol(name: &str) -> Result<Sizes, Outcome> {
    Sizes::ALL.into_iter().find(|sizes| sizes.name == name).ok_or_else(|| {
        let names = Sizes::ALL.map(|sizes| sizes.name).join(", ");
        Outcome::usage(format!("--compare: unknown arm \"{name}\": expected some of {names}"))
    })
}

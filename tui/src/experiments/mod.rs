//! `assay experiments`: claims about Stratum V2, tested by simulation.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use simulator::experiments::{Experiment, Judgement, Row, SHIPPED, Shipped, judge, page};

use crate::outcome::Outcome;
use crate::print;

/// Its parts.
#[derive(Debug, Subcommand)]
pub(crate) enum Experiments {
    /// Print which experiments there are, and how many claims each one tests
    List {
        /// Print one JSON object for each
        #[arg(long)]
        json: bool,
    },
    /// Run experiments and print what they say of each claim
    #[command(after_help = "Exit code 1 if a verdict is not the one that the experiment's file \
        says: the code has changed an answer, or the file is wrong. A claim that is contradicted \
        is no failure.\n\n\
        Examples:\n  \
        assay experiments run stale-vs-rtt-law\n  \
        assay experiments run my-experiment.toml --json\n  \
        assay experiments run --write simulator/EXPERIMENTS.md")]
    Run(RunExperiments),
}

/// Arguments of `assay experiments run`.
#[derive(Debug, Args)]
pub(crate) struct RunExperiments {
    /// Names of experiments that come with assay, or files; all that come with it if missing
    experiments: Vec<String>,
    /// Write the results as a page of Markdown, and its plots into `experiments` beside it
    #[arg(long, value_name = "PAGE")]
    write: Option<PathBuf>,
    /// Print one JSON object for each claim
    #[arg(long)]
    json: bool,
}

/// Runs `assay experiments`.
pub(crate) fn run(command: &Experiments) -> Outcome {
    let outcome = match command {
        Experiments::List { json } => list(*json),
        Experiments::Run(arguments) => run_all(arguments),
    };
    outcome.unwrap_or_else(|outcome| outcome)
}

fn list(is_json: bool) -> Result<Outcome, Outcome> {
    let mut text = String::new();
    for Shipped { name, .. } in SHIPPED {
        let experiment = load(name)?;
        let (claims, cells) = (experiment.assertions.len(), experiment.cells().len());
        if is_json {
            print::line(json!({
                "number": experiment.number, "name": name, "title": experiment.title,
                "claims": claims, "cells": cells, "runs": experiment.runs,
            }));
        } else {
            text += &format!(
                "{:>2}  {name:<24} {claims:>2} claims  {}\n",
                experiment.number, experiment.title
            );
        }
    }
    print::text(text);
    Ok(Outcome::Done)
}

fn run_all(arguments: &RunExperiments) -> Result<Outcome, Outcome> {
    let names: Vec<String> = match arguments.experiments.is_empty() {
        true => SHIPPED.iter().map(|shipped| shipped.name.to_owned()).collect(),
        false => arguments.experiments.clone(),
    };
    let experiments: Vec<Experiment> =
        names.iter().map(|name| load(name)).collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    for experiment in experiments {
        let (rows, judgements) = run_one(&experiment)?;
        match arguments.json {
            true => judgements.iter().for_each(|found| print::line(to_json(&experiment, found))),
            false => print::text(to_text(&experiment, &judgements)),
        }
        found.push((experiment, rows, judgements));
    }
    if let Some(path) = &arguments.write {
        write(path, &found)?;
    }
    let judgements = found.iter().flat_map(|(_, _, judgements)| judgements);
    match judgements.filter(|judgement| !judgement.is_as_written()).count() {
        0 => Ok(Outcome::Done),
        count => Ok(Outcome::Said(
            format!("{count} verdicts are not those of the experiments' files (marked with !)"),
            OTHER_VERDICT,
        )),
    }
}

fn run_one(experiment: &Experiment) -> Result<(Vec<Row>, Vec<Judgement>), Outcome> {
    let is_watched = std::io::stderr().is_terminal();
    let mut tell = |done: usize, all: usize| {
        if is_watched {
            let end = if done == all { "\r\x1b[K" } else { "" };
            anstream::eprint!("\r\x1b[K{}: cell {done} of {all}{end}", experiment.name);
        }
    };
    let mut read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let rows = experiment.run(&mut read, &mut tell).map_err(Outcome::usage)?;
    let judgements = judge(experiment, &rows)
        .map_err(|error| Outcome::usage(format!("{}: {error}", experiment.name)))?;
    Ok((rows, judgements))
}

/// One that comes with assay, or a file.
fn load(name: &str) -> Result<Experiment, Outcome> {
    let failed = |error| Outcome::usage(format!("experiment {error}"));
    if let Some(shipped) = SHIPPED.iter().find(|shipped| shipped.name == name) {
        return Experiment::load(name, name, shipped.text).map_err(failed);
    }
    let path = Path::new(name);
    let text = std::fs::read_to_string(path).map_err(|error| {
        let names: Vec<&str> = SHIPPED.iter().map(|shipped| shipped.name).collect();
        Outcome::usage(format!(
            "cannot read {name}: {error}; experiments that come with assay: {}",
            names.join(", ")
        ))
    })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Experiment::load(&stem, name, &text).map_err(failed)
}

fn write(path: &Path, found: &[(Experiment, Vec<Row>, Vec<Judgement>)]) -> Result<(), Outcome> {
    let cannot = |path: &Path, error: std::io::Error| {
        Outcome::usage(format!("cannot write {}: {error}", path.display()))
    };
    let folder = path.parent().unwrap_or(Path::new("")).join(PLOTS);
    std::fs::create_dir_all(&folder).map_err(|error| cannot(&folder, error))?;
    let page = page(found, PLOTS);
    for (name, plot) in &page.plots {
        let path = folder.join(name);
        std::fs::write(&path, plot).map_err(|error| cannot(&path, error))?;
    }
    std::fs::write(path, &page.markdown).map_err(|error| cannot(path, error))
}

fn to_text(experiment: &Experiment, judgements: &[Judgement]) -> String {
    let mut text = format!("{}. {}\n", experiment.number, experiment.title);
    for judgement in judgements {
        let mark = if judgement.is_as_written() { ' ' } else { '!' };
        text += &format!("{mark} {:<13} {}\n", judgement.verdict.name(), judgement.assertion.says);
        text += &format!("                {}\n", judgement.summary());
    }
    text
}

fn to_json(experiment: &Experiment, judgement: &Judgement) -> serde_json::Value {
    let assertion = &judgement.assertion;
    let cells = judgement.cells.iter().map(|cell| {
        json!({
            "cell": cell.cell.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "mean": cell.interval.mean,
            "low": cell.interval.low,
            "high": cell.interval.high,
            "closed_form": cell.closed_form,
            "verdict": cell.verdict.name(),
        })
    });
    json!({
        "experiment": experiment.name,
        "id": assertion.id,
        "says": assertion.says,
        "figure": assertion.figure,
        "arm": assertion.arm,
        "expected": assertion.expected.to_string(),
        "verdict": judgement.verdict.name(),
        "written": assertion.verdict.name(),
        "cells": cells.collect::<Vec<_>>(),
    })
}

/// Beside the page.
const PLOTS: &str = "experiments";
/// A verdict is another one than the file says.
const OTHER_VERDICT: u8 = 1;

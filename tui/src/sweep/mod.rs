//! `assay sweep`: many runs of one scenario, on as many machines as there are.
//!
//! The plan is a file, each shard writes a file of its own, and merging puts the lines in the
//! order of the plan: a cluster needs a shared folder and nothing else.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use simulator::fleet::run_stars;
use simulator::scenario::{Overrides, Scenario};
use simulator::sweep::{MergeError, Plan, Run, RunResult, Shard, finished, merge};

use crate::outcome::Outcome;
use crate::print;

/// Its parts.
#[derive(Debug, Subcommand)]
pub(crate) enum Sweep {
    /// Print the runs that the `[matrix]` of a scenario asks for
    #[command(after_help = "Example:\n  assay sweep plan farm.toml > farm.plan")]
    Plan {
        /// The scenario
        scenario: PathBuf,
    },
    /// Run a part of a plan; what is finished already is not run again
    #[command(after_help = "Examples:\n  \
        assay sweep run farm.plan --shard 1/4 --output results\n  \
        sbatch --array=1-100 --wrap 'assay sweep run farm.plan --shard auto --output results'")]
    Run(RunShard),
    /// Print the results of all shards as those of one run
    #[command(after_help = "Exit code 1 if runs are missing, or contradict each other.\n\n\
        Example:\n  assay sweep merge farm.plan results/*.jsonl > farm.jsonl")]
    Merge {
        /// As `assay sweep plan` printed it
        plan: PathBuf,
        /// The files of the shards
        #[arg(required = true)]
        results: Vec<PathBuf>,
    },
}

/// Arguments of `assay sweep run`.
#[derive(Debug, Args)]
pub(crate) struct RunShard {
    /// As `assay sweep plan` printed it
    plan: PathBuf,
    /// Which part, such as 1/4; `auto` reads it from Slurm, Kubernetes or HyperQueue
    #[arg(long, default_value = "1/1")]
    shard: String,
    /// Folder for the results; one file for each shard
    #[arg(long, default_value = ".")]
    output: PathBuf,
}

/// Runs `assay sweep`.
pub(crate) fn run(command: &Sweep) -> Outcome {
    let outcome = match command {
        Sweep::Plan { scenario } => plan(scenario),
        Sweep::Run(arguments) => run_shard(arguments),
        Sweep::Merge { plan, results } => merge_files(plan, results),
    };
    outcome.unwrap_or_else(|outcome| outcome)
}

fn plan(path: &Path) -> Result<Outcome, Outcome> {
    print::text(plan_of(path)?.1.to_text());
    Ok(Outcome::Done)
}

/// The text of a scenario, and the plan for it.
fn plan_of(path: &Path) -> Result<(String, Plan), Outcome> {
    let text = read(path)?;
    let file = path.display().to_string();
    let scenario = load(&file, &text, &Overrides::default())?;
    let axes = &scenario.virtual_time.matrix;
    let plan = Plan::new(&file, &text, axes, env!("CARGO_PKG_VERSION"));
    // What cannot be run is said before a cluster is asked for.
    for run in &plan.runs {
        scenario_of(&file, &text, run)?;
    }
    Ok((text, plan))
}

fn run_shard(arguments: &RunShard) -> Result<Outcome, Outcome> {
    let shard = match arguments.shard.as_str() {
        "auto" => Shard::from_environment(|name| std::env::var(name).ok()),
        text => text.parse(),
    };
    let shard = shard.map_err(|error| Outcome::usage(format!("--shard: {error}")))?;
    let plan = read_plan(&arguments.plan)?;
    let (text, today) = plan_of(Path::new(&plan.scenario))?;
    if today.runs != plan.runs {
        return Err(Outcome::usage(format!(
            "{}: {} has changed since it was planned: plan again",
            arguments.plan.display(),
            plan.scenario
        )));
    }
    let path = arguments.output.join(format!("shard-{shard}.jsonl"));
    let (mut file, done) = resume(&arguments.output, &path)?;
    let mut run_count = 0;
    for run in plan.of_shard(shard).filter(|run| !done.contains(&run.id)) {
        let scenario = scenario_of(&plan.scenario, &text, run)?;
        let outcome = run_stars(&scenario, |path| {
            std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
        });
        let outcome =
            outcome.map_err(|error| Outcome::usage(format!("run {}: {error}", run.id)))?;
        let result =
            RunResult { id: run.id.clone(), digest: outcome.digest, figures: outcome.figures };
        file.write_all(result.to_line().as_bytes())
            .map_err(|error| cannot("write", &path, error))?;
        run_count += 1;
    }
    anstream::eprintln!(
        "shard {shard}: {run_count} runs, {} were there already: {}",
        done.len(),
        path.display()
    );
    Ok(Outcome::Done)
}

/// The file of a shard, behind its last whole line, and what is finished already.
fn resume(
    folder: &Path,
    path: &Path,
) -> Result<(std::fs::File, std::collections::BTreeSet<simulator::sweep::RunId>), Outcome> {
    std::fs::create_dir_all(folder).map_err(|error| cannot("make", folder, error))?;
    let earlier = if path.exists() { read(path)? } else { String::new() };
    let (done, whole_len) = finished(&earlier);
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let file = file.map_err(|error| cannot("write", path, error))?;
    file.set_len(whole_len as u64).map_err(|error| cannot("write", path, error))?;
    Ok((file, done))
}

fn merge_files(plan: &Path, results: &[PathBuf]) -> Result<Outcome, Outcome> {
    let plan = read_plan(plan)?;
    let texts: Vec<String> = results.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let merged = match merge(&plan, texts.iter().map(String::as_str)) {
        Ok(merged) => merged,
        Err(MergeError::Contradiction(id)) => {
            let text = format!("run {id} has two results: another program, or a bug of ours");
            return Ok(Outcome::Said(text, 1));
        }
        Err(MergeError::Unplanned(id)) => {
            return Err(Outcome::usage(format!("run {id} is not in this plan")));
        }
    };
    print::text(&merged.text);
    match merged.missing.len() {
        0 => Ok(Outcome::Done),
        count => Ok(Outcome::Said(
            format!("{count} of {} runs have no result yet: run their shards", plan.runs.len()),
            1,
        )),
    }
}

fn scenario_of(file: &str, text: &str, run: &Run) -> Result<Scenario, Outcome> {
    load(file, text, &Overrides { set: run.set.clone(), ..Overrides::default() })
}

fn load(file: &str, text: &str, overrides: &Overrides) -> Result<Scenario, Outcome> {
    Scenario::load(file, text, overrides)
        .map_err(|error| Outcome::usage(format!("scenario {error}")))
}

fn read_plan(path: &Path) -> Result<Plan, Outcome> {
    Plan::parse(&read(path)?)
        .map_err(|error| Outcome::usage(format!("{}: {error}", path.display())))
}

fn read(path: &Path) -> Result<String, Outcome> {
    std::fs::read_to_string(path).map_err(|error| cannot("read", path, error))
}

fn cannot(what: &str, path: &Path, error: std::io::Error) -> Outcome {
    Outcome::usage(format!("cannot {what} {}: {error}", path.display()))
}

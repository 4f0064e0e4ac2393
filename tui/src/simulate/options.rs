//! The command line of `assay simulate`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use simulator::mutant::{MUTANTS, Mutant};
use simulator::scenario::{Fidelity, ProofMode};

/// What a run is to be like.
#[derive(Debug, clap::Args)]
#[command(
    about = "Run a mining network in virtual time",
    after_help = "The same roles as `assay up`, in one thread and without sockets: the same seed \
        gives the same run, to the bit.\n\n\
        Examples:\n  \
        assay simulate config-b --for 10min --seed 42\n  \
        assay simulate my-network.toml --devices 10000 --for 1d --output run-1\n  \
        assay simulate config-d --for 1h --check-determinism\n  \
        assay simulate mine --for 1d --explain\n  \
        assay simulate farm.toml --compare sv1,sv2-standard,sv2-extended --runs 20\n  \
        assay simulate --swarm --for 10min\n\n\
        Exit codes: 0 the run is over, 1 a rule does not hold or two runs differ, 4 usage or \
        scenario error, 130 interrupted: what is reported is marked as partial."
)]
pub(crate) struct Simulate {
    /// A scenario's file, or the name of one that comes with assay: pool, sv1, config-a to
    /// config-d, farm (10,000 devices as a model) or mine (10,000 devices behind ten proxies)
    #[arg(required_unless_present = "swarm")]
    pub(crate) scenario: Option<String>,

    /// Draw scenarios, sizes and faults from seeds, and stop at the first that breaks a rule;
    /// --for is then time on your clock
    #[arg(long, conflicts_with_all = ["scenario", "devices", "check_determinism", "events"])]
    pub(crate) swarm: bool,

    /// Say how many events, how much memory and about how long, and do not start
    #[arg(long, conflicts_with_all = ["swarm", "check_determinism", "output", "json"])]
    pub(crate) explain: bool,

    /// Let no checkers look on
    #[arg(long)]
    pub(crate) no_checks: bool,

    /// Let every role of one kind do wrong, to see what becomes of it and what is said of it
    #[arg(long, value_name = "NAME", value_parser = mutants(), conflicts_with = "arms")]
    pub(crate) mutant: Option<&'static Mutant>,

    /// How much simulated time, such as 10min or 1d, instead of the scenario's
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) duration: Option<String>,

    /// How devices come by their proofs, instead of the scenario's: by a few real hashes for each,
    /// or by drawing what a hash would have been, which servers then believe
    #[arg(long, value_name = "MODE", value_parser = proof_modes(), conflicts_with = "swarm")]
    pub(crate) proofs: Option<ProofMode>,

    /// Devices in all, shared out as the scenario shares its own
    #[arg(long, value_name = "NUMBER")]
    pub(crate) devices: Option<u32>,

    /// Of everything random, instead of the scenario's
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Run twice, with both kinds of event queues, and name the first event that differs
    #[arg(long, conflicts_with = "output")]
    pub(crate) check_determinism: bool,

    #[command(flatten)]
    pub(crate) compare: super::compare::Compare,

    /// Folder for summary.json and report.html, and for events.jsonl and run.pcapng if asked for
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,

    /// Write everything that roles tell to events.jsonl
    #[arg(long, requires = "output")]
    pub(crate) events: bool,

    /// Write what all links carry to run.pcapng, with its keys: for `assay inspect`, `decode` and
    /// `rules`; every connection is then at fidelity L3
    #[arg(long, requires = "output")]
    pub(crate) capture: bool,

    /// How real the run is: fleets as models where they can be (L1), messages between roles (L2),
    /// or real bytes in real Noise (L3); instead of what the scenario says
    #[arg(long, value_name = "LEVEL", conflicts_with_all = ["swarm", "arms"])]
    pub(crate) fidelity: Option<Level>,

    /// Print one JSON object at the end
    #[arg(long)]
    pub(crate) json: bool,
}

/// How real a run is.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Level {
    /// Fleets are models; roles are as at L2
    #[value(name = "L1")]
    Model,
    /// Real roles, typed messages, exact sizes
    #[value(name = "L2")]
    Messages,
    /// Real roles, real bytes, real Noise
    #[value(name = "L3")]
    Bytes,
}

impl From<Level> for Fidelity {
    fn from(level: Level) -> Self {
        match level {
            Level::Model => Fidelity::Model,
            Level::Messages => Fidelity::Messages,
            Level::Bytes => Fidelity::Bytes,
        }
    }
}

/// Names on the command line, with what they mean.
fn mutants() -> impl clap::builder::TypedValueParser<Value = &'static Mutant> {
    let names = MUTANTS.iter().map(|mutant| {
        let help = format!("the {} {}: {}", mutant.role.name(), mutant.does, mutant.checker);
        clap::builder::PossibleValue::new(mutant.name).help(help)
    });
    PossibleValuesParser::new(names)
        .map(|name| Mutant::named(&name).expect("only names of mutants are possible"))
}

fn proof_modes() -> impl clap::builder::TypedValueParser<Value = ProofMode> {
    let named = |name: &str| ProofMode::ALL.into_iter().find(|mode| mode.name() == name);
    PossibleValuesParser::new(ProofMode::ALL.map(ProofMode::name))
        .map(move |name| named(&name).expect("only names of modes are possible"))
}

/// What a command that runs the same again says of it.
pub(super) fn mutant_again(mutant: Option<&Mutant>) -> String {
    mutant.map(|mutant| format!(" --mutant {}", mutant.name)).unwrap_or_default()
}

impl Simulate {
    /// The scenario's; clap has seen to it that there is one where it is asked for.
    pub(crate) fn file(&self) -> &str {
        self.scenario.as_deref().unwrap_or_default()
    }
}

//! What a scenario says about virtual time: how far apart roles are, fleets beyond what a machine
//! can run, what breaks, and how long a run is.
//!
//! Sockets have a network of their own, and no fleet of a million devices fits on them: what is
//! for virtual time alone is noted with its place, for whoever runs the scenario in real time to
//! say so.

mod fault;
mod fleet;
pub(super) mod keys;
mod matrix;
mod network;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sv2_document::{Document, LoadError, Node};

use super::reader::{Names, Reader};

pub use fault::{Fault, FaultKind, Target, When};
pub use fleet::{Failures, Fidelity, Fleet};
pub use matrix::Axis;
pub(crate) use matrix::load as matrix_of;
pub use network::{LatencyText, LinkSettings, NetworkSettings, Region, RegionId, Standing};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VirtualTime {
    /// How far apart roles are.
    pub network: NetworkSettings,
    /// In the order of the file.
    pub fleets: Vec<Fleet>,
    /// In the order of the file.
    pub faults: Vec<Fault>,
    /// Of `[chain]`: how long a block is under way from node to node.
    pub propagation: Option<LatencyText>,
    /// Of `[chain]`: the part of all blocks that another block of the same height replaces, from 0
    /// to 1.
    pub reorganisations: f64,
    /// Of `[chain]`: what a transaction pays on average, in satoshi.
    pub transaction_fee: Option<u64>,
    /// How a run goes.
    pub run: RunSettings,
    /// What differs between the runs of a sweep.
    pub matrix: Vec<Axis>,
    /// Every key of the file that real time cannot honour, with its place.
    pub notes: Vec<LoadError>,
}

/// `[simulate]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSettings {
    /// Of simulated time.
    pub length: Duration,
    /// Simulated time before anything is measured.
    pub warm_up: Duration,
    /// Of roles that do not say otherwise.
    pub fidelity: Fidelity,
    /// How devices come by their proofs.
    pub proofs: ProofMode,
    /// Names of figures to report; all if empty.
    pub metrics: Vec<String>,
    /// Names of checkers to run; all if empty.
    pub checks: Vec<String>,
}

impl Default for RunSettings {
    fn default() -> Self {
        RunSettings {
            length: DEFAULT_LENGTH,
            warm_up: Duration::ZERO,
            fidelity: Fidelity::Messages,
            proofs: ProofMode::Hashed,
            metrics: Vec::new(),
            checks: Vec::new(),
        }
    }
}

/// How devices come by their proofs in virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProofMode {
    /// By a few real hashes for each, which servers check.
    #[default]
    Hashed,
    /// By drawing what a hash would have been, which servers believe.
    Oracle,
}

impl ProofMode {
    /// In the order of the key's words.
    pub const ALL: [ProofMode; 2] = [ProofMode::Hashed, ProofMode::Oracle];

    /// As files and command lines have it.
    pub fn name(self) -> &'static str {
        keys::PROOFS[self as usize]
    }
}

/// Top-level tables that are read here.
pub(super) const TABLES: &[&str] =
    &["network", "region", "link", "fleet", "fault", "simulate", "matrix"];

/// Reads all of it. `role_nodes` are the tables of the roles, in order.
pub(super) fn load(
    document: &Document,
    names: &Names<'_>,
    chain: Option<&Node>,
    role_nodes: &[&Node],
) -> Result<VirtualTime, LoadError> {
    let mut root = document.keys(document.root())?;
    let mut take = |name| root.take(name);
    let network = network::load(
        document,
        names,
        network::Tables { network: take("network"), regions: take("region"), links: take("link") },
        role_nodes,
    )?;
    let mut all = VirtualTime { network, ..VirtualTime::default() };
    if let Some(node) = take("simulate") {
        all.run = load_run(document, names, node)?;
    }
    all.fleets = fleet::load(document, names, &all.network, take("fleet"), all.run.fidelity)?;
    all.faults = fault::load(document, names, &all.network, &all.fleets, take("fault"))?;
    all.matrix = matrix::load(document, take("matrix"))?;
    if let Some(node) = chain {
        let known = [super::keys::CHAIN, keys::CHAIN].concat();
        let mut reader = Reader::new(document, node, known, names)?;
        all.propagation = reader.latency("propagation")?;
        all.reorganisations = reader.fraction("reorganisations")?.unwrap_or_default();
        all.transaction_fee = reader.integer("transaction_fee")?;
    }
    all.notes = notes(document, chain, role_nodes)?;
    Ok(all)
}

fn load_run(document: &Document, names: &Names<'_>, node: &Node) -> Result<RunSettings, LoadError> {
    let mut reader = Reader::new(document, node, keys::SIMULATE.to_vec(), names)?;
    let mut run = RunSettings::default();
    let (length_at, warm_up_at) = (reader.at_of("for"), reader.at_of("warm_up"));
    run.length = reader.duration("for")?.unwrap_or(run.length);
    run.warm_up = reader.duration("warm_up")?.unwrap_or(run.warm_up);
    run.fidelity = reader.choice("fidelity")?.map_or(run.fidelity, |index| Fidelity::ALL[index]);
    run.proofs = reader.choice("proofs")?.map_or(run.proofs, |index| ProofMode::ALL[index]);
    run.metrics = reader.words("metrics")?;
    run.checks = reader.words("checks")?;
    if run.length.is_zero() {
        let message = "a run takes some time: expected a duration above zero, such as \"1d\"";
        return Err(document.error(length_at.unwrap_or(node.at), message));
    }
    if run.warm_up >= run.length {
        let message = format!(
            "the run ends before anything is measured: `warm_up` ({:?}) is not below `for` ({:?})",
            run.warm_up, run.length
        );
        return Err(document.error(warm_up_at.unwrap_or(node.at), message));
    }
    Ok(run)
}

/// One for each table and key that is for virtual time alone, in the order of the file.
fn notes(
    document: &Document,
    chain: Option<&Node>,
    role_nodes: &[&Node],
) -> Result<Vec<LoadError>, LoadError> {
    let mut places = Vec::new();
    for entry in document.keys(document.root())?.all() {
        // Both clocks leave these to whoever asks for them.
        let is_passive = ["simulate", "matrix"].contains(&entry.key.as_str());
        if TABLES.contains(&entry.key.as_str()) && !is_passive {
            places.push((entry.at, format!("[{}]", entry.key)));
        }
    }
    let tables = chain.iter().map(|node| (*node, keys::CHAIN));
    let tables = tables.chain(role_nodes.iter().map(|node| (*node, keys::ROLE)));
    for (node, known) in tables {
        for entry in document.keys(node)?.all() {
            if known.iter().any(|key| key.name == entry.key) {
                places.push((entry.at, format!("`{}`", entry.key)));
            }
        }
    }
    places.sort_unstable();
    let note = |(at, what): (usize, String)| {
        document.error(at, format!("{what} is for virtual time alone (`assay simulate`)"))
    };
    Ok(places.into_iter().map(note).collect())
}

/// Without `for`.
const DEFAULT_LENGTH: Duration = Duration::from_secs(3_600);

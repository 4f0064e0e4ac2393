//! What a mining network is made of, as a file says it (`simulator/scenarios/*.toml`).
//!
//! ```
//! use simulator::scenario::{Overrides, Scenario};
//!
//! let scenario = Scenario::load("tiny.toml", r#"
//! [chain]
//! kind = "embedded"
//! nbits = 0x1e100000
//!
//! [role.template-provider]
//! kind = "template-provider"
//!
//! [role.pool]
//! kind = "pool"
//!
//! [role.miners]
//! kind = "mining-device"
//! upstream = "pool"
//! count = 3
//! hash_rate = "50kH/s"
//! "#, &Overrides::default()).unwrap();
//!
//! assert_eq!(scenario.start_order().len(), 3);
//! ```
//!
//! Roles name each other; what they name is there, is of the right kind and does not lead back
//! to them, or there is no [`Scenario`]. Any role can be held by a program of others, by one key
//! of its table (`address`, `recipe`) or by an [`Overrides`].

mod builtin;
mod check;
mod keys;
mod latency;
mod load;
mod load_role;
mod overrides;
mod reader;
mod role;
mod schema;
#[cfg(test)]
mod tests;
mod virtual_time;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sv2::noise::StratumUrl;
pub use sv2_document::LoadError;

pub use builtin::{Builtin, NETWORKS, builtin, builtins};
pub(crate) use latency::parse as parse_latency;
pub use overrides::{Overrides, Ports, parse_replacement};
pub use role::{
    ChannelKind, DeclarationMode, DifficultySteps, JobDeclaratorClient, JobDeclaratorServer, Kind,
    MiningDevice, MiningProxy, Pool, ProxyMode, RoleKind, Sv1Device, Sv1Pool, TemplateProvider,
    Translator, TranslatorMode,
};
pub use schema::schema;
pub(crate) use virtual_time::matrix_of;
pub use virtual_time::{
    Axis, Failures, Fault, FaultKind, Fidelity, Fleet, LatencyText, LinkSettings, NetworkSettings,
    ProofMode, Region, RegionId, RunSettings, Standing, Target, VirtualTime, When,
};

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it shows, in a line.
    pub title: String,
    /// Of all randomness that must be the same from run to run.
    pub seed: u64,
    /// The chain that is mined on.
    pub chain: ChainSettings,
    /// Who keeps the chain; at least one.
    pub nodes: Vec<Node>,
    /// Pairs of nodes that exchange blocks.
    pub links: Vec<(NodeId, NodeId)>,
    /// In the order of the file.
    pub roles: Vec<Role>,
    /// What is said about virtual time.
    pub virtual_time: VirtualTime,
}

/// A node, by its place in [`Scenario::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// A role, by its place in [`Scenario::roles`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId(pub usize);

/// The chain that is mined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainSettings {
    /// What keeps it. The other settings are for the embedded kind alone.
    pub kind: ChainKind,
    /// Compact target of every block.
    pub nbits: u32,
    /// Mean time between blocks of others.
    pub block_interval: Option<Duration>,
    /// Mean time between new transactions on each node.
    pub transaction_interval: Option<Duration>,
    /// That wait on each node from the start.
    pub transaction_count: u32,
}

/// What keeps a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    /// `sv2::chain`, inside the process.
    Embedded,
    /// A bitcoind on regtest.
    Bitcoind,
    /// A bitcoind on a private signet, on which a share is not a block.
    Signet,
}

/// Who keeps the chain and a mempool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Unique among nodes.
    pub name: String,
}

/// A part of the network that speaks SV2.
#[derive(Clone, Debug, PartialEq)]
pub struct Role {
    /// Unique among roles: `a-z`, `0-9` and `-`.
    pub name: String,
    /// Who plays it.
    pub held_by: HeldBy,
    /// Where ours listens, if it does.
    pub listen: Option<SocketAddr>,
    /// Of the authority's secret key; from the seed if `None`.
    pub key_file: Option<PathBuf>,
    /// What it is, and how.
    pub kind: RoleKind,
}

/// Who plays a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// Our own implementation.
    Us,
    /// A program that already runs.
    Address(StratumUrl),
    /// A program that is started as this file says (`sv2_net::recipe`).
    Recipe(PathBuf),
}

impl Scenario {
    /// A role by its id.
    pub fn role(&self, RoleId(index): RoleId) -> &Role {
        &self.roles[index]
    }

    /// A role by its name.
    pub fn role_named(&self, name: &str) -> Option<RoleId> {
        self.roles.iter().position(|role| role.name == name).map(RoleId)
    }

    /// All roles.
    pub fn role_ids(&self) -> impl Iterator<Item = RoleId> + use<> {
        (0..self.roles.len()).map(RoleId)
    }

    /// Who must be ready before a role can start, directly.
    pub fn depends_on(&self, id: RoleId) -> Vec<RoleId> {
        let mut needed = self.role(id).kind.references();
        if let RoleKind::JobDeclaratorClient(client) = &self.role(id).kind {
            let declarators = client.upstream.iter().filter_map(|pool| self.declarator_of(*pool));
            needed.extend(declarators);
        }
        needed
    }

    /// The job declarator server of a pool.
    pub fn declarator_of(&self, pool: RoleId) -> Option<RoleId> {
        self.role_ids().find(|id| match &self.role(*id).kind {
            RoleKind::JobDeclaratorServer(server) => server.pool == Some(pool),
            _ => false,
        })
    }

    /// Whose authority key a role shows: a job declarator server has its pool's (spec 6.4.2).
    pub fn key_owner(&self, id: RoleId) -> RoleId {
        match &self.role(id).kind {
            RoleKind::JobDeclaratorServer(server) => server.pool.unwrap_or(id),
            _ => id,
        }
    }

    /// The node that a role has to do with, through others if not directly.
    pub fn node_of(&self, id: RoleId) -> Option<NodeId> {
        match &self.role(id).kind {
            RoleKind::TemplateProvider(provider) => Some(provider.node),
            RoleKind::Pool(pool) => self.node_of(pool.template_provider?),
            RoleKind::JobDeclaratorServer(server) => match server.node {
                Some(node) => Some(node),
                None => self.node_of(server.pool?),
            },
            RoleKind::JobDeclaratorClient(client) => self.node_of(client.template_provider?),
            RoleKind::Sv1Pool(pool) => self.node_of(pool.template_provider?),
            RoleKind::MiningProxy(_)
            | RoleKind::MiningDevice(_)
            | RoleKind::Sv1Device(_)
            | RoleKind::Translator(_) => None,
        }
    }

    /// Devices of all fleets.
    pub fn device_count(&self) -> u64 {
        let roles = self.roles.iter().filter(|role| role.kind.kind().is_device());
        let roles = roles.map(|role| role.kind.member_count());
        let fleets = self.virtual_time.fleets.iter().map(|fleet| fleet.count);
        roles.chain(fleets).map(u64::from).sum()
    }

    /// How many devices each fleet has.
    fn device_counts(&mut self) -> impl Iterator<Item = &mut u32> {
        let roles = self.roles.iter_mut().filter_map(|role| match &mut role.kind {
            RoleKind::MiningDevice(MiningDevice { count, .. })
            | RoleKind::Sv1Device(Sv1Device { count, .. }) => Some(count),
            _ => None,
        });
        roles.chain(self.virtual_time.fleets.iter_mut().map(|fleet| &mut fleet.count))
    }

    /// Hashes per second of all fleets that are roles, at the rates that the file says.
    pub(crate) fn hash_rate(&self) -> f64 {
        let rate = |role: &Role| match &role.kind {
            RoleKind::MiningDevice(fleet) => fleet.hash_rate.per_second() * f64::from(fleet.count),
            RoleKind::Sv1Device(fleet) => fleet.hash_rate.per_second() * f64::from(fleet.count),
            _ => 0.0,
        };
        let roles: f64 = self.roles.iter().map(rate).sum();
        let fleets = self.virtual_time.fleets.iter();
        // Blocks do not come from models of fleets.
        let fleets = fleets.filter(|fleet| fleet.fidelity != Fidelity::Model);
        let fleets = fleets.map(|fleet| fleet.hash_rate.per_second() * f64::from(fleet.count));
        roles + fleets.sum::<f64>()
    }

    /// Shares so many devices out among the fleets, as they have shared theirs. Blocks become
    /// harder by as much as the fleets grow, so that they are as far apart as before.
    ///
    /// # Errors
    /// If there is no fleet, or fewer devices than fleets.
    pub fn set_device_count(&mut self, count: u32) -> Result<(), String> {
        let (mut old_left, rate_before) = (self.device_count(), self.hash_rate());
        let fleets = self.device_counts().count();
        if fleets == 0 || (count as usize) < fleets {
            return Err(format!("{count} devices cannot be shared out among {fleets} fleets"));
        }
        let mut left = u64::from(count);
        let mut fleets_left = fleets as u64;
        for count in self.device_counts() {
            fleets_left -= 1;
            let old = u64::from(*count);
            // Of what is left, so that rounding adds up; each of the others keeps one.
            let share = (left * old + old_left / 2) / old_left.max(1);
            let share = share.clamp(1, left - fleets_left);
            (left, old_left) = (left - share, old_left - old);
            *count = u32::try_from(share).unwrap_or(u32::MAX);
        }
        let growth = self.hash_rate() / rate_before;
        if let Some(target) = sv2::wire::Target::from_compact(self.chain.nbits)
            && growth.is_finite()
        {
            let hashes = target.expected_hashes() * growth;
            self.chain.nbits = sv2::wire::Target::from_expected_hashes(hashes).to_compact();
        }
        Ok(())
    }

    /// Makes the run, and all its fleets, as real as that; roles that the file names as such are
    /// never models.
    pub fn set_fidelity(&mut self, fidelity: Fidelity) {
        self.virtual_time.run.fidelity = fidelity;
        self.virtual_time.fleets.iter_mut().for_each(|fleet| fleet.fidelity = fidelity);
    }

    /// All roles, each behind those that it depends on, otherwise in the order of the file.
    pub fn start_order(&self) -> Vec<RoleId> {
        let mut order: Vec<RoleId> = Vec::with_capacity(self.roles.len());
        while order.len() < self.roles.len() {
            let before = order.len();
            for id in self.role_ids() {
                let is_ready = |needed: &RoleId| order.contains(needed);
                if !order.contains(&id) && self.depends_on(id).iter().all(is_ready) {
                    order.push(id);
                }
            }
            assert!(order.len() > before, "a scenario was loaded whose roles go in a circle");
        }
        order
    }
}

impl ChainKind {
    pub(crate) const NAMES: &[&str] = &["embedded", "bitcoind", "signet"];
    const ALL: [ChainKind; 3] = [ChainKind::Embedded, ChainKind::Bitcoind, ChainKind::Signet];

    /// As scenarios write it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Of roles and nodes in one scenario, so that a search among them stays short.
const PARTS_MAX: usize = 1_000;
/// About a million hashes for a block: some seconds for a few devices of ours.
const DEFAULT_NBITS: u32 = 0x1e10_0000;

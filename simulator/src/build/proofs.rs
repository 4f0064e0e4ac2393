//! How devices come by their proofs: by hashing, or by drawing when they would have.
//!
//! A device in virtual time cannot make its hashes. So rates and difficulties are divided by one
//! number, which leaves every share and block as likely as before, and a share takes a handful of
//! real hashes, at a moment that is drawn (`sv2::roles::mining_device::ProofTiming`). Servers
//! check these proofs as any others.
//!
//! Or nobody hashes at all: what is drawn is the moment and the hash, which a share carries in its
//! nonce, and servers believe it (`sv2::mining::proof::ProofCheck`). Nothing has to be divided then.

use sv2::mining::proof::ProofCheck;
use sv2::roles::mining_device::ProofTiming;
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::sv1_pool::Sv1PoolConfig;
use sv2::roles::translator::TranslatorConfig;
use sv2::wire::Target;

use crate::scenario::{ProofMode, ProxyMode, RoleId, RoleKind, Scenario};
use crate::units::HashRate;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Proofs {
    /// By hashing, at the rate that the scenario says.
    Hashed,
    /// At drawn moments.
    Drawn {
        /// Hashes of the scenario that one real hash stands for; at least 1.
        scale: f64,
    },
    /// At drawn moments, without a hash.
    Oracle,
}

impl Proofs {
    /// As the scenario's `proofs` says.
    pub fn in_virtual_time(scenario: &Scenario) -> Self {
        match scenario.virtual_time.run.proofs {
            ProofMode::Hashed => Proofs::drawn_for(scenario),
            ProofMode::Oracle => Proofs::Oracle,
        }
    }

    /// How whoever is sent a share judges it, and a chain its blocks.
    pub fn check(self) -> ProofCheck {
        match self {
            Proofs::Hashed | Proofs::Drawn { .. } => ProofCheck::Hashed,
            Proofs::Oracle => ProofCheck::Oracle,
        }
    }

    /// Drawn, with so few hashes for a share as the cheapest share of the scenario allows.
    pub fn drawn_for(scenario: &Scenario) -> Self {
        let price = |id: RoleId| {
            let (upstream, hash_rate) = match &scenario.role(id).kind {
                RoleKind::MiningDevice(device) => (device.upstream?, device.hash_rate),
                RoleKind::Sv1Device(device) => (device.upstream?, device.hash_rate),
                _ => return None,
            };
            Some(hash_rate.per_second() * 60.0 / shares_per_minute(scenario, upstream))
        };
        let cheapest = scenario.role_ids().filter_map(price).fold(f64::INFINITY, f64::min);
        // A block takes as many hashes as a share, or more.
        let block = Target::from_compact(scenario.chain.nbits).unwrap_or_default();
        let cheapest = cheapest.min(block.expected_hashes());
        Proofs::Drawn { scale: (cheapest / SHARE_HASHES).max(1.0) }
    }

    /// A number of hashes, or of hashes per second, as the roles are told it.
    pub(super) fn scaled(self, hashes: f64) -> f64 {
        match self {
            Proofs::Hashed | Proofs::Oracle => hashes,
            Proofs::Drawn { scale } => hashes / scale,
        }
    }

    /// The compact target of blocks, likewise.
    pub fn nbits(self, nbits: u32) -> u32 {
        match (self, Target::from_compact(nbits)) {
            (Proofs::Drawn { .. }, Some(target)) => {
                Target::from_expected_hashes(self.scaled(target.expected_hashes())).to_compact()
            }
            _ => nbits,
        }
    }

    pub(super) fn timing(self, hash_rate: HashRate) -> ProofTiming {
        // Below one hash a second a device finds nothing: slower there is none.
        let hash_rate = self.scaled(hash_rate.per_second().max(1.0));
        match self {
            Proofs::Hashed => ProofTiming::Hashed,
            Proofs::Drawn { .. } => ProofTiming::Drawn { hash_rate },
            Proofs::Oracle => ProofTiming::Oracle { hash_rate },
        }
    }
}

/// What a server grants each of its devices.
pub(crate) fn shares_per_minute(scenario: &Scenario, id: RoleId) -> f64 {
    let server = || MiningServerConfig::default().shares_per_minute;
    match &scenario.role(id).kind {
        RoleKind::Pool(role) => role.shares_per_minute.unwrap_or_else(server),
        RoleKind::JobDeclaratorClient(role) => role.shares_per_minute.unwrap_or_else(server),
        RoleKind::MiningProxy(role) => match (role.mode, role.upstream.first()) {
            (ProxyMode::Transparent, Some(upstream)) => shares_per_minute(scenario, *upstream),
            _ => role.shares_per_minute.unwrap_or_else(server),
        },
        RoleKind::Translator(role) => {
            role.shares_per_minute.unwrap_or_else(|| TranslatorConfig::default().shares_per_minute)
        }
        RoleKind::Sv1Pool(role) => {
            role.shares_per_minute.unwrap_or_else(|| Sv1PoolConfig::default().shares_per_minute)
        }
        _ => server(),
    }
}

/// Of the cheapest share. Few enough to be quick, and enough that targets may become easier by as
/// much before each hash is a share.
const SHARE_HASHES: f64 = 4.0;

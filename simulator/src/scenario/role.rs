//! The kinds of roles, and what can be said about each.
//!
//! What a role needs of others is optional here: it is there for a role of ours, and may be
//! missing where a program of others holds it, which has settings of its own.

use std::path::PathBuf;
use std::time::Duration;

use sv2::mining::vardiff::VardiffAlgorithm;

use super::{NodeId, RoleId};
use crate::units::HashRate;

/// What a role is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Templates of a node, for pools and job declarator clients (spec 7).
    TemplateProvider,
    /// A mining server (spec 5).
    Pool,
    /// The pool's side of job declaration (spec 6).
    JobDeclaratorServer,
    /// The miner's side of job declaration, and a mining server for the miner's devices.
    JobDeclaratorClient,
    /// A mining server with another one above it (spec 5.2).
    MiningProxy,
    /// A fleet of devices that hash.
    MiningDevice,
    /// A pool that speaks Stratum V1.
    Sv1Pool,
    /// A fleet of devices that speak Stratum V1.
    Sv1Device,
    /// A server of Stratum V1 with a mining server above it (spec 5.2.2).
    Translator,
}

/// What a role is, and how.
#[derive(Clone, Debug, PartialEq)]
pub enum RoleKind {
    /// See [`Kind::TemplateProvider`].
    TemplateProvider(TemplateProvider),
    /// See [`Kind::Pool`].
    Pool(Pool),
    /// See [`Kind::JobDeclaratorServer`].
    JobDeclaratorServer(JobDeclaratorServer),
    /// See [`Kind::JobDeclaratorClient`].
    JobDeclaratorClient(JobDeclaratorClient),
    /// See [`Kind::MiningProxy`].
    MiningProxy(MiningProxy),
    /// See [`Kind::MiningDevice`].
    MiningDevice(MiningDevice),
    /// See [`Kind::Sv1Pool`].
    Sv1Pool(Sv1Pool),
    /// See [`Kind::Sv1Device`].
    Sv1Device(Sv1Device),
    /// See [`Kind::Translator`].
    Translator(Translator),
}

/// Settings of a template provider; those of `sv2::roles::template_provider` where `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProvider {
    /// Whose chain it serves.
    pub node: NodeId,
    /// In satoshi.
    pub fee_rise_min: Option<u64>,
    /// Between two templates for one tip and client.
    pub fee_update_interval: Option<Duration>,
    /// For templates of the last tip.
    pub stale_grace: Option<Duration>,
}

/// Settings of a pool; those of `sv2::roles::pool` where `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Where templates come from.
    pub template_provider: Option<RoleId>,
    /// For each channel.
    pub shares_per_minute: Option<f64>,
    /// Shares in one answer.
    pub share_batch_size: Option<u32>,
    /// Hashes that the easiest share takes on average.
    pub share_hashes_min: Option<f64>,
    /// How targets follow the hash rate that shares show; not at all if `None`.
    pub vardiff: Option<VardiffAlgorithm>,
    /// Of the coinbase transaction's first output.
    pub payout_script: Option<Vec<u8>>,
    /// In the input of the coinbase transaction.
    pub coinbase_tag: Option<String>,
    /// Whether standard channels are refused.
    pub requires_extended_channels: bool,
    /// Whether devices may not roll the version.
    pub requires_fixed_version: bool,
    /// That clients must negotiate.
    pub required_extensions: Vec<u16>,
    /// Folder to keep accounts in; a share is acknowledged once it is there.
    pub accounts: Option<PathBuf>,
}

/// Settings of a job declarator server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDeclaratorServer {
    /// Whose jobs are declared.
    pub pool: Option<RoleId>,
    /// Which judges declared blocks; the pool's if `None` ([`super::Scenario::node_of`]).
    pub node: Option<NodeId>,
}

/// Settings of a job declarator client.
#[derive(Clone, Debug, PartialEq)]
pub struct JobDeclaratorClient {
    /// Pools in the order of preference; each has a job declarator server.
    pub upstream: Vec<RoleId>,
    /// The miner's own.
    pub template_provider: Option<RoleId>,
    /// What the server gets to see.
    pub mode: DeclarationMode,
    /// Whom the pool shall pay.
    pub user: String,
    /// For each channel of a device.
    pub shares_per_minute: Option<f64>,
    /// As [`Pool::vardiff`], for devices.
    pub vardiff: Option<VardiffAlgorithm>,
    /// Whom blocks pay that are found without a pool.
    pub payout_script: Option<Vec<u8>>,
}

/// What a job declarator server gets to see (spec 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclarationMode {
    /// All transactions.
    FullTemplate,
    /// The coinbase transaction.
    CoinbaseOnly,
}

/// Settings of a mining proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct MiningProxy {
    /// In the order of preference.
    pub upstream: Vec<RoleId>,
    /// What becomes of channels.
    pub mode: ProxyMode,
    /// Whom the pool shall pay, where the proxy opens a channel of its own.
    pub user: String,
    /// For each channel of a device.
    pub shares_per_minute: Option<f64>,
    /// As [`Pool::vardiff`], for devices; a transparent proxy leaves it to its upstream.
    pub vardiff: Option<VardiffAlgorithm>,
}

/// What a proxy does with channels (spec 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyMode {
    /// All devices share one extended channel.
    Aggregated,
    /// Each channel is passed on.
    Transparent,
}

/// Settings of a fleet of mining devices.
#[derive(Clone, Debug, PartialEq)]
pub struct MiningDevice {
    /// Whom to mine for.
    pub upstream: Option<RoleId>,
    /// Devices.
    pub count: u32,
    /// Of each device, over all its channels.
    pub hash_rate: HashRate,
    /// What each channel claims.
    pub nominal_hash_rate: HashRate,
    /// What each opens.
    pub channel: ChannelKind,
    /// On each connection.
    pub channel_count: u8,
    /// Whether header times move on.
    pub rolls_ntime: bool,
    /// Whom the pool shall pay; with a number behind it where there are several devices.
    pub user: String,
}

/// Settings of a translator; those of `sv2::roles::translator` where `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Translator {
    /// In the order of preference.
    pub upstream: Vec<RoleId>,
    /// Who shares a channel.
    pub mode: TranslatorMode,
    /// Whom the pool shall pay, where a device has not said who it is.
    pub user: String,
    /// For each device.
    pub shares_per_minute: Option<f64>,
    /// What a device is taken for at first.
    pub initial_hash_rate: HashRate,
    /// Bytes that each device rolls.
    pub extranonce2_size: Option<u8>,
    /// Which difficulties devices are given.
    pub difficulty: DifficultySteps,
}

/// Who shares a channel of a translator (spec 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TranslatorMode {
    /// All devices.
    Aggregated,
    /// Nobody.
    ChannelPerDevice,
}

/// Which difficulties a translator gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifficultySteps {
    /// Rounded down to these.
    PowersOfTwo,
    /// As computed.
    Exact,
}

/// What a device opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// A standard channel with jobs of its own.
    Standard,
    /// A standard channel that also takes jobs for its group.
    StandardInGroup,
    /// An extended channel.
    Extended,
}

impl ChannelKind {
    /// By its place among the choices of `channel`.
    pub(super) fn of_choice(index: usize) -> Self {
        [ChannelKind::Standard, ChannelKind::StandardInGroup, ChannelKind::Extended][index]
    }
}

/// Settings of a Stratum V1 pool; those of `sv2::roles::sv1_pool` where `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sv1Pool {
    /// Where templates come from.
    pub template_provider: Option<RoleId>,
    /// For each connection.
    pub shares_per_minute: Option<f64>,
    /// Hashes that the easiest share takes on average.
    pub share_hashes_min: Option<f64>,
    /// Whether difficulties follow the hash rate that shares show.
    pub vardiff: Option<VardiffAlgorithm>,
    /// Whether difficulties are powers of two.
    pub rounds_difficulty: bool,
    /// Of the coinbase transaction's first output.
    pub payout_script: Option<Vec<u8>>,
    /// In the input of the coinbase transaction.
    pub coinbase_tag: Option<String>,
}

/// Settings of a fleet of Stratum V1 devices.
#[derive(Clone, Debug, PartialEq)]
pub struct Sv1Device {
    /// Whom to mine for.
    pub upstream: Option<RoleId>,
    /// Devices.
    pub count: u32,
    /// Of each device.
    pub hash_rate: HashRate,
    /// Asked for by `mining.suggest_difficulty`.
    pub suggested_difficulty: Option<f64>,
    /// Whether bits of the version are rolled.
    pub rolls_version: bool,
    /// Whether header times move on.
    pub rolls_ntime: bool,
    /// Whom the pool shall pay; with a number behind it where there are several devices.
    pub user: String,
}

impl Kind {
    pub(crate) const NAMES: &[&str] = &[
        "template-provider",
        "pool",
        "job-declarator-server",
        "job-declarator-client",
        "mining-proxy",
        "mining-device",
        "sv1-pool",
        "sv1-device",
        "translator",
    ];

    /// In the order of [`Kind::NAMES`].
    pub const ALL: [Kind; 9] = [
        Kind::TemplateProvider,
        Kind::Pool,
        Kind::JobDeclaratorServer,
        Kind::JobDeclaratorClient,
        Kind::MiningProxy,
        Kind::MiningDevice,
        Kind::Sv1Pool,
        Kind::Sv1Device,
        Kind::Translator,
    ];

    /// As scenarios write it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Where the reference implementation's examples let a role listen; `None` for what dials.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Kind::TemplateProvider => Some(8442),
            Kind::Pool => Some(34254),
            Kind::MiningProxy | Kind::Translator => Some(34255),
            Kind::JobDeclaratorServer => Some(34264),
            Kind::JobDeclaratorClient => Some(34265),
            Kind::Sv1Pool => Some(3333),
            Kind::MiningDevice | Kind::Sv1Device => None,
        }
    }

    /// Whether it shows an authority key to those who connect to it.
    pub const fn has_key(self) -> bool {
        match self {
            Kind::TemplateProvider
            | Kind::Pool
            | Kind::MiningProxy
            | Kind::JobDeclaratorServer
            | Kind::JobDeclaratorClient => true,
            // Stratum V1 has none.
            Kind::Sv1Pool | Kind::MiningDevice | Kind::Sv1Device | Kind::Translator => false,
        }
    }

    /// Whether it is a fleet that hashes.
    pub const fn is_device(self) -> bool {
        matches!(self, Kind::MiningDevice | Kind::Sv1Device)
    }
}

impl RoleKind {
    /// Without its settings.
    pub fn kind(&self) -> Kind {
        match self {
            RoleKind::TemplateProvider(_) => Kind::TemplateProvider,
            RoleKind::Pool(_) => Kind::Pool,
            RoleKind::JobDeclaratorServer(_) => Kind::JobDeclaratorServer,
            RoleKind::JobDeclaratorClient(_) => Kind::JobDeclaratorClient,
            RoleKind::MiningProxy(_) => Kind::MiningProxy,
            RoleKind::MiningDevice(_) => Kind::MiningDevice,
            RoleKind::Sv1Pool(_) => Kind::Sv1Pool,
            RoleKind::Sv1Device(_) => Kind::Sv1Device,
            RoleKind::Translator(_) => Kind::Translator,
        }
    }

    /// Whom a fleet of devices mines for; `None` also of what is no fleet.
    pub fn mines_for(&self) -> Option<RoleId> {
        match self {
            RoleKind::MiningDevice(device) => device.upstream,
            RoleKind::Sv1Device(device) => device.upstream,
            _ => None,
        }
    }

    /// How many there are of it; more than one only of devices.
    pub fn member_count(&self) -> u32 {
        match self {
            RoleKind::MiningDevice(device) => device.count,
            RoleKind::Sv1Device(device) => device.count,
            _ => 1,
        }
    }

    /// The roles that its settings name.
    pub(super) fn references(&self) -> Vec<RoleId> {
        match self {
            RoleKind::TemplateProvider(_) => Vec::new(),
            RoleKind::Pool(pool) => pool.template_provider.into_iter().collect(),
            RoleKind::JobDeclaratorServer(server) => server.pool.into_iter().collect(),
            RoleKind::JobDeclaratorClient(client) => {
                client.upstream.iter().copied().chain(client.template_provider).collect()
            }
            RoleKind::MiningProxy(proxy) => proxy.upstream.clone(),
            RoleKind::Translator(translator) => translator.upstream.clone(),
            RoleKind::MiningDevice(device) => device.upstream.into_iter().collect(),
            RoleKind::Sv1Pool(pool) => pool.template_provider.into_iter().collect(),
            RoleKind::Sv1Device(device) => device.upstream.into_iter().collect(),
        }
    }
}

//! Where a case runs: bytes to and from the target, time, and what can be asked of the world
//! around it. Everything above bytes is shared by all worlds.

mod backstage;
pub mod controls;
mod doors;
mod faulty_end;
mod foreign_client;
mod link_end;
mod live;
mod memory;
mod memory_target;
mod own_client;
mod own_live;
mod own_provider;
mod program;
mod served;

pub use controls::{Controls, Either, Hooks};
pub use foreign_client::{ForeignClient, ForeignClientTarget};
pub use live::LiveTarget;
pub use memory::MemoryWorld;
pub use memory_target::MemoryTarget;
pub use own_client::OwnClientTarget;
pub use own_live::OwnLiveTarget;
pub(crate) use own_provider::runtime;
pub use own_provider::{OwnProvider, ProviderChain, ProviderSettings};
pub use program::OwnProgram;

use std::fmt;
use std::num::{NonZeroU8, NonZeroU64};
use std::sync::{Arc, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use sv2::chain::{BlockTemplate, Chain, TransactionShape};
use sv2::entropy::Entropy;
use sv2::job_declaration::token::TokenKey;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey};
use sv2::role::{PeerAddress, Role};
use sv2::roles::job_declarator_client::{
    JobDeclarationMode, JobDeclaratorClient, JobDeclaratorClientConfig, JobDeclaratorUpstream,
};
use sv2::roles::job_declarator_server::{JobDeclaratorServer, JobDeclaratorServerConfig};
use sv2::roles::mining_device::{ChannelKind, MiningDevice, MiningDeviceConfig, VersionRolling};
use sv2::roles::mining_proxy::{MiningProxy, MiningProxyConfig, MiningProxyMode};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::{CustomJobsConfig, Pool, PoolConfig};
use sv2::roles::sv1_device::{Sv1Device, Sv1DeviceConfig};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2::roles::translator::{Translator, TranslatorConfig, TranslatorMode};
use sv2::time::{Instant, Now};
use sv2::wire::{B32, Str255, Target as ShareTarget, U256};

use crate::case::step::{CloseHow, ControlKind, Door, Peer, SIGOPS};
use crate::case::{TargetRole, WorldSettings};

/// A target, with the world around it, for one case.
pub trait World {
    /// The clock. Virtual worlds move it only in [`World::read`] and [`World::pass`].
    fn now(&self) -> Now;

    /// Opens a TCP connection to the target, or to whom else there is beside it.
    ///
    /// # Errors
    /// [`WorldError::Unreachable`].
    fn dial(&mut self, peer: Peer) -> Result<LinkId, WorldError>;

    /// Waits until one of `links` has something to read or has ended, or the target has dialled
    /// `door`; at the latest until `until`.
    fn wait(&mut self, door: Option<Door>, links: &[LinkId], until: Instant) -> Option<Ready> {
        let _ = (door, links, until);
        None
    }

    /// Takes a connection that the target has opened, if there is one.
    fn accept(&mut self, door: Door) -> Option<LinkId> {
        let _ = door;
        None
    }

    /// Sends bytes in one write. Whether the target still reads them shows later: a link that
    /// is closed swallows them.
    fn write(&mut self, link: LinkId, bytes: &[u8]);

    /// What arrives next, at the latest at `until`; with a time that has passed, what is there.
    fn read(&mut self, link: LinkId, until: Instant) -> Arrival;

    /// Ends our side of a connection.
    fn close(&mut self, link: LinkId, how: CloseHow);

    /// Lets time pass.
    fn pass(&mut self, until: Instant);

    /// Asks the world for something.
    ///
    /// # Errors
    /// [`WorldError`]: it cannot, or it failed.
    fn control(&mut self, kind: ControlKind) -> Result<(), WorldError>;

    /// Host and port of a door, as the target was told them.
    fn door(&self, door: Door) -> Option<(String, u16)> {
        let _ = door;
        None
    }

    /// Host and port that were dialled, where the target's profile does not know them.
    fn endpoint(&self) -> Option<(String, u16)> {
        None
    }

    /// The chain that the target works on, if the world has it.
    fn chain(&mut self) -> Option<ChainView> {
        None
    }

    /// What the node behind the target offers to be mined: what a miner with a node of the same
    /// network would have.
    fn template(&mut self) -> Option<Arc<BlockTemplate>> {
        None
    }

    /// What the target has told of itself since the last call, for evidence: a target of our
    /// own its events, a program that we have started the end of its log.
    fn told(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// A chain as its node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainView {
    /// Hash of the last block.
    pub tip: U256,
    /// Height of the last block.
    pub height: u32,
    /// Compact network target of the next block.
    pub nbits: u32,
    /// Subsidy and fees of the next block, in satoshi.
    pub next_value: u64,
    /// The last block, serialised with witnesses.
    pub tip_block: Option<Bytes>,
    /// The coinbase transaction of the last `SubmitSolution` that the target sent, where the
    /// world sees it.
    pub last_solution: Option<Bytes>,
}

impl ChainView {
    /// The embedded chain at a moment.
    pub(crate) fn of(chain: &mut Chain, now: Now) -> ChainView {
        let template = chain.template(now);
        ChainView {
            tip: chain.tip(),
            height: chain.height(),
            nbits: template.nbits,
            next_value: template.coinbase_value,
            tip_block: chain.block(&chain.tip()).cloned(),
            last_solution: None,
        }
    }
}

/// A connection, named by its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub usize);

/// What ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The target has dialled.
    Dialled,
    /// [`World::read`] of this link returns at once.
    Link(LinkId),
}

/// What came from a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Bytes; at least one.
    Bytes(Bytes),
    /// The target has closed it: FIN or RST.
    Closed,
    /// Nothing, until the time was over.
    Nothing,
}

/// Why a world cannot do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorldError {
    /// No connection to the target.
    Unreachable(String),
    /// The world has no such control.
    NoControl(ControlKind),
    /// The control failed.
    ControlFailed(String),
    /// The target could not be started.
    NotStarted(String),
}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorldError::Unreachable(why) => write!(f, "the target cannot be reached: {why}"),
            WorldError::NoControl(kind) => {
                write!(f, "nothing here can make a `{}` happen", kind.name())
            }
            WorldError::ControlFailed(why) => write!(f, "the control failed: {why}"),
            WorldError::NotStarted(why) => write!(f, "the target did not start: {why}"),
        }
    }
}

impl std::error::Error for WorldError {}

/// Makes a world for each case.
pub trait Target: Sync {
    /// A world with the target in it, set up as a case asks. A target that is not ours ignores
    /// `settings`.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`].
    fn world(&self, settings: &WorldSettings, seed: u64) -> Result<Box<dyn World>, WorldError>;

    /// What the suite knows of the target without asking it.
    fn profile(&self) -> &TargetProfile;

    /// Waits until a case may run. One that changes the world (`is_exclusive`: a new block, a
    /// restart) must not meet others that run beside it, where they share a target.
    fn lane(&self, is_exclusive: bool) -> Lane<'_> {
        let _ = is_exclusive;
        Lane::Own
    }
}

/// The right to run a case; given back when dropped.
#[derive(Debug)]
pub enum Lane<'a> {
    /// Each case has a target of its own.
    Own,
    /// Beside others.
    Shared(RwLockReadGuard<'a, ()>),
    /// Alone.
    Alone(RwLockWriteGuard<'a, ()>),
}

/// What the suite knows of a target without asking it.
#[derive(Clone, Debug)]
pub struct TargetProfile {
    /// What it is.
    pub role: TargetRole,
    /// For people.
    pub name: String,
    /// Host and port as they go into `SetupConnection`.
    pub host: String,
    /// See `host`.
    pub port: u16,
    /// Whose certificate it must show; `None` if that is not known, or if it shows none.
    pub authority: Option<AuthorityPublicKey>,
    /// Signs the certificates of the servers that the suite plays, where the target dials them.
    pub suite_authority: Option<Arc<AuthoritySecretKey>>,
    /// Identities by name: `user` is the one that is paid, `other` another good one, `bad`
    /// one that must be refused.
    pub identities: Vec<(String, String)>,
    /// What the world can be asked for.
    pub controls: Vec<ControlKind>,
    /// The job declarator server whose tokens it trusts, if there is one that we can reach.
    pub job_declarator: Option<PeerProfile>,
    /// Whether [`World::template`] gives templates.
    pub has_templates: bool,
    /// Hashes per second of a device that does not say so itself, as those of Stratum V1 do not.
    pub hash_rate: f64,
    /// Whether a connection that a case has left in order serves the next one: dialling takes
    /// such a target time.
    pub keeps_connections: bool,
    /// Whether it is set up per case ([`WorldSettings`]); a foreign target is as it is.
    pub is_ours: bool,
    /// Whether time is virtual, so that waiting costs nothing.
    pub is_virtual: bool,
}

/// What the suite knows of a peer beside the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerProfile {
    /// Whose certificate it must show; `None` if that is not known.
    pub authority: Option<AuthorityPublicKey>,
}

impl TargetProfile {
    /// An identity by name.
    pub fn identity(&self, name: &str) -> Option<&str> {
        self.identities.iter().find(|(known, _)| known == name).map(|(_, identity)| &**identity)
    }
}

impl<T: Target + ?Sized + Send> Target for Arc<T> {
    fn world(&self, settings: &WorldSettings, seed: u64) -> Result<Box<dyn World>, WorldError> {
        (**self).world(settings, seed)
    }
    fn profile(&self) -> &TargetProfile {
        (**self).profile()
    }
    fn lane(&self, is_exclusive: bool) -> Lane<'_> {
        (**self).lane(is_exclusive)
    }
}

/// Our pool as a case wants it.
pub(crate) fn own_pool(
    settings: &WorldSettings,
    provider: Option<PeerAddress>,
    authority: &AuthoritySecretKey,
    entropy: Entropy,
) -> Pool {
    let mut server = MiningServerConfig {
        requires_extended_channels: settings.requires_extended_channels,
        requires_fixed_version: settings.requires_fixed_version,
        supports_work_selection: settings.supports_work_selection,
        required_extensions: settings.required_extensions.clone(),
        refused_user_identities: vec![REFUSED_USER.as_bytes().to_vec()],
        easiest_target: ShareTarget::from_expected_hashes(EASIEST_HASHES),
        shares_per_minute: 60.0,
        vardiff: None,
        ..MiningServerConfig::default()
    };
    if settings.share_batch > 0 {
        server.share_batch_size = settings.share_batch;
    }
    if provider.is_some() {
        server.idle_timeout = LIVE_IDLE_TIMEOUT;
    }
    let custom_jobs =
        settings.supports_work_selection.then(|| CustomJobsConfig::new(token_key(authority)));
    let mut config = PoolConfig { server, custom_jobs, ..PoolConfig::default() };
    // Where time is real, it is reached over a socket.
    if let Some(provider) = provider {
        config.template_provider = provider;
    }
    Pool::new(config, entropy)
}

/// Our job declarator server as a case wants it: of the pool under the same key.
pub(crate) fn own_job_declarator(
    settings: &WorldSettings,
    authority: &AuthoritySecretKey,
    entropy: Entropy,
) -> JobDeclaratorServer {
    let payout_script = PoolConfig::default().payout_script;
    let config = JobDeclaratorServerConfig {
        further_scripts: vec![FURTHER_SCRIPT.to_vec()],
        requires_transaction_data: settings.requires_transaction_data,
        ..JobDeclaratorServerConfig::new(token_key(authority), payout_script)
    };
    JobDeclaratorServer::new(config, entropy)
}

/// Our role that dials the suite, as a case wants it; `upstreams` are the suite's.
pub(crate) fn own_client(
    role: TargetRole,
    settings: &WorldSettings,
    upstreams: Vec<PeerAddress>,
    entropy: Entropy,
) -> Box<dyn Role + Send> {
    match role {
        TargetRole::MiningProxy => Box::new(own_proxy(settings, upstreams, entropy)),
        TargetRole::Sv1Device => Box::new(own_sv1_device(upstreams, entropy)),
        TargetRole::Translator => Box::new(own_translator(settings, upstreams, entropy)),
        _ => Box::new(own_device(settings, upstreams, entropy)),
    }
}

/// Whom a job declarator client needs beside its pools.
#[derive(Clone, Debug)]
pub(crate) struct ClientPeers {
    /// Of its own node.
    pub(crate) template_provider: PeerAddress,
    /// One for each pool.
    pub(crate) job_declarators: Vec<PeerAddress>,
}

/// Our job declarator client as a case wants it; `pools` are the suite's.
pub(crate) fn own_job_declarator_client(
    settings: &WorldSettings,
    pools: Vec<PeerAddress>,
    peers: ClientPeers,
    entropy: Entropy,
) -> JobDeclaratorClient {
    let upstreams = pools.into_iter().zip(peers.job_declarators);
    let upstreams = upstreams
        .map(|(pool, job_declarator)| JobDeclaratorUpstream { pool, job_declarator })
        .collect();
    let mode = match settings.is_coinbase_only {
        true => JobDeclarationMode::CoinbaseOnly,
        false => JobDeclarationMode::FullTemplate,
    };
    let config = JobDeclaratorClientConfig {
        template_provider: peers.template_provider,
        upstreams,
        mode,
        payout_script: MINERS_SCRIPT.to_vec(),
        server: cheap_server(),
        ..JobDeclaratorClientConfig::default()
    };
    JobDeclaratorClient::new(config, entropy)
}

/// A server of miners whose shares cost next to nothing.
fn cheap_server() -> MiningServerConfig {
    MiningServerConfig {
        easiest_target: ShareTarget::from_expected_hashes(EASIEST_HASHES),
        shares_per_minute: 60.0,
        vardiff: None,
        ..MiningServerConfig::default()
    }
}

fn own_proxy(
    settings: &WorldSettings,
    upstreams: Vec<PeerAddress>,
    entropy: Entropy,
) -> MiningProxy {
    let server = cheap_server();
    let mode = match settings.is_transparent {
        true => MiningProxyMode::Transparent,
        false => MiningProxyMode::Aggregated,
    };
    MiningProxy::new(
        MiningProxyConfig { mode, upstreams, server, ..MiningProxyConfig::default() },
        entropy,
    )
}

fn own_device(
    settings: &WorldSettings,
    mut upstreams: Vec<PeerAddress>,
    entropy: Entropy,
) -> MiningDevice {
    let user = Str255::from_static("assay.device");
    let mut config = MiningDeviceConfig::new(upstreams.swap_remove(0), user);
    config.channel_kind = match settings.is_extended {
        true => ChannelKind::Extended { min_extranonce_size: 4 },
        false => ChannelKind::Standard { requires_standard_jobs: !settings.takes_group_jobs },
    };
    if settings.names_worker {
        config.worker_name = B32::new(WORKER).unwrap_or_default();
    }
    if settings.needs_version_rolling {
        config.version_rolling = VersionRolling::Required(VersionRolling::BIP_323);
    }
    let channel_count = u8::try_from(1 + settings.further_channels).unwrap_or(u8::MAX);
    config.channel_count = NonZeroU8::new(channel_count).unwrap_or(NonZeroU8::MIN);
    config.nominal_hash_rate = f32::from(DEVICE_HASH_RATE);
    config.hash_rate_limit = NonZeroU64::new(DEVICE_HASH_RATE.into());
    MiningDevice::new(config, entropy)
}

fn own_translator(
    settings: &WorldSettings,
    upstreams: Vec<PeerAddress>,
    entropy: Entropy,
) -> Translator {
    let mode = match settings.is_transparent {
        true => TranslatorMode::ChannelPerDevice,
        false => TranslatorMode::Aggregated,
    };
    let config = TranslatorConfig {
        mode,
        upstreams,
        initial_hash_rate: DEVICE_HASH_RATE.into(),
        shares_per_minute: 60.0,
        easiest_target: ShareTarget::from_expected_hashes(EASIEST_HASHES),
        vardiff: None,
        ..TranslatorConfig::default()
    };
    Translator::new(config, entropy)
}

fn own_sv1_device(mut upstreams: Vec<PeerAddress>, entropy: Entropy) -> Sv1Device {
    let mut config = Sv1DeviceConfig::new(upstreams.swap_remove(0), "assay.device".to_owned());
    config.hash_rate_limit = NonZeroU64::new(DEVICE_HASH_RATE.into());
    Sv1Device::new(config, entropy)
}

fn token_key(authority: &AuthoritySecretKey) -> TokenKey {
    TokenKey::new(authority.derive(TokenKey::PURPOSE))
}

/// Who is paid, and who is not.
fn own_identities() -> Vec<(String, String)> {
    [("user", "assay.1"), ("other", "assay.2"), ("bad", REFUSED_USER)]
        .map(|(name, identity)| (name.to_owned(), identity.to_owned()))
        .to_vec()
}

/// What is mined for nobody else pays this: OP_TRUE twice, which no pool of ours asks for.
const MINERS_SCRIPT: &[u8] = b"\x51\x51";

/// Of the further output that our job declarator server asks for: OP_RETURN, a push of five.
const FURTHER_SCRIPT: &[u8] = b"\x6a\x05assay";

/// How long our own pool bears a connection without a channel, where time is real: short enough
/// to wait for, long enough for every case.
const LIVE_IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Our template provider.
pub(crate) fn own_provider() -> TemplateProvider {
    TemplateProvider::new(TemplateProviderConfig::default())
}

/// What a control adds to the mempool of the embedded chain.
fn shape(kind: ControlKind) -> TransactionShape {
    match kind {
        ControlKind::AddSigops => {
            TransactionShape { sigops: SIGOPS, ..TransactionShape::default() }
        }
        _ => TransactionShape::default(),
    }
}

/// The worker of our device, where it names one.
const WORKER: &[u8] = b"rig-1";

/// What our device hashes at, per second: two shares a second at the price of the suite's jobs.
const DEVICE_HASH_RATE: u16 = 20_000;

/// An identity that our pool refuses.
pub(crate) const REFUSED_USER: &str = "assay.refused";

/// What a share costs at our pool where its client claims no more hash rate: few enough hashes
/// that a case takes milliseconds, too many for a wrong share to pass by chance.
const EASIEST_HASHES: f64 = 4_096.0;

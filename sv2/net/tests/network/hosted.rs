//! Roles of ours on sockets of the loopback interface.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Failed;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, CipherSuite};
use sv2::role::{PeerAddress, Role};
use sv2::roles::job_declarator_server::{JobDeclaratorServer, JobDeclaratorServerConfig};
use sv2::roles::mining_device::{ChannelKind, MiningDevice, MiningDeviceConfig};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::{Pool, PoolConfig};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2::wire::{Str255, Target};
use sv2_net::clock::Clock;
use sv2_net::entropy;
use sv2_net::feed::Follower;
use sv2_net::host::{Handle, Host, HostConfig, Injector, ListenerConfig, ListenerSecurity};
use sv2_net::identity::Certifier;
use sv2_net::limits::Limits;
use sv2_net::recipe::Endpoint;
use sv2_net::world::{World, Worlds};

use crate::events::Events;

/// A role that runs.
pub(crate) struct Hosted {
    pub(crate) handle: Handle,
    pub(crate) events: Events,
    /// Where it listens; of a device, whom it dials.
    pub(crate) address: PeerAddress,
    /// What it shows its clients, if it has any.
    certifier: Option<Arc<Certifier>>,
    _follower: Option<Follower>,
}

impl Hosted {
    /// For recipes of foreign programs.
    pub(crate) fn endpoint(&self) -> Endpoint {
        let PeerAddress { host, port, authority } = self.address.clone();
        Endpoint { host, port, authority, cookie: None }
    }
}

/// A template provider on a chain, over Noise.
pub(crate) async fn provider(
    chain: Arc<dyn World>,
    follow: impl FnOnce(Injector) -> Follower,
) -> Result<Hosted, Failed> {
    provider_at(Place::free(), chain, follow).await
}

/// A template provider in the place of one that was there before.
pub(crate) async fn provider_at(
    place: Place,
    chain: Arc<dyn World>,
    follow: impl FnOnce(Injector) -> Follower,
) -> Result<Hosted, Failed> {
    let role = TemplateProvider::new(TemplateProviderConfig::default());
    let worlds = Worlds { chain: Some(chain), accounts: None };
    let mut hosted = listening("template provider", place, role, worlds, Limits::default()).await?;
    hosted._follower = Some(follow(hosted.handle.injector()));
    Ok(hosted)
}

/// A job declarator server on a chain, over Noise.
pub(crate) async fn job_declarator_server(
    config: JobDeclaratorServerConfig,
    chain: Arc<dyn World>,
    follow: impl FnOnce(Injector) -> Follower,
) -> Result<Hosted, Failed> {
    let role = JobDeclaratorServer::new(config, entropy::from_system());
    let worlds = Worlds { chain: Some(chain), accounts: None };
    let limits = Limits {
        accepted_payload_len_max: JobDeclaratorServer::PAYLOAD_LEN_MAX,
        ..Limits::default()
    };
    let mut hosted =
        listening("job declarator server", Place::free(), role, worlds, limits).await?;
    hosted._follower = Some(follow(hosted.handle.injector()));
    Ok(hosted)
}

/// A pool over Noise, which knows the key of its template provider.
pub(crate) async fn pool(
    provider: &Hosted,
    config: PoolConfig,
    limits: Limits,
) -> Result<Hosted, Failed> {
    pool_at(Place::free(), provider, config, limits).await
}

/// A pool that keeps accounts.
pub(crate) async fn pool_with_accounts(
    provider: &Hosted,
    config: PoolConfig,
    accounts: Arc<dyn World>,
) -> Result<Hosted, Failed> {
    let server = MiningServerConfig { persists_shares: true, ..config.server };
    let template_provider = provider.address.clone();
    let role =
        Pool::new(PoolConfig { template_provider, server, ..config }, entropy::from_system());
    let worlds = Worlds { accounts: Some(accounts), ..Worlds::default() };
    listening("pool", Place::free(), role, worlds, Limits::default()).await
}

/// A pool in the place of one that was there before; it remembers nothing of it.
pub(crate) async fn pool_at(
    place: Place,
    provider: &Hosted,
    config: PoolConfig,
    limits: Limits,
) -> Result<Hosted, Failed> {
    let config = PoolConfig { template_provider: provider.address.clone(), ..config };
    let role = Pool::new(config, entropy::from_system());
    listening("pool", place, role, Worlds::default(), limits).await
}

/// Where to listen, and with which key.
pub(crate) struct Place {
    address: String,
    authority: AuthorityPublicKey,
    certifier: Arc<Certifier>,
}

impl Place {
    /// A port that the system chooses, and a fresh key.
    fn free() -> Place {
        let mut entropy = entropy::from_system();
        let authority = AuthoritySecretKey::generate(&mut entropy);
        let public_key = authority.public_key();
        let now = Clock::of_process().now().unix;
        let certifier = Certifier::renewing(authority, Duration::from_secs(3600), now, entropy);
        Place {
            address: "127.0.0.1:0".to_owned(),
            authority: public_key,
            certifier: Arc::new(certifier),
        }
    }
}

impl Hosted {
    /// Another port, with the same key.
    pub(crate) fn beside(&self) -> Result<Place, Failed> {
        Ok(Place {
            address: "127.0.0.1:0".to_owned(),
            authority: self.address.authority.ok_or("no key")?,
            certifier: self.certifier.clone().ok_or("no listener")?,
        })
    }

    /// Ends the role; its place is free for the next.
    pub(crate) async fn leave(self) -> Result<Place, Failed> {
        let PeerAddress { host, port, authority } = self.address;
        let place = Place {
            address: format!("{host}:{port}"),
            authority: authority.ok_or("no key")?,
            certifier: self.certifier.ok_or("no listener")?,
        };
        self.handle.shutdown().await;
        Ok(place)
    }
}

/// A device that hashes.
pub(crate) async fn device(config: MiningDeviceConfig) -> Result<Hosted, Failed> {
    let address = config.pool.clone();
    let host = Host::bind(HostConfig::new("device")).await?;
    let events = Events::new("device", host.events());
    let handle = host.start(MiningDevice::new(config, entropy::from_system()), Worlds::default());
    Ok(Hosted { handle, events, address, certifier: None, _follower: None })
}

/// What a device is told in these tests: to hash as slowly as [`HASH_RATE`] says.
pub(crate) fn device_config(pool: &PeerAddress, channel_kind: ChannelKind) -> MiningDeviceConfig {
    #[expect(clippy::cast_precision_loss, reason = "a round number")]
    let nominal_hash_rate = HASH_RATE as f32;
    MiningDeviceConfig {
        channel_kind,
        nominal_hash_rate,
        hash_rate_limit: NonZeroU64::new(HASH_RATE),
        nonces_per_call: NonZeroU32::new(1_000).unwrap(),
        ..MiningDeviceConfig::new(pool.clone(), Str255::from_static("assay.device"))
    }
}

/// A pool whose shares a slow device finds several times a second.
pub(crate) fn pool_config() -> PoolConfig {
    PoolConfig {
        payout_script: PAYOUT_SCRIPT.to_vec(),
        server: MiningServerConfig {
            shares_per_minute: 600.0,
            easiest_target: Target::from_expected_hashes(256.0),
            ..MiningServerConfig::default()
        },
        ..PoolConfig::default()
    }
}

/// Every kind of channel that a device can work on, with a name for it.
pub(crate) fn channel_kinds() -> [(&'static str, ChannelKind); 3] {
    [
        ("a_standard", ChannelKind::Standard { requires_standard_jobs: true }),
        ("a_grouped_standard", ChannelKind::Standard { requires_standard_jobs: false }),
        ("an_extended", ChannelKind::Extended { min_extranonce_size: 4 }),
    ]
}

async fn listening(
    name: &'static str,
    place: Place,
    role: impl Role + Send + 'static,
    worlds: Worlds,
    limits: Limits,
) -> Result<Hosted, Failed> {
    let Place { address, authority, certifier } = place;
    let mut config = HostConfig::new(name);
    config.limits = limits;
    config.listeners = vec![ListenerConfig {
        address,
        security: ListenerSecurity::Noise {
            suite: CipherSuite::default(),
            certifier: Arc::clone(&certifier),
        },
    }];
    let host = Host::bind(config).await?;
    let events = Events::new(name, host.events());
    let handle = host.start(role, worlds);
    let address = handle.addresses()[0];
    let (host, port) = (address.ip().to_string(), address.port());
    let address = PeerAddress { host, port, authority: Some(authority) };
    Ok(Hosted { handle, events, address, certifier: Some(certifier), _follower: None })
}

/// Hashes a second.
const HASH_RATE: u64 = 20_000;

/// Pays a public key hash of twenty sevens: nobody's, and not what any default pays.
pub(crate) const PAYOUT_SCRIPT: [u8; 22] =
    [0, 20, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

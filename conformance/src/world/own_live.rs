//! Our own pool and template provider over real TCP and Noise on the loopback interface, on
//! the embedded chain.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sv2::chain::ChainConfig;
use sv2::entropy::Entropy;
use sv2::noise::{AuthoritySecretKey, CipherSuite};
use sv2::role::PeerAddress;
use sv2_net::clock::Clock;
use sv2_net::host::{DialSecurity, Handle, Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::identity::Certifier;
use sv2_net::world::Worlds;
use tokio::runtime::Runtime;

use super::controls::Controls;
use super::live::LiveWorld;
use super::own_provider::{
    OwnProvider, ProviderChain, ProviderSettings, certifier, not_started, runtime,
};
use super::{ChainView, Target, TargetProfile, World, WorldError};
use crate::case::step::ControlKind;
use crate::case::{Chain as ChainKind, WorldSettings};

/// Our pool over TCP and Noise. A case leases one that is set up as it asks, so that cases
/// beside each other do not share one; a lease that has ended serves the next case.
pub struct OwnLiveTarget {
    profile: TargetProfile,
    runtime: Arc<Runtime>,
    authority: Mutex<AuthoritySecretKey>,
    entropy: Entropy,
    pools: Arc<Mutex<Pools>>,
}

/// Pools that run.
#[derive(Default)]
struct Pools {
    /// That no case has leased.
    idle: BTreeMap<WorldSettings, Vec<Arc<OwnPool>>>,
    started: u64,
}

/// A pool for the time of one case.
struct Lease {
    pool: Arc<OwnPool>,
    pools: Arc<Mutex<Pools>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = pools.idle.entry(self.pool.settings.clone()).or_default();
        idle.push(Arc::clone(&self.pool));
    }
}

impl Controls for Lease {
    fn kinds(&self) -> Vec<ControlKind> {
        self.pool.kinds()
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        self.pool.apply(kind)
    }

    fn chain(&self) -> Option<ChainView> {
        self.pool.chain()
    }
}

/// A pool that runs, with its template provider.
struct OwnPool {
    address: SocketAddr,
    provider: OwnProvider,
    settings: WorldSettings,
    certifier: Arc<Certifier>,
    entropy: Entropy,
    /// `None` while it is restarted.
    pool: Mutex<Option<Handle>>,
}

impl OwnLiveTarget {
    /// Starts nothing yet.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`]: the system gives no threads.
    pub fn new(entropy: Entropy) -> Result<Self, WorldError> {
        let authority = AuthoritySecretKey::generate(&mut entropy.fork("authority", 0));
        let identity = |name: &str, identity: &str| (name.to_owned(), identity.to_owned());
        let profile = TargetProfile {
            name: "our pool, over TCP and Noise".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 0,
            authority: Some(authority.public_key()),
            identities: vec![
                identity("user", "assay.1"),
                identity("other", "assay.2"),
                identity("bad", super::REFUSED_USER),
            ],
            controls: vec![
                ControlKind::NewBlock,
                ControlKind::Reorg,
                ControlKind::AddTransaction,
                ControlKind::Restart,
            ],
            is_ours: true,
            is_virtual: false,
        };
        Ok(OwnLiveTarget {
            profile,
            runtime: Arc::new(runtime()?),
            authority: Mutex::new(authority),
            entropy,
            pools: Arc::default(),
        })
    }

    fn lease(&self, settings: &WorldSettings) -> Result<Lease, WorldError> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = pools.idle.get_mut(settings).and_then(Vec::pop);
        pools.started += 1;
        let number = pools.started;
        drop(pools);
        let pool = match idle {
            Some(pool) => pool,
            None => Arc::new(self.start(settings, self.entropy.fork("pool", number))?),
        };
        Ok(Lease { pool, pools: Arc::clone(&self.pools) })
    }

    fn start(&self, settings: &WorldSettings, entropy: Entropy) -> Result<OwnPool, WorldError> {
        let nbits = match settings.chain {
            ChainKind::Hard => ChainConfig::HARD,
            ChainKind::Easy => ChainConfig::EASY,
        };
        let settings_of_provider = ProviderSettings {
            listen: "127.0.0.1:0".to_owned(),
            is_plain: true,
            chain: ProviderChain::Embedded { nbits },
        };
        let runtime = Arc::clone(&self.runtime);
        let provider = OwnProvider::start_on(runtime, &settings_of_provider, &entropy)?;
        let authority = self.authority.lock().unwrap_or_else(PoisonError::into_inner);
        let text = authority.to_text();
        let authority: AuthoritySecretKey = text.parse().map_err(not_started)?;
        let certifier = certifier(authority, &entropy);
        let (address, handle) = self.runtime.block_on(start_pool(
            "127.0.0.1:0",
            settings,
            &provider,
            &certifier,
            entropy.fork("role", 0),
        ))?;
        Ok(OwnPool {
            address,
            provider,
            settings: settings.clone(),
            certifier,
            entropy,
            pool: Mutex::new(Some(handle)),
        })
    }
}

impl Target for OwnLiveTarget {
    fn world(&self, settings: &WorldSettings, _: u64) -> Result<Box<dyn World>, WorldError> {
        let lease = self.lease(settings)?;
        Ok(Box::new(LiveWorld::new(lease.pool.address.to_string(), Arc::new(lease))))
    }

    fn profile(&self) -> &TargetProfile {
        &self.profile
    }
}

impl Controls for OwnPool {
    fn kinds(&self) -> Vec<ControlKind> {
        let mut kinds = self.provider.kinds();
        kinds.push(ControlKind::Restart);
        kinds
    }

    fn chain(&self) -> Option<ChainView> {
        self.provider.chain()
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        if kind != ControlKind::Restart {
            return self.provider.apply(kind);
        }
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = self.provider.runtime();
        if let Some(handle) = pool.take() {
            runtime.block_on(handle.shutdown());
        }
        let (_, handle) = runtime.block_on(start_pool(
            &self.address.to_string(),
            &self.settings,
            &self.provider,
            &self.certifier,
            // Another life, other extranonces.
            Entropy::from_bytes(self.entropy.fork("restart", now_nanos()).bytes()),
        ))?;
        *pool = Some(handle);
        Ok(())
    }
}

async fn start_pool(
    address: &str,
    settings: &WorldSettings,
    provider: &OwnProvider,
    certifier: &Arc<Certifier>,
    entropy: Entropy,
) -> Result<(SocketAddr, Handle), WorldError> {
    let mut host = HostConfig::new("pool");
    let certifier = Arc::clone(certifier);
    let security = ListenerSecurity::Noise { suite: CipherSuite::default(), certifier };
    host.listeners = vec![ListenerConfig { address: address.to_owned(), security }];
    host.dial_security = DialSecurity::Plain;
    // All connections of the suite come from one address.
    host.limits.connections_per_address_max = host.limits.connections_max;
    let host = Host::bind(host).await.map_err(not_started)?;
    let address = host.addresses()[0];
    let upstream = provider.address();
    let upstream =
        PeerAddress { host: upstream.ip().to_string(), port: upstream.port(), authority: None };
    let pool = super::own_pool(settings, Some(upstream), entropy);
    Ok((address, host.start(pool, Worlds::default())))
}

fn now_nanos() -> u64 {
    Clock::of_process().now().instant.0
}

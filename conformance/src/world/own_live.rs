//! Our own roles over real TCP and Noise on the loopback interface, on the embedded chain or on
//! a real node.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sv2::chain::{BlockTemplate, ChainConfig};
use sv2::entropy::Entropy;
use sv2::noise::{AuthoritySecretKey, CipherSuite};
use sv2::role::{Input, PeerAddress};
use sv2_net::clock::Clock;
use sv2_net::host::{DialSecurity, Handle, Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::identity::Certifier;
use sv2_net::world::Worlds;
use tokio::runtime::Runtime;

use super::controls::Controls;
use super::live::LiveWorld;
use super::own_provider::{
    Beside, OwnProvider, ProviderChain, ProviderSettings, certifier, not_started, runtime,
};
use super::{ChainView, PeerProfile, Target, TargetProfile, World, WorldError};
use crate::case::step::ControlKind;
use crate::case::{Chain as ChainKind, TargetRole, WorldSettings};

/// Our own of a role over TCP and Noise. A case leases one that is set up as it asks, so that
/// cases beside each other do not share one; a lease that has ended serves the next case.
pub struct OwnLiveTarget {
    profile: TargetProfile,
    /// Instead of the chain that a case asks for.
    chain: Option<ProviderChain>,
    maker: Maker,
    pool: Arc<Mutex<Leases>>,
}

/// What all networks have in common.
struct Maker {
    role: TargetRole,
    runtime: Arc<Runtime>,
    authority: AuthoritySecretKey,
    entropy: Entropy,
}

/// Networks that run.
#[derive(Default)]
struct Leases {
    /// That no case has leased.
    idle: BTreeMap<WorldSettings, Vec<Arc<OwnNetwork>>>,
    started: u64,
}

/// A network for the time of one case.
struct Lease {
    network: Arc<OwnNetwork>,
    leases: Arc<Mutex<Leases>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = leases.idle.entry(self.network.settings.clone()).or_default();
        idle.push(Arc::clone(&self.network));
    }
}

impl Controls for Lease {
    fn kinds(&self) -> Vec<ControlKind> {
        self.network.kinds()
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        self.network.apply(kind)
    }

    fn chain(&self) -> Option<ChainView> {
        self.network.chain()
    }

    fn has_templates(&self) -> bool {
        true
    }

    fn template(&self) -> Option<Arc<BlockTemplate>> {
        self.network.provider.template()
    }
}

/// Who is tested, with its template provider and whoever stands beside it. What is dropped first
/// depends on what is dropped last.
struct OwnNetwork {
    address: SocketAddr,
    /// `None` while it is restarted, and where the provider itself is tested.
    pool: Mutex<Option<Handle>>,
    /// Beside a pool, or the one that is tested.
    declarator: Option<(SocketAddr, Beside)>,
    provider: OwnProvider,
    settings: WorldSettings,
    certifier: Arc<Certifier>,
    authority: AuthoritySecretKey,
    entropy: Entropy,
}

impl OwnLiveTarget {
    /// Our pool; starts nothing yet.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`]: the system gives no threads.
    pub fn new(entropy: Entropy) -> Result<Self, WorldError> {
        OwnLiveTarget::of(TargetRole::Pool, None, entropy)
    }

    /// Our own of a role. With a `chain` every case gets that one, whichever it asks for: what a
    /// case says of its blocks may then not come true.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`]: the system gives no threads.
    pub fn of(
        role: TargetRole,
        chain: Option<ProviderChain>,
        entropy: Entropy,
    ) -> Result<Self, WorldError> {
        let authority = AuthoritySecretKey::generate(&mut entropy.fork("authority", 0));
        let mut controls = vec![ControlKind::NewBlock, ControlKind::Reorg];
        if !matches!(chain, Some(ProviderChain::Node(_))) {
            controls.extend([ControlKind::AddTransaction, ControlKind::AddSigops]);
        }
        if role == TargetRole::Pool {
            controls.extend(OF_POOL);
        }
        let profile = TargetProfile {
            role,
            name: format!("our {}, over TCP and Noise", role.title()),
            host: "127.0.0.1".to_owned(),
            port: 0,
            authority: Some(authority.public_key()),
            suite_authority: None,
            identities: super::own_identities(),
            controls,
            job_declarator: Some(PeerProfile { authority: Some(authority.public_key()) }),
            has_templates: true,
            hash_rate: super::DEVICE_HASH_RATE.into(),
            keeps_connections: false,
            is_ours: true,
            is_virtual: false,
        };
        let maker = Maker { role, runtime: Arc::new(runtime()?), authority, entropy };
        Ok(OwnLiveTarget { profile, chain, maker, pool: Arc::default() })
    }

    fn lease(&self, settings: &WorldSettings) -> Result<Lease, WorldError> {
        let mut leases = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = leases.idle.get_mut(settings).and_then(Vec::pop);
        leases.started += 1;
        let number = leases.started;
        drop(leases);
        let network = match idle {
            Some(network) => network,
            None => Arc::new(self.maker.start(settings, self.chain, number)?),
        };
        Ok(Lease { network, leases: Arc::clone(&self.pool) })
    }
}

impl Target for OwnLiveTarget {
    fn world(&self, settings: &WorldSettings, _: u64) -> Result<Box<dyn World>, WorldError> {
        let lease = self.lease(settings)?;
        let declarator = lease.network.declarator.as_ref().map(|(address, _)| address.to_string());
        let world = LiveWorld::new(lease.network.address.to_string(), Arc::new(lease));
        Ok(Box::new(world.beside(declarator)))
    }

    fn profile(&self) -> &TargetProfile {
        &self.profile
    }
}

impl Maker {
    fn start(
        &self,
        settings: &WorldSettings,
        chain: Option<ProviderChain>,
        number: u64,
    ) -> Result<OwnNetwork, WorldError> {
        let entropy = self.entropy.fork("network", number);
        let nbits = match settings.chain {
            ChainKind::Hard => ChainConfig::HARD,
            ChainKind::Easy => ChainConfig::EASY,
        };
        let authority = duplicate(&self.authority)?;
        let certifier = certifier(duplicate(&self.authority)?, &entropy);
        let is_tested = self.role == TargetRole::TemplateProvider;
        let provider = OwnProvider::start_on(
            Arc::clone(&self.runtime),
            &ProviderSettings {
                listen: ANY_PORT.to_owned(),
                is_plain: !is_tested,
                chain: chain.unwrap_or(ProviderChain::Embedded { nbits }),
            },
            is_tested.then(|| (Arc::clone(&certifier), authority.public_key())),
            &entropy,
        )?;
        let declarator = match self.role {
            TargetRole::JobDeclaratorServer => true,
            TargetRole::Pool => settings.supports_work_selection,
            _ => false,
        };
        let mut network = OwnNetwork {
            address: provider.address(),
            pool: Mutex::new(None),
            declarator: None,
            provider,
            settings: settings.clone(),
            certifier,
            authority,
            entropy,
        };
        if declarator {
            network.declarator = Some(network.start_declarator()?);
        }
        match (self.role, &network.declarator) {
            (TargetRole::JobDeclaratorServer, Some((address, _))) => network.address = *address,
            (TargetRole::Pool, _) => {
                let (address, handle) =
                    network.start_pool(ANY_PORT, network.entropy.fork("role", 0))?;
                network.address = address;
                network.pool = Mutex::new(Some(handle));
            }
            _ => {}
        }
        Ok(network)
    }
}

impl OwnNetwork {
    fn listener(&self, address: &str) -> ListenerConfig {
        let certifier = Arc::clone(&self.certifier);
        let security = ListenerSecurity::Noise { suite: CipherSuite::default(), certifier };
        ListenerConfig { address: address.to_owned(), security }
    }

    fn start_declarator(&self) -> Result<(SocketAddr, Beside), WorldError> {
        let mut host = HostConfig::new("job declarator server");
        host.listeners = vec![self.listener(ANY_PORT)];
        host.limits.accepted_payload_len_max =
            sv2::roles::job_declarator_server::JobDeclaratorServer::PAYLOAD_LEN_MAX;
        // All connections of the suite come from one address.
        host.limits.connections_per_address_max = host.limits.connections_max;
        let host = self.provider.runtime().block_on(Host::bind(host)).map_err(not_started)?;
        let address = host.addresses()[0];
        let entropy = self.entropy.fork("job declarator", 0);
        let role = super::own_job_declarator(&self.settings, &self.authority, entropy);
        Ok((address, self.provider.start_beside(host, role)))
    }

    fn start_pool(
        &self,
        address: &str,
        entropy: Entropy,
    ) -> Result<(SocketAddr, Handle), WorldError> {
        let mut host = HostConfig::new("pool");
        host.listeners = vec![self.listener(address)];
        host.dial_security = DialSecurity::Plain;
        // All connections of the suite come from one address.
        host.limits.connections_per_address_max = host.limits.connections_max;
        let upstream = self.provider.address();
        let upstream =
            PeerAddress { host: upstream.ip().to_string(), port: upstream.port(), authority: None };
        let pool = super::own_pool(&self.settings, Some(upstream), &self.authority, entropy);
        self.provider.runtime().block_on(async {
            let host = Host::bind(host).await.map_err(not_started)?;
            let address = host.addresses()[0];
            Ok((address, host.start(pool, Worlds::default())))
        })
    }
}

impl Controls for OwnNetwork {
    fn kinds(&self) -> Vec<ControlKind> {
        let mut kinds = self.provider.kinds();
        kinds.extend(OF_POOL);
        kinds
    }

    fn chain(&self) -> Option<ChainView> {
        self.provider.chain()
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(command) = kind.command() {
            let injector = pool.as_ref().ok_or(WorldError::NoControl(kind))?.injector();
            let injected = injector.inject(Input::Command(command));
            return self
                .provider
                .runtime()
                .block_on(injected)
                .map_err(|error| WorldError::ControlFailed(error.to_string()));
        }
        if kind != ControlKind::Restart {
            return self.provider.apply(kind);
        }
        let Some(handle) = pool.take() else { return Err(WorldError::NoControl(kind)) };
        self.provider.runtime().block_on(handle.shutdown());
        // Another life, other extranonces.
        let now = Clock::of_process().now().instant.0;
        let entropy = Entropy::from_bytes(self.entropy.fork("restart", now).bytes());
        let (_, handle) = self.start_pool(&self.address.to_string(), entropy)?;
        *pool = Some(handle);
        Ok(())
    }
}

/// The same key for another owner.
pub(super) fn duplicate(authority: &AuthoritySecretKey) -> Result<AuthoritySecretKey, WorldError> {
    authority.to_text().parse().map_err(not_started)
}

/// What can be asked of our pool itself.
const OF_POOL: [ControlKind; 4] = [
    ControlKind::Restart,
    ControlKind::RenewExtranoncePrefix,
    ControlKind::MoveToGroup,
    ControlKind::Reconnect,
];

/// The system chooses a port.
const ANY_PORT: &str = "127.0.0.1:0";

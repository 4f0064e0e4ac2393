//! Our own roles that dial, over real TCP and Noise on the loopback interface: each case has one
//! to itself, which dials that case's doors.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sv2::chain::BlockTemplate;
use sv2::entropy::Entropy;
use sv2::noise::{AuthoritySecretKey, CipherSuite};
use sv2::role::{PeerAddress, Role};
use sv2_net::host::{DialSecurity, Handle, Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::identity::Certifier;
use sv2_net::world::Worlds;
use tokio::runtime::Runtime;

use super::backstage::{self, Backstage};
use super::controls::Controls;
use super::doors::Doors;
use super::own_provider::{certifier, not_started, runtime};
use super::served::ServedWorld;
use super::{ChainView, Target, TargetProfile, World, WorldError};
use crate::case::step::{ControlKind, Door};
use crate::case::{TargetRole, WorldSettings};

/// Our own of a role that dials.
pub struct OwnClientTarget {
    profile: TargetProfile,
    runtime: Arc<Runtime>,
    certifier: Arc<Certifier>,
    entropy: Entropy,
}

impl OwnClientTarget {
    /// Starts nothing yet.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`]: the system gives no threads.
    pub fn new(role: TargetRole, entropy: Entropy) -> Result<Self, WorldError> {
        let authority = AuthoritySecretKey::generate(&mut entropy.fork("authority", 0));
        let suite = AuthoritySecretKey::generate(&mut entropy.fork("suite authority", 0));
        let has_chain = role == TargetRole::JobDeclaratorClient;
        let mut controls = vec![ControlKind::Restart];
        match has_chain {
            true => controls.extend(backstage::KINDS),
            false => controls.push(ControlKind::NewBlock),
        }
        let profile = TargetProfile {
            role,
            name: format!("our {}, over TCP and Noise", role.title()),
            host: LOOPBACK.to_owned(),
            port: 0,
            authority: Some(authority.public_key()),
            suite_authority: Some(Arc::new(suite)),
            identities: super::own_identities(),
            controls,
            job_declarator: None,
            has_templates: has_chain,
            hash_rate: super::DEVICE_HASH_RATE.into(),
            keeps_connections: false,
            is_ours: true,
            is_virtual: false,
        };
        let certifier = certifier(authority, &entropy);
        Ok(OwnClientTarget { profile, runtime: Arc::new(runtime()?), certifier, entropy })
    }
}

impl Target for OwnClientTarget {
    fn world(&self, settings: &WorldSettings, seed: u64) -> Result<Box<dyn World>, WorldError> {
        let doors = Doors::open(&[(Door::Upstream, ANY_PORT), (Door::Backup, ANY_PORT)])?;
        let authority = self.profile.suite_authority.as_ref().map(|key| key.public_key());
        let upstreams = [Door::Upstream, Door::Backup].into_iter().filter_map(|door| {
            let port = doors.address(door)?.port();
            Some(PeerAddress { host: LOOPBACK.to_owned(), port, authority })
        });
        let backstage = match (self.profile.role, &self.profile.suite_authority) {
            (TargetRole::JobDeclaratorClient, Some(suite)) => {
                let entropy = self.entropy.fork("backstage", seed);
                Some(Backstage::start(Arc::clone(&self.runtime), settings, suite, &entropy)?)
            }
            _ => None,
        };
        let running = RunningClient {
            role: self.profile.role,
            settings: settings.clone(),
            upstreams: upstreams.collect(),
            certifier: Arc::clone(&self.certifier),
            runtime: Arc::clone(&self.runtime),
            entropy: self.entropy.fork("client", seed),
            life: Mutex::new(Life { number: 0, handle: None }),
            backstage,
        };
        let address = running.start(ANY_PORT)?.map(|address| address.to_string());
        Ok(Box::new(ServedWorld::new(Arc::new(doors), address, Arc::new(running))))
    }

    fn profile(&self) -> &TargetProfile {
        &self.profile
    }
}

/// The role for one case.
struct RunningClient {
    role: TargetRole,
    settings: WorldSettings,
    upstreams: Vec<PeerAddress>,
    certifier: Arc<Certifier>,
    runtime: Arc<Runtime>,
    entropy: Entropy,
    life: Mutex<Life>,
    /// Outlives the client.
    backstage: Option<Backstage>,
}

struct Life {
    number: u64,
    /// `None` only while it is restarted.
    handle: Option<Handle>,
}

impl RunningClient {
    /// Where it listens, if it does.
    fn start(&self, address: &str) -> Result<Option<SocketAddr>, WorldError> {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        life.number += 1;
        let mut host = HostConfig::new(self.role.title());
        host.entropy = self.entropy.fork("host", life.number);
        if self.role.dials_with_lines() {
            host.dial_security = DialSecurity::Sv1;
        }
        if self.role.dials_and_listens() {
            let certifier = Arc::clone(&self.certifier);
            let security = match self.role.serves_lines() {
                true => ListenerSecurity::Sv1,
                false => ListenerSecurity::Noise { suite: CipherSuite::default(), certifier },
            };
            host.listeners = vec![ListenerConfig { address: address.to_owned(), security }];
            // All connections of the suite come from one address.
            host.limits.connections_per_address_max = host.limits.connections_max;
        }
        let (upstreams, entropy) = (self.upstreams.clone(), self.entropy.fork("role", life.number));
        let role: Box<dyn Role + Send> = match &self.backstage {
            Some(backstage) => {
                let (settings, peers) = (&self.settings, backstage.peers());
                Box::new(super::own_job_declarator_client(settings, upstreams, peers, entropy))
            }
            None => super::own_client(self.role, &self.settings, upstreams, entropy),
        };
        self.runtime.block_on(async {
            let host = Host::bind(host).await.map_err(not_started)?;
            let address = host.addresses().first().copied();
            life.handle = Some(host.start(role, Worlds::default()));
            Ok(address)
        })
    }
}

impl Controls for RunningClient {
    fn kinds(&self) -> Vec<ControlKind> {
        let mut kinds = vec![ControlKind::Restart];
        kinds.extend(self.backstage.kinds());
        kinds
    }

    fn chain(&self) -> Option<ChainView> {
        self.backstage.chain()
    }

    fn has_templates(&self) -> bool {
        self.backstage.has_templates()
    }

    fn template(&self) -> Option<Arc<BlockTemplate>> {
        self.backstage.template()
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        if kind != ControlKind::Restart {
            return self.backstage.apply(kind);
        }
        let handle = self.life.lock().unwrap_or_else(PoisonError::into_inner).handle.take();
        let address = handle.as_ref().and_then(|handle| handle.addresses().first().copied());
        if let Some(handle) = handle {
            self.runtime.block_on(handle.shutdown());
        }
        let address = address.map_or(ANY_PORT.to_owned(), |address| address.to_string());
        self.start(&address).map(|_| ())
    }
}

const LOOPBACK: &str = "127.0.0.1";

/// The system chooses a port.
const ANY_PORT: &str = "127.0.0.1:0";

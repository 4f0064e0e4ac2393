//! Our template provider on a socket: the hook behind a pool. Its chain is the embedded one, or
//! a real node's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sv2::chain::{BlockTemplate, Chain, ChainConfig, ChainHost};
use sv2::entropy::Entropy;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, CipherSuite};
use sv2::role::Role;
use sv2_net::bitcoind::{BitcoindChain, Network, Node, NodeConfig};
use sv2_net::clock::Clock;
use sv2_net::embedded::EmbeddedChain;
use sv2_net::feed::Follower;
use sv2_net::host::{Handle, Host, HostConfig, Injector, ListenerConfig, ListenerSecurity};
use sv2_net::identity::Certifier;
use sv2_net::world::{World, Worlds};
use tokio::runtime::Runtime;

use super::controls::Controls;
use super::{ChainView, WorldError};
use crate::case::step::ControlKind;

/// How our template provider is started for a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Host and port to listen on; port 0 lets the system choose.
    pub listen: String,
    /// Without encryption, for a pool that dials so.
    pub is_plain: bool,
    /// What the templates build on.
    pub chain: ProviderChain,
}

/// What templates build on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderChain {
    /// The chain inside this process.
    Embedded {
        /// Compact target of every block.
        nbits: u32,
    },
    /// A bitcoind that we start.
    Node(Network),
}

/// A template provider that runs.
pub struct OwnProvider {
    handle: Handle,
    authority: Option<AuthorityPublicKey>,
    source: Source,
    _follower: Follower,
    /// Dropped last: what runs on it ends before.
    runtime: Arc<Runtime>,
}

/// Where its templates come from.
enum Source {
    Embedded(EmbeddedChain),
    Node(Box<Node>),
}

impl OwnProvider {
    /// Listens, plain or with Noise under a fresh authority key. A node is started first.
    ///
    /// # Errors
    /// [`WorldError::NotStarted`].
    pub fn start(
        settings: &ProviderSettings,
        entropy: &Entropy,
    ) -> Result<OwnProvider, WorldError> {
        let certifier = match settings.is_plain {
            true => None,
            false => {
                let authority = AuthoritySecretKey::generate(&mut entropy.fork("authority", 0));
                let public_key = authority.public_key();
                Some((certifier(authority, entropy), public_key))
            }
        };
        OwnProvider::start_on(Arc::new(runtime()?), settings, certifier, entropy)
    }

    /// `certifier` goes with the public key of its authority; plain without one.
    pub(super) fn start_on(
        runtime: Arc<Runtime>,
        settings: &ProviderSettings,
        certifier: Option<(Arc<Certifier>, AuthorityPublicKey)>,
        entropy: &Entropy,
    ) -> Result<OwnProvider, WorldError> {
        let authority = certifier.as_ref().map(|(_, key)| *key);
        let security = match certifier {
            None => ListenerSecurity::Plain,
            Some((certifier, _)) => {
                ListenerSecurity::Noise { suite: CipherSuite::default(), certifier }
            }
        };
        let mut host = HostConfig::new("template provider");
        host.listeners = vec![ListenerConfig { address: settings.listen.clone(), security }];
        host.limits.connections_per_address_max = host.limits.connections_max;
        let host = runtime.block_on(Host::bind(host)).map_err(not_started)?;
        let guard = runtime.enter();
        let injector = host.injector();
        let (source, chain, follower) = match settings.chain {
            ProviderChain::Embedded { nbits } => embedded(nbits, entropy, injector)?,
            ProviderChain::Node(network) => runtime.block_on(node(network, injector))?,
        };
        let worlds = Worlds { chain: Some(chain), accounts: None };
        let handle = host.start(super::own_provider(), worlds);
        drop(guard);
        Ok(OwnProvider { handle, authority, source, _follower: follower, runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.handle.addresses()[0]
    }

    /// Whose certificate it shows; `None` if it is plain.
    pub fn authority(&self) -> Option<AuthorityPublicKey> {
        self.authority
    }

    /// Starts another role on the same chain; it ends when its follower is dropped.
    pub(super) fn start_beside<R: Role + Send + 'static>(&self, host: Host, role: R) -> Beside {
        let _guard = self.runtime.enter();
        let (follower, chain): (Follower, Arc<dyn World>) = match &self.source {
            Source::Embedded(chain) => (chain.follow(host.injector()), Arc::new(chain.clone())),
            Source::Node(node) => {
                let chain = BitcoindChain::new(node.rpc(), FEE_REFRESH);
                (chain.follow(host.injector()), Arc::new(chain))
            }
        };
        let handle = host.start(role, Worlds { chain: Some(chain), accounts: None });
        Beside { _handle: handle, _follower: follower }
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }
}

/// A role that runs on the chain of a provider.
pub(super) struct Beside {
    _handle: Handle,
    _follower: Follower,
}

type Started = (Source, Arc<dyn World>, Follower);

fn embedded(nbits: u32, entropy: &Entropy, role: Injector) -> Result<Started, WorldError> {
    let config = ChainConfig::new(nbits, Clock::of_process().now().unix);
    config.check().map_err(not_started)?;
    let chain = EmbeddedChain::new(ChainHost::new(Chain::new(config, entropy.fork("chain", 0))));
    let follower = chain.follow(role);
    Ok((Source::Embedded(chain.clone()), Arc::new(chain), follower))
}

async fn node(network: Network, role: Injector) -> Result<Started, WorldError> {
    let config = NodeConfig::new(network).map_err(not_started)?;
    let node = Node::start(&config).await.map_err(not_started)?;
    node.mine(FIRST_BLOCKS).await.map_err(not_started)?;
    let chain = BitcoindChain::new(node.rpc(), FEE_REFRESH);
    let follower = chain.follow(role);
    Ok((Source::Node(Box::new(node)), Arc::new(chain), follower))
}

impl Controls for OwnProvider {
    fn kinds(&self) -> Vec<ControlKind> {
        match self.source {
            Source::Embedded(_) => vec![
                ControlKind::NewBlock,
                ControlKind::Reorg,
                ControlKind::AddTransaction,
                ControlKind::AddSigops,
            ],
            // A node shows a transaction in its templates only after seconds, and has no coin to
            // spend before its hundredth block.
            Source::Node(_) => vec![ControlKind::NewBlock, ControlKind::Reorg],
        }
    }

    fn apply(&self, kind: ControlKind) -> Result<(), WorldError> {
        let failed = |error: &dyn std::fmt::Display| WorldError::ControlFailed(error.to_string());
        match (&self.source, kind) {
            (Source::Embedded(chain), ControlKind::NewBlock) => {
                chain.new_block();
            }
            (Source::Embedded(chain), ControlKind::Reorg) => {
                chain.reorganise(1).map_err(|error| failed(&error))?;
            }
            (Source::Embedded(chain), ControlKind::AddTransaction | ControlKind::AddSigops) => {
                let made = chain.change(|chain, _| chain.generate_transaction(super::shape(kind)));
                made.ok_or_else(|| failed(&"no coin is free"))?;
            }
            (Source::Node(node), ControlKind::NewBlock) => {
                self.runtime.block_on(node.mine(1)).map_err(|error| failed(&error))?;
            }
            (Source::Node(node), ControlKind::Reorg) => {
                self.runtime.block_on(node.reorganise(1)).map_err(|error| failed(&error))?;
            }
            // A stock node has no such call; the rest is not a provider's doing.
            (_, kind) => {
                return Err(WorldError::NoControl(kind));
            }
        }
        Ok(())
    }

    fn has_templates(&self) -> bool {
        true
    }

    fn template(&self) -> Option<Arc<BlockTemplate>> {
        match &self.source {
            Source::Embedded(chain) => Some(chain.change(|chain, now| chain.template(now))),
            Source::Node(node) => self.runtime.block_on(node.template()).ok().map(Arc::new),
        }
    }

    fn chain(&self) -> Option<ChainView> {
        match &self.source {
            Source::Embedded(chain) => Some(chain.change(ChainView::of)),
            // A node that does not answer is told by the case that waits for its next block.
            Source::Node(node) => self.runtime.block_on(view(node)).ok(),
        }
    }
}

/// The chain as a node sees it.
async fn view(node: &Node) -> Result<ChainView, sv2_net::bitcoind::ControlError> {
    let template = node.template().await?;
    let tip_block = node.block(&template.prev_hash).await?;
    Ok(ChainView {
        tip: template.prev_hash,
        height: template.height.saturating_sub(1),
        nbits: template.nbits,
        next_value: template.coinbase_value,
        tip_block: Some(tip_block),
        last_solution: None,
    })
}

pub(super) fn certifier(authority: AuthoritySecretKey, entropy: &Entropy) -> Arc<Certifier> {
    let now = Clock::of_process().now().unix;
    Arc::new(Certifier::renewing(authority, VALIDITY, now, entropy.fork("certificates", 0)))
}

pub(crate) fn runtime() -> Result<Runtime, WorldError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("own roles")
        .enable_all()
        .build()
        .map_err(not_started)
}

pub(super) fn not_started(error: impl std::fmt::Display) -> WorldError {
    WorldError::NotStarted(error.to_string())
}

/// Of certificates; renewed when half of it has passed.
const VALIDITY: Duration = Duration::from_secs(3_600);

/// How often a node is asked whether fees have risen.
const FEE_REFRESH: Duration = Duration::from_secs(5);

/// So that a node has a block to replace, and is past its initial download.
const FIRST_BLOCKS: u32 = 2;

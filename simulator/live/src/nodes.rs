//! The nodes of a network: embedded chains, or processes that are started for it.

use std::sync::Arc;
use std::time::Duration;

use simulator::scenario::{ChainKind, ChainSettings, NodeId, Scenario};
use sv2::chain::{Chain, ChainConfig, ChainHost, ChainPace, TransactionShape};
use sv2::entropy::Entropy;
use sv2::role::ChainEvent;
use sv2::wire::U256;
use sv2_net::bitcoind::{
    BitcoindChain, ControlError, Network, Node, NodeConfig, NodeError, RpcError,
};
use sv2_net::child::Helper;
use sv2_net::clock::Clock;
use sv2_net::embedded::{EmbeddedChain, Relay};
use sv2_net::feed::Follower;
use sv2_net::host::Injector;
use sv2_net::world::World;
use thiserror::Error;
use tokio::sync::watch;

/// A node that runs. Clones are the same one.
#[derive(Clone, Debug)]
pub enum LiveNode {
    /// Inside this process.
    Embedded(EmbeddedChain),
    /// A process.
    Bitcoind {
        /// To control it.
        node: Arc<Node>,
        /// What roles follow.
        chain: Arc<BitcoindChain>,
        /// Nodes that it is linked to.
        peers: Vec<Arc<Node>>,
    },
}

/// Why a network has no nodes.
#[derive(Debug, Error)]
pub enum NodeStartError {
    /// The process does not run.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// It runs, and does not do what it is told.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// It runs, and does not answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// They run, and their blocks do not reach each other.
    #[error("the nodes' blocks do not reach each other within {} s", SYNC_TIMEOUT.as_secs())]
    NotInSync,
}

/// All nodes, and the blocks on their way between them.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) all: Vec<LiveNode>,
    /// End with us.
    _relays: Vec<Relay>,
}

impl Nodes {
    pub(crate) async fn start(
        scenario: &Scenario,
        helper: &Helper,
    ) -> Result<Nodes, NodeStartError> {
        match scenario.chain.kind {
            ChainKind::Embedded => Ok(embedded(scenario)),
            ChainKind::Bitcoind => processes(scenario, helper, Network::Regtest).await,
            ChainKind::Signet => processes(scenario, helper, Network::PrivateSignet).await,
        }
    }

    pub(crate) fn node(&self, NodeId(index): NodeId) -> &LiveNode {
        &self.all[index]
    }
}

impl LiveNode {
    /// Tells a role the template, now and whenever it changes, until the follower is dropped.
    pub(crate) fn follow(&self, role: Injector) -> Follower {
        match self {
            LiveNode::Embedded(chain) => chain.follow(role),
            LiveNode::Bitcoind { chain, .. } => chain.follow(role),
        }
    }

    /// Waits until the node has ended by itself, which a chain inside this process never does.
    pub(crate) async fn ended(&self) -> String {
        match self {
            LiveNode::Embedded(_) => std::future::pending().await,
            LiveNode::Bitcoind { node, .. } => match node.ended().await {
                Ok(status) => format!("it ended with {status}"),
                Err(error) => format!("it cannot be waited for: {error}"),
            },
        }
    }

    pub(crate) async fn start_again(&self) -> Result<(), NodeError> {
        match self {
            LiveNode::Embedded(_) => Ok(()),
            LiveNode::Bitcoind { node, peers, .. } => {
                node.start_again().await?;
                // Those that it was told of before are forgotten, and those that were told of it
                // try again only after a minute.
                for peer in peers {
                    if let Err(error) = node.connect(peer).await {
                        tracing::warn!(%error, "a node is not linked again");
                    }
                }
                Ok(())
            }
        }
    }

    pub(crate) async fn stop(&self) {
        let LiveNode::Bitcoind { node, chain, .. } = self else { return };
        chain.leave();
        if let Err(error) = node.stop().await {
            tracing::warn!(%error, "a node cannot be waited for");
        }
    }

    pub(crate) fn world(&self) -> Arc<dyn World> {
        match self {
            LiveNode::Embedded(chain) => Arc::new(chain.clone()),
            LiveNode::Bitcoind { chain, .. } => Arc::clone(chain) as _,
        }
    }

    pub(crate) fn news(&self) -> watch::Receiver<Option<ChainEvent>> {
        match self {
            LiveNode::Embedded(chain) => chain.news(),
            LiveNode::Bitcoind { chain, .. } => chain.news(),
        }
    }

    /// Adds a transaction to this node's mempool alone; its id.
    ///
    /// # Errors
    /// If no coin is free, or what the node says.
    pub async fn add_transaction(&self) -> Result<U256, ControlError> {
        match self {
            LiveNode::Embedded(chain) => chain
                .change(|chain, _| chain.generate_transaction(TransactionShape::default()))
                .ok_or(ControlError::NoCoin),
            LiveNode::Bitcoind { node, .. } => node.add_transaction(FEE).await,
        }
    }

    /// A block that the node has, serialised with witnesses.
    ///
    /// # Errors
    /// What the node says.
    pub async fn block(&self, hash: &U256) -> Result<bytes::Bytes, ControlError> {
        match self {
            LiveNode::Embedded(chain) => chain
                .change(|chain, _| chain.block(hash).cloned())
                .ok_or(ControlError::Answer { method: "getblock" }),
            LiveNode::Bitcoind { node, .. } => node.block(hash).await,
        }
    }
}

/// All nodes begin with one history; the transactions that come later are each one's own.
fn embedded(scenario: &Scenario) -> Nodes {
    let ChainSettings { nbits, block_interval, transaction_interval, transaction_count, .. } =
        scenario.chain;
    let entropy = Entropy::from_seed(scenario.seed);
    let config = ChainConfig::new(nbits, Clock::of_process().now().unix);
    let chain = Chain::new(config, entropy.fork("history", 0));
    // Blocks by others come to one node, and from there to those that it is linked to.
    let pace = |index| ChainPace {
        block_interval: block_interval.filter(|_| index == 0),
        transaction_interval,
    };
    let own = |index: usize| entropy.fork("node", index as u64);
    let first = EmbeddedChain::new(ChainHost::with_pace(chain, pace(0), own(0)));
    let mut all = vec![first.clone()];
    all.extend((1..scenario.nodes.len()).map(|index| first.twin(pace(index), own(index))));
    for chain in &all {
        chain.change(|chain, _| {
            for _ in 0..transaction_count {
                // Without a free coin there are fewer.
                let _ = chain.generate_transaction(TransactionShape::default());
            }
        });
    }
    let relays = scenario.links.iter().flat_map(|(NodeId(a), NodeId(b))| {
        [all[*a].relay_to(&all[*b]), all[*b].relay_to(&all[*a])]
    });
    let relays = relays.collect();
    Nodes { all: all.into_iter().map(LiveNode::Embedded).collect(), _relays: relays }
}

async fn processes(
    scenario: &Scenario,
    helper: &Helper,
    network: Network,
) -> Result<Nodes, NodeStartError> {
    let config = NodeConfig {
        executable: None,
        network,
        takes_peers: !scenario.links.is_empty(),
        arguments: Vec::new(),
        start_timeout: START_TIMEOUT,
        helper: helper.clone(),
    };
    let mut nodes = Vec::new();
    for _ in &scenario.nodes {
        nodes.push(Arc::new(Node::start(&config).await?));
    }
    for (NodeId(a), NodeId(b)) in &scenario.links {
        nodes[*a].connect(&nodes[*b]).await?;
    }
    if network == Network::Regtest {
        // Coins to spend, and heights beyond the short scripts of the first blocks (BIP 34). On
        // a signet that would take minutes.
        let tip = nodes[0].mine(COIN_AGE).await?.pop().expect("so many were mined");
        for node in linked(scenario, &nodes) {
            if !node.wait_for_tip(&tip, SYNC_TIMEOUT).await? {
                return Err(NodeStartError::NotInSync);
            }
        }
    }
    let live = |(index, node): (usize, &Arc<Node>)| {
        let linked = scenario.links.iter().filter_map(|(NodeId(a), NodeId(b))| {
            [(*a, *b), (*b, *a)].into_iter().find(|(near, _)| *near == index)
        });
        LiveNode::Bitcoind {
            node: Arc::clone(node),
            chain: Arc::new(BitcoindChain::new(node.rpc(), FEE_REFRESH)),
            peers: linked.map(|(_, far)| Arc::clone(&nodes[far])).collect(),
        }
    };
    Ok(Nodes { all: nodes.iter().enumerate().map(live).collect(), _relays: Vec::new() })
}

/// Those whose blocks come from the first as well, through others if not directly.
fn linked<'n>(scenario: &Scenario, nodes: &'n [Arc<Node>]) -> Vec<&'n Arc<Node>> {
    let mut reached = vec![0];
    let mut next = 0;
    while let Some(&from) = reached.get(next) {
        next += 1;
        for (NodeId(a), NodeId(b)) in &scenario.links {
            let other = [(*a, *b), (*b, *a)].into_iter().find(|(near, _)| *near == from);
            reached.extend(other.map(|(_, far)| far).filter(|far| !reached.contains(far)));
        }
    }
    reached.into_iter().map(|index| &nodes[index]).collect()
}

/// For the first blocks to reach all nodes that are linked.
const SYNC_TIMEOUT: Duration = Duration::from_secs(20);
/// Of a node's first answer.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a node is asked whether fees have risen.
const FEE_REFRESH: Duration = Duration::from_secs(1);
/// Blocks until a reward can be spent.
const COIN_AGE: u32 = 101;
/// Of a transaction on demand, in satoshi.
const FEE: u64 = 10_000;

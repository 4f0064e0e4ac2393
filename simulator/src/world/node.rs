//! The nodes of a world: embedded chains, what comes to them by itself, and blocks on their way.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use sv2::chain::{Chain, ChainConfig, ChainHost, TransactionShape};
use sv2::entropy::Entropy;
use sv2::time::Now;
use sv2::wire::U256;

use crate::build::Proofs;
use crate::engine::{Purpose, Stream};
use crate::link::Latency;
use crate::scenario::{NodeId, Scenario};

/// A chain and those that listen to it.
pub(super) struct Node {
    pub(super) chain: ChainHost,
    /// Hosts that are told of templates.
    pub(super) followers: Vec<u32>,
    /// Nodes that are told of blocks.
    pub(super) linked: Vec<usize>,
    /// The last tip that they were told of.
    pub(super) told_tip: U256,
    transactions: Option<Arrivals>,
}

/// Something that happens by itself, as often as a Poisson process has it.
struct Arrivals {
    mean_ns: f64,
    stream: Stream,
}

impl Arrivals {
    fn new(interval: Option<Duration>, stream: Stream) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        interval.map(|interval| Arrivals { mean_ns: interval.as_nanos() as f64, stream })
    }

    fn wait(&mut self) -> Duration {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Duration::from_nanos(self.stream.exponential(self.mean_ns) as u64)
    }
}

/// All nodes.
pub(super) struct Nodes {
    pub(super) all: Vec<Node>,
    blocks: Option<Arrivals>,
    propagation: (Latency, Stream),
    under_way: BTreeMap<u64, Branch>,
    branch_count: u64,
}

/// Blocks on their way to a node.
pub(super) struct Branch {
    pub(super) to: usize,
    pub(super) tip: U256,
    pub(super) blocks: Vec<Bytes>,
}

impl Nodes {
    /// All nodes begin with one history; the transactions that come later are each one's own.
    pub(super) fn new(scenario: &Scenario, proofs: Proofs, now: Now, propagation: Latency) -> Self {
        let entropy = Entropy::from_seed(scenario.seed);
        let nbits = proofs.nbits(scenario.chain.nbits);
        let config =
            ChainConfig { proof_check: proofs.check(), ..ChainConfig::new(nbits, now.unix) };
        let first = Chain::new(config, entropy.fork("history", 0));
        let mut all = Vec::new();
        for index in 0..scenario.nodes.len() {
            let own = entropy.fork("node", index as u64);
            let mut chain = first.twin(own.fork("chain", 0));
            for _ in 0..scenario.chain.transaction_count {
                // Without a free coin there are fewer.
                let _ = chain.generate_transaction(TransactionShape::default());
            }
            let stream = Stream::new(scenario.seed, index as u64, Purpose::Transaction);
            let linked = scenario.links.iter().filter_map(|(NodeId(a), NodeId(b))| {
                [(*a, *b), (*b, *a)].into_iter().find(|(from, _)| *from == index)
            });
            all.push(Node {
                told_tip: chain.tip(),
                chain: ChainHost::new(chain),
                followers: Vec::new(),
                linked: linked.map(|(_, to)| to).collect(),
                transactions: Arrivals::new(scenario.chain.transaction_interval, stream),
            });
        }
        let stream = Stream::new(scenario.seed, 0, Purpose::Block);
        Nodes {
            all,
            blocks: Arrivals::new(scenario.chain.block_interval, stream),
            propagation: (propagation, Stream::new(scenario.seed, 0, Purpose::Propagation)),
            under_way: BTreeMap::new(),
            branch_count: 0,
        }
    }

    /// How long until somebody else finds a block; `None`: never.
    pub(super) fn block_wait(&mut self) -> Option<Duration> {
        self.blocks.as_mut().map(Arrivals::wait)
    }

    /// How long until a node hears of another transaction; `None`: never.
    pub(super) fn transaction_wait(&mut self, node: usize) -> Option<Duration> {
        self.all[node].transactions.as_mut().map(Arrivals::wait)
    }

    /// If the tip of a node is another one: what its neighbours are sent, by number and delay.
    pub(super) fn relay(&mut self, node: usize) -> Vec<(u64, Duration)> {
        let Node { chain, linked, told_tip, .. } = &mut self.all[node];
        let tip = chain.chain().tip();
        if tip == *told_tip {
            return Vec::new();
        }
        *told_tip = tip;
        let blocks = chain.chain().branch();
        let mut sent = Vec::new();
        for to in linked.iter().copied() {
            self.branch_count += 1;
            let branch = Branch { to, tip, blocks: blocks.clone() };
            self.under_way.insert(self.branch_count, branch);
            let (latency, stream) = &mut self.propagation;
            sent.push((self.branch_count, Duration::from_nanos(latency.draw(stream))));
        }
        sent
    }

    /// What has arrived.
    pub(super) fn arrived(&mut self, number: u64) -> Option<Branch> {
        self.under_way.remove(&number)
    }
}

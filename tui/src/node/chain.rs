//! The chain behind roles that need a node: embedded, a bitcoind that we start, or one that runs.

use std::sync::Arc;
use std::time::Duration;

use sv2::chain::{Chain, ChainConfig, ChainHost, ChainPace};
use sv2::role::Role;
use sv2_net::bitcoind::{BitcoindChain, Network, Node, NodeConfig, RpcClient, RpcConfig};
use sv2_net::clock::Clock;
use sv2_net::embedded::EmbeddedChain;
use sv2_net::host::Host;

use super::arguments;
use super::console::Console;
use super::follow;
use crate::arguments::ChainKind;
use crate::outcome::Outcome;

/// About half a minute of one core: 2^28 hashes.
const DEFAULT_NBITS: u32 = 0x1d10_0000;

/// How often a node is asked whether fees have risen.
const FEE_REFRESH: Duration = Duration::from_secs(5);

/// What the file of `--config` says about the chain.
#[derive(Debug, Default)]
pub(super) struct ChainFile {
    pub(super) chain: Option<ChainKind>,
    pub(super) nbits: Option<u32>,
    pub(super) block_interval_seconds: Option<u64>,
    pub(super) transaction_interval_seconds: Option<u64>,
    pub(super) bitcoind_rpc: Option<String>,
}

/// What follows from options and file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChainChoice {
    kind: ChainKind,
    /// In the place of the kind.
    bitcoind_rpc: Option<String>,
    nbits: u32,
    pace: ChainPace,
}

impl ChainChoice {
    /// Options win over the file.
    pub(super) fn new(options: &arguments::NodeChain, file: ChainFile) -> Result<Self, Outcome> {
        // A kind that was asked for by option wins over an address in the file.
        let in_file = file.bitcoind_rpc.filter(|_| options.chain.is_none());
        Ok(ChainChoice {
            kind: options.chain.or(file.chain).unwrap_or(ChainKind::Embedded),
            bitcoind_rpc: options.bitcoind_rpc.clone().or(in_file),
            nbits: nbits(options.nbits.as_deref(), file.nbits)?,
            pace: ChainPace {
                block_interval: file.block_interval_seconds.map(Duration::from_secs),
                transaction_interval: file.transaction_interval_seconds.map(Duration::from_secs),
            },
        })
    }
}

/// The chain that was chosen; nothing has been started.
pub(super) enum NodeChain {
    Embedded(Box<ChainHost>),
    Started(Network),
    Running(RpcConfig),
}

impl NodeChain {
    /// What was chosen, checked whether it is used or not.
    pub(super) fn new(choice: ChainChoice) -> Result<Self, Outcome> {
        let embedded = host(choice.nbits, choice.pace)?;
        if let Some(url) = choice.bitcoind_rpc {
            return url
                .parse()
                .map(NodeChain::Running)
                .map_err(|error| Outcome::usage(format!("--bitcoind-rpc: {error}")));
        }
        Ok(match choice.kind {
            ChainKind::Embedded => NodeChain::Embedded(Box::new(embedded)),
            ChainKind::Bitcoind => NodeChain::Started(Network::Regtest),
            ChainKind::Signet => NodeChain::Started(Network::PrivateSignet),
        })
    }

    /// Runs a role on it until Ctrl-C.
    pub(super) async fn run(
        self,
        host: Host,
        role: impl Role + Send + 'static,
        console: &mut Console,
    ) -> Result<(), Outcome> {
        let injector = host.injector();
        match self {
            NodeChain::Embedded(embedded) => {
                let chain = EmbeddedChain::new(*embedded);
                let tip = chain.change(|chain, _| chain.tip());
                console.line(&format!("embedded chain, tip {tip}"));
                let _follower = chain.follow(injector);
                follow(host.start(role, chain), console, |_| false).await
            }
            NodeChain::Running(config) => {
                let chain = BitcoindChain::new(Arc::new(RpcClient::new(config)), FEE_REFRESH);
                let _follower = chain.follow(injector);
                follow(host.start(role, chain), console, |_| false).await
            }
            NodeChain::Started(network) => {
                let node = start_node(network).await?;
                console.line(&format!("bitcoind in {}", node.directory().display()));
                let chain = BitcoindChain::new(node.rpc(), FEE_REFRESH);
                let follower = chain.follow(injector);
                let outcome = follow(host.start(role, chain), console, |_| false).await;
                drop(follower);
                node.stop()
                    .await
                    .map_err(|error| Outcome::Internal(format!("bitcoind: {error}")))?;
                outcome
            }
        }
    }
}

async fn start_node(network: Network) -> Result<Node, Outcome> {
    let config = NodeConfig::new(network)
        .map_err(|error| Outcome::Internal(format!("our own executable: {error}")))?;
    Node::start(&config).await.map_err(|error| Outcome::Unreachable(error.to_string()))
}

/// The compact target that was asked for, by option or in the file.
pub(super) fn nbits(option: Option<&str>, file: Option<u32>) -> Result<u32, Outcome> {
    let Some(text) = option else { return Ok(file.unwrap_or(DEFAULT_NBITS)) };
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u32::from_str_radix(digits, 16).map_err(|_| {
        Outcome::usage(format!("--nbits: expected 0x and eight digits, got \"{text}\""))
    })
}

/// An embedded chain that begins now.
pub(super) fn host(nbits: u32, pace: ChainPace) -> Result<ChainHost, Outcome> {
    let config = ChainConfig::new(nbits, Clock::of_process().now().unix);
    config.check().map_err(|error| Outcome::usage(error.to_string()))?;
    let entropy = sv2_net::entropy::from_system();
    let chain = Chain::new(config, entropy.fork("chain", 0));
    Ok(ChainHost::with_pace(chain, pace, entropy))
}

//! `assay node template-provider`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use sv2::chain::{Chain, ChainConfig, ChainHost, ChainPace};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2_net::bitcoind::{BitcoindChain, Network, Node, NodeConfig, RpcClient, RpcConfig};
use sv2_net::clock::Clock;
use sv2_net::embedded::EmbeddedChain;
use sv2_net::host::{Host, HostConfig};

use super::console::Console;
use super::{config, follow, key_log, server};
use crate::arguments::{ChainKind, NodeTemplateProvider};
use crate::outcome::Outcome;

/// The reference implementation's port of a template provider.
pub(super) const DEFAULT_PORT: u16 = 8442;

/// About half a minute of one core: 2^28 hashes.
const DEFAULT_NBITS: u32 = 0x1d10_0000;

/// How often a node is asked whether fees have risen.
const FEE_REFRESH: Duration = Duration::from_secs(5);

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    authority_key: Option<PathBuf>,
    chain: Option<ChainKind>,
    nbits: Option<u32>,
    /// Mean time between blocks by others on the embedded chain, in seconds.
    block_interval_seconds: Option<u64>,
    /// Mean time between new transactions on the embedded chain, in seconds.
    transaction_interval_seconds: Option<u64>,
    bitcoind_rpc: Option<String>,
}

pub(super) async fn run(arguments: NodeTemplateProvider) -> Result<(), Outcome> {
    let file: File = config::read(arguments.common.config.as_deref())?;
    let embedded = embedded(&arguments, &file)?;
    let (listener, authority) =
        server::listener(&arguments.server, file.listen, file.authority_key.clone(), DEFAULT_PORT)?;
    let mut host = HostConfig::new("template provider");
    host.listeners = vec![listener];
    host.key_log = key_log(&arguments.common)?;
    let host = Host::bind(host).await.map_err(|error| Outcome::usage(error.to_string()))?;
    let mut console = Console::new(arguments.common.json);
    console.line(&format!("stratum2+tcp://{}/{authority}", host.addresses()[0]));

    let role = TemplateProvider::new(TemplateProviderConfig::default());
    let injector = host.injector();
    let rpc = arguments.bitcoind_rpc.as_ref().or(file.bitcoind_rpc.as_ref());
    let kind = arguments.chain.or(file.chain).unwrap_or(ChainKind::Embedded);
    if let Some(url) = rpc {
        let config: RpcConfig =
            url.parse().map_err(|error| Outcome::usage(format!("--bitcoind-rpc: {error}")))?;
        let chain = BitcoindChain::new(Arc::new(RpcClient::new(config)), FEE_REFRESH);
        let _follower = chain.follow(injector);
        return follow(host.start(role, chain), &mut console, |_| false).await;
    }
    let network = match kind {
        ChainKind::Embedded => {
            let chain = EmbeddedChain::new(embedded);
            console.line(&format!("embedded chain, tip {}", chain.change(|chain, _| chain.tip())));
            let _follower = chain.follow(injector);
            return follow(host.start(role, chain), &mut console, |_| false).await;
        }
        ChainKind::Bitcoind => Network::Regtest,
        ChainKind::Signet => Network::PrivateSignet,
    };
    let node = start_node(network).await?;
    console.line(&format!("bitcoind in {}", node.directory().display()));
    let chain = BitcoindChain::new(node.rpc(), FEE_REFRESH);
    let follower = chain.follow(injector);
    let outcome = follow(host.start(role, chain), &mut console, |_| false).await;
    drop(follower);
    node.stop().await.map_err(|error| Outcome::Internal(format!("bitcoind: {error}")))?;
    outcome
}

async fn start_node(network: Network) -> Result<Node, Outcome> {
    let config = NodeConfig::new(network)
        .map_err(|error| Outcome::Internal(format!("our own executable: {error}")))?;
    Node::start(&config).await.map_err(|error| Outcome::Unreachable(error.to_string()))
}

/// The embedded chain as it is configured, whether it is used or not: a wrong setting is an error.
fn embedded(arguments: &NodeTemplateProvider, file: &File) -> Result<ChainHost, Outcome> {
    let nbits = match &arguments.nbits {
        None => file.nbits.unwrap_or(DEFAULT_NBITS),
        Some(text) => {
            let digits = text.strip_prefix("0x").unwrap_or(text);
            u32::from_str_radix(digits, 16).map_err(|_| {
                Outcome::usage(format!("--nbits: expected 0x and eight digits, got \"{text}\""))
            })?
        }
    };
    let config = ChainConfig::new(nbits, Clock::of_process().now().unix);
    config.check().map_err(|error| Outcome::usage(error.to_string()))?;
    let pace = ChainPace {
        block_interval: file.block_interval_seconds.map(Duration::from_secs),
        transaction_interval: file.transaction_interval_seconds.map(Duration::from_secs),
    };
    let entropy = sv2_net::entropy::from_system();
    let chain = Chain::new(config, entropy.fork("chain", 0));
    Ok(ChainHost::with_pace(chain, pace, entropy))
}

//! `assay node template-provider`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2_net::host::{Host, HostConfig};

use super::arguments::NodeTemplateProvider;
use super::chain::{ChainChoice, ChainFile, NodeChain};
use super::console::Console;
use super::{config, key_log, server};
use crate::arguments::ChainKind;
use crate::outcome::Outcome;

/// The reference implementation's port of a template provider.
pub(super) const DEFAULT_PORT: u16 = 8442;

/// What `--print-config` prints.
pub(super) const DEFAULT_CONFIG: &str = include_str!("defaults/template-provider.toml");

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

impl File {
    fn chain(&self) -> ChainFile {
        ChainFile {
            chain: self.chain,
            nbits: self.nbits,
            block_interval_seconds: self.block_interval_seconds,
            transaction_interval_seconds: self.transaction_interval_seconds,
            bitcoind_rpc: self.bitcoind_rpc.clone(),
        }
    }
}

pub(super) async fn run(arguments: NodeTemplateProvider) -> Result<(), Outcome> {
    let file: File = config::read(arguments.common.config.as_deref())?;
    let chain = NodeChain::new(ChainChoice::new(&arguments.chain, file.chain())?)?;
    let (listener, authority) =
        server::listener(&arguments.server, file.listen, file.authority_key.clone(), DEFAULT_PORT)?;
    let mut host = HostConfig::new("template provider");
    host.listeners = vec![listener];
    host.key_log = key_log(&arguments.common)?;
    let host = Host::bind(host).await.map_err(|error| Outcome::usage(error.to_string()))?;
    let mut console = Console::new(arguments.common.json);
    console.line(&format!("stratum2+tcp://{}/{authority}", host.addresses()[0]));

    let role = TemplateProvider::new(TemplateProviderConfig::default());
    chain.run(host, role, &mut console).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::arguments::{Node, parsed_node};

    #[test]
    fn the_default_config_says_what_no_config_says() {
        let Node::TemplateProvider(arguments) = parsed_node(&["template-provider"]) else {
            unreachable!()
        };
        config::check_default(DEFAULT_CONFIG, |file: File| {
            let chain = ChainChoice::new(&arguments.chain, file.chain())?;
            let (listener, authority) =
                server::listener(&arguments.server, file.listen, file.authority_key, DEFAULT_PORT)?;
            Ok((chain, listener.address, authority.to_string()))
        });
    }
}

//! `assay node job-declarator-server`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use sv2::job_declaration::token::TokenKey;
use sv2::roles::job_declarator_server::{JobDeclaratorServer, JobDeclaratorServerConfig};
use sv2::roles::pool::PoolConfig;
use sv2_net::host::{Host, HostConfig};

use super::arguments::NodeJobDeclaratorServer;
use super::chain::{ChainChoice, ChainFile, NodeChain};
use super::console::Console;
use super::{config, key_log, server};
use crate::address;
use crate::arguments::ChainKind;
use crate::outcome::Outcome;

/// The reference implementation's port of a job declarator server.
pub(super) const DEFAULT_PORT: u16 = 34264;

/// What `--print-config` prints.
pub(super) const DEFAULT_CONFIG: &str = include_str!("defaults/job-declarator-server.toml");

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    authority_key: Option<PathBuf>,
    /// Hexadecimal script that every job has to pay: the pool's.
    payout_script: Option<String>,
    /// Hexadecimal scripts of further outputs, worth nothing.
    further_scripts: Vec<String>,
    /// Whether clients in coinbase-only mode are refused.
    requires_transaction_data: Option<bool>,
    token_lifetime_seconds: Option<u64>,
    clients_max: Option<usize>,
    tokens_per_minute_max: Option<u64>,
    declarations_per_minute_max: Option<u64>,
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

pub(super) async fn run(arguments: NodeJobDeclaratorServer) -> Result<(), Outcome> {
    let file: File = config::read(arguments.common.config.as_deref())?;
    let chain = NodeChain::new(ChainChoice::new(&arguments.chain, file.chain())?)?;
    let (listener, authority) =
        server::listener(&arguments.server, file.listen, file.authority_key.clone(), DEFAULT_PORT)?;
    let token_key = server::token_key(&arguments.server, file.authority_key.as_deref())?;
    let config = server_config(file, token_key)?;

    let mut host = HostConfig::new("job declarator server");
    host.listeners = vec![listener];
    host.limits.accepted_payload_len_max = JobDeclaratorServer::PAYLOAD_LEN_MAX;
    host.key_log = key_log(&arguments.common)?;
    let host = Host::bind(host).await.map_err(|error| Outcome::usage(error.to_string()))?;
    let mut console = Console::new(arguments.common.json);
    console.line(&format!("stratum2+tcp://{}/{authority}", host.addresses()[0]));
    let role = JobDeclaratorServer::new(config, sv2_net::entropy::from_system());
    chain.run(host, role, &mut console).await
}

fn server_config(file: File, token_key: TokenKey) -> Result<JobDeclaratorServerConfig, Outcome> {
    let payout_script = match &file.payout_script {
        Some(digits) => script("payout_script", digits)?,
        // What a pool with its defaults pays to.
        None => PoolConfig::default().payout_script,
    };
    let further = file.further_scripts.iter().map(|digits| script("further_scripts", digits));
    let further_scripts = further.collect::<Result<_, _>>()?;
    let default = JobDeclaratorServerConfig::new(token_key, payout_script);
    let config = JobDeclaratorServerConfig {
        further_scripts,
        requires_transaction_data: file.requires_transaction_data.unwrap_or_default(),
        token_lifetime: file
            .token_lifetime_seconds
            .map_or(default.token_lifetime, Duration::from_secs),
        clients_max: file.clients_max.unwrap_or(default.clients_max),
        tokens_per_minute_max: file.tokens_per_minute_max.unwrap_or(default.tokens_per_minute_max),
        declarations_per_minute_max: file
            .declarations_per_minute_max
            .unwrap_or(default.declarations_per_minute_max),
        ..default
    };
    config.check().map_err(|error| Outcome::usage(error.to_string()))?;
    Ok(config)
}

fn script(setting: &str, digits: &str) -> Result<Vec<u8>, Outcome> {
    address::bytes(setting, digits).map_err(Outcome::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::arguments::{Node, parsed_node};

    #[test]
    fn the_default_config_says_what_no_config_says() {
        let Node::JobDeclaratorServer(arguments) = parsed_node(&["job-declarator-server"]) else {
            unreachable!()
        };
        config::check_default(DEFAULT_CONFIG, |file: File| {
            let chain = ChainChoice::new(&arguments.chain, file.chain())?;
            let key = file.authority_key.clone();
            let token_key = server::token_key(&arguments.server, key.as_deref())?;
            let (listener, authority) =
                server::listener(&arguments.server, file.listen, key, DEFAULT_PORT)?;
            let config = server_config(file, token_key)?;
            Ok((chain, listener.address, authority.to_string(), config))
        });
    }
}

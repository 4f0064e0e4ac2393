//! `assay node pool`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use sv2::role::PeerAddress;
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::{CustomJobsConfig, Pool, PoolConfig};
use sv2_net::accounts::Accounts;
use sv2_net::host::{Host, HostConfig};
use sv2_net::world::Worlds;

use super::arguments::NodePool;
use super::console::Console;
use super::vardiff::Vardiff;
use super::{config, follow_and_obey, key_log, server};
use crate::address;
use crate::outcome::Outcome;

/// The reference implementation's port of a pool.
const DEFAULT_PORT: u16 = 34254;

/// What `--print-config` prints.
pub(super) const DEFAULT_CONFIG: &str = include_str!("defaults/pool.toml");

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    authority_key: Option<PathBuf>,
    template_provider: Option<String>,
    /// Hexadecimal script of the coinbase transaction's first output.
    payout_script: Option<String>,
    coinbase_tag: Option<String>,
    shares_per_minute: Option<f64>,
    vardiff: Vardiff,
    share_batch_size: Option<u32>,
    /// Folder to keep accounts in.
    accounts: Option<PathBuf>,
    /// Whether miners may bring jobs with tokens of our authority's job declarator server.
    custom_jobs: Option<bool>,
    /// Whether such a token is good only for the user that asked for it.
    own_tokens_only: Option<bool>,
    supports_work_selection: Option<bool>,
    requires_extended_channels: Option<bool>,
    requires_fixed_version: Option<bool>,
    supported_extensions: Option<Vec<u16>>,
    required_extensions: Option<Vec<u16>>,
    refused_user_identities: Option<Vec<String>>,
    channels_per_connection_max: Option<usize>,
}

pub(super) async fn run(arguments: NodePool) -> Result<(), Outcome> {
    let file: File = config::read(arguments.common.config.as_deref())?;
    let (listener, authority) =
        server::listener(&arguments.server, file.listen, file.authority_key.clone(), DEFAULT_PORT)?;
    let accounts = arguments.accounts.clone().or(file.accounts.clone());
    let mut pool = settings(&arguments, file)?;
    let mut worlds = Worlds::default();
    if let Some(directory) = &accounts {
        worlds.accounts = Some(open_accounts(directory)?);
        pool.server.persists_shares = true;
    }
    let mut host = HostConfig::new("pool");
    host.listeners = vec![listener];
    host.key_log = key_log(&arguments.common)?;
    let entropy = sv2_net::entropy::from_system();
    let host = Host::bind(host).await.map_err(|error| Outcome::usage(error.to_string()))?;
    let mut console = Console::new(arguments.common.json);
    console.line(&format!("stratum2+tcp://{}/{authority}", host.addresses()[0]));
    let provider = &pool.template_provider;
    console.line(&format!("templates from {}:{}", provider.host, provider.port));
    if let Some(directory) = accounts {
        console.line(&format!("accounts in {}", directory.display()));
    }
    let handle = host.start(Pool::new(pool, entropy), worlds);
    follow_and_obey(handle, &mut console).await
}

/// Accounts that others can read while we run.
fn open_accounts(directory: &Path) -> Result<Arc<Accounts>, Outcome> {
    let accounts = Accounts::open(directory).map_err(|error| Outcome::usage(error.to_string()))?;
    let accounts = Arc::new(accounts);
    match Arc::clone(&accounts).serve(directory) {
        Ok(serving) => drop(tokio::spawn(serving)),
        Err(error) => tracing::warn!(%error, "nobody can read the accounts while we run"),
    }
    Ok(accounts)
}

/// Options win over the file.
fn settings(arguments: &NodePool, file: File) -> Result<PoolConfig, Outcome> {
    let template_provider =
        match arguments.template_provider.as_ref().or(file.template_provider.as_ref()) {
            Some(url) => address::peer(url).map_err(Outcome::Usage)?,
            None => PeerAddress {
                host: "127.0.0.1".to_owned(),
                port: super::template_provider::DEFAULT_PORT,
                authority: Some(server::example_authority()),
            },
        };
    let token_key = server::token_key(&arguments.server, file.authority_key.as_deref())?;
    let custom_jobs = file.custom_jobs.unwrap_or(true).then(|| CustomJobsConfig {
        own_tokens_only: file.own_tokens_only.unwrap_or_default(),
        ..CustomJobsConfig::new(token_key)
    });
    Ok(PoolConfig { custom_jobs, ..pool_config(file, template_provider)? })
}

fn pool_config(file: File, template_provider: PeerAddress) -> Result<PoolConfig, Outcome> {
    let default = PoolConfig { template_provider, ..PoolConfig::default() };
    let payout_script = match file.payout_script {
        Some(digits) => address::bytes("payout_script", &digits).map_err(Outcome::Usage)?,
        None => default.payout_script,
    };
    let coinbase_tag = file.coinbase_tag.map_or(default.coinbase_tag, String::into_bytes);
    let server = default.server;
    let server = MiningServerConfig {
        shares_per_minute: file.shares_per_minute.unwrap_or(server.shares_per_minute),
        vardiff: file.vardiff.0,
        share_batch_size: file.share_batch_size.unwrap_or(server.share_batch_size),
        supports_work_selection: file.supports_work_selection.unwrap_or_default(),
        requires_extended_channels: file.requires_extended_channels.unwrap_or_default(),
        requires_fixed_version: file.requires_fixed_version.unwrap_or_default(),
        supported_extensions: file.supported_extensions.unwrap_or(server.supported_extensions),
        required_extensions: file.required_extensions.unwrap_or_default(),
        refused_user_identities: file
            .refused_user_identities
            .unwrap_or_default()
            .into_iter()
            .map(String::into_bytes)
            .collect(),
        channels_per_connection_max: file
            .channels_per_connection_max
            .unwrap_or(server.channels_per_connection_max),
        ..server
    };
    Ok(PoolConfig { payout_script, coinbase_tag, server, ..default })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::arguments::{Node, parsed_node};

    #[test]
    fn the_default_config_says_what_no_config_says() {
        let Node::Pool(arguments) = parsed_node(&["pool"]) else { unreachable!() };
        config::check_default(DEFAULT_CONFIG, |file: File| {
            let key = file.authority_key.clone();
            let (listener, authority) =
                server::listener(&arguments.server, file.listen, key, DEFAULT_PORT)?;
            Ok((listener.address, authority.to_string(), settings(&arguments, file)?))
        });
    }
}

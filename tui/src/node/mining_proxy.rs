//! `assay node mining-proxy`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use sv2::role::PeerAddress;
use sv2::roles::mining_proxy::{MiningProxy, MiningProxyConfig, MiningProxyMode};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::wire::Str255;
use sv2_net::host::{Host, HostConfig};
use sv2_net::world::Worlds;

use super::arguments::{NodeMiningProxy, ProxyMode};
use super::console::Console;
use super::vardiff::Vardiff;
use super::{config, follow_and_obey, key_log, server};
use crate::address;
use crate::outcome::Outcome;

/// The reference implementation's port of a proxy.
const DEFAULT_PORT: u16 = 34255;

/// What `--print-config` prints.
pub(super) const DEFAULT_CONFIG: &str = include_str!("defaults/mining-proxy.toml");

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    authority_key: Option<PathBuf>,
    /// What becomes of the channels of clients.
    mode: Option<ProxyMode>,
    /// Pools in order of preference.
    upstreams: Vec<String>,
    /// Whom the pool pays.
    user: Option<String>,
    /// Shares that a client finds a minute; the pool sees those that are worth its target.
    shares_per_minute: Option<f64>,
    vardiff: Vardiff,
    /// Bytes of extranonce that tell clients apart.
    extranonce_index_len: Option<u8>,
    /// Bytes of extranonce that each client can roll.
    rollable_extranonce_len: Option<u8>,
    channels_per_connection_max: Option<usize>,
}

pub(super) async fn run(arguments: NodeMiningProxy) -> Result<(), Outcome> {
    let file: File = config::read(arguments.common.config.as_deref())?;
    let (listener, authority) =
        server::listener(&arguments.server, file.listen, file.authority_key.clone(), DEFAULT_PORT)?;
    let proxy = proxy_config(&arguments, file)?;

    let mut host = HostConfig::new("mining proxy");
    host.listeners = vec![listener];
    host.key_log = key_log(&arguments.common)?;
    let host = Host::bind(host).await.map_err(|error| Outcome::usage(error.to_string()))?;
    let mut console = Console::new(arguments.common.json);
    console.line(&format!("stratum2+tcp://{}/{authority}", host.addresses()[0]));
    for PeerAddress { host, port, .. } in &proxy.upstreams {
        console.line(&format!("upstream {host}:{port}"));
    }
    let role = MiningProxy::new(proxy, sv2_net::entropy::from_system());
    follow_and_obey(host.start(role, Worlds::default()), &mut console).await
}

fn proxy_config(arguments: &NodeMiningProxy, file: File) -> Result<MiningProxyConfig, Outcome> {
    let default = MiningProxyConfig::default();
    let urls = if arguments.upstreams.is_empty() { &file.upstreams } else { &arguments.upstreams };
    let upstreams: Vec<PeerAddress> = urls
        .iter()
        .map(|url| address::peer(url).map_err(Outcome::Usage))
        .collect::<Result<_, _>>()?;
    let upstreams = match upstreams.is_empty() {
        false => upstreams,
        true => {
            let authority = Some(server::example_authority());
            let peers = default.upstreams.iter().cloned();
            peers.map(|peer| PeerAddress { authority, ..peer }).collect()
        }
    };
    let user_identity = match arguments.user.clone().or(file.user) {
        None => default.user_identity,
        Some(user) => Str255::new(user.into_bytes())
            .map_err(|_| Outcome::usage("user: at most 255 bytes (spec 5.3.4)"))?,
    };
    let extranonce_index_len = file.extranonce_index_len.unwrap_or(default.extranonce_index_len);
    if !(1..=4).contains(&extranonce_index_len) {
        let what = format!("extranonce_index_len: expected 1 to 4, got {extranonce_index_len}");
        return Err(Outcome::usage(what));
    }
    let server = default.server;
    let server = MiningServerConfig {
        shares_per_minute: file.shares_per_minute.unwrap_or(server.shares_per_minute),
        vardiff: file.vardiff.0,
        channels_per_connection_max: file
            .channels_per_connection_max
            .unwrap_or(server.channels_per_connection_max),
        ..server
    };
    let mode = match arguments.mode.or(file.mode) {
        None => default.mode,
        Some(ProxyMode::Aggregated) => MiningProxyMode::Aggregated,
        Some(ProxyMode::Transparent) => MiningProxyMode::Transparent,
    };
    Ok(MiningProxyConfig {
        mode,
        upstreams,
        user_identity,
        extranonce_index_len,
        rollable_extranonce_len: file
            .rollable_extranonce_len
            .unwrap_or(default.rollable_extranonce_len),
        server,
        ..default
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::arguments::{Node, parsed_node};

    #[test]
    fn the_default_config_says_what_no_config_says() {
        let Node::MiningProxy(arguments) = parsed_node(&["mining-proxy"]) else { unreachable!() };
        config::check_default(DEFAULT_CONFIG, |file: File| {
            let key = file.authority_key.clone();
            let (listener, authority) =
                server::listener(&arguments.server, file.listen, key, DEFAULT_PORT)?;
            Ok((listener.address, authority.to_string(), proxy_config(&arguments, file)?))
        });
    }
}

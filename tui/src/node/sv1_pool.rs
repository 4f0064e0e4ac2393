//! `assay node sv1-pool`.

use std::net::SocketAddr;

use serde::Deserialize;
use sv2::mining::extranonce::ExtranonceLayout;
use sv2::role::PeerAddress;
use sv2::roles::sv1_pool::{Sv1Pool, Sv1PoolConfig};
use sv2::sv1::{ErrorForm, order};
use sv2_net::host::{Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::world::Worlds;

use super::arguments::NodeSv1Pool;
use super::console::Console;
use super::vardiff::Vardiff;
use super::{config, follow, key_log, server};
use crate::address;
use crate::outcome::Outcome;

/// What most pools listen on.
pub(super) const DEFAULT_PORT: u16 = 3333;

/// What `--print-config` prints.
pub(super) const DEFAULT_CONFIG: &str = include_str!("defaults/sv1-pool.toml");

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    template_provider: Option<String>,
    /// Hexadecimal script of the coinbase transaction's first output.
    payout_script: Option<String>,
    coinbase_tag: Option<String>,
    /// In bytes.
    extranonce2_size: Option<usize>,
    /// In 8 hexadecimal digits.
    version_mask: Option<String>,
    refused_users: Option<Vec<String>>,
    /// In hashes per second.
    assumed_hash_rate: Option<f64>,
    shares_per_minute: Option<f64>,
    vardiff: Vardiff,
    rounds_difficulty: Option<bool>,
    errors: Option<Errors>,
}

/// How errors are written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Errors {
    Arrays,
    Objects,
}

pub(super) async fn run(arguments: NodeSv1Pool) -> Result<(), Outcome> {
    let file: File = config::read(arguments.common.config.as_deref())?;
    let listen = listen(&arguments, &file);
    let pool = settings(&arguments, file)?;
    let mut host = HostConfig::new("sv1 pool");
    host.listeners =
        vec![ListenerConfig { address: listen.to_string(), security: ListenerSecurity::Sv1 }];
    host.key_log = key_log(&arguments.common)?;
    let entropy = sv2_net::entropy::from_system();
    let host = Host::bind(host).await.map_err(|error| Outcome::usage(error.to_string()))?;
    let mut console = Console::new(arguments.common.json);
    console.line(&format!("stratum+tcp://{}", host.addresses()[0]));
    let provider = &pool.template_provider;
    console.line(&format!("templates from {}:{}", provider.host, provider.port));
    let handle = host.start(Sv1Pool::new(pool, entropy), Worlds::default());
    follow(handle, &mut console, |_| false).await
}

fn listen(arguments: &NodeSv1Pool, file: &File) -> SocketAddr {
    let default = SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT));
    arguments.listen.or(file.listen).unwrap_or(default)
}

/// Options win over the file.
fn settings(arguments: &NodeSv1Pool, file: File) -> Result<Sv1PoolConfig, Outcome> {
    let default = Sv1PoolConfig::default();
    let template_provider =
        match arguments.template_provider.as_ref().or(file.template_provider.as_ref()) {
            Some(url) => address::peer(url).map_err(Outcome::Usage)?,
            None => PeerAddress {
                host: "127.0.0.1".to_owned(),
                port: super::template_provider::DEFAULT_PORT,
                authority: Some(server::example_authority()),
            },
        };
    let payout_script = match file.payout_script {
        Some(digits) => address::bytes("payout_script", &digits).map_err(Outcome::Usage)?,
        None => default.payout_script,
    };
    let extranonce = match file.extranonce2_size {
        Some(size) => ExtranonceLayout::new(vec![0], 3, size.saturating_add(4))
            .map_err(|error| Outcome::usage(format!("extranonce2_size: {error}")))?,
        None => default.extranonce,
    };
    let version_mask = match file.version_mask {
        Some(digits) => word(&digits).ok_or_else(|| {
            Outcome::usage(format!("version_mask: expected 8 hexadecimal digits, got \"{digits}\""))
        })?,
        None => default.version_mask,
    };
    Ok(Sv1PoolConfig {
        template_provider,
        payout_script,
        coinbase_tag: file.coinbase_tag.map_or(default.coinbase_tag, String::into_bytes),
        extranonce,
        version_mask,
        refused_users: file.refused_users.unwrap_or_default(),
        assumed_hash_rate: file.assumed_hash_rate.unwrap_or(default.assumed_hash_rate),
        shares_per_minute: file.shares_per_minute.unwrap_or(default.shares_per_minute),
        vardiff: file.vardiff.0,
        rounds_difficulty: file.rounds_difficulty.unwrap_or_default(),
        error_form: match file.errors {
            None | Some(Errors::Arrays) => ErrorForm::Triple,
            Some(Errors::Objects) => ErrorForm::Object,
        },
        ..default
    })
}

/// Of a version.
pub(super) fn word(digits: &str) -> Option<u32> {
    order::word_from_hex(digits).filter(|_| digits.len() == 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::arguments::{Node, parsed_node};

    #[test]
    fn the_default_config_says_what_no_config_says() {
        let Node::Sv1Pool(arguments) = parsed_node(&["sv1-pool"]) else { unreachable!() };
        config::check_default(DEFAULT_CONFIG, |file: File| {
            Ok((listen(&arguments, &file), settings(&arguments, file)?))
        });
    }
}

//! `assay node bitcoind`: the embedded chain behind a node's JSON-RPC.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use simulator::units::parse_duration;
use sv2::chain::{ChainHost, ChainPace};
use sv2::role::ChainEvent;
use sv2_net::bitcoind::Auth;
use sv2_net::embedded::EmbeddedChain;
use sv2_net::rpc_server::{Network, RpcServer, RpcServerConfig};

use super::arguments::{BitcoinNetwork, NodeBitcoind};
use super::console::Console;
use super::{chain, config};
use crate::interruption::Interruption;
use crate::outcome::Outcome;

/// Of a node on regtest.
const DEFAULT_PORT: u16 = 18443;

/// What `--print-config` prints.
pub(super) const DEFAULT_CONFIG: &str = include_str!("defaults/bitcoind.toml");

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    rpc_listen: Option<SocketAddr>,
    cookie: Option<PathBuf>,
    rpc_user: Option<String>,
    rpc_password: Option<String>,
    network: Option<BitcoinNetwork>,
    nbits: Option<u32>,
    /// Mean time between blocks by others, in seconds.
    block_interval_seconds: Option<u64>,
    /// Mean time between new transactions, in seconds.
    transaction_interval_seconds: Option<u64>,
    /// How long a long poll waits for a tip before more fees are news, in seconds.
    long_poll_fees_seconds: Option<u64>,
}

/// What follows from options and file, but for the chain's own randomness.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Settings {
    listen: SocketAddr,
    access: Access,
    network: Network,
    nbits: u32,
    pace: ChainPace,
    fees_after: Duration,
}

/// Who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Access {
    /// A cookie in a folder of our own.
    OwnCookie,
    Cookie(PathBuf),
    Password {
        user: String,
        password: String,
    },
}

pub(super) async fn run(arguments: NodeBitcoind) -> Result<(), Outcome> {
    let file: File = config::read(arguments.config.as_deref())?;
    let settings = Settings::new(&arguments, file)?;
    let host: ChainHost = chain::host(settings.nbits, settings.pace)?;
    // Removed when we end, cookie and all.
    let folder = tempfile::Builder::new()
        .prefix("assay-bitcoind-")
        .tempdir()
        .map_err(|error| Outcome::usage(format!("no temporary folder: {error}")))?;
    let auth = match &settings.access {
        Access::OwnCookie => Auth::Cookie(folder.path().join(".cookie")),
        Access::Cookie(path) => Auth::Cookie(path.clone()),
        Access::Password { user, password } => {
            Auth::Password { user: user.clone(), password: password.clone() }
        }
    };
    let config = RpcServerConfig {
        network: settings.network,
        fees_after: settings.fees_after,
        ..RpcServerConfig::new(settings.listen, auth)
    };
    let chain = EmbeddedChain::new(host);
    let server = RpcServer::start(&config, chain.clone())
        .await
        .map_err(|error| Outcome::usage(format!("{}: {error}", settings.listen)))?;
    let mut console = Console::new(arguments.json);
    console.line(&url(&server, &config.auth));
    let followed = follow(&server, &chain, &mut console).await;
    server.shutdown().await;
    followed
}

/// As `--bitcoind-rpc` of other roles takes it; a password is not repeated.
fn url(server: &RpcServer, auth: &Auth) -> String {
    match auth {
        Auth::Cookie(path) => format!("http://{}?cookie={}", server.address(), path.display()),
        Auth::Password { user, .. } => format!("http://{user}:PASSWORD@{}", server.address()),
    }
}

/// Prints each new tip until Ctrl-C or until somebody calls `stop`.
async fn follow(
    server: &RpcServer,
    chain: &EmbeddedChain,
    console: &mut Console,
) -> Result<(), Outcome> {
    let mut interruption = Interruption::catch()?;
    let mut news = chain.news();
    news.mark_changed();
    let mut told = None;
    loop {
        tokio::select! {
            () = interruption.happened() => return Ok(()),
            () = server.stopped() => return Ok(()),
            changed = news.changed() => if changed.is_err() { return Ok(()) },
        }
        let Some(ChainEvent::Template(template)) = news.borrow_and_update().clone() else {
            continue;
        };
        if told != Some(template.prev_hash) {
            told = Some(template.prev_hash);
            console.line(&format!("tip {} at height {}", template.prev_hash, template.height - 1));
        }
    }
}

impl Settings {
    /// Options win over the file.
    fn new(arguments: &NodeBitcoind, file: File) -> Result<Self, Outcome> {
        let interval = |option: &str, text: &Option<String>, seconds: Option<u64>| match text {
            None => Ok(seconds.map(Duration::from_secs)),
            Some(text) => parse_duration(text)
                .map(Some)
                .map_err(|error| Outcome::usage(format!("{option}: {error}"))),
        };
        let pace = ChainPace {
            block_interval: interval(
                "--block-interval",
                &arguments.block_interval,
                file.block_interval_seconds,
            )?,
            transaction_interval: interval(
                "--transaction-interval",
                &arguments.transaction_interval,
                file.transaction_interval_seconds,
            )?,
        };
        if [pace.block_interval, pace.transaction_interval].contains(&Some(Duration::ZERO)) {
            return Err(Outcome::usage("an interval is longer than nothing"));
        }
        let default = SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT));
        Ok(Settings {
            listen: arguments.rpc_listen.or(file.rpc_listen).unwrap_or(default),
            nbits: chain::nbits(arguments.nbits.as_deref(), file.nbits)?,
            network: arguments.network.or(file.network).unwrap_or(BitcoinNetwork::Regtest).into(),
            pace,
            fees_after: file
                .long_poll_fees_seconds
                .map_or(LONG_POLL_FEES_AFTER, Duration::from_secs),
            access: Access::new(arguments, file)?,
        })
    }
}

impl Access {
    fn new(arguments: &NodeBitcoind, file: File) -> Result<Self, Outcome> {
        let is_by_option = arguments.cookie.is_some() || arguments.rpc_user.is_some();
        let (cookie, user, password) = if is_by_option {
            let NodeBitcoind { cookie, rpc_user, rpc_password, .. } = arguments;
            (cookie.clone(), rpc_user.clone(), rpc_password.clone())
        } else {
            (file.cookie, file.rpc_user, file.rpc_password)
        };
        match (cookie, user, password) {
            (None, None, None) => Ok(Access::OwnCookie),
            (Some(path), None, None) => Ok(Access::Cookie(path)),
            (None, Some(user), Some(password)) if !user.contains(':') => {
                Ok(Access::Password { user, password })
            }
            _ => Err(Outcome::usage(
                "who may call: either a cookie's file, or rpc_user (without a colon) and \
                 rpc_password",
            )),
        }
    }
}

/// Bitcoin Core's.
const LONG_POLL_FEES_AFTER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::arguments::{Node, parsed_node};

    #[test]
    fn the_default_config_says_what_no_config_says() {
        let Node::Bitcoind(arguments) = parsed_node(&["bitcoind"]) else { unreachable!() };
        config::check_default(DEFAULT_CONFIG, |file: File| Settings::new(&arguments, file));
    }
}

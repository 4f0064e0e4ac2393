//! A node of our own in a temporary folder, without wallet and peers, that never outlives us.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::rpc::{Auth, RpcClient, RpcConfig, RpcError};
use crate::child::{Child, ChildCommand, Helper};
use crate::recipe::Endpoint;

/// What to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// `BITCOIND_EXE`, or `bitcoind` in `PATH`, if `None`.
    pub executable: Option<PathBuf>,
    /// With which rules.
    pub network: Network,
    /// Whether other nodes of ours can be its peers ([`Node::connect`]): they exchange blocks and
    /// no transactions.
    pub takes_peers: bool,
    /// Behind our own arguments.
    pub arguments: Vec<OsString>,
    /// For the node's first answer.
    pub start_timeout: Duration,
    /// Who sees to it that the node ends with us.
    pub helper: Helper,
}

impl NodeConfig {
    /// The executable of the system, on `network`, with a minute to start.
    ///
    /// # Errors
    /// If the path of the running executable is not known.
    pub fn new(network: Network) -> std::io::Result<Self> {
        Ok(NodeConfig {
            executable: None,
            network,
            takes_peers: false,
            arguments: Vec::new(),
            start_timeout: Duration::from_secs(60),
            helper: Helper::of_this_program()?,
        })
    }
}

/// The rules of a private chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Every second hash is a block.
    Regtest,
    /// A signet whose blocks anybody may sign: about four million hashes for a block, so that a
    /// share is not a block.
    PrivateSignet,
}

/// A running node. Dropping it ends the process without waiting.
#[derive(Debug)]
pub struct Node {
    /// Locked for as long as somebody waits for its end.
    child: Mutex<Child>,
    helper: Helper,
    command: ChildCommand,
    start_timeout: Duration,
    rpc: Arc<RpcClient>,
    network: Network,
    directory: PathBuf,
    peer_address: Option<SocketAddr>,
}

impl Node {
    /// Starts a node and waits until it answers.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn start(config: &NodeConfig) -> Result<Node, NodeError> {
        let executable = executable(config.executable.as_deref())?;
        // Another process may take the port that was found: then, and only then, once more.
        let mut attempt = Self::start_once(config, &executable).await;
        for _ in 1..PORT_ATTEMPTS {
            match &attempt {
                Err(NodeError::Ended { log, .. }) if log.contains(PORT_TAKEN) => {
                    attempt = Self::start_once(config, &executable).await;
                }
                _ => break,
            }
        }
        attempt
    }

    async fn start_once(config: &NodeConfig, executable: &Path) -> Result<Node, NodeError> {
        // The node writes until its end, which may come after ours: its helper removes it.
        let directory = tempfile::Builder::new().prefix("assay-node-").tempdir()?.keep();
        let port = free_port()?;
        let mut command = ChildCommand::new(executable, directory.join("log"));
        let mut arguments = vec![format!("-datadir={}", directory.display())];
        arguments.extend(match config.network {
            Network::Regtest => vec!["-regtest".into()],
            // A signet whose challenge is OP_TRUE.
            Network::PrivateSignet => vec!["-signet".into(), "-signetchallenge=51".into()],
        });
        arguments.push(format!("-rpcport={port}"));
        arguments.extend(ARGUMENTS.map(String::from));
        let mut peer_address = None;
        if config.takes_peers {
            let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
            arguments.push(format!("-bind={address}"));
            // Of two settings the last counts.
            arguments.extend(["-listen=1", "-blocksonly=1"].map(String::from));
            peer_address = Some(address);
        }
        let cookie = directory.join("cookie");
        arguments.push(format!("-rpccookiefile={}", cookie.display()));
        command.arguments = arguments.into_iter().map(OsString::from).collect();
        command.arguments.extend(config.arguments.iter().cloned());
        command.scratch = Some(directory.clone());
        let child = Child::spawn(&config.helper, &command)?;
        let rpc = RpcClient::new(RpcConfig::new("127.0.0.1", port, Auth::Cookie(cookie)));
        let node = Node {
            child: Mutex::new(child),
            helper: config.helper.clone(),
            command,
            start_timeout: config.start_timeout,
            rpc: Arc::new(rpc),
            network: config.network,
            directory,
            peer_address,
        };
        node.wait_until_ready().await?;
        Ok(node)
    }

    /// Makes another node a peer, now and whenever the connection breaks.
    ///
    /// # Errors
    /// [`RpcError`].
    ///
    /// # Panics
    /// If the other node was not started to take peers.
    pub async fn connect(&self, other: &Node) -> Result<(), RpcError> {
        let address = other.peer_address.expect("the other node takes peers");
        self.rpc.call("addnode", json!([address.to_string(), "add"])).await.map(drop)
    }

    /// Waits until the node has ended by itself.
    ///
    /// # Errors
    /// If the operating system cannot wait for it.
    pub async fn ended(&self) -> std::io::Result<ExitStatus> {
        self.child.lock().await.wait().await
    }

    /// Starts a node that has ended by itself again, on its data and its port.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn start_again(&self) -> Result<(), NodeError> {
        let next = Child::spawn(&self.helper, &self.command)?;
        let mut child = self.child.lock().await;
        child.keep_scratch();
        *child = next;
        drop(child);
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&self) -> Result<(), NodeError> {
        let patience = self.start_timeout;
        let deadline = Instant::now() + patience;
        loop {
            let mut child = self.child.lock().await;
            if let Some(status) = child.try_wait()? {
                return Err(NodeError::Ended { status, log: child.log_tail() });
            }
            match self.rpc.call("getblockcount", json!([])).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    let log = child.log_tail();
                    return Err(NodeError::NotReady { patience, error: Box::new(error), log });
                }
                // No cookie yet, no port yet, or still loading.
                Err(_) => sleep(READY_POLL).await,
            }
            drop(child);
        }
    }

    /// Where its RPC is, for programs that need a node.
    pub fn endpoint(&self) -> Endpoint {
        let RpcConfig { host, port, auth, .. } = self.rpc.config();
        let cookie = match auth {
            Auth::Cookie(path) => Some(path.clone()),
            Auth::Password { .. } => None,
        };
        Endpoint { host: host.clone(), port: *port, authority: None, cookie }
    }

    /// To call it.
    pub fn rpc(&self) -> Arc<RpcClient> {
        Arc::clone(&self.rpc)
    }

    /// As it was started.
    pub fn network(&self) -> Network {
        self.network
    }

    /// Its data, gone with it.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Height of the tip.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn height(&self) -> Result<u64, RpcError> {
        let height = self.rpc.call("getblockcount", json!([])).await?;
        height.as_u64().ok_or(RpcError::NotJsonRpc { status: 200 })
    }

    /// Stops the node and waits for it. Its data are gone afterwards.
    ///
    /// # Errors
    /// If the operating system cannot wait for the process.
    pub async fn stop(&self) -> std::io::Result<ExitStatus> {
        self.child.lock().await.stop().await
    }
}

fn free_port() -> Result<u16, NodeError> {
    ::bitcoind::get_available_port().map_err(|error| NodeError::Port(error.to_string()))
}

/// Finds the node's executable as the crate `bitcoind` does: `BITCOIND_EXE`, then `PATH`.
fn executable(configured: Option<&Path>) -> Result<PathBuf, NodeError> {
    match configured {
        Some(path) => Ok(path.into()),
        None => ::bitcoind::exe_path().map(PathBuf::from).map_err(|_| NodeError::NoExecutable),
    }
}

/// Why there is no node.
#[derive(Debug, Error)]
pub enum NodeError {
    /// Nowhere to be found.
    #[error(
        "no bitcoind: set BITCOIND_EXE to its path, or put it into PATH (`ci/bitcoind` installs \
         one)"
    )]
    NoExecutable,
    /// No free port.
    #[error("no port for the node: {0}")]
    Port(String),
    /// Files or processes of ours.
    #[error("cannot start the node: {0}")]
    Start(#[from] std::io::Error),
    /// It ended by itself.
    #[error("the node ended with {status}; its last words:\n{log}")]
    Ended {
        /// Of the helper; as of the node.
        status: ExitStatus,
        /// The end of what it wrote.
        log: String,
    },
    /// It does not answer.
    #[error(
        "the node has not answered within {} s: {error}; its last words:\n{log}",
        patience.as_secs()
    )]
    NotReady {
        /// Our timeout.
        patience: Duration,
        /// Of the last call.
        error: Box<RpcError>,
        /// The end of what it wrote.
        log: String,
    },
}

const ARGUMENTS: [&str; 7] = [
    "-server=1",
    "-disablewallet=1",
    "-listen=0",
    "-connect=0",
    "-dnsseed=0",
    "-txindex=1",
    "-printtoconsole=1",
];
const READY_POLL: Duration = Duration::from_millis(20);
const PORT_ATTEMPTS: usize = 3;
const PORT_TAKEN: &str = "Unable to bind";

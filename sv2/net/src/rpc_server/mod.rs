//! The embedded chain as a node behind JSON-RPC: for pools that read templates by
//! `getblocktemplate` and hand in blocks by `submitblock` (BIP 22, 23, 145), and for the scripts
//! around them.
//!
//! It answers as Bitcoin Core 29 on regtest does, as far as a miner asks: same names, keys, types
//! and error numbers. What no node does, a block by somebody else whenever one is wanted, is
//! behind names that begin with `assay_`. It is no wallet and has no peers.
//!
//! HTTP/1.1 is `hyper`'s: clients in the field keep connections, pipeline, send bodies in chunks
//! and wait for `100 Continue`, which our own client ([`crate::bitcoind`]) never does.

mod auth;
mod calls;
mod connection;
mod envelope;
mod fault;
mod method;
mod patience;
mod service;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::admission::Admission;
use crate::bitcoind::Auth;
use crate::embedded::EmbeddedChain;
use crate::limits::Limits;
use crate::listener::is_of_one_connection;
use auth::Door;
use service::Service;

pub use bitcoin::Network;

/// What a server is like.
#[derive(Clone)]
pub struct RpcServerConfig {
    /// Where to listen; port 0 is any that is free.
    pub listen: SocketAddr,
    /// Who may call. A cookie's file is written at the start and removed at the end.
    pub auth: Auth,
    /// The network that the chain pretends to be: its name, and whose addresses are valid.
    pub network: Network,
    /// How long a long poll waits for a new tip before more fees are news as well. Bitcoin Core
    /// waits a minute.
    pub fees_after: Duration,
    /// What a client can make us hold.
    pub limits: RpcLimits,
}

impl RpcServerConfig {
    /// On regtest, with Bitcoin Core's patience.
    pub fn new(listen: SocketAddr, auth: Auth) -> Self {
        RpcServerConfig {
            listen,
            auth,
            network: Network::Regtest,
            fees_after: Duration::from_secs(60),
            limits: RpcLimits::default(),
        }
    }
}

/// What a client can make us hold, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcLimits {
    /// Connections at one time; one more is closed at once.
    pub connections_max: usize,
    /// Long polls at one time, below the connections: others must get through. One more is
    /// refused with error -1.
    pub long_polls_max: usize,
    /// For request line and headers, and for the next request of a connection that is kept; then
    /// the connection is closed. They are at most 16 KiB long: status 431.
    pub head_timeout: Duration,
    /// For a whole body; then status 408.
    pub body_timeout: Duration,
    /// For a client that does not read its answer; then the connection is closed.
    pub write_timeout: Duration,
    /// Longest body, in bytes: a block is at most 8 MB of hexadecimal digits. Beyond it status
    /// 413.
    pub body_len_max: usize,
    /// Calls in one batch; more are refused as a whole with error -32600.
    pub batch_len_max: usize,
    /// Of a batch's answer, in bytes: calls behind it are refused with error -32603.
    pub batch_answer_len_max: usize,
}

impl Default for RpcLimits {
    fn default() -> Self {
        RpcLimits {
            connections_max: 128,
            long_polls_max: 64,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            body_len_max: 16 << 20,
            batch_len_max: 1_000,
            batch_answer_len_max: 64 << 20,
        }
    }
}

/// A running server. Dropping it ends it, connections included.
#[derive(Debug)]
pub struct RpcServer {
    address: SocketAddr,
    service: Arc<Service>,
    listening: JoinHandle<()>,
}

impl RpcServer {
    /// Listens, and then writes the cookie: who finds the file can call. Must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// If the address cannot be listened on, or the cookie's file cannot be written.
    pub async fn start(config: &RpcServerConfig, chain: EmbeddedChain) -> io::Result<RpcServer> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let door = Door::new(&config.auth, &mut crate::entropy::from_system())?;
        let service = Arc::new(Service::new(config, chain, door));
        let listening = tokio::spawn(listen(listener, Arc::clone(&service)));
        Ok(RpcServer { address, service, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until somebody calls `stop`.
    pub async fn stopped(&self) {
        self.service.stopping().await;
    }

    /// Ends long polls, lets answers that are on their way arrive, and ends.
    pub async fn shutdown(mut self) {
        self.service.stop.send_replace(true);
        let _ = (&mut self.listening).await;
    }
}

impl Drop for RpcServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Accepts until the server stops, and then waits for those who are still being answered.
async fn listen(listener: TcpListener, service: Arc<Service>) {
    let admission = Admission::new(&Limits {
        connections_max: service.limits.connections_max,
        connections_per_address_max: service.limits.connections_max,
        ..Limits::default()
    });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = service.stopping() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => match admission.admit(peer.ip()) {
                Ok(permit) => {
                    let service = Arc::clone(&service);
                    connections.spawn(async move {
                        connection::serve(socket, service).await;
                        drop(permit);
                    });
                }
                Err(refusal) => tracing::warn!(%peer, %refusal, "a client of the RPC server"),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "the RPC server cannot accept connections");
                sleep(ACCEPT_WAIT).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

/// After an error of the operating system: asking again at once would burn a core.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);

//! What all connections share, and how a call finds its way.

use std::sync::Arc;

use serde_json::Value;
use sv2::chain::Chain;
use sv2::time::Now;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::auth::Door;
use super::calls::template;
use super::fault::{Code, Fault};
use super::method::{Given, Method, Run};
use super::{RpcLimits, RpcServerConfig};
use crate::embedded::EmbeddedChain;

/// A chain that is being served.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) chain: EmbeddedChain,
    pub(super) network: bitcoin::Network,
    pub(super) door: Door,
    pub(super) limits: RpcLimits,
    pub(super) started_at: Instant,
    pub(super) fees_after: std::time::Duration,
    pub(super) long_polls: Semaphore,
    /// Whether the server ends.
    pub(super) stop: watch::Sender<bool>,
}

impl Service {
    pub(super) fn new(config: &RpcServerConfig, chain: EmbeddedChain, door: Door) -> Self {
        Service {
            chain,
            network: config.network,
            door,
            limits: config.limits,
            started_at: Instant::now(),
            fees_after: config.fees_after,
            long_polls: Semaphore::new(config.limits.long_polls_max),
            stop: watch::Sender::new(false),
        }
    }

    /// Waits until the server ends.
    pub(super) async fn stopping(&self) {
        let mut stop = self.stop.subscribe();
        // The sender lives as long as we do.
        let _ = stop.wait_for(|is_stopping| *is_stopping).await.map(drop);
    }

    /// Does a call.
    pub(super) async fn call(self: &Arc<Self>, name: &str, params: Given) -> Result<Value, Fault> {
        let method = Method::find(name)
            .ok_or_else(|| Fault::new(Code::MethodNotFound, "Method not found"))?;
        let params = method.check(params)?;
        match method.run {
            Run::Template => template::get_block_template(self, &params).await,
            Run::Now(run) => {
                let service = Arc::clone(self);
                // A full block takes longer to judge than an executor's thread should be held.
                // Each connection has one call at a time, so there are no more threads than these.
                let done = spawn_blocking(move || run(&service, &params)).await;
                done.unwrap_or_else(|error| Err(Fault::new(Code::InternalError, error.to_string())))
            }
        }
    }

    /// Looks at the chain, or changes it; followers hear of changes.
    pub(super) fn on_chain<T>(&self, look: impl FnOnce(&mut Chain, Now) -> T) -> T {
        self.chain.change(look)
    }
}

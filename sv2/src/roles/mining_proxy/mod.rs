//! The mining proxy: many clients on few connections of an upstream (spec 5.2).

mod aggregated;
mod config;

pub use config::MiningProxyConfig;

use self::aggregated::Aggregated;
use crate::entropy::Entropy;
use crate::role::{Input, Outbox, Role};
use crate::time::{Instant, Now};

/// A mining proxy as a pure state machine.
#[derive(Debug)]
pub struct MiningProxy {
    aggregated: Aggregated,
}

impl MiningProxy {
    /// A proxy that has no upstream yet. It wants to be woken at once, to dial the first.
    ///
    /// # Panics
    /// If the configuration names no upstream.
    pub fn new(config: MiningProxyConfig, entropy: Entropy) -> Self {
        MiningProxy { aggregated: Aggregated::new(config, entropy) }
    }
}

impl Role for MiningProxy {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.aggregated.handle(now, input, out);
    }

    fn wake_at(&self) -> Option<Instant> {
        self.aggregated.wake_at()
    }
}

//! The mining proxy: many clients on few connections of an upstream (spec 5.2).

mod aggregated;
mod config;
mod transparent;

pub use config::{MiningProxyConfig, MiningProxyMode};

use self::aggregated::Aggregated;
use self::transparent::Transparent;
use crate::entropy::Entropy;
use crate::role::{Input, Outbox, Role};
use crate::time::{Instant, Now};

/// A mining proxy as a pure state machine.
#[derive(Debug)]
pub struct MiningProxy {
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    Aggregated(Box<Aggregated>),
    Transparent(Box<Transparent>),
}

impl MiningProxy {
    /// A proxy that has no upstream yet. An aggregating one wants to be woken at once, to dial
    /// the first; a transparent one dials when a client is there.
    ///
    /// # Panics
    /// If the configuration names no upstream.
    pub fn new(config: MiningProxyConfig, entropy: Entropy) -> Self {
        let mode = match config.mode {
            MiningProxyMode::Aggregated => {
                Mode::Aggregated(Box::new(Aggregated::new(config, entropy)))
            }
            MiningProxyMode::Transparent => Mode::Transparent(Box::new(Transparent::new(config))),
        };
        MiningProxy { mode }
    }
}

impl Role for MiningProxy {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match &mut self.mode {
            Mode::Aggregated(proxy) => proxy.handle(now, input, out),
            Mode::Transparent(proxy) => proxy.handle(now, input, out),
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        match &self.mode {
            Mode::Aggregated(proxy) => proxy.wake_at(),
            Mode::Transparent(proxy) => proxy.wake_at(),
        }
    }
}

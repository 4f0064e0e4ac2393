//! What all connections of a fleet have in common.

use std::time::Duration;

use sv2::entropy::Entropy;
use sv2::time::Instant;
use sv2_net::clock::Clock;

use super::LoadConfig;
use super::budget::HashBudget;
use super::tally::Tally;

/// Shared by all lines; only counted in.
pub(super) struct Fleet {
    pub(super) config: LoadConfig,
    /// Between two shares of a device, on average.
    pub(super) mean_interval: Duration,
    pub(super) clock: Clock,
    pub(super) started_at: Instant,
    /// Of what a seed repeats.
    pub(super) entropy: Entropy,
    /// Of keys, which no seed repeats.
    keys: Entropy,
    pub(super) budget: HashBudget,
    pub(super) tally: Tally,
}

impl Fleet {
    pub(super) fn new(config: LoadConfig) -> Self {
        let clock = Clock::of_process();
        Fleet {
            mean_interval: config.mean_interval(),
            started_at: clock.now().instant,
            entropy: Entropy::from_seed(config.seed),
            keys: sv2_net::entropy::from_system(),
            budget: HashBudget::new(config.hash_budget),
            tally: Tally::new(),
            clock,
            config,
        }
    }

    /// For the ephemeral keys of a line.
    pub(super) fn key_entropy(&self, line: u32) -> Entropy {
        self.keys.fork("line", line.into())
    }
}

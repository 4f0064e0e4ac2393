//! What a star is made of.

use std::time::Duration;

use sv2::mining::vardiff::VardiffAlgorithm;

use super::Sizes;
use crate::link::{Framing, Latency};
use crate::units::Bandwidth;

/// A pool and the devices directly on it.
#[derive(Clone, Debug, PartialEq)]
pub struct StarSettings {
    /// Of everything random.
    pub seed: u64,
    /// Devices, at most 2^24.
    pub device_count: u32,
    /// Nominal, in hashes per second.
    pub hash_rate: f64,
    /// Standard deviation of hash rates, as a part of the nominal one.
    pub spread: f64,
    /// What is said, and in how many bytes.
    pub sizes: Sizes,
    /// Shares that a device should find a minute.
    pub shares_per_minute: f64,
    /// How targets follow shares; they stay as nominal hash rates say if none.
    pub vardiff: Option<VardiffAlgorithm>,
    /// Hashes that the easiest share takes on average.
    pub share_hashes_min: f64,
    /// Whether difficulties are rounded down to powers of two.
    pub rounds_difficulty: bool,
    /// Shares in one answer, where the protocol can.
    pub share_batch_size: u32,
    /// Between two jobs on one tip.
    pub job_interval: Duration,
    /// Mean time between blocks of the network; never if none.
    pub block_interval: Option<Duration>,
    /// From a device to the pool.
    pub up: Latency,
    /// From the pool to a device.
    pub down: Latency,
    /// Between the pool's node and what the pool sends about a new tip.
    pub pool_delay: Duration,
    /// Until a device works on what it was told.
    pub switch: Latency,
    /// The pool's card; unlimited if none.
    pub nic: Option<Bandwidth>,
    /// Headers of packets.
    pub framing: Framing,
    /// How devices come and go.
    pub courses: Vec<Course>,
}

/// A part of the fleet is switched off for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// From the start.
    pub at: Duration,
    /// How long.
    pub length: Duration,
    /// From 0 to 1.
    pub part: f64,
}

impl StarSettings {
    /// So many devices of 200 TH/s on standard channels, 6 shares a minute, jobs each 30 s, a
    /// block each 600 s, 50 ms away.
    pub fn new(device_count: u32) -> Self {
        let away = Latency::Constant(Duration::from_millis(50));
        StarSettings {
            seed: 0,
            device_count,
            hash_rate: 200e12,
            spread: 0.015,
            sizes: Sizes::SV2_STANDARD,
            shares_per_minute: 6.0,
            vardiff: None,
            share_hashes_min: 0.0,
            rounds_difficulty: false,
            share_batch_size: 10,
            job_interval: Duration::from_secs(30),
            block_interval: Some(Duration::from_secs(600)),
            up: away.clone(),
            down: away,
            pool_delay: Duration::ZERO,
            switch: Latency::Constant(Duration::ZERO),
            nic: None,
            framing: Framing::TIMESTAMPS,
            courses: Vec::new(),
        }
    }
}

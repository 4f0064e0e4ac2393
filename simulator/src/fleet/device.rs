//! One device and its connection, in a line of the cache.

use crate::engine::{Purpose, Streams};

/// What is touched at every event of a device.
#[repr(align(64))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Device {
    /// In hashes per second.
    pub(super) hash_rate: f64,
    /// Hashes that a share takes on the job that it works on.
    pub(super) worked_hashes: f64,
    /// The same by the target that it was told last.
    pub(super) told_hashes: f64,
    /// When its last share is with the pool, in nanoseconds.
    pub(super) last_up: u64,
    /// When the pool's last message is with it, in nanoseconds.
    pub(super) last_down: u64,
    /// Draws of shares so far, and the number of the search that is going on.
    pub(super) search: u32,
    /// Messages so far, in both directions.
    pub(super) message_count: u32,
    /// The tip that it works on.
    pub(super) tip: u32,
    /// Accepted shares that were not answered yet.
    pub(super) unanswered: u32,
    /// Whether it mines.
    pub(super) is_on: bool,
}

impl Device {
    /// How long the next share takes, in nanoseconds.
    #[inline]
    pub(super) fn wait(&mut self, shares: Streams, device: usize) -> u64 {
        let mean = self.worked_hashes / self.hash_rate * 1e9;
        self.search = self.search.wrapping_add(1);
        let wait = shares.at(device as u64, u64::from(self.search)).exponential(mean);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let wait = (wait + 0.5) as u64;
        // A rate of one share in a year is a device that is off.
        wait.min(365 * 86_400 * 1_000_000_000)
    }
}

/// Streams of all devices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draws {
    pub(super) shares: Streams,
    pub(super) latencies: Streams,
    pub(super) switches: Streams,
    pub(super) curtailments: Streams,
}

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        let streams = |purpose| Streams::new(seed, purpose);
        Draws {
            shares: streams(Purpose::Share),
            latencies: streams(Purpose::Latency),
            switches: streams(Purpose::WorkSwitch),
            curtailments: streams(Purpose::Fault),
        }
    }
}

//! What has come of a star.

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Of all kinds.
    pub event_count: u64,
    /// Shares that were found.
    pub found_count: u64,
    /// Shares that the pool has paid.
    pub accepted_count: u64,
    /// Shares that arrived after the tip had changed.
    pub stale_count: u64,
    /// Jobs and tips that devices have begun to work on.
    pub job_count: u64,
    /// Blocks of the network.
    pub block_count: u64,
    /// Targets that were sent.
    pub target_count: u64,
    /// Messages, in both directions.
    pub message_count: u64,
    /// From devices to the pool, without TCP.
    pub up_bytes: u64,
    /// From the pool to devices, without TCP.
    pub down_bytes: u64,
    /// Packets of both directions, with headers and acknowledgements.
    pub packet_bytes: u64,
    /// Hashes that accepted shares stand for.
    pub credited_hashes: f64,
    /// Hashes that were made for a tip that the pool no longer took: what [`Tally::stale_count`]
    /// counts a sample of.
    pub stale_hashes: f64,
    /// Hashes that were made, as far as the run has come.
    pub made_hashes: f64,
    /// Switches to a new tip.
    pub switch_count: u64,
    /// Sum of the times from the pool's switch to those of devices, in nanoseconds.
    pub switch_ns_sum: f64,
    /// The longest of them, in nanoseconds.
    pub switch_ns_max: u64,
}

impl Tally {
    /// What has come since an earlier moment of the same star; the longest switch is that of all.
    pub fn since(&self, earlier: &Tally) -> Tally {
        Tally {
            event_count: self.event_count - earlier.event_count,
            found_count: self.found_count - earlier.found_count,
            accepted_count: self.accepted_count - earlier.accepted_count,
            stale_count: self.stale_count - earlier.stale_count,
            job_count: self.job_count - earlier.job_count,
            block_count: self.block_count - earlier.block_count,
            target_count: self.target_count - earlier.target_count,
            message_count: self.message_count - earlier.message_count,
            up_bytes: self.up_bytes - earlier.up_bytes,
            down_bytes: self.down_bytes - earlier.down_bytes,
            packet_bytes: self.packet_bytes - earlier.packet_bytes,
            credited_hashes: self.credited_hashes - earlier.credited_hashes,
            stale_hashes: self.stale_hashes - earlier.stale_hashes,
            made_hashes: self.made_hashes - earlier.made_hashes,
            switch_count: self.switch_count - earlier.switch_count,
            switch_ns_sum: self.switch_ns_sum - earlier.switch_ns_sum,
            switch_ns_max: self.switch_ns_max,
        }
    }

    /// Stale work over all work, integrated: with far less noise than by counting shares, because
    /// only the times of blocks are random in it.
    pub fn stale_part(&self) -> f64 {
        if self.made_hashes > 0.0 { self.stale_hashes / self.made_hashes } else { 0.0 }
    }

    /// The same by counting.
    pub fn stale_part_counted(&self) -> f64 {
        let judged = self.accepted_count + self.stale_count;
        if judged > 0 { self.stale_count as f64 / judged as f64 } else { 0.0 }
    }
}

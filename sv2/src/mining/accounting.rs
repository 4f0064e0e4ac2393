//! What a channel has earned, and how it is told (spec 5.3.13).
//!
//! A share earns the difficulty of its job's target (bdiff). Sums are exact: difficulties are
//! added in units of 2^-64 and a batch reports the whole part, with what is left carried into
//! the next batch. So the total that a client has been told is the floor of the exact total
//! (AMB-19), whatever the size of the batches.

use crate::mining::SubmitSharesSuccess;

/// Shares of one channel between two acknowledgements. Aligned as numbers of 64 bits are, for the
/// sake of what stands beside it in a channel.
#[derive(Clone, Debug, Default)]
#[repr(Rust, packed(8))]
pub struct Batch {
    count: u32,
    last_sequence_number: u32,
    /// In units of 2^-64. Between batches less than one whole.
    sum: u128,
}

impl Batch {
    /// Adds a correct share; `difficulty` in units of 2^-64. Sums saturate.
    #[inline]
    pub fn add(&mut self, sequence_number: u32, difficulty: u128) {
        self.count += 1;
        self.last_sequence_number = sequence_number;
        self.sum = self.sum.saturating_add(difficulty);
    }

    /// Shares that wait for an acknowledgement.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Ends the batch; `None` if nothing waits.
    #[inline]
    pub fn acknowledge(&mut self, channel_id: u32) -> Option<SubmitSharesSuccess> {
        if self.count == 0 {
            return None;
        }
        let whole = (self.sum >> 64) as u64;
        self.sum &= u128::from(u64::MAX);
        Some(SubmitSharesSuccess {
            channel_id,
            last_sequence_number: self.last_sequence_number,
            new_submits_accepted_count: std::mem::take(&mut self.count),
            new_shares_sum: whole,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: u128 = 1 << 63;

    #[test]
    fn a_batch_counts_its_own_shares_alone_and_names_the_last() {
        let mut batch = Batch::default();
        batch.add(7, 5 << 64);
        batch.add(3, 2 << 64);
        let first = batch.acknowledge(1).unwrap();
        batch.add(4, 1 << 64);

        let second = batch.acknowledge(1).unwrap();

        assert_eq!((first.new_submits_accepted_count, first.new_shares_sum), (2, 7));
        assert_eq!(first.last_sequence_number, 3);
        assert_eq!((second.new_submits_accepted_count, second.new_shares_sum), (1, 1));
        assert_eq!(batch.acknowledge(1), None);
    }

    #[test]
    fn fractions_add_up_over_batches_to_the_floor_of_the_total() {
        let mut batch = Batch::default();
        let sums: Vec<u64> = (0..5)
            .map(|sequence_number| {
                batch.add(sequence_number, HALF + (HALF >> 1));
                batch.acknowledge(1).unwrap().new_shares_sum
            })
            .collect();

        assert_eq!(sums, [0, 1, 1, 1, 0]);
        assert_eq!(sums.iter().sum::<u64>(), 3, "the floor of 5 * 0.75");
    }

    #[test]
    fn endless_difficulties_saturate() {
        let mut batch = Batch::default();
        batch.add(0, u128::MAX);
        batch.add(1, u128::MAX);

        assert_eq!(batch.acknowledge(1).unwrap().new_shares_sum, u64::MAX);
    }
}

//! What a device has submitted, and what the pool made of it.

use std::collections::BTreeMap;

use crate::mining::job::PinnedTarget;

/// Totals since the device was built, over all connections and channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareAccounts {
    /// Headers hashed.
    pub hash_count: u64,
    /// Shares sent.
    pub submitted_count: u64,
    /// Upper and lower half: a whole one would want all of a device to be aligned as it is.
    submitted_difficulty: [u64; 2],
    /// Shares that the pool says it has accepted.
    pub accepted_count: u64,
    /// Difficulty that the pool says it has accepted; whole numbers, so 0 for shares below
    /// difficulty 1.
    pub accepted_difficulty_sum: u64,
    /// `None`: none was ever refused.
    refused: Option<Box<Refused>>,
}

/// Shares by the pool's error code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Refused(BTreeMap<String, u64>);

impl ShareAccounts {
    /// Most rows of [`ShareAccounts::rejected_count_by_code`]: a peer chooses the keys.
    pub const CODES_MAX: usize = 32;

    /// Refused shares by the pool's error code. The first [`ShareAccounts::CODES_MAX`] codes
    /// have rows of their own, further ones are counted as `other`.
    pub fn rejected_count_by_code(&self) -> &BTreeMap<String, u64> {
        self.refused.as_ref().map_or(&NONE, |refused| &refused.0)
    }

    /// Difficulty of the targets that shares were submitted for, in units of 2^-64
    /// ([`Target::difficulty_fixed`](crate::wire::Target::difficulty_fixed)).
    pub fn submitted_difficulty_fixed(&self) -> u128 {
        let [upper, lower] = self.submitted_difficulty;
        u128::from(upper) << 64 | u128::from(lower)
    }

    /// Refused shares, whatever the reason.
    pub fn rejected_count(&self) -> u64 {
        self.rejected_count_by_code().values().sum()
    }

    /// Shares whose fate is unknown: in flight, not yet acknowledged, or lost with their
    /// connection.
    pub fn unanswered_count(&self) -> u64 {
        self.submitted_count
            .saturating_sub(self.accepted_count)
            .saturating_sub(self.rejected_count())
    }

    pub(crate) fn submitted(&mut self, target: &PinnedTarget) {
        self.submitted_count += 1;
        let sum = self.submitted_difficulty_fixed().saturating_add(target.difficulty);
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        let lower = sum as u64;
        self.submitted_difficulty = [(sum >> 64) as u64, lower];
    }

    /// What the peer says about as many shares.
    pub(crate) fn accepted(&mut self, count: u32, difficulty_sum: u64) {
        self.accepted_count = self.accepted_count.saturating_add(u64::from(count));
        self.accepted_difficulty_sum = self.accepted_difficulty_sum.saturating_add(difficulty_sum);
    }

    /// For one share, in the peer's words.
    pub(crate) fn rejected(&mut self, error_code: &[u8]) {
        let code = error_code.escape_ascii().to_string();
        let Refused(counts) = &mut **self.refused.get_or_insert_default();
        let is_new = !counts.contains_key(&code);
        let key = match is_new && counts.len() >= Self::CODES_MAX {
            true => "other".to_owned(),
            false => code,
        };
        *counts.entry(key).or_default() += 1;
    }
}

/// Of most devices.
static NONE: BTreeMap<String, u64> = BTreeMap::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_invents_codes_fills_a_bounded_table() {
        let mut accounts = ShareAccounts::default();

        for code in 0..100 {
            accounts.rejected(format!("code-{code}").as_bytes());
        }

        assert_eq!(accounts.rejected_count(), 100);
        assert_eq!(accounts.rejected_count_by_code().len(), ShareAccounts::CODES_MAX + 1);
        assert_eq!(accounts.rejected_count_by_code()["other"], 68);
    }
}

//! How many hashes a second the whole fleet may make.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sv2::time::Instant;

/// A queue for hashes without a queue: each search is told when its turn comes.
///
/// Turns are given in the order in which they are asked for, so that no line waits for ever and
/// thousands of them do not wake up together to see whose turn it is.
#[derive(Debug)]
pub(super) struct HashBudget {
    nanoseconds_per_hash: f64,
    /// The budget is spent up to this moment, in nanoseconds of the clock.
    spent_until: AtomicU64,
}

impl HashBudget {
    /// A turn is given at most so long ahead; whoever would have to wait longer gets none.
    pub(super) const WAIT_MAX: Duration = Duration::from_secs(1);

    pub(super) fn new(hashes_per_second: f64) -> Self {
        let nanoseconds_per_hash = 1e9 / hashes_per_second;
        HashBudget { nanoseconds_per_hash, spent_until: AtomicU64::new(0) }
    }

    /// Takes `hashes` out of the budget; they may be made from the moment returned. `None` if
    /// the budget is spent for longer than [`HashBudget::WAIT_MAX`].
    pub(super) fn reserve(&self, hashes: f64, now: Instant) -> Option<Instant> {
        let cost = self.cost(hashes);
        let latest = (now + Self::WAIT_MAX).0;
        let turn = |spent_until: u64| spent_until.max(now.0);
        let take = |spent_until: u64| {
            (turn(spent_until) <= latest).then(|| turn(spent_until).saturating_add(cost))
        };
        let before = self.spent_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        before.ok().map(|before| Instant(turn(before)))
    }

    /// As [`HashBudget::reserve`], for a search that has begun: it gets its turn, however late.
    pub(super) fn reserve_more(&self, hashes: f64, now: Instant) -> Instant {
        let (cost, turn) = (self.cost(hashes), |spent_until: u64| spent_until.max(now.0));
        let take = |spent_until: u64| Some(turn(spent_until).saturating_add(cost));
        let before = self.spent_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        Instant(before.map_or(now.0, turn))
    }

    /// A search that was expected to take `expected` hashes has taken `made`.
    pub(super) fn settle(&self, expected: f64, made: u64) {
        #[expect(clippy::cast_precision_loss, reason = "below 2^53 in any run")]
        let made = made as f64;
        let change = |spent_until: u64| {
            Some(match made >= expected {
                true => spent_until.saturating_add(self.cost(made - expected)),
                false => spent_until.saturating_sub(self.cost(expected - made)),
            })
        };
        let _ = self.spent_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    fn cost(&self, hashes: f64) -> u64 {
        (hashes * self.nanoseconds_per_hash) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn searches_get_their_turns_one_after_the_other() {
        let budget = HashBudget::new(1_000.0);
        let now = Instant(5 * SECOND);

        let turns = [100.0, 100.0, 1e9].map(|hashes| budget.reserve(hashes, now));

        assert_eq!(turns, [0, 100, 200].map(|wait| Some(now + Duration::from_millis(wait))));
        assert_eq!(budget.reserve(1.0, now), None);
    }

    #[test]
    fn what_was_not_needed_is_given_back_and_what_was_more_is_taken() {
        let budget = HashBudget::new(1_000.0);
        let now = Instant(5 * SECOND);
        budget.reserve(100.0, now);

        budget.settle(100.0, 20);
        assert_eq!(budget.reserve(0.0, now), Some(now + Duration::from_millis(20)));
        budget.settle(0.0, 30);
        assert_eq!(budget.reserve(0.0, now), Some(now + Duration::from_millis(50)));
    }

    #[test]
    fn time_in_which_nobody_hashes_is_lost() {
        let budget = HashBudget::new(1_000.0);
        budget.reserve(10.0, Instant(0));

        assert_eq!(budget.reserve(10.0, Instant(SECOND)), Some(Instant(SECOND)));
    }
}

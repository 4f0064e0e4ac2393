//! How much may be hashed by now, so that many devices share one processor.

use std::num::{NonZeroU32, NonZeroU64};

use crate::time::Instant;

/// A budget of hashes that grows with time. Integers only: the same everywhere.
#[derive(Debug)]
pub(crate) struct Pace {
    nonces_per_call: NonZeroU32,
    limit: Option<NonZeroU64>,
    /// While there is work: when it began and what was hashed since.
    running: Option<(Instant, u64)>,
}

impl Pace {
    pub(crate) fn new(nonces_per_call: NonZeroU32, limit: Option<NonZeroU64>) -> Self {
        Pace { nonces_per_call, limit, running: None }
    }

    /// Begins to count, unless it does already.
    pub(crate) fn start(&mut self, now: Instant) {
        self.running.get_or_insert((now, 0));
    }

    /// No work: time that passes now is lost.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    /// How many hashes may be made now.
    pub(crate) fn allowance(&mut self, now: Instant) -> u32 {
        let (Some(limit), Some((since, spent))) = (self.limit, &mut self.running) else {
            return self.nonces_per_call.get();
        };
        let earned = u128::from(limit.get()) * now.since(*since).as_nanos() / SECOND;
        let earned = u64::try_from(earned).unwrap_or(u64::MAX);
        // Who is woken late catches up on one second, not on a night.
        *spent = (*spent).max(earned.saturating_sub(limit.get()));
        let left = earned.saturating_sub(*spent);
        u32::try_from(left).unwrap_or(u32::MAX).min(self.nonces_per_call.get())
    }

    pub(crate) fn spend(&mut self, hash_count: u32) {
        if let Some((_, spent)) = &mut self.running {
            *spent += u64::from(hash_count);
        }
    }

    /// When a whole slice of hashes may be made: as many as a call takes, or a second's worth
    /// if that is less.
    pub(crate) fn next_at(&self, now: Instant) -> Instant {
        let (Some(limit), Some((since, spent))) = (self.limit, self.running) else { return now };
        let slice = u64::from(self.nonces_per_call.get()).min(limit.get());
        let nanoseconds = (u128::from(spent) + u128::from(slice)) * SECOND;
        let wait = nanoseconds.div_ceil(u128::from(limit.get()));
        let at = Instant(since.0.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX)));
        at.max(now)
    }
}

/// In nanoseconds.
const SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(nonces_per_call: u32, limit: u64) -> Pace {
        let mut pace = Pace::new(NonZeroU32::new(nonces_per_call).unwrap(), NonZeroU64::new(limit));
        pace.start(Instant::ZERO);
        pace
    }

    /// Hashes of a device that is woken when it wants to be.
    fn hashes_until(mut pace: Pace, end: Instant) -> u64 {
        let mut hash_count = 0;
        let mut now = Instant::ZERO;
        while now <= end {
            let allowance = pace.allowance(now);
            pace.spend(allowance);
            hash_count += u64::from(allowance);
            now = pace.next_at(now);
        }
        hash_count
    }

    #[test]
    fn a_limited_device_makes_as_many_hashes_as_its_limit() {
        for (nonces_per_call, limit) in [(1, 7), (10_000, 7), (100, 1_000), (4, 1_000)] {
            let hashes = hashes_until(pace(nonces_per_call, limit), Instant(10_000_000_000));

            assert_eq!(hashes, 10 * limit, "{nonces_per_call} a call");
        }
    }

    #[test]
    fn a_device_that_is_woken_late_catches_up_on_one_second_only() {
        let mut late = pace(1_000_000, 500);

        assert_eq!(late.allowance(Instant(3_600_000_000_000)), 500);
    }

    #[test]
    fn without_a_limit_a_call_is_bounded_and_the_next_one_is_due_at_once() {
        let mut pace = pace(1_000, 0);

        assert_eq!(pace.allowance(Instant(5)), 1_000);
        assert_eq!(pace.next_at(Instant(5)), Instant(5));
    }
}

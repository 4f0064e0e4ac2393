//! How much may be hashed by now, so that many devices share one processor; or when the next proof
//! is due, where the times of proofs are drawn.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use super::{Proof, Search};
use crate::entropy::Entropy;
use crate::time::Instant;

/// What decides when a device finds a proof.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ProofTiming {
    /// Its hashes: a proof is found when its turn comes.
    #[default]
    Hashed,
    /// A draw: the wait for a proof is exponential, as that of hardware, and the device looks for
    /// one when it is over. What it sends is a real proof, for far fewer hashes than such hardware
    /// makes; each takes as many as its target asks for, so targets should be easy.
    Drawn {
        /// Hashes per second, over all channels, that the times are those of; above zero.
        hash_rate: f64,
    },
    /// The same draw, and what is sent is no proof but says that it is one
    /// ([`crate::mining::proof::ProofCheck::Oracle`]): nothing is hashed, however hard the target.
    Oracle {
        /// As above.
        hash_rate: f64,
    },
}

impl ProofTiming {
    /// That the times of proofs are drawn for, if they are.
    fn drawn_hash_rate(self) -> Option<f64> {
        match self {
            ProofTiming::Hashed => None,
            ProofTiming::Drawn { hash_rate } | ProofTiming::Oracle { hash_rate } => Some(hash_rate),
        }
    }
}

/// A budget of hashes that grows with time. Integers only: the same everywhere. What is settled
/// once for many devices is not kept with each.
#[derive(Debug)]
pub(crate) struct Pace<'a> {
    timing: ProofTiming,
    nonces_per_call: NonZeroU32,
    limit: Option<NonZeroU64>,
    running: &'a mut Running,
}

/// While there is work, and a limit: when it began and what was hashed since.
#[derive(Debug, Default)]
pub(crate) struct Running(Option<Box<(Instant, u64)>>);

impl Running {
    /// No work: time that passes now is lost.
    pub(crate) fn stop(&mut self) {
        self.0 = None;
    }
}

impl<'a> Pace<'a> {
    pub(crate) fn new(
        timing: ProofTiming,
        nonces_per_call: NonZeroU32,
        limit: Option<NonZeroU64>,
        running: &'a mut Running,
    ) -> Self {
        Pace { timing, nonces_per_call, limit, running }
    }

    /// When a search should go on, of as many that share the device. Draws the time of its next
    /// proof, where times are drawn and none is known: waits have no memory, so that this may be
    /// after any change of the work.
    pub(crate) fn due_at(
        &mut self,
        search: &mut Search,
        share_count: usize,
        now: Instant,
        entropy: &mut Entropy,
    ) -> Option<Instant> {
        let ready_at = search.ready_at(now)?;
        let Some(hash_rate) = self.timing.drawn_hash_rate() else { return Some(ready_at) };
        let target = search.target().target;
        let due_at = search.proof_at.get().unwrap_or_else(|| {
            #[expect(clippy::cast_precision_loss, reason = "a device has few channels")]
            let own_rate = hash_rate / share_count as f64;
            now + wait(target.expected_hashes(), own_rate, entropy)
        });
        search.proof_at = Some(due_at).into();
        Some(due_at.max(ready_at))
    }

    /// Lets a search go on as far as it may now; says how many hashes that took.
    pub(crate) fn advance(
        &mut self,
        search: &mut Search,
        now: Instant,
        proofs: &mut Vec<Proof>,
    ) -> u32 {
        if let ProofTiming::Oracle { .. } = self.timing {
            search.draw(now, proofs);
            return 0;
        }
        let tried = search.advance(now, self.allowance(now), self.proofs_max(), proofs);
        self.spend(tried);
        tried
    }

    /// Most proofs of one call.
    fn proofs_max(&self) -> usize {
        if self.timing.drawn_hash_rate().is_some() { 1 } else { super::SHARES_PER_CALL_MAX }
    }

    /// Begins to count, unless it does already.
    pub(crate) fn start(&mut self, now: Instant) {
        if self.limit.is_some() && self.timing.drawn_hash_rate().is_none() {
            self.running.0.get_or_insert_with(|| Box::new((now, 0)));
        }
    }

    /// How many hashes may be made now.
    fn allowance(&mut self, now: Instant) -> u32 {
        if self.timing.drawn_hash_rate().is_some() {
            return self.nonces_per_call.get();
        }
        let (Some(limit), Some(running)) = (self.limit, self.running.0.as_deref_mut()) else {
            return self.nonces_per_call.get();
        };
        let (since, spent) = running;
        let earned = u128::from(limit.get()) * now.since(*since).as_nanos() / SECOND;
        let earned = u64::try_from(earned).unwrap_or(u64::MAX);
        // Who is woken late catches up on one second, not on a night.
        *spent = (*spent).max(earned.saturating_sub(limit.get()));
        let left = earned.saturating_sub(*spent);
        u32::try_from(left).unwrap_or(u32::MAX).min(self.nonces_per_call.get())
    }

    fn spend(&mut self, hash_count: u32) {
        if let Some((_, spent)) = self.running.0.as_deref_mut() {
            *spent += u64::from(hash_count);
        }
    }

    /// When a whole slice of hashes may be made: as many as a call takes, or a second's worth
    /// if that is less.
    pub(crate) fn next_at(&self, now: Instant) -> Instant {
        if self.timing.drawn_hash_rate().is_some() {
            return now;
        }
        let (Some(limit), Some((since, spent))) = (self.limit, self.running.0.as_deref()) else {
            return now;
        };
        let slice = u64::from(self.nonces_per_call.get()).min(limit.get());
        let nanoseconds = (u128::from(*spent) + u128::from(slice)) * SECOND;
        let wait = nanoseconds.div_ceil(u128::from(limit.get()));
        let at = Instant(since.0.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX)));
        at.max(now)
    }
}

/// Until the next proof of a search.
fn wait(hashes: f64, hash_rate: f64, entropy: &mut Entropy) -> Duration {
    let seconds = hashes / hash_rate * exponential(entropy);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let nanoseconds = (seconds * 1e9) as u64;
    Duration::from_nanos(nanoseconds)
}

/// Exponential with mean 1, by comparisons alone: a logarithm has other last bits on other
/// platforms (von Neumann, *Various techniques used in connection with random digits*, 1951).
fn exponential(entropy: &mut Entropy) -> f64 {
    let mut whole = 0_u32;
    loop {
        // The length of a falling run is odd with the probability that the density asks for.
        let first = entropy.u64();
        let (mut last, mut is_odd) = (first, true);
        loop {
            let next = entropy.u64();
            if next >= last {
                break;
            }
            (last, is_odd) = (next, !is_odd);
        }
        if is_odd {
            #[expect(clippy::cast_precision_loss, reason = "53 bits are enough")]
            let fraction = first as f64 / 18_446_744_073_709_551_616.0;
            return f64::from(whole) + fraction;
        }
        whole += 1;
    }
}

/// In nanoseconds.
const SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Target;

    fn pace(running: &mut Running, nonces_per_call: u32, limit: u64) -> Pace<'_> {
        let nonces_per_call = NonZeroU32::new(nonces_per_call).unwrap();
        let limit = NonZeroU64::new(limit);
        let mut pace = Pace::new(ProofTiming::Hashed, nonces_per_call, limit, running);
        pace.start(Instant::ZERO);
        pace
    }

    /// Hashes of a device that is woken when it wants to be.
    fn hashes_until(mut pace: Pace<'_>, end: Instant) -> u64 {
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
            let mut running = Running::default();
            let pace = pace(&mut running, nonces_per_call, limit);

            let hashes = hashes_until(pace, Instant(10_000_000_000));

            assert_eq!(hashes, 10 * limit, "{nonces_per_call} a call");
        }
    }

    #[test]
    fn a_device_that_is_woken_late_catches_up_on_one_second_only() {
        let mut running = Running::default();
        let mut late = pace(&mut running, 1_000_000, 500);

        assert_eq!(late.allowance(Instant(3_600_000_000_000)), 500);
    }

    #[test]
    fn without_a_limit_a_call_is_bounded_and_the_next_one_is_due_at_once() {
        let mut running = Running::default();
        let mut pace = pace(&mut running, 1_000, 0);

        assert_eq!(pace.allowance(Instant(5)), 1_000);
        assert_eq!(pace.next_at(Instant(5)), Instant(5));
    }

    #[test]
    fn drawn_waits_are_exponential_with_the_mean_of_hashing() {
        let target = Target::from_expected_hashes(1_000.0);
        let mut entropy = Entropy::from_seed(7);
        let mut seconds = Vec::new();
        for _ in 0..20_000 {
            seconds.push(wait(target.expected_hashes(), 50.0, &mut entropy).as_secs_f64());
        }

        let mean = seconds.iter().sum::<f64>() / 20_000.0;
        assert!((mean / 20.0 - 1.0).abs() < 0.03, "mean {mean} s, expected 20 s");
        for means in [0.1, 0.5, 1.0, 2.0, 4.0] {
            let later = seconds.iter().filter(|wait| **wait > means * 20.0).count();
            let (share, expected) = (later as f64 / 20_000.0, (-means).exp());
            assert!((share - expected).abs() < 0.012, "{share} beyond {means} means");
        }
    }
}

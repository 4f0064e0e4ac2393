//! When a device finds shares: a Poisson process of its own, which a seed repeats.

use std::time::Duration;

use sv2::entropy::Entropy;
use sv2::time::Instant;

/// The shares of one device from a moment on, one after the other.
///
/// Sixteen bytes a device, which a ChaCha20 stream for each of a hundred thousand would not be:
/// the stream is SplitMix64 (Steele, Lea, Flood 2014), seeded from ours.
#[derive(Debug)]
pub(super) struct Arrivals {
    state: u64,
    next: Instant,
}

impl Arrivals {
    /// Of the device with that number. What is drawn depends on the seed and the number alone.
    pub(super) fn new(seed: &Entropy, device: u32, from: Instant, mean: Duration) -> Self {
        let state = seed.fork("arrivals", device.into()).u64();
        let mut arrivals = Arrivals { state, next: from };
        arrivals.advance(mean);
        arrivals
    }

    /// When the next share is found.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Goes on to the one after it; `mean` is the time between two.
    pub(super) fn advance(&mut self, mean: Duration) {
        // The exponential distribution has no memory: neither a late share nor a pause is made
        // up for.
        self.next = self.next + mean.mul_f64(-self.unit().ln());
    }

    /// A number in (0, 1].
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn unit(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEAN: Duration = Duration::from_secs(10);

    fn of_a_device(seed: u64, device: u32, count: usize) -> Vec<Instant> {
        let mut arrivals =
            Arrivals::new(&Entropy::from_seed(seed), device, Instant(5_000_000_000), MEAN);
        let step = |_| {
            let at = arrivals.next();
            arrivals.advance(MEAN);
            at
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn the_same_seed_repeats_the_arrivals_of_each_device() {
        let first = of_a_device(7, 3, 50);

        assert_eq!(first, of_a_device(7, 3, 50));
        assert_ne!(first, of_a_device(8, 3, 50));
        assert_ne!(first, of_a_device(7, 4, 50));
    }

    #[test]
    fn the_times_between_shares_have_the_mean_and_the_spread_of_a_poisson_process() {
        let times = of_a_device(7, 0, 20_000);

        let gaps: Vec<f64> =
            times.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64()).collect();
        let count = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        // Three standard errors of 20,000 draws are 2.1 % of the mean.
        assert!((mean / 10.0 - 1.0).abs() < 0.021, "{mean}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03, "{variance}");
        assert!(times[0] > Instant(5_000_000_000));
    }
}

//! Whether two samples come from one distribution (Kolmogorov and Smirnov).

use crate::engine::math::exp;

/// What the test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KsTest {
    /// The largest distance of the two distributions, from 0 to 1.
    pub distance: f64,
    /// The probability of such a distance, or a larger one, if both are the same.
    pub probability: f64,
}

/// Compares two samples, in any order; neither is empty, and neither holds what is no number.
pub fn ks_test(one: &[f64], other: &[f64]) -> KsTest {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (one, other) = (sorted(one), sorted(other));
    let (mut i, mut j, mut distance) = (0, 0, 0.0_f64);
    while i < one.len() && j < other.len() {
        let value = one[i].min(other[j]);
        while i < one.len() && one[i] <= value {
            i += 1;
        }
        while j < other.len() && other[j] <= value {
            j += 1;
        }
        let gap = i as f64 / one.len() as f64 - j as f64 / other.len() as f64;
        distance = distance.max(gap.abs());
    }
    let size = (one.len() * other.len()) as f64 / (one.len() + other.len()) as f64;
    // Stephens, *Use of the Kolmogorov-Smirnov, Cramér-von Mises and related statistics*, 1970.
    let scaled = (size.sqrt() + 0.12 + 0.11 / size.sqrt()) * distance;
    KsTest { distance, probability: tail(scaled) }
}

/// The limit of the distribution, which is an alternating series.
fn tail(scaled: f64) -> f64 {
    // Below, the series has not converged and the answer is 1 to fifteen digits.
    if scaled < 0.2 {
        return 1.0;
    }
    let term = |k: f64| exp(-2.0 * k * k * scaled * scaled);
    let pairs = (1..=50).map(|k| term(f64::from(2 * k - 1)) - term(f64::from(2 * k)));
    (2.0 * pairs.sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Purpose, Stream};

    #[test]
    fn one_distribution_is_called_two_as_often_as_chance_has_it() {
        let mut stream = Stream::new(4, 0, Purpose::Scenario);
        let called = (0..2_000).filter(|_| {
            let mut draw = || -> Vec<f64> { (0..80).map(|_| stream.exponential(1.0)).collect() };
            ks_test(&draw(), &draw()).probability < 0.05
        });

        let part = called.count() as f64 / 2_000.0;
        assert!((0.025..0.065).contains(&part), "{part}");
    }

    #[test]
    fn a_shift_is_seen() {
        let mut stream = Stream::new(4, 1, Purpose::Scenario);
        let one: Vec<f64> = (0..500).map(|_| stream.normal()).collect();
        let other: Vec<f64> = (0..500).map(|_| stream.normal() + 0.5).collect();

        assert!(ks_test(&one, &other).probability < 1e-4);
        assert_eq!(ks_test(&one, &one), KsTest { distance: 0.0, probability: 1.0 });
    }
}

//! A part of a whole, counted.

use super::Interval;
use crate::engine::math::normal_quantile;

/// Where the probability lies of which `hits` of `count` are a sample (Wilson, *Probable
/// inference, the law of succession, and statistical inference*, 1927): within 0 and 1 also where
/// there are none or few, as stale shares are. Anything if `count` is 0.
pub fn wilson(hits: u64, count: u64) -> Interval {
    if count == 0 {
        return Interval { mean: 0.0, low: 0.0, high: 1.0 };
    }
    let z = normal_quantile(0.975);
    let (count, part) = (count as f64, hits as f64 / count as f64);
    let scale = 1.0 + z * z / count;
    let middle = (part + z * z / (2.0 * count)) / scale;
    let half = z / scale * (part * (1.0 - part) / count + z * z / (4.0 * count * count)).sqrt();
    Interval { mean: part, low: (middle - half).max(0.0), high: (middle + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_books() {
        for (hits, count, low, high) in
            [(0, 10, 0.0, 0.277_5), (1, 10, 0.017_9, 0.404_2), (50, 100, 0.403_8, 0.596_2)]
        {
            let found = wilson(hits, count);
            assert!((found.low - low).abs() < 1e-4, "{hits} of {count}: {found:?}");
            assert!((found.high - high).abs() < 1e-4, "{hits} of {count}: {found:?}");
        }
        assert_eq!(wilson(0, 0).high, 1.0);
    }
}

//! A mean and how sure it is.

use super::t_quantile;

/// Values of one figure, one for each run (Welford, *Note on a method for calculating corrected
/// sums of squares and products*, 1962: no value needs to be kept).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    count: u64,
    mean: f64,
    /// Sum of squares around the mean.
    squares: f64,
}

/// Where a true value lies with a probability of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The middle.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Sample {
    /// Takes in a value.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let gap = value - self.mean;
        self.mean += gap / self.count as f64;
        self.squares += gap * (value - self.mean);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Of them; 0 if there are none.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The unbiased one; 0 below two values.
    pub fn variance(&self) -> f64 {
        if self.count < 2 { 0.0 } else { self.squares / (self.count - 1) as f64 }
    }

    /// Of the mean, by Student's t; anything below two values.
    pub fn interval(&self) -> Interval {
        let half = match self.count {
            0 | 1 => f64::INFINITY,
            count => {
                let error = (self.variance() / count as f64).sqrt();
                t_quantile(0.975, (count - 1) as f64) * error
            }
        };
        Interval { mean: self.mean, low: self.mean - half, high: self.mean + half }
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sample = Sample::default();
        values.into_iter().for_each(|value| sample.add(value));
        sample
    }
}

impl Interval {
    /// Whether a value lies in it.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Of the second arm less the first, run by run: what both have in common (the same blocks, the
/// same luck) falls out.
///
/// # Panics
/// If the arms differ in length: runs are paired by their seed.
pub fn paired_differences(first: &[f64], second: &[f64]) -> Sample {
    assert_eq!(first.len(), second.len(), "each run of one arm has its pair in the other");
    first.iter().zip(second).map(|(first, second)| second - first).collect()
}

/// Of the second arm over the first, run by run; pairs whose first is zero say nothing.
///
/// # Panics
/// If the arms differ in length.
pub fn paired_ratios(first: &[f64], second: &[f64]) -> Sample {
    assert_eq!(first.len(), second.len(), "each run of one arm has its pair in the other");
    let pairs = first.iter().zip(second).filter(|(first, _)| **first != 0.0);
    pairs.map(|(first, second)| second / first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Purpose, Stream};

    #[test]
    fn the_interval_of_a_known_sample_is_that_of_the_books() {
        let sample: Sample = [4.0, 5.0, 6.0, 7.0, 8.0].into_iter().collect();

        let interval = sample.interval();

        // s / sqrt(5) = 0.70711; t(0.975; 4) = 2.77645.
        assert_eq!((interval.mean, sample.variance()), (6.0, 2.5));
        assert!((interval.low - 4.036_76).abs() < 1e-4, "{interval:?}");
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_true_mean() {
        for runs in [3, 10, 30] {
            let mut stream = Stream::new(9, runs, Purpose::Scenario);
            let held = (0..20_000).filter(|_| {
                let sample: Sample = (0..runs).map(|_| 3.0 + stream.normal()).collect();
                sample.interval().contains(3.0)
            });
            let part = held.count() as f64 / 20_000.0;
            assert!((part - 0.95).abs() < 0.008, "{runs} runs: {part}");
        }
    }

    #[test]
    fn what_pairs_have_in_common_falls_out() {
        let mut stream = Stream::new(9, 0, Purpose::Scenario);
        let luck: Vec<f64> = (0..20).map(|_| 100.0 * stream.unit()).collect();
        let first: Vec<f64> = luck.iter().map(|luck| luck + 0.1 * stream.normal()).collect();
        let second: Vec<f64> = luck.iter().map(|luck| luck - 1.0 + 0.1 * stream.normal()).collect();

        let interval = paired_differences(&first, &second).interval();

        assert!(interval.contains(-1.0) && interval.high < -0.8, "{interval:?}");
        assert!(paired_ratios(&first, &second).mean() < 1.0);
    }

    #[test]
    fn one_run_says_nothing_about_the_next() {
        let interval = Sample::from_iter([7.0]).interval();

        assert!(interval.contains(1e300));
    }
}

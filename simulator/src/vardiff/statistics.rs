//! What many trials say together, and how sure that is.

/// A number, and half of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// It lies within this distance in 95 of 100 studies.
    pub within: f64,
}

impl Estimate {
    /// Whether it is above another one by more than chance explains.
    pub fn is_above(&self, other: &Estimate) -> bool {
        self.value - other.value > self.within.hypot(other.within)
    }
}

/// One number of each of several independent trials.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    sorted: Vec<f64>,
}

impl Sample {
    /// At least two numbers.
    ///
    /// # Panics
    /// If there are fewer: one trial says nothing about its scatter.
    pub fn new(mut numbers: Vec<f64>) -> Self {
        assert!(numbers.len() >= 2, "one trial says nothing about its scatter");
        numbers.sort_by(f64::total_cmp);
        Sample { sorted: numbers }
    }

    /// The mean, by the central limit theorem.
    pub fn mean(&self) -> Estimate {
        let count = self.count();
        let mean = self.sorted.iter().sum::<f64>() / count;
        let squares: f64 = self.sorted.iter().map(|number| (number - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        Estimate { value: mean, within: NORMAL_95 * error }
    }

    /// The number that so many per cent of all do not exceed.
    pub fn percentile(&self, percent: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = ((self.count() - 1.0) * percent / 100.0).round() as usize;
        self.sorted[index.min(self.sorted.len() - 1)]
    }

    fn count(&self) -> f64 {
        count(self.sorted.len())
    }
}

/// A number that is computed from all trials together, by the jackknife: `of` is given the trials
/// without one, for each.
pub fn jackknife<T: Copy>(
    trials: &[T],
    of: impl Fn(&mut dyn Iterator<Item = T>) -> f64,
) -> Estimate {
    let value = of(&mut trials.iter().copied());
    let without = (0..trials.len()).map(|left_out| {
        let others = trials.iter().enumerate().filter(|(index, _)| *index != left_out);
        of(&mut others.map(|(_, trial)| *trial))
    });
    let without: Vec<f64> = without.collect();
    let trials = count(without.len());
    let mean = without.iter().sum::<f64>() / trials;
    let squares: f64 = without.iter().map(|number| (number - mean).powi(2)).sum();
    Estimate { value, within: NORMAL_95 * (squares * (trials - 1.0) / trials).sqrt() }
}

/// Standard deviations that hold 95 % of a normal distribution.
const NORMAL_95: f64 = 1.96;

#[expect(clippy::cast_precision_loss, reason = "trials are few")]
fn count(len: usize) -> f64 {
    len as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_the_error_of_its_sample() {
        let mean = Sample::new(vec![1.0, 2.0, 3.0, 4.0]).mean();

        assert_eq!(mean.value, 2.5);
        assert!((mean.within - 1.96 * (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_jackknife_of_a_mean_is_its_error() {
        let numbers = [1.0, 2.0, 3.0, 4.0];
        let mean = |numbers: &mut dyn Iterator<Item = f64>| {
            let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), n| (sum + n, count + 1.0));
            sum / count
        };

        let jackknife = jackknife(&numbers, mean);

        let direct = Sample::new(numbers.to_vec()).mean();
        assert!((jackknife.within - direct.within).abs() < 1e-12);
    }

    #[test]
    fn percentiles_are_numbers_of_the_sample() {
        let sample = Sample::new((0..=10).rev().map(f64::from).collect());

        let percentiles = [0.0, 10.0, 50.0, 90.0, 100.0].map(|percent| sample.percentile(percent));

        assert_eq!(percentiles, [0.0, 1.0, 5.0, 9.0, 10.0]);
    }
}

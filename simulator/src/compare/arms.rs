//! Arms, run by run.

use std::time::Duration;

use sv2::time::Instant;

use super::{Figure, Figures, predict};
use crate::fleet::{Sizes, Star, StarSettings};
use crate::statistics::{Interval, Sample, paired_differences, paired_ratios};

/// One side of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// As reports call it.
    pub name: String,
    /// What is run, but for the seed.
    pub settings: StarSettings,
}

/// Arms that were run with the same seeds; the first is what the others are compared to.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    names: Vec<String>,
    /// By arm and run.
    runs: Vec<Vec<Figures>>,
    /// By arm.
    predicted: Vec<Figures>,
}

/// A star for each protocol, otherwise the same: equal rate of shares, equal rounding.
pub fn arms(settings: &StarSettings, protocols: &[Sizes]) -> Vec<Arm> {
    let arm = |sizes: &Sizes| Arm {
        name: sizes.name.to_owned(),
        settings: StarSettings { sizes: *sizes, ..settings.clone() },
    };
    protocols.iter().map(arm).collect()
}

/// Runs every arm with every seed, for so much simulated time, of which the first part is not
/// counted.
pub fn compare(
    arms: &[Arm],
    seeds: impl Iterator<Item = u64> + Clone,
    length: Duration,
    warm_up: Duration,
) -> Comparison {
    let run = |arm: &Arm, seed| {
        let mut star: Star = Star::new(StarSettings { seed, ..arm.settings.clone() });
        star.run_until(Instant::ZERO + warm_up);
        let before = *star.tally();
        star.run_until(Instant::ZERO + length);
        let tally = star.tally().since(&before);
        let seconds = length.saturating_sub(warm_up).as_secs_f64();
        Figures::of_star(&tally, arm.settings.device_count, seconds)
    };
    let predicted = |arm: &Arm| {
        let of = |figure| predict(figure, &arm.settings).map(|value| (figure, value));
        Figures::of(&Figure::ALL.into_iter().filter_map(of).collect::<Vec<_>>())
    };
    let runs = arms.iter().map(|arm| seeds.clone().map(|seed| run(arm, seed)).collect());
    Comparison {
        names: arms.iter().map(|arm| arm.name.clone()).collect(),
        runs: runs.collect(),
        predicted: arms.iter().map(predicted).collect(),
    }
}

impl Comparison {
    /// Of arms that were run elsewhere, with their names and closed forms; each arm has as many
    /// runs, in the order of their seeds.
    ///
    /// # Panics
    /// If they are not.
    pub fn new(arms: Vec<(String, Vec<Figures>, Figures)>) -> Self {
        let mut comparison =
            Comparison { names: Vec::new(), runs: Vec::new(), predicted: Vec::new() };
        for (name, runs, predicted) in arms {
            let count = comparison.runs.first().map_or(runs.len(), Vec::len);
            assert_eq!(count, runs.len(), "each run of one arm has its pair in the others");
            comparison.names.push(name);
            comparison.runs.push(runs);
            comparison.predicted.push(predicted);
        }
        comparison
    }

    /// Names of the arms, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many runs each arm has.
    pub fn run_count(&self) -> usize {
        self.runs.first().map_or(0, Vec::len)
    }

    /// A figure of an arm, for each run; nothing if it was not measured in all of them.
    pub fn values(&self, arm_index: usize, figure: Figure) -> Vec<f64> {
        let values: Option<Vec<f64>> =
            self.runs[arm_index].iter().map(|run| run.value(figure)).collect();
        values.unwrap_or_default()
    }

    /// Whether a figure was measured in all arms.
    pub fn has(&self, figure: Figure) -> bool {
        (0..self.names.len()).all(|index| !self.values(index, figure).is_empty())
    }

    /// A figure of an arm, at 95 %.
    pub fn interval(&self, arm_index: usize, figure: Figure) -> Interval {
        self.values(arm_index, figure).into_iter().collect::<Sample>().interval()
    }

    /// A figure of an arm over that of another, paired by run.
    pub fn ratio(&self, arm_index: usize, other_index: usize, figure: Figure) -> Interval {
        let (other, arm) = (self.values(other_index, figure), self.values(arm_index, figure));
        paired_ratios(&other, &arm).interval()
    }

    /// A figure of an arm less that of another, paired by run.
    pub fn difference(&self, arm_index: usize, other_index: usize, figure: Figure) -> Interval {
        let (other, arm) = (self.values(other_index, figure), self.values(arm_index, figure));
        paired_differences(&other, &arm).interval()
    }

    /// What a closed form gives for a figure of an arm.
    pub fn predicted(&self, arm_index: usize, figure: Figure) -> Option<f64> {
        self.predicted[arm_index].value(figure)
    }

    /// What closed forms give for the ratio.
    pub fn predicted_ratio(
        &self,
        arm_index: usize,
        other_index: usize,
        figure: Figure,
    ) -> Option<f64> {
        let other = self.predicted(other_index, figure).filter(|value| *value > 0.0)?;
        Some(self.predicted(arm_index, figure)? / other)
    }

    /// What closed forms give for the difference.
    pub fn predicted_difference(
        &self,
        arm_index: usize,
        other_index: usize,
        figure: Figure,
    ) -> Option<f64> {
        Some(self.predicted(arm_index, figure)? - self.predicted(other_index, figure)?)
    }
}

//! Arms, run by run.

use std::ops::Range;
use std::time::Duration;

use sv2::time::Instant;

use super::predict;
use crate::fleet::{Sizes, Star, StarSettings, Tally};
use crate::statistics::{Interval, Sample, paired_differences, paired_ratios};

/// One side of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// As reports call it.
    pub name: String,
    /// What is run, but for the seed.
    pub settings: StarSettings,
}

/// What is compared; of a device where it is an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Bytes a second in both directions, without TCP.
    PayloadBytes,
    /// The same, from devices to the pool.
    UplinkBytes,
    /// The same, from the pool to devices.
    DownlinkBytes,
    /// Bytes a second in both directions, with headers and acknowledgements.
    PacketBytes,
    /// Shares a second: arms that differ in it are not comparable.
    ShareRate,
    /// Stale work over all work, integrated.
    StalePart,
    /// Seconds from the pool's new tip to the device's, on average.
    SwitchTime,
}

/// Arms that were run.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    arms: Vec<Arm>,
    /// By arm and run.
    tallies: Vec<Vec<Tally>>,
    length: Duration,
}

/// A star for each protocol, otherwise the same: equal rate of shares, equal rounding.
pub fn arms(settings: &StarSettings, protocols: &[Sizes]) -> Vec<Arm> {
    let arm = |sizes: &Sizes| Arm {
        name: sizes.name.to_owned(),
        settings: StarSettings { sizes: *sizes, ..settings.clone() },
    };
    protocols.iter().map(arm).collect()
}

/// Runs every arm with every seed, for so much simulated time.
pub fn compare(arms: Vec<Arm>, seeds: Range<u64>, length: Duration) -> Comparison {
    let run = |arm: &Arm, seed| {
        let mut star: Star = Star::new(StarSettings { seed, ..arm.settings.clone() });
        star.run_until(Instant::ZERO + length);
        *star.tally()
    };
    let tallies =
        arms.iter().map(|arm| seeds.clone().map(|seed| run(arm, seed)).collect()).collect();
    Comparison { arms, tallies, length }
}

impl Comparison {
    /// The arms, in their order.
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// A figure of an arm, for each run.
    pub fn values(&self, arm_index: usize, figure: Figure) -> Vec<f64> {
        let devices = f64::from(self.arms[arm_index].settings.device_count);
        let time = devices * self.length.as_secs_f64();
        let value = |tally: &Tally| match figure {
            Figure::PayloadBytes => (tally.up_bytes + tally.down_bytes) as f64 / time,
            Figure::UplinkBytes => tally.up_bytes as f64 / time,
            Figure::DownlinkBytes => tally.down_bytes as f64 / time,
            Figure::PacketBytes => tally.packet_bytes as f64 / time,
            Figure::ShareRate => tally.found_count as f64 / time,
            Figure::StalePart => tally.stale_part(),
            Figure::SwitchTime => tally.switch_ns_sum / (tally.switch_count.max(1)) as f64 / 1e9,
        };
        self.tallies[arm_index].iter().map(value).collect()
    }

    /// A figure of an arm, at 95 %.
    pub fn interval(&self, arm_index: usize, figure: Figure) -> Interval {
        self.values(arm_index, figure).into_iter().collect::<Sample>().interval()
    }

    /// A figure of an arm over that of the first, paired by run.
    pub fn ratio(&self, arm_index: usize, figure: Figure) -> Interval {
        let (first, second) = (self.values(0, figure), self.values(arm_index, figure));
        paired_ratios(&first, &second).interval()
    }

    /// A figure of an arm less that of the first, paired by run.
    pub fn difference(&self, arm_index: usize, figure: Figure) -> Interval {
        let (first, second) = (self.values(0, figure), self.values(arm_index, figure));
        paired_differences(&first, &second).interval()
    }

    /// What closed forms give for the ratio.
    pub fn predicted_ratio(&self, arm_index: usize, figure: Figure) -> Option<f64> {
        let first = predict(figure, &self.arms[0].settings)?;
        let second = predict(figure, &self.arms[arm_index].settings)?;
        (first > 0.0).then_some(second / first)
    }
}

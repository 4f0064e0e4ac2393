//! What one trace says. Difficulty is proportional to the hash rate that a target is made for, so
//! ratios of hash rates are ratios of difficulties.

use std::time::Duration;

use super::trial::{Trace, Trial};

/// How long a difficulty has to stay right to be called right.
pub const HOLD: Duration = Duration::from_secs(300);

/// From `from` on: how long until the difficulty is within `tolerance` (relative) of the right
/// one, and stays so for [`HOLD`]. `None`: never.
pub fn settled_after(
    trial: &Trial,
    trace: &Trace,
    from: Duration,
    tolerance: f64,
) -> Option<Duration> {
    let mut right_since = None;
    for Period { start, end, ratio } in periods(trial, trace, from) {
        if (ratio - 1.0).abs() > tolerance {
            right_since = None;
            continue;
        }
        let since = *right_since.get_or_insert(start);
        if end - since >= HOLD {
            return Some(since - from);
        }
    }
    None
}

/// How a difficulty behaves while the miner does not change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Steady {
    /// Of the difficulty as a part of the right one, over time.
    pub mean: f64,
    /// Mean square of it.
    pub square: f64,
    /// Targets set in an hour.
    pub steps_per_hour: f64,
    /// Of these, in a day, those that made the difficulty worse.
    pub false_steps_per_day: f64,
}

impl Steady {
    /// From `from` to the end of the trial, in which the miner does not change.
    pub fn of(trial: &Trial, trace: &Trace, from: Duration) -> Self {
        let hours = (trial.length - from).as_secs_f64() / 3600.0;
        let mut steady = Steady::default();
        let mut last: Option<f64> = None;
        for Period { start, end, ratio } in periods(trial, trace, from) {
            let part = (end - start).as_secs_f64() / 3600.0 / hours;
            steady.mean += part * ratio;
            steady.square += part * ratio * ratio;
            if let Some(last) = last {
                steady.steps_per_hour += 1.0 / hours;
                let is_false = ratio.ln().abs() > last.ln().abs();
                steady.false_steps_per_day += if is_false { 24.0 / hours } else { 0.0 };
            }
            last = Some(ratio);
        }
        steady
    }

    /// Standard deviation of the difficulty over time, as a part of its mean: how much it moves.
    pub fn wander(&self) -> f64 {
        (self.square - self.mean * self.mean).max(0.0).sqrt() / self.mean
    }
}

/// A time in which the target stays.
struct Period {
    start: Duration,
    end: Duration,
    /// Of the difficulty to the right one at the end of the trial.
    ratio: f64,
}

fn periods(trial: &Trial, trace: &Trace, from: Duration) -> impl Iterator<Item = Period> {
    let right = trial.final_hash_rate();
    let ends = trace.steps.iter().skip(1).map(|step| step.0).chain([trial.length]);
    let periods = trace.steps.iter().zip(ends).map(move |((start, hash_rate), end)| Period {
        start: (*start).max(from),
        end,
        ratio: hash_rate / right,
    });
    periods.filter(move |period| period.end > from)
}

#[cfg(test)]
mod tests {
    use sv2::mining::vardiff::VardiffAlgorithm;

    use super::*;
    use crate::vardiff::trial::HASH_RATE;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// An hour with these difficulties, as parts of the right one.
    fn trace(steps: &[(u64, f64)]) -> (Trial, Trace) {
        let steps = steps.iter().map(|(at, ratio)| (seconds(*at), ratio * HASH_RATE)).collect();
        (Trial::new(VardiffAlgorithm::Bayes, 6.0), Trace { steps, share_count: 0 })
    }

    #[test]
    fn a_difficulty_is_settled_when_it_stays_right() {
        for (steps, settled) in [
            (&[(0, 1.0)][..], Some(0)),
            (&[(0, 10.0), (60, 1.2)], Some(60)),
            (&[(0, 10.0), (60, 1.2), (120, 0.9)], Some(60)),
            (&[(0, 10.0), (60, 1.2), (120, 2.0), (180, 0.9)], Some(180)),
            (&[(0, 10.0), (60, 1.3)], None),
            (&[(0, 10.0), (3400, 1.0)], None),
        ] {
            let (trial, trace) = trace(steps);
            let found = settled_after(&trial, &trace, Duration::ZERO, 0.25);
            assert_eq!(found, settled.map(seconds), "{steps:?}");
        }
    }

    #[test]
    fn time_before_a_change_does_not_count() {
        let (trial, trace) = trace(&[(0, 1.0), (1000, 2.0), (2000, 1.0)]);

        let settled = settled_after(&trial, &trace, seconds(1100), 0.1);

        assert_eq!(settled, Some(seconds(900)));
    }

    #[test]
    fn moments_are_over_time_and_steps_that_lead_away_are_false() {
        let (trial, trace) = trace(&[(0, 7.0), (900, 1.0), (1800, 3.0), (3150, 1.0)]);

        let steady = Steady::of(&trial, &trace, seconds(900));

        // Half of the time at 1 and half at 3.
        assert!((steady.mean - 2.0).abs() < 1e-12, "{steady:?}");
        assert!((steady.wander() - 0.5).abs() < 1e-12, "{steady:?}");
        assert!((steady.steps_per_hour - 2.0 / 0.75).abs() < 1e-12, "{steady:?}");
        assert!((steady.false_steps_per_day - 24.0 / 0.75).abs() < 1e-12, "{steady:?}");
    }
}

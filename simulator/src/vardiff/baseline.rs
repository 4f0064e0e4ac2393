//! An experiment that others have published, run again: the algorithm of the reference
//! implementation, cold started and halved.
//!
//! Source: `baseline_classic.md` of stratum-mining/stratum, pull request 2154 (2026, not merged):
//! 1,000 trials of half an hour each, a look a minute. What they count are steps: an algorithm
//! has converged with a step after which there is none for five minutes, and has reacted with
//! any step in the five minutes after a change, also with one that it would have made anyway.

use std::time::Duration;

use sv2::mining::vardiff::VardiffAlgorithm;

use super::statistics::Sample;
use super::trial::{HASH_RATE, Trace, Trial};

/// What they have published for one rate of shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Aimed at, in shares a minute.
    pub shares_per_minute: f64,
    /// Part of all cold starts (10 GH/s claimed, 1 PH/s there) that have converged.
    pub converged: f64,
    /// Of the times until then: 10th, 50th and 90th percentile, in seconds.
    pub percentiles: [f64; 3],
    /// Of the times until then, in seconds.
    pub mean: f64,
    /// Part of all trials that have reacted to a hash rate that falls to half of it.
    pub reacted: f64,
}

/// Their table, where it has a rate of ours.
pub const PUBLISHED: [Published; 3] = [
    Published {
        shares_per_minute: 6.0,
        converged: 0.832,
        percentiles: [600.0, 720.0, 1260.0],
        mean: 845.0,
        reacted: 0.696,
    },
    Published {
        shares_per_minute: 12.0,
        converged: 0.943,
        percentiles: [600.0, 600.0, 1200.0],
        mean: 778.0,
        reacted: 0.523,
    },
    Published {
        shares_per_minute: 30.0,
        converged: 0.993,
        percentiles: [600.0, 600.0, 900.0],
        mean: 673.0,
        reacted: 0.297,
    },
];

/// The same, as it comes out here.
pub fn repeat(shares_per_minute: f64, trials: u64) -> Published {
    let starts = cold_starts(shares_per_minute, trials);
    let times = starts.iter().filter_map(converged_at).map(|at| at.as_secs_f64());
    let times = Sample::new(times.collect());
    let count = |of: usize| f64::from(u32::try_from(of).unwrap_or(u32::MAX));
    let converged = starts.iter().filter(|trace| converged_at(trace).is_some()).count();
    let halvings = halvings(shares_per_minute, trials);
    let reacted = halvings.iter().filter(|trace| has_reacted(trace)).count();
    Published {
        shares_per_minute,
        converged: count(converged) / count(starts.len()),
        percentiles: [10.0, 50.0, 90.0].map(|percent| times.percentile(percent)),
        mean: times.mean().value,
        reacted: count(reacted) / count(halvings.len()),
    }
}

/// While the claim is more than eleven times too low, each look makes it three times higher,
/// whatever the luck: those looks, with a million shares, are left out.
fn cold_starts(shares_per_minute: f64, trials: u64) -> Vec<Trace> {
    let trial = Trial {
        claimed: 1e10 * 3_f64.powi(RAMP_LOOKS),
        length: LENGTH - RAMP,
        ..Trial::new(VardiffAlgorithm::Sri, shares_per_minute)
    };
    let traces = (0..trials).map(|seed| {
        let mut trace = trial.run(seed);
        trace.steps.iter_mut().for_each(|step| step.0 += RAMP);
        trace
    });
    traces.collect()
}

fn halvings(shares_per_minute: f64, trials: u64) -> Vec<Trace> {
    let trial = Trial {
        course: vec![(Duration::ZERO, HASH_RATE), (CHANGE, HASH_RATE / 2.0)],
        length: LENGTH,
        ..Trial::new(VardiffAlgorithm::Sri, shares_per_minute)
    };
    (0..trials).map(|seed| trial.run(seed)).collect()
}

fn converged_at(trace: &Trace) -> Option<Duration> {
    let steps: Vec<Duration> = trace.steps.iter().skip(1).map(|step| step.0).collect();
    let mut nexts = steps.iter().skip(1).map(Some).chain([None]);
    let is_last = |step: &&Duration| {
        let next = nexts.next().flatten();
        **step + QUIET <= LENGTH && next.is_none_or(|next| *next > **step + QUIET)
    };
    match steps.is_empty() {
        true => Some(Duration::ZERO),
        false => steps.iter().find(is_last).copied(),
    }
}

fn has_reacted(trace: &Trace) -> bool {
    let mut steps = trace.steps.iter().skip(1).map(|step| step.0);
    steps.any(|step| step > CHANGE && step <= CHANGE + QUIET)
}

const LENGTH: Duration = Duration::from_secs(1800);
const CHANGE: Duration = Duration::from_secs(900);
const QUIET: Duration = Duration::from_secs(300);
/// From 100,000 times too low to 15 times.
const RAMP_LOOKS: i32 = 8;
const RAMP: Duration = Duration::from_secs(480);

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(steps: &[u64]) -> Trace {
        let steps = [0].iter().chain(steps).map(|at| (Duration::from_secs(*at), 1.0)).collect();
        Trace { steps, share_count: 0 }
    }

    #[test]
    fn a_step_with_five_quiet_minutes_behind_it_is_convergence() {
        for (steps, at) in [
            (&[][..], Some(0)),
            (&[600], Some(600)),
            (&[600, 900, 1201], Some(900)),
            (&[600, 900, 1200, 1500, 1501], None),
        ] {
            let converged = converged_at(&trace(steps));
            assert_eq!(converged, at.map(Duration::from_secs), "{steps:?}");
        }
    }

    #[test]
    fn any_step_in_the_five_minutes_after_the_change_is_a_reaction() {
        for (steps, has) in [(&[900][..], false), (&[901], true), (&[1200], true), (&[1201], false)]
        {
            assert_eq!(has_reacted(&trace(steps)), has, "{steps:?}");
        }
    }
}

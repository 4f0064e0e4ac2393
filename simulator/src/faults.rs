//! When what breaks, for one run: faults that are drawn, drawn.

use std::time::Duration;

use sv2::time::Instant;

use crate::engine::{Purpose, Stream};
use crate::scenario::{Fault, When};

/// One time that a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// When it begins.
    pub at: Instant,
    /// When it is over, if ever.
    pub until: Option<Instant>,
    /// Its place among the faults of the scenario.
    pub fault_index: usize,
}

/// All occurrences that begin within a run, by time, then in the order of the file. A drawn fault
/// is never there twice at a time: the next is drawn from its end on. At most
/// [`OCCURRENCES_MAX`] of each fault.
pub fn timeline(faults: &[Fault], seed: u64, length: Duration) -> Vec<Occurrence> {
    let end = Instant::ZERO + length;
    let mut timeline = Vec::new();
    for (fault_index, fault) in faults.iter().enumerate() {
        let occurrence = |at: Instant| Occurrence {
            at,
            until: fault.length.map(|length| at + length),
            fault_index,
        };
        match fault.when {
            When::At(at) => timeline.push(occurrence(Instant::ZERO + at)),
            When::Every(mean) => {
                let mut stream = Stream::new(seed, fault_index as u64, Purpose::Fault);
                let mut at = Instant::ZERO;
                for _ in 0..OCCURRENCES_MAX {
                    let wait = stream.exponential(mean.as_secs_f64());
                    at = at + Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX);
                    if at >= end {
                        break;
                    }
                    timeline.push(occurrence(at));
                    match fault.length {
                        Some(length) => at = at + length,
                        // What never ends does not begin again.
                        None if !fault.kind.is_momentary() => break,
                        None => {}
                    }
                }
            }
        }
    }
    timeline.retain(|occurrence| occurrence.at < end);
    timeline.sort();
    timeline
}

/// Of one fault in one run.
pub const OCCURRENCES_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{FaultKind, RoleId, Target};

    const DAY: Duration = Duration::from_secs(86_400);

    fn fault(when: When, length: Option<Duration>) -> Fault {
        Fault { kind: FaultKind::Pause(Target::Role(RoleId(0))), when, length }
    }

    #[test]
    fn drawn_faults_come_at_their_rate_and_never_twice_at_a_time() {
        let hour = Duration::from_secs(3_600);
        let faults = [fault(When::Every(hour), Some(hour)), fault(When::At(hour), None)];

        let timeline = timeline(&faults, 7, 1_000 * DAY);

        let drawn: Vec<&Occurrence> =
            timeline.iter().filter(|occurrence| occurrence.fault_index == 0).collect();
        // One in two hours: 12,000, give or take five standard deviations of half of them.
        assert!(drawn.len().abs_diff(12_000) < 300, "{}", drawn.len());
        assert!(drawn.windows(2).all(|pair| pair[0].until <= Some(pair[1].at)));
        assert_eq!(timeline.len() - drawn.len(), 1);
        assert!(timeline.is_sorted());
    }

    #[test]
    fn what_never_ends_happens_once() {
        let faults = [fault(When::Every(Duration::from_secs(60)), None)];

        assert_eq!(timeline(&faults, 7, DAY).len(), 1);
    }
}

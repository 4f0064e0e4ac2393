//! Rules that need no luck; what does is asked in the simulator's laboratory.

use std::time::Duration;

use super::VardiffAlgorithm::{Bayes, Ckpool, Sri};
use super::*;

const HASHES: f64 = 1e7;
const SHARES_PER_MINUTE: f64 = 6.0;

/// A channel that follows its algorithm: one share in ten seconds takes [`HASHES`].
struct Channel {
    vardiff: Vardiff,
    now: Instant,
    aim: Aim,
}

impl Channel {
    fn new(algorithm: VardiffAlgorithm) -> Self {
        let aim = Aim {
            hash_rate: HASHES * SHARES_PER_MINUTE / 60.0,
            share_hashes: HASHES,
            worked_hashes: HASHES,
            shares_per_minute: SHARES_PER_MINUTE,
        };
        Channel { vardiff: Vardiff::new(algorithm, Instant::ZERO, HASHES), now: Instant::ZERO, aim }
    }

    /// Time passes in which so many shares come, evenly; then there is a look. By which factor
    /// it changes the hash rate.
    fn pass(&mut self, seconds: u64, share_count: u32) -> Option<f64> {
        let from = self.now;
        for index in 0..share_count {
            let gap = Duration::from_secs(seconds) * (2 * index + 1) / (2 * share_count);
            self.now = from + gap;
            if self.vardiff.record(self.now, self.aim.worked_hashes) {
                self.judge();
            }
        }
        self.now = from + Duration::from_secs(seconds);
        self.judge()
    }

    /// The same, so many times, whatever comes of it.
    fn settle(&mut self, looks: u32, seconds: u64, share_count: u32) {
        for _ in 0..looks {
            self.pass(seconds, share_count);
        }
    }

    fn judge(&mut self) -> Option<f64> {
        let hash_rate = self.vardiff.judge(self.now, &self.aim)?;
        let ratio = hash_rate / self.aim.hash_rate;
        self.aim.hash_rate = hash_rate;
        self.aim.share_hashes *= ratio;
        self.aim.worked_hashes *= ratio;
        Some(ratio)
    }
}

fn is_near(ratio: Option<f64>, expected: f64) -> bool {
    ratio.is_some_and(|ratio| (ratio / expected - 1.0).abs() < 0.02)
}

#[test]
fn a_channel_keeps_no_more_than_32_bytes() {
    assert_eq!(size_of::<Vardiff>(), 32);
    assert_eq!(size_of::<Option<Vardiff>>(), 32);
}

#[test]
fn names_are_read_as_they_are_written() {
    for algorithm in VardiffAlgorithm::ALL {
        assert_eq!(VardiffAlgorithm::named(algorithm.name()), Some(algorithm));
    }
    assert_eq!(VardiffAlgorithm::named("pid"), None);
}

#[test]
fn the_assumed_hash_rate_is_left_alone_while_shares_agree() {
    for algorithm in VardiffAlgorithm::ALL {
        let mut channel = Channel::new(algorithm);
        // The first average of ckpool has one share to go by, and none of its waiting time.
        let looks = (0..240).map(|_| channel.pass(30, 3)).skip(40);

        assert!(looks.flatten().all(|ratio| (ratio - 1.0).abs() < 0.34), "{algorithm:?}");
        let share_of_truth = channel.aim.hash_rate / (HASHES / 10.0);
        assert!((0.5..1.35).contains(&share_of_truth), "{algorithm:?}: {share_of_truth}");
    }
}

#[test]
fn sri_believes_a_deviation_the_smaller_the_longer_it_waits() {
    // Shares in minutes one by one, until there is a step.
    for (shares, minutes, ratio) in [
        (&[12][..], 1, 2.0),
        (&[10], 1, 10.0 / 6.0),
        (&[9, 9], 2, 1.5),
        (&[8, 8, 8, 8], 4, 8.0 / 6.0),
        (&[7, 7, 7, 7, 7], 5, 7.0 / 6.0),
        (&[0], 1, 1.0 / 3.0),
        (&[100], 1, 3.0),
    ] {
        let mut channel = Channel::new(Sri);
        let steps: Vec<_> = shares.iter().map(|shares| channel.pass(60, *shares)).collect();

        assert_eq!(steps.iter().flatten().count(), 1, "{shares:?}: {steps:?}");
        assert_eq!(steps.len(), minutes);
        assert!(is_near(*steps.last().unwrap(), ratio), "{shares:?}: {steps:?}");
    }
}

#[test]
fn sri_makes_steps_of_a_short_window_smaller_where_there_is_silence_and_larger_in_a_surge() {
    for (seconds, shares, ratio) in
        [(15, 0, 1.0), (20, 0, 1.0 / 1.5), (45, 0, 0.5), (20, 100, 10.0), (45, 100, 5.0)]
    {
        let step = Channel::new(Sri).pass(seconds, shares);

        assert!(is_near(step.or(Some(1.0)), ratio), "{seconds} s: {step:?}");
    }
}

#[test]
fn ckpool_makes_no_step_without_a_share_or_before_its_window() {
    let mut channel = Channel::new(Ckpool);

    assert_eq!(channel.pass(3600, 0), None);
    assert_eq!(channel.pass(10, 23), None);
    assert_eq!(channel.aim.share_hashes, HASHES);

    channel.pass(1, 1);

    assert!(channel.aim.share_hashes > HASHES, "24 shares are those of 240 seconds");
}

#[test]
fn ckpool_lets_a_band_of_rates_be() {
    for (shares, moves) in [(30, true), (8, false), (7, false), (4, false), (2, true)] {
        let mut channel = Channel::new(Ckpool);
        channel.settle(60, 60, 6);
        let before = channel.aim.share_hashes;

        channel.settle(30, 60, shares);

        assert_eq!(channel.aim.share_hashes != before, moves, "{shares} a minute");
    }
}

#[test]
fn ours_sees_a_flood_before_a_look_is_due() {
    let mut channel = Channel::new(Bayes);

    channel.pass(10, 1000);

    let share_of_truth = channel.aim.hash_rate / (HASHES * 100.0);
    assert!((share_of_truth - 1.0).abs() < 0.2, "{share_of_truth}");
}

#[test]
fn ours_takes_silence_for_evidence_and_each_step_waits_twice_as_long_as_the_one_before() {
    let mut channel = Channel::new(Bayes);
    channel.settle(100, 30, 3);

    let looks: Vec<u64> = (1..=120).filter(|_| channel.pass(15, 0).is_some()).collect();

    let waits: Vec<u64> = looks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // 13, 26 and 52 expected shares, at one in ten seconds, to the next look; and one look after
    // each step that says nothing, because it saw the target change.
    assert_eq!((looks[0], &waits[..]), (9, &[19, 36][..]));
    assert!((channel.aim.hash_rate / (HASHES / 10.0) - 1.0 / 64.0).abs() < 0.01);
}

#[test]
fn ours_hears_nothing_in_a_look_that_comes_far_too_late() {
    let mut channel = Channel::new(Bayes);
    channel.settle(100, 30, 3);

    assert_eq!(channel.pass(86_400, 0), None);
    assert_eq!(channel.pass(30, 3), None);
}

#[test]
fn ours_expects_what_the_job_that_is_worked_on_gives() {
    let mut channel = Channel::new(Bayes);
    channel.settle(100, 30, 3);
    // A new target, ten times easier, that no job has yet.
    channel.aim.share_hashes /= 10.0;
    let steps: Vec<_> = (0..20).filter_map(|_| channel.pass(30, 3)).collect();
    assert!(steps.is_empty(), "{steps:?}");

    channel.aim.worked_hashes = channel.aim.share_hashes;

    let steps: Vec<_> = (0..20).filter_map(|_| channel.pass(30, 30)).collect();
    assert!(steps.is_empty(), "{steps:?}");
}

#[test]
fn ours_learns_a_hash_rate_that_nobody_has_claimed() {
    let mut channel = Channel::new(Bayes);
    channel.aim.hash_rate = 0.0;
    assert_eq!(channel.pass(30, 0), None);

    channel.pass(30, 3);

    assert!(is_near(Some(channel.aim.hash_rate), HASHES / 10.0));
}

#[test]
fn no_claim_however_absurd_gives_a_hash_rate_that_is_none() {
    for algorithm in VardiffAlgorithm::ALL {
        for hash_rate in [0.0, f64::from(f32::MIN_POSITIVE), 1.0, f64::from(f32::MAX)] {
            let mut channel = Channel::new(algorithm);
            channel.aim.hash_rate = hash_rate;
            for share_count in [0, 1, 5000, 0, 0, 3] {
                if let Some(ratio) = channel.pass(30, share_count) {
                    assert!(ratio > 0.0, "{algorithm:?}, {hash_rate}, {share_count}: {ratio}");
                }
                // The target is limited, whatever is assumed.
                (channel.aim.share_hashes, channel.aim.worked_hashes) = (HASHES, HASHES);
            }
            assert!(channel.aim.hash_rate.is_finite());
        }
    }
}

//! One channel from its opening on: shares come as a Poisson process, an algorithm sets targets.

use std::time::Duration;

use sv2::mining::vardiff::{Aim, Vardiff, VardiffAlgorithm};
use sv2::time::Instant;

/// What happens to a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Who sets targets.
    pub algorithm: VardiffAlgorithm,
    /// What it aims at.
    pub shares_per_minute: f64,
    /// What the client claims when it opens the channel, in hashes per second.
    pub claimed: f64,
    /// From when on the client has which hash rate, in hashes per second; the first entry is for
    /// the start.
    pub course: Vec<(Duration, f64)>,
    /// Of the trial.
    pub length: Duration,
    /// Between two jobs: a new target is worked on from the next job on (spec 5.3.21). `None`: at
    /// once.
    pub job_interval: Option<Duration>,
    /// Shares that are found from the first of these moments on come at the second, all at once.
    pub stall: Option<(Duration, Duration)>,
    /// Hashes that the easiest share takes, which no algorithm goes below.
    pub share_hashes_min: f64,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Every hash rate that a target was made for (hashes per second), and from when on.
    pub steps: Vec<(Duration, f64)>,
    /// Accepted.
    pub share_count: u64,
}

impl Trial {
    /// A miner with 1 PH/s that claims it, for an hour.
    pub fn new(algorithm: VardiffAlgorithm, shares_per_minute: f64) -> Self {
        Trial {
            algorithm,
            shares_per_minute,
            claimed: HASH_RATE,
            course: vec![(Duration::ZERO, HASH_RATE)],
            length: Duration::from_secs(3600),
            job_interval: None,
            stall: None,
            share_hashes_min: 0.0,
        }
    }

    /// Runs it. The same seed gives the same trace.
    pub fn run(&self, seed: u64) -> Trace {
        Channel::new(self, seed).run()
    }

    /// The hash rate at the end, in hashes per second.
    ///
    /// # Panics
    /// If the course is empty.
    pub fn final_hash_rate(&self) -> f64 {
        self.course.last().expect("a course has a start").1
    }
}

/// Of the miner of [`Trial::new`]: trials differ in ratios alone.
pub const HASH_RATE: f64 = 1e15;

struct Channel<'a> {
    trial: &'a Trial,
    luck: Luck,
    now: Duration,
    vardiff: Vardiff,
    aim: Aim,
    /// Of the course: where we are.
    leg: usize,
    /// Shares that will come when the stall ends.
    held_back: u64,
    trace: Trace,
}

impl<'a> Channel<'a> {
    fn new(trial: &'a Trial, seed: u64) -> Self {
        let mut aim = Aim {
            hash_rate: trial.claimed,
            share_hashes: 0.0,
            worked_hashes: 0.0,
            shares_per_minute: trial.shares_per_minute,
        };
        aim.share_hashes = share_hashes(trial, trial.claimed);
        aim.worked_hashes = aim.share_hashes;
        Channel {
            luck: Luck(seed),
            now: Duration::ZERO,
            vardiff: Vardiff::new(trial.algorithm, Instant::ZERO, aim.worked_hashes),
            aim,
            leg: 0,
            held_back: 0,
            trace: Trace { steps: vec![(Duration::ZERO, trial.claimed)], share_count: 0 },
            trial,
        }
    }

    fn run(mut self) -> Trace {
        let Trial { length, job_interval, stall, .. } = *self.trial;
        let interval = self.trial.algorithm.interval();
        let (mut look, mut job) = (interval, job_interval);
        let mut release = stall.map(|(_, until)| until);
        while self.now < length {
            let change = self.trial.course.get(self.leg + 1).map(|leg| leg.0);
            let events = [Some(look), change, job, release, Some(length)];
            let next = events.into_iter().flatten().min().unwrap_or(length);
            self.mine(next);
            self.now = next;
            if Some(next) == change {
                self.leg += 1;
            }
            if Some(next) == job {
                self.aim.worked_hashes = self.aim.share_hashes;
                job = job_interval.map(|wait| next + wait);
            }
            if Some(next) == release {
                release = None;
                (0..std::mem::take(&mut self.held_back)).for_each(|_| self.submit());
            }
            if next == look {
                self.judge();
                look = next + interval;
            }
        }
        self.trace
    }

    /// Finds shares until `end`.
    fn mine(&mut self, end: Duration) {
        loop {
            // Work has no memory: whatever has changed, the next share is as far away as ever.
            let rate = self.trial.course[self.leg].1 / self.aim.worked_hashes;
            let wait = -self.luck.uniform().ln() / rate;
            let found = Duration::try_from_secs_f64(wait).ok();
            let Some(found) = found.and_then(|wait| self.now.checked_add(wait)) else { return };
            if found >= end {
                return;
            }
            self.now = found;
            match self.trial.stall {
                Some((from, until)) if (from..until).contains(&found) => self.held_back += 1,
                _ => self.submit(),
            }
        }
    }

    fn submit(&mut self) {
        self.trace.share_count += 1;
        if self.vardiff.record(Instant::ZERO + self.now, self.aim.worked_hashes) {
            self.judge();
        }
    }

    fn judge(&mut self) {
        let now = Instant::ZERO + self.now;
        let Some(hash_rate) = self.vardiff.judge(now, &self.aim) else { return };
        self.aim.hash_rate = hash_rate;
        self.aim.share_hashes = share_hashes(self.trial, hash_rate);
        if self.trial.job_interval.is_none() {
            self.aim.worked_hashes = self.aim.share_hashes;
        }
        self.trace.steps.push((self.now, hash_rate));
    }
}

/// SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014):
/// one number for each of a hundred million shares, in less time than ChaCha takes. Seeds that
/// follow each other start far apart, because the first number is hashed already.
struct Luck(u64);

impl Luck {
    /// Above 0, at most 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        #[expect(clippy::cast_precision_loss, reason = "53 bits")]
        let uniform = ((mixed >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        uniform
    }
}

fn share_hashes(trial: &Trial, hash_rate: f64) -> f64 {
    (hash_rate * 60.0 / trial.shares_per_minute).max(trial.share_hashes_min)
}

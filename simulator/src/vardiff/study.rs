//! The questions that every algorithm is asked.

use std::time::Duration;

use sv2::mining::vardiff::VardiffAlgorithm;

use super::measure::{Steady, settled_after};
use super::statistics::{Estimate, Sample, jackknife};
use super::trial::{HASH_RATE, Trace, Trial};

/// What pools aim at, in shares a minute.
pub const SHARE_RATES: [f64; 4] = [4.0, 6.0, 12.0, 30.0];
/// What a client claims when it is wrong, as a multiple of the truth: above 1, the first target
/// is too hard.
pub const CLAIMS: [f64; 6] = [0.001, 0.01, 0.1, 10.0, 100.0, 1000.0];
/// What a hash rate changes to, as a multiple.
pub const CHANGES: [f64; 5] = [2.0, 0.5, 10.0, 0.1, 0.75];
/// Of these, those that decide about the reaction: each is too small to be obvious.
pub const CLOSE_CHANGES: [f64; 2] = [2.0, 0.5];

/// Trials of each question: as many, with the same seeds, for every algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Study {
    /// Who is asked.
    pub algorithm: VardiffAlgorithm,
    /// At least two.
    pub trials: u64,
}

/// Times to the right difficulty, of several trials; what never got there counts as the whole
/// time that it was watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// Seconds until it is within 10 %.
    pub within_10: Sample,
    /// Seconds until it is within 25 %.
    pub within_25: Sample,
    /// Shares of a trial.
    pub shares: Sample,
}

/// Hours 2 to 24 of a miner that never changes, whose claim was ten times too low.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SteadyState {
    /// Standard deviation of the difficulty over time and trials, as a part of its mean.
    pub variation: Estimate,
    /// The same within one trial: what is wrong and stays so is not seen here.
    pub wander: Estimate,
    /// Targets set in an hour.
    pub steps_per_hour: Estimate,
    /// Targets in a day that made the difficulty worse.
    pub false_steps_per_day: Estimate,
}

impl Study {
    /// How long until a wrong claim is put right.
    pub fn convergence(&self, shares_per_minute: f64, claim: f64) -> Times {
        let trial = Trial { claimed: claim * HASH_RATE, ..self.trial(shares_per_minute) };
        self.times(&trial, Duration::ZERO)
    }

    /// The same where clients get a new job only every 30 seconds, and work on with the old
    /// target until then.
    pub fn convergence_by_jobs(&self, shares_per_minute: f64, claim: f64) -> Times {
        let job_interval = Some(Duration::from_secs(30));
        let claimed = claim * HASH_RATE;
        let trial = Trial { claimed, job_interval, ..self.trial(shares_per_minute) };
        self.times(&trial, Duration::ZERO)
    }

    /// How long until a change is followed that comes after two hours.
    pub fn reaction(&self, shares_per_minute: f64, change: f64) -> Times {
        let course = vec![(Duration::ZERO, HASH_RATE), (SETTLED, change * HASH_RATE)];
        let length = SETTLED + WATCHED;
        let trial = Trial { course, length, ..self.trial(shares_per_minute) };
        self.times(&trial, SETTLED)
    }

    /// How long until the difficulty is right again after a miner that was away for ten minutes.
    pub fn outage(&self, shares_per_minute: f64) -> Times {
        let back = SETTLED + OUTAGE;
        let course = vec![(Duration::ZERO, HASH_RATE), (SETTLED, 0.0), (back, HASH_RATE)];
        let trial = Trial { course, length: back + WATCHED, ..self.trial(shares_per_minute) };
        self.times(&trial, back)
    }

    /// A day without change.
    pub fn steady_state(&self, shares_per_minute: f64) -> SteadyState {
        let length = Duration::from_secs(24 * 3600);
        let claimed = HASH_RATE / 10.0;
        let trial = Trial { claimed, length, ..self.trial(shares_per_minute) };
        let from = Duration::from_secs(3600);
        let days = self.traces(&trial).map(|trace| Steady::of(&trial, &trace, from));
        let days: Vec<Steady> = days.collect();
        let mean = |of: fn(&Steady) -> f64| Sample::new(days.iter().map(of).collect()).mean();
        SteadyState {
            variation: jackknife(&days, variation),
            wander: mean(Steady::wander),
            steps_per_hour: mean(|day| day.steps_per_hour),
            false_steps_per_day: mean(|day| day.false_steps_per_day),
        }
    }

    fn trial(&self, shares_per_minute: f64) -> Trial {
        let share_hashes_min = HASH_RATE * 60.0 / shares_per_minute / EASIEST;
        Trial { share_hashes_min, ..Trial::new(self.algorithm, shares_per_minute) }
    }

    fn times(&self, trial: &Trial, from: Duration) -> Times {
        let traces: Vec<Trace> = self.traces(trial).collect();
        let within = |tolerance| {
            let times = traces.iter().map(|trace| {
                let settled = settled_after(trial, trace, from, tolerance);
                settled.unwrap_or(trial.length - from).as_secs_f64()
            });
            Sample::new(times.collect())
        };
        #[expect(clippy::cast_precision_loss, reason = "shares are fewer than 2^53")]
        let shares = traces.iter().map(|trace| trace.share_count as f64).collect();
        Times { within_10: within(0.1), within_25: within(0.25), shares: Sample::new(shares) }
    }

    fn traces<'a>(&self, trial: &'a Trial) -> impl Iterator<Item = Trace> + 'a {
        (0..self.trials).map(|seed| trial.run(seed))
    }
}

/// The three numbers that algorithms are compared by: less is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Headline {
    /// Seconds until within 25 %, over all of [`CLAIMS`].
    pub convergence: Estimate,
    /// [`SteadyState::variation`].
    pub jitter: Estimate,
    /// Seconds until within 25 %, over all of [`CLOSE_CHANGES`].
    pub reaction: Estimate,
}

impl Headline {
    /// Asks for what it needs.
    pub fn of(study: &Study, shares_per_minute: f64) -> Self {
        let claims = CLAIMS.map(|claim| study.convergence(shares_per_minute, claim));
        let changes = CLOSE_CHANGES.map(|change| study.reaction(shares_per_minute, change));
        Headline {
            convergence: mean_of(&claims),
            jitter: study.steady_state(shares_per_minute).variation,
            reaction: mean_of(&changes),
        }
    }
}

/// Of independent questions.
pub(super) fn mean_of(questions: &[Times]) -> Estimate {
    let means = questions.iter().map(|times| times.within_25.mean());
    let (sum, squares, count) = means.fold((0.0, 0.0, 0.0), |(sum, squares, count), mean| {
        (sum + mean.value, squares + mean.within * mean.within, count + 1.0)
    });
    Estimate { value: sum / count, within: f64::sqrt(squares) / count }
}

fn variation(days: &mut dyn Iterator<Item = Steady>) -> f64 {
    let (mean, square, count) = days.fold((0.0, 0.0, 0.0), |(mean, square, count), day| {
        (mean + day.mean, square + day.square, count + 1.0)
    });
    let all = Steady { mean: mean / count, square: square / count, ..Steady::default() };
    all.wander()
}

/// From when on a difficulty is settled, whoever sets it.
const SETTLED: Duration = Duration::from_secs(7200);
/// How long it is watched after a change.
const WATCHED: Duration = Duration::from_secs(5400);
/// How long a miner is away.
const OUTAGE: Duration = Duration::from_secs(600);
/// How many times easier than the right one the easiest target is: servers have such a limit.
const EASIEST: f64 = 1024.0;

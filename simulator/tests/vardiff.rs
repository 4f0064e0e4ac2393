//! What is claimed about algorithms for difficulty, measured: 200 trials of everything, with
//! seeds 0 to 199.

use std::time::Duration;

use simulator::vardiff::baseline::{self, PUBLISHED};
use simulator::vardiff::measure::settled_after;
use simulator::vardiff::statistics::{Estimate, Sample};
use simulator::vardiff::study::{Headline, Study};
use simulator::vardiff::trial::{HASH_RATE, Trial};
use sv2::mining::vardiff::VardiffAlgorithm::{self, Bayes, Ckpool, Sri};

const TRIALS: u64 = 200;

#[test]
fn the_laboratory_measures_of_sri_what_its_developers_have_published() {
    for published in PUBLISHED {
        let here = baseline::repeat(published.shares_per_minute, 1000);

        let rows = [
            ("converged", published.converged, here.converged),
            ("p10", published.percentiles[0], here.percentiles[0]),
            ("p50", published.percentiles[1], here.percentiles[1]),
            ("p90", published.percentiles[2], here.percentiles[2]),
            ("mean", published.mean, here.mean),
            ("reacted", published.reacted, here.reacted),
        ];
        for (what, theirs, ours) in rows {
            let rate = published.shares_per_minute;
            assert!((ours / theirs - 1.0).abs() <= 0.1, "{rate}/min, {what}: {ours} for {theirs}");
        }
    }
}

#[test]
fn ours_wins_everywhere_at_4_shares_a_minute() {
    check_headline(4.0);
}

#[test]
fn ours_wins_everywhere_at_6_shares_a_minute() {
    check_headline(6.0);
}

#[test]
fn ours_wins_everywhere_at_12_shares_a_minute() {
    check_headline(12.0);
}

#[test]
fn ours_wins_everywhere_at_30_shares_a_minute() {
    check_headline(30.0);
}

/// By more than chance explains, in each of the three numbers.
fn check_headline(shares_per_minute: f64) {
    let of = |algorithm| Headline::of(&Study { algorithm, trials: TRIALS }, shares_per_minute);
    let ours = of(Bayes);
    for rival in [Sri, Ckpool] {
        let theirs = of(rival);
        let rows: [(&str, Estimate, Estimate); 3] = [
            ("convergence", theirs.convergence, ours.convergence),
            ("jitter", theirs.jitter, ours.jitter),
            ("reaction", theirs.reaction, ours.reaction),
        ];
        for (what, theirs, ours) in rows {
            let name = rival.name();
            assert!(theirs.is_above(&ours), "{what}: ours {ours:?}, {name} {theirs:?}");
        }
    }
}

#[test]
fn ours_is_right_soon_after_the_first_target_was_a_thousand_times_off() {
    for claim in [0.001, 1000.0] {
        let times = Study { algorithm: Bayes, trials: TRIALS }.convergence(6.0, claim);

        let slow = times.within_25.percentile(95.0);
        assert!(slow < 1500.0, "{claim}: {slow} s");
    }
}

#[test]
fn a_miner_that_was_away_floods_nobody_when_it_comes_back() {
    let most = |algorithm| {
        let study = Study { algorithm, trials: TRIALS };
        study.outage(6.0).shares.percentile(100.0)
    };

    // 3.5 hours at 6 a minute are 1,260.
    assert!(most(Bayes) < 2000.0, "{}", most(Bayes));
    assert!(most(Sri) > 4000.0, "{}", most(Sri));
}

#[test]
fn shares_that_were_held_back_do_not_make_the_target_harder_for_long() {
    let (from, until) = (Duration::from_secs(3600), Duration::from_secs(3660));
    let mut trial = Trial::new(Bayes, 6.0);
    (trial.length, trial.stall) = (Duration::from_secs(7200), Some((from, until)));

    let times = seconds_to_settle(&trial, until);

    assert!(times.percentile(95.0) < 300.0, "{:?}", times.mean());
}

#[test]
fn at_the_easiest_target_a_miner_is_estimated_from_the_shares_that_it_can_find() {
    // A fifth of the shares that are aimed at: the target may not be easier.
    let share_hashes_min = 5.0 * HASH_RATE * 60.0 / 6.0;
    let base = Trial { share_hashes_min, ..Trial::new(Bayes, 6.0) };
    let length = Duration::from_secs(6 * 3600);
    for claimed in [HASH_RATE / 20.0, HASH_RATE * 20.0] {
        let trial = Trial { claimed, length, ..base.clone() };

        let times = seconds_to_settle(&trial, Duration::ZERO);

        assert!(times.percentile(90.0) < 2.0 * 3600.0, "{claimed}: {:?}", times.mean());
    }
}

#[test]
fn few_shares_take_longer_and_are_not_worse() {
    let times = |shares_per_minute| {
        let study = Study { algorithm: Bayes, trials: TRIALS };
        study.convergence(shares_per_minute, 0.1).within_25.mean()
    };

    let (few, many) = (times(1.0), times(60.0));

    assert!(few.is_above(&many) && few.value < 1800.0, "{few:?}, {many:?}");
}

#[test]
fn ckpool_never_eases_the_target_of_a_silent_miner() {
    let silent = |algorithm: VardiffAlgorithm| {
        let mut trial = Trial::new(algorithm, 6.0);
        trial.course = vec![(Duration::ZERO, 0.0)];
        trial.run(0).steps.len()
    };

    assert_eq!(silent(Ckpool), 1);
    assert!(silent(Sri) > 1 && silent(Bayes) > 1);
}

fn seconds_to_settle(trial: &Trial, from: Duration) -> Sample {
    let times = (0..TRIALS).map(|seed| {
        let settled = settled_after(trial, &trial.run(seed), from, 0.25);
        settled.unwrap_or(trial.length - from).as_secs_f64()
    });
    Sample::new(times.collect())
}

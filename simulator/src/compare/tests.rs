use std::time::Duration;

use super::*;
use crate::fleet::{Sizes, StarSettings};
use crate::link::Latency;
use crate::statistics::Interval;

fn claim(expected: Expectation) -> Claim {
    Claim { id: "bandwidth".to_owned(), statement: "SV2 takes less".to_owned(), expected }
}

#[test]
fn a_verdict_needs_the_whole_interval() {
    let interval = Interval { mean: 0.4, low: 0.3, high: 0.5 };
    for (expected, verdict) in [
        (Expectation::Below(0.6), Verdict::Supported),
        (Expectation::Below(0.45), Verdict::Inconclusive),
        (Expectation::Below(0.2), Verdict::Contradicted),
        (Expectation::Above(0.2), Verdict::Supported),
        (Expectation::Above(0.6), Verdict::Contradicted),
        (Expectation::Between(0.2, 0.6), Verdict::Supported),
        (Expectation::Between(0.35, 0.6), Verdict::Inconclusive),
        (Expectation::Between(0.6, 0.9), Verdict::Contradicted),
    ] {
        assert_eq!(expected.judge(interval), verdict, "{expected:?}");
    }
}

#[test]
fn one_run_supports_nothing() {
    let arms = arms(&StarSettings::new(10), &[Sizes::SV1, Sizes::SV2_STANDARD]);
    let comparison = compare(arms, 0..1, Duration::from_secs(3_600));

    let ratio = comparison.ratio(1, Figure::PayloadBytes);

    assert_eq!(Expectation::Below(1.0).judge(ratio), Verdict::Inconclusive);
}

/// simulation.md, B4: a standard channel at equal share rate takes 69 to 85 % less.
#[test]
fn arms_agree_with_closed_forms_of_bytes_and_of_stale_work() {
    for (shares_per_minute, job_seconds) in [(6.0, 30), (18.0, 60)] {
        let settings = StarSettings {
            shares_per_minute,
            job_interval: Duration::from_secs(job_seconds),
            spread: 0.0,
            nic: "1Gbit".parse().ok(),
            switch: Latency::Lognormal(Duration::from_millis(20), 1.0),
            // Ten times as many as there are, for the same certainty in a tenth of the time.
            block_interval: Some(Duration::from_secs(60)),
            ..StarSettings::new(20)
        };
        let arms = arms(&settings, &Sizes::ALL);
        let comparison = compare(arms, 0..4, Duration::from_secs(86_400));

        for index in 0..3 {
            for figure in [
                Figure::PayloadBytes,
                Figure::UplinkBytes,
                Figure::DownlinkBytes,
                Figure::PacketBytes,
                Figure::ShareRate,
                Figure::SwitchTime,
            ] {
                let found = comparison.interval(index, figure).mean;
                let expected = predict(figure, &comparison.arms()[index].settings).unwrap();
                let name = &comparison.arms()[index].name;
                assert!((found / expected - 1.0).abs() < 0.02, "{name}, {figure:?}: {found}");
            }
            let stale = comparison.interval(index, Figure::StalePart).mean;
            let expected = predict(Figure::StalePart, &comparison.arms()[index].settings).unwrap();
            assert!((stale / expected - 1.0).abs() < 0.05, "{stale}, not {expected}");
        }
        let ratio = comparison.ratio(1, Figure::PayloadBytes);
        let finding = claim(Expectation::Between(0.1, 0.32))
            .judge(ratio, comparison.predicted_ratio(1, Figure::PayloadBytes));
        assert_eq!(finding.verdict, Verdict::Supported, "{finding:?}");
        // At equal share rate the rate is equal, and not only on average.
        assert_eq!(comparison.difference(1, Figure::ShareRate).high, 0.0);
    }
}

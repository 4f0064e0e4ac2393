use std::time::Duration;

use super::*;
use crate::fleet::{Sizes, StarSettings};
use crate::link::Latency;
use crate::scenario::{Overrides, Scenario};
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
        (Expectation::Below(0.3), Verdict::Contradicted),
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
    let comparison = compare(&arms, 0..1, Duration::from_secs(3_600), Duration::ZERO);

    let ratio = comparison.ratio(1, 0, Figure::PayloadBytes);

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
        let comparison = compare(&arms, 0..4, Duration::from_secs(86_400), Duration::ZERO);

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
                let expected = comparison.predicted(index, figure).unwrap();
                let name = &comparison.names()[index];
                assert!((found / expected - 1.0).abs() < 0.02, "{name}, {figure:?}: {found}");
            }
            let stale = comparison.interval(index, Figure::StalePart).mean;
            let expected = comparison.predicted(index, Figure::StalePart).unwrap();
            assert!((stale / expected - 1.0).abs() < 0.05, "{stale}, not {expected}");
        }
        let ratio = comparison.ratio(1, 0, Figure::PayloadBytes);
        let finding = claim(Expectation::Between(0.1, 0.32))
            .judge(ratio, comparison.predicted_ratio(1, 0, Figure::PayloadBytes));
        assert_eq!(finding.verdict, Verdict::Supported, "{finding:?}");
        // At equal share rate the rate is equal, and not only on average.
        assert_eq!(comparison.difference(1, 0, Figure::ShareRate).high, 0.0);
    }
}

#[test]
fn a_report_says_what_differs_and_what_the_documents_say_of_it() {
    let settings = StarSettings { spread: 0.0, ..StarSettings::new(10) };
    let arms = arms(&settings, &Sizes::ALL);
    let comparison = compare(&arms, 0..5, Duration::from_secs(43_200), Duration::ZERO);

    let report = Report::new(comparison);

    let verdicts: Vec<(&str, Verdict)> = report
        .findings()
        .iter()
        .map(|finding| (finding.claim.id.as_str(), finding.verdict))
        .collect();
    assert!(verdicts.contains(&("bandwidth-sv2-standard", Verdict::Supported)), "{verdicts:?}");
    assert!(verdicts.contains(&("stale-sv2-standard", Verdict::Contradicted)), "{verdicts:?}");
    let json = report.json();
    assert_eq!(json["claims"].as_array().unwrap().len(), 8);
    assert_eq!(json["figures"].as_array().unwrap().len(), 3 * Figure::ALL.len());
    assert!(report.text().contains("contradicted: at least a tenth less work"), "{report:?}");
}

/// A block must be harder than a share, or nobody aims at the rate of shares.
#[test]
fn roles_of_both_protocols_are_compared_at_one_share_rate() {
    let text = "[chain]\nnbits = 0x1900ffff\nblock_interval = \"60s\"\n\
        [role.provider]\nkind = \"template-provider\"\n\
        [role.pool]\nkind = \"pool\"\nvardiff = false\nshares_per_minute = 6\n\
        [role.miners]\nkind = \"mining-device\"\nupstream = \"pool\"\ncount = 5\n\
        hash_rate = \"1TH/s\"\n[simulate]\nfor = \"1h\"\nwarm_up = \"2min\"\n";
    let scenario = Scenario::load("x.toml", text, &Overrides::default()).unwrap();

    let comparison = compare_roles(&scenario, &[Sizes::SV1, Sizes::SV2_STANDARD], 0..3).unwrap();

    for index in 0..2 {
        let rate = comparison.interval(index, Figure::ShareRate).mean;
        assert!((rate / 0.1 - 1.0).abs() < 0.06, "{rate} shares/s");
    }
    let ratio = comparison.ratio(1, 0, Figure::PayloadBytes);
    // Blocks are empty here, which makes jobs of SV1 short.
    assert_eq!(Expectation::Below(0.8).judge(ratio), Verdict::Supported, "{ratio:?}");
    let other =
        Scenario::load("x.toml", "[role.p]\nkind = \"template-provider\"", &Overrides::default());
    assert!(compare_roles(&other.unwrap(), &Sizes::ALL, 0..1).is_err());
}

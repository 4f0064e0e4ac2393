//! Targets that follow shares, within what client and operator allow (spec 5.3.2, 5.3.21).

use super::*;
use crate::mining::UpdateChannel;
use crate::mining::vardiff::VardiffAlgorithm;

const EASIEST: f64 = 1e8;
const LOOK: Duration = Duration::from_secs(15);

fn with(algorithm: VardiffAlgorithm) -> MiningServerConfig {
    MiningServerConfig {
        vardiff: Some(algorithm),
        easiest_target: Target::from_expected_hashes(EASIEST),
        ..easy()
    }
}

fn open(bench: &mut Bench, nominal_hash_rate: f32, max_target: Target) -> (u32, Target) {
    let request =
        OpenStandardMiningChannel { nominal_hash_rate, max_target, ..standard_request(1) };
    let answers = bench.answers(MINER, request);
    let Message::OpenStandardMiningChannelSuccess(success) = &answers[0] else { panic!() };
    (success.channel_id, success.target)
}

fn targets(outputs: &[Output]) -> Vec<Target> {
    let messages = messages_to(MINER, outputs).into_iter();
    let targets = messages.filter_map(|message| match message {
        Message::SetTarget(set) => Some(set.maximum_target),
        _ => None,
    });
    targets.collect()
}

#[test]
fn silence_makes_targets_easier_up_to_what_operator_and_client_allow() {
    let hard = Target::from_expected_hashes(EASIEST * 10.0);
    for algorithm in [VardiffAlgorithm::Bayes, VardiffAlgorithm::Sri] {
        for (max_target, limit) in
            [(Target::MAX, Target::from_expected_hashes(EASIEST)), (hard, hard)]
        {
            let mut bench = Bench::ready(with(algorithm));
            bench.join(MINER, 0);
            let (_, first) = open(&mut bench, 1e12, max_target);

            let set: Vec<Target> = (2..500)
                .flat_map(|template_id| {
                    // A target is worked on from the next job on.
                    bench.template(template_id, false);
                    targets(&bench.pass(LOOK))
                })
                .collect();

            let all = [vec![first], set].concat();
            assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{algorithm:?}: {all:?}");
            assert_eq!(all.last(), Some(&limit), "{algorithm:?}");
        }
    }
}

#[test]
fn a_flood_is_answered_before_the_next_look_with_a_target_no_harder_than_the_hardest() {
    for hardest_target in [Target::HARDEST, Target::from_expected_hashes(3.0)] {
        let mut bench = Bench::ready(MiningServerConfig {
            vardiff: Some(VardiffAlgorithm::Bayes),
            hardest_target,
            ..easy()
        });
        bench.join(MINER, 0);
        let (channel_id, first) = open(&mut bench, 0.01, Target::MAX);
        assert_eq!(first, Target::MAX, "so that every hash is a share");

        let set: Vec<Target> = (0..400)
            .flat_map(|nonce| {
                bench.pass(Duration::from_millis(20));
                targets(&bench.receive(MINER, share(channel_id, 1, nonce)))
            })
            .collect();

        assert_eq!(set.len(), 1, "{set:?}");
        assert!(set[0] < first && set[0] >= hardest_target, "{set:?}");
    }
}

#[test]
fn blocks_that_miss_the_target_do_not_harden_it_without_end() {
    // The reference's algorithm counts every share as the present target, as theirs does.
    for algorithm in [VardiffAlgorithm::Bayes, VardiffAlgorithm::Ckpool] {
        let mut bench = Bench::ready(MiningServerConfig { vardiff: Some(algorithm), ..easy() });
        // 256 hashes for a block.
        bench.receive(
            PROVIDER,
            TemplateSetNewPrevHash { nbits: 0x2100_ffff, target: Target::MAX, ..tip_message(1, 1) },
        );
        bench.join(MINER, 0);
        let (channel_id, mut last) = open(&mut bench, 1e6, Target::MAX);
        let claimed = last.expected_hashes();

        // A hash each 20 ms: 50 H/s, of which one in 256 is a block.
        let mut blocks = 0;
        for nonce in 0..50_000 {
            let mut outputs = bench.pass(Duration::from_millis(20));
            outputs.extend(bench.receive(MINER, share(channel_id, 1, nonce)));
            blocks += usize::from(
                outputs
                    .iter()
                    .any(|output| matches!(output, Output::Event(Event::BlockFound { .. }))),
            );
            last = targets(&outputs).last().copied().unwrap_or(last);
        }

        assert!(blocks > 100, "{blocks}");
        assert!(last.expected_hashes() <= claimed, "{algorithm:?}: {last}");
    }
}

#[test]
fn a_claim_that_is_repeated_is_no_news_and_another_one_is() {
    let mut bench = Bench::ready(with(VardiffAlgorithm::Bayes));
    bench.join(MINER, 0);
    let (channel_id, _) = open(&mut bench, 1e12, Target::MAX);
    let shown: Vec<Target> = (0..40).flat_map(|_| targets(&bench.pass(LOOK))).collect();
    assert!(!shown.is_empty(), "silence has contradicted the claim");

    let claim = |nominal_hash_rate| UpdateChannel {
        channel_id,
        nominal_hash_rate,
        maximum_target: Target::MAX,
    };
    let repeated = targets(&bench.receive(MINER, claim(1e12)));
    let other = targets(&bench.receive(MINER, claim(2e12)));

    assert_eq!(repeated, []);
    let per_minute = bench.pool.server.config().shares_per_minute;
    assert_eq!(other, [Target::from_hash_rate(f64::from(2e12_f32), per_minute)]);
}

#[test]
fn steps_of_the_civil_clock_change_no_target() {
    for algorithm in VardiffAlgorithm::ALL {
        let run = |step: i64| {
            let mut bench = Bench::ready(with(algorithm));
            bench.join(MINER, 0);
            open(&mut bench, 1e12, Target::MAX);
            let passes = (0..20).flat_map(|_| {
                bench.now.unix.0 = bench.now.unix.0.saturating_add_signed(step);
                targets(&bench.pass(LOOK))
            });
            passes.collect::<Vec<_>>()
        };

        let steady = run(0);

        assert_eq!((run(86_400), run(-86_400)), (steady.clone(), steady), "{algorithm:?}");
    }
}

#[test]
fn without_an_algorithm_targets_are_what_clients_say() {
    let mut bench =
        Bench::ready(MiningServerConfig { vardiff: None, ..with(VardiffAlgorithm::Bayes) });
    bench.join(MINER, 0);
    open(&mut bench, 1e12, Target::MAX);

    let set: Vec<Target> = (0..100).flat_map(|_| targets(&bench.pass(LOOK))).collect();

    assert_eq!(set, []);
}

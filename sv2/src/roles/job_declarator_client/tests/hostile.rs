//! Peers that break rules: each is named, and left for good.

use bitcoin::consensus::serialize;

use super::bench::{
    Bench, Declarator, HARD, POOL_SCRIPT, Pool, Provider, SECOND, config, token, transaction_data,
};
use crate::event::Event;
use crate::job_declaration::{DeclareMiningJobError, ProvideMissingTransactions};
use crate::message::Message;
use crate::mining::coinbase::payout;
use crate::mining::{
    CloseChannel, OpenExtendedMiningChannelSuccess, SetCustomMiningJobError, SubmitSharesError,
};
use crate::role::{CloseReason, DialFailure, Input};
use crate::violation::Violation;
use crate::wire::{B32, B64K, Seq64K, Str255, Target};

/// The first job is declared; both of its transactions can be asked for.
fn declared() -> Bench {
    let mut bench = Bench::started(config(), HARD);
    bench.provide_data(1);
    bench
}

fn missing(bench: &mut Bench, positions: &[u16]) {
    let request_id = bench.declaration_id();
    let unknown_tx_position_list = Seq64K::new(positions.to_vec()).unwrap();
    bench.hear(Declarator, ProvideMissingTransactions { request_id, unknown_tx_position_list });
}

fn violations(bench: &Bench) -> Vec<Violation> {
    let closed = bench.closed.iter().filter_map(|(_, reason)| match reason {
        CloseReason::Violation(violation) => Some(violation.clone()),
        _ => None,
    });
    let mut violations: Vec<Violation> = closed.collect();
    violations.dedup();
    violations
}

#[test]
fn a_server_gets_each_transaction_of_the_declaration_and_no_other() {
    let flaw = |position| Violation::MissingPosition { position, transaction_count: 2 };
    for (positions, expected) in [
        (&[1, 0][..], None),
        (&[2], Some(flaw(2))),
        (&[0, u16::MAX], Some(flaw(u16::MAX))),
        (&[1, 1], Some(flaw(1))),
    ] {
        let mut bench = declared();

        missing(&mut bench, positions);

        let answered = bench.names().contains(&"ProvideMissingTransactions.Success");
        assert_eq!(answered, expected.is_none(), "{positions:?}");
        assert_eq!(violations(&bench), Vec::from_iter(expected.clone()));
        let left = expected.map(|_| (0, true));
        assert_eq!(bench.left(), Vec::from_iter(left));
    }
}

#[test]
fn a_server_that_asks_again_and_again_is_left() {
    let mut bench = declared();

    (0..5).for_each(|_| missing(&mut bench, &[0]));

    assert!(matches!(violations(&bench)[..], [Violation::Flood { count: 5, limit: 4, .. }]));
    assert_eq!(bench.left(), [(0, true)]);
}

#[test]
fn tokens_that_nobody_could_work_for_end_the_upstream() {
    let none = serialize(&Vec::<bitcoin::TxOut>::new());
    let greedy = serialize(&vec![payout(0, &POOL_SCRIPT), payout(1, &POOL_SCRIPT)]);
    for outputs in [&[0xff; 3][..], &none, &greedy] {
        let mut bench = Bench::new(config());
        bench.accept(Declarator);
        let request_id = bench.token_requests()[0];

        bench.hear(Declarator, token(request_id, outputs));

        assert!(matches!(violations(&bench)[..], [Violation::TokenOutputs { .. }]));
        assert_eq!(bench.left(), [(0, true)]);
    }
}

#[test]
fn tokens_that_nobody_asked_for_are_not_kept_and_too_many_end_the_upstream() {
    let mut bench = Bench::started(config(), HARD);
    let outputs = serialize(&vec![payout(0, &POOL_SCRIPT)]);

    (0..9).for_each(|_| {
        if bench.left().is_empty() {
            bench.hear(Declarator, token(9_999, &outputs));
        }
    });

    assert!(matches!(violations(&bench)[..], [Violation::Flood { count: 9, .. }]));
}

#[test]
fn a_pool_that_gives_less_room_than_was_asked_for_is_left() {
    let mut bench = Bench::new(config());
    [Pool, Declarator].into_iter().for_each(|peer| bench.accept(peer));
    let request_id = bench.last(|message| match message {
        Message::OpenExtendedMiningChannel(open) => Some(open.request_id),
        _ => None,
    });

    bench.hear(
        Pool,
        OpenExtendedMiningChannelSuccess {
            request_id,
            channel_id: 5,
            target: Target::MAX,
            extranonce_size: 9,
            extranonce_prefix: B32::new(&[1, 2, 3, 4]).unwrap(),
            group_channel_id: 6,
        },
    );

    assert_eq!(bench.left(), [(0, false)]);
}

#[test]
fn a_pool_that_closes_the_channel_is_left() {
    let mut bench = Bench::accepted(config(), HARD, 77);

    bench.hear(Pool, CloseChannel { channel_id: 5, reason_code: Str255::default() });

    assert_eq!(bench.left(), [(0, false)]);
    let last = bench.events.iter().rev().find(|event| matches!(event, Event::MiningFor { .. }));
    assert_eq!(last, Some(&Event::MiningFor { upstream: None }));
}

#[test]
fn a_template_whose_transactions_are_none_ends_the_connection_to_its_provider() {
    let mut bench = Bench::started(config(), HARD);

    bench.hear(Provider, transaction_data(1, vec![vec![1, 2, 3]]));

    let expected = Violation::TemplateTransaction { template_id: 1, position: 0 };
    assert_eq!(violations(&bench), [expected]);
    assert_eq!(bench.left(), [], "the upstream has done nothing");
}

/// Refuses whatever was asked for last.
fn refuse(bench: &mut Bench, is_declaration: bool) {
    let error_code = Str255::from_static("stale-chain-tip");
    if is_declaration {
        let request_id = bench.declaration_id();
        let error_details = B64K::default();
        let error = DeclareMiningJobError { request_id, error_code, error_details };
        return bench.hear(Declarator, error);
    }
    let request_id = bench.custom_job_id();
    bench.hear(Pool, SetCustomMiningJobError { channel_id: 5, request_id, error_code });
}

#[test]
fn refusals_are_judged_by_the_tip_and_not_by_their_words() {
    for is_declaration in [true, false] {
        for is_new_tip in [true, false] {
            let mut bench = declared();
            if !is_declaration {
                bench.acknowledge();
            }

            for attempt in 0..12 {
                refuse(&mut bench, is_declaration);
                if !bench.left().is_empty() {
                    break;
                }
                bench.allocate(&[payout(0, &POOL_SCRIPT)]);
                if is_new_tip && attempt == 5 {
                    bench.tip(2, 2, HARD);
                }
                bench.run(SECOND);
                bench.provide_data(if is_new_tip && attempt >= 5 { 2 } else { 1 });
                if !is_declaration {
                    bench.acknowledge();
                }
            }

            let left = if is_new_tip { vec![] } else { vec![(0, true)] };
            assert_eq!(bench.left(), left, "declaration: {is_declaration}, tip: {is_new_tip}");
        }
    }
}

#[test]
fn a_pool_that_refuses_shares_of_a_job_that_it_accepted_is_left_unless_the_tip_changes() {
    for is_new_tip in [true, false] {
        let mut bench = Bench::accepted(config(), HARD, 77);
        bench.mine(1);

        let error_code = Str255::from_static("stale-share");
        bench.hear(Pool, SubmitSharesError { channel_id: 5, sequence_number: 0, error_code });
        bench.run(5 * SECOND);
        if is_new_tip {
            bench.tip(2, 2, HARD);
            bench.provide_data(2);
        }
        bench.run(6 * SECOND);

        let left = if is_new_tip { vec![] } else { vec![(0, true)] };
        assert_eq!(bench.left(), left);
    }
}

#[test]
fn who_has_broken_its_word_is_not_dialled_again() {
    let mut bench = declared();
    missing(&mut bench, &[7]);
    bench.dials.clear();
    bench.take_names();

    // The second upstream cannot be reached, for ten minutes.
    for _ in 0..600 {
        bench.run(SECOND);
        for (dial, port) in std::mem::take(&mut bench.dials) {
            assert!([1, 11, 21].contains(&port), "{port} was dialled");
            let reason = DialFailure::Unreachable(String::new());
            bench.give(Input::DialFailed { dial, reason });
        }
    }

    assert!(!bench.names().contains(&"NewExtendedMiningJob"), "the miner is not disturbed");
    assert!(bench.left().len() > 3 && bench.left()[1..].iter().all(|left| *left == (1, false)));
}

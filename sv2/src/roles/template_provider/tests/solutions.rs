//! What becomes of solutions, and of templates under all constraints.

use std::time::Duration;

use bitcoin::{Amount, ScriptBuf, TxOut, VarInt, Witness};
use proptest::prelude::{ProptestConfig, any};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::bench::{
    Bench, OTHER, POOL, START, Work, block_of, constraints, messages, notes, small,
};
use crate::chain::{Chain, ChainConfig, ChainHost, TransactionShape};
use crate::entropy::Entropy;
use crate::event::Event;
use crate::message::Message;
use crate::mining::header::Header;
use crate::role::{Answer, CloseReason, Input, Output};
use crate::template_distribution::{RequestTransactionData, SubmitSolution};
use crate::wire::B64K;

#[test]
fn a_solution_becomes_the_tip_of_the_node_and_gives_the_next_pair() {
    let (mut bench, work) = Bench::started(small());
    let (solution, hash) = work.solved();

    let outputs = bench.receive(POOL, solution);
    let outputs = bench.carry_out(&outputs);

    assert_eq!(outputs, [Output::Event(Event::BlockFound { hash })]);
    assert_eq!(bench.node.chain().tip(), hash);
    assert_eq!(Work::from_pair(&bench.deliver_news()).tip.prev_hash, hash);
}

#[test]
fn rolled_versions_and_times_are_no_fault() {
    let (mut bench, work) = Bench::started(small());
    bench.pass(Duration::from_secs(3));
    let coinbase = work.coinbase(vec![work.payout()]);
    let mut header = work.header(&coinbase);
    (header.version, header.ntime) = (header.version ^ 0x1fff_ffe0, header.ntime + 3);
    let (solution, _) = work.solve(&coinbase, header);

    let outputs = bench.receive(POOL, solution);

    assert_eq!(notes(&outputs), [""; 0]);
    assert_eq!(outputs.len(), 1);
}

#[test]
fn a_block_is_worth_more_than_the_rules_that_it_breaks() {
    let check = |change: fn(&mut Header), remark: &str| {
        let (mut bench, work) = Bench::started(small());
        let coinbase = work.coinbase(vec![work.payout()]);
        let mut header = work.header(&coinbase);
        change(&mut header);
        let (solution, hash) = work.solve(&coinbase, header);

        let mut outputs = bench.receive(POOL, solution);

        let submitted = outputs.split_off(1);
        assert!(notes(&outputs)[0].contains(remark), "{outputs:?}");
        assert_eq!(bench.carry_out(&submitted), [Output::Event(Event::BlockFound { hash })]);
    };

    check(|header| header.version |= 1, "version differs in bits");
    check(|header| header.ntime += 1, "header_timestamp lies outside");
    check(|header| header.ntime -= 1, "header_timestamp lies outside");
}

#[test]
fn a_coinbase_without_its_witness_is_completed_and_the_block_saved() {
    let (mut bench, work) = Bench::started(small());
    let mut coinbase = work.coinbase(vec![work.payout()]);
    coinbase.input[0].witness = Witness::new();
    let (solution, hash) = work.solve(&coinbase, work.header(&coinbase));

    let mut outputs = bench.receive(POOL, solution);

    let submitted = outputs.split_off(1);
    assert!(notes(&outputs)[0].contains("spec 3.7.3"), "{outputs:?}");
    assert_eq!(bench.carry_out(&submitted), [Output::Event(Event::BlockFound { hash })]);
}

#[test]
fn bad_solutions_harm_neither_connection_nor_node() {
    let check = |break_it: fn(&Work) -> SubmitSolution, remark: &str| {
        let (mut bench, work) = Bench::started(small());

        let outputs = bench.receive(POOL, break_it(&work));

        assert_eq!(outputs.len(), 1, "{outputs:?}");
        assert!(notes(&outputs)[0].contains(remark), "{outputs:?}");
        let outputs = bench.receive(POOL, work.solved().0);
        assert!(matches!(outputs[..], [Output::Request { .. }]), "{outputs:?}");
    };

    check(|work| SubmitSolution { template_id: 99, ..work.solved().0 }, "no such template");
    check(
        |work| SubmitSolution { coinbase_tx: B64K::default(), ..work.solved().0 },
        "is no transaction",
    );
    check(
        |work| {
            let mut coinbase = work.coinbase(vec![]);
            coinbase.input[0].previous_output.vout = 0;
            work.solution(&coinbase, &work.header(&coinbase))
        },
        "is no coinbase transaction",
    );
    check(
        |work| {
            let coinbase = work.coinbase(vec![]);
            let mut header = work.header(&coinbase);
            while work.tip.target.is_met_by(&header.hash()) {
                header.nonce += 1;
            }
            work.solution(&coinbase, &header)
        },
        "is above the target",
    );
}

#[test]
fn the_nodes_refusal_is_told_in_its_own_words() {
    let (mut bench, work) = Bench::started(small());
    let mut greedy = work.payout();
    greedy.value += Amount::from_sat(1);
    let coinbase = work.coinbase(vec![greedy]);
    let (solution, _) = work.solve(&coinbase, work.header(&coinbase));

    let outputs = bench.receive(POOL, solution);
    let outputs = bench.carry_out(&outputs);

    assert!(notes(&outputs)[0].contains("bad-cb-amount"), "{outputs:?}");
}

#[test]
fn a_solution_is_sent_to_the_node_once() {
    let (mut bench, work) = Bench::started(small());
    let (solution, _) = work.solved();
    bench.receive(POOL, solution.clone());

    let outputs = bench.receive(POOL, solution);

    assert!(notes(&outputs)[0].contains("on its way already"), "{outputs:?}");
}

#[test]
fn a_solution_that_did_not_reach_the_node_may_be_sent_again() {
    let (mut bench, work) = Bench::started(small());
    let (solution, hash) = work.solved();
    let outputs = bench.receive(POOL, solution.clone());
    let [Output::Request { request, .. }] = outputs[..] else { panic!("{outputs:?}") };
    let answer = Answer::Failed("connection refused".to_owned());
    bench.give(Input::Answer { request, answer });

    let outputs = bench.receive(POOL, solution);

    assert_eq!(bench.carry_out(&outputs), [Output::Event(Event::BlockFound { hash })]);
}

#[test]
fn a_solution_for_the_last_tip_still_goes_to_the_node() {
    let (mut bench, work) = Bench::started(small());
    let (solution, _) = work.solved();
    bench.new_block();
    bench.pass(Duration::from_secs(9));

    let outputs = bench.receive(POOL, solution);
    let outputs = bench.carry_out(&outputs);

    assert!(notes(&outputs)[0].contains("inconclusive"), "{outputs:?}");
}

/// Outputs of exactly `size` bytes and at most `sigops` signature operations, that take all.
fn outputs_of(work: &Work, size: usize, sigops: usize) -> Vec<TxOut> {
    let script_len = (0..=size).rev().find(|len| 8 + VarInt::from(*len).size() + len <= size);
    let Some(script_len) = script_len else { return Vec::new() };
    let mut script = vec![0x61; script_len];
    script.iter_mut().take(sigops / 4).for_each(|operation| *operation = 0xac);
    vec![TxOut { script_pubkey: ScriptBuf::from_bytes(script), ..work.payout() }]
}

#[test]
fn the_largest_coinbase_that_was_announced_fits_a_block_of_a_full_mempool() {
    // A solution of more than 64 KiB cannot be sent, so these blocks are put together here.
    let check = |shape: TransactionShape, size: u32, sigops: u16| {
        let mut bench = Bench::new();
        // The small ones fill the gaps, so that next to nothing is left free by chance.
        for shape in [shape; 60].into_iter().chain([TransactionShape::default(); 150]) {
            bench.node.chain_mut().generate_transaction(shape);
        }
        bench.deliver_news();
        bench.setup(POOL);
        let work = Work::from_pair(&bench.receive(POOL, constraints(size, sigops)));
        let request = RequestTransactionData { template_id: work.template.template_id };
        let outputs = bench.receive(POOL, request);
        let [Message::RequestTransactionDataSuccess(data)] = &messages(&outputs, POOL)[..] else {
            panic!("{outputs:?}");
        };

        let coinbase = work.coinbase(outputs_of(&work, size as usize, usize::from(sigops)));
        let block = block_of(&work.header(&coinbase), &coinbase, data);

        let judged = bench.node.chain().validate_block(bench.now, &block);
        assert_eq!(judged, Ok(work.header(&coinbase).hash()), "{size} {sigops}");
        let count = data.transaction_list.as_slice().len();
        assert!(count > 0 || size > 900_000, "there is room for some");
    };

    let heavy = TransactionShape { data_len: 30_000, sigops: 0 };
    let busy = TransactionShape { data_len: 0, sigops: 4_000 };
    for size in [0, 10, 1_000, 100_000, 999_708] {
        check(heavy, size, 0);
    }
    for sigops in [0, 4_000, u16::MAX] {
        check(busy, 66_000, sigops);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_sequence_of_messages_upsets_the_provider_or_another_client(
        steps in proptest::collection::vec(
            (0..6_u8, any::<u64>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..90)),
            1..40,
        ),
    ) {
        let (mut bench, work) = Bench::started(small());
        bench.setup(OTHER);
        for (step, long, short, bytes) in steps {
            match step {
                0 => drop(bench.receive(OTHER, constraints(short, 400))),
                1 => drop(bench.receive(OTHER, RequestTransactionData { template_id: long % 8 })),
                2 => {
                    let solution = SubmitSolution {
                        template_id: long % 8,
                        version: short,
                        header_timestamp: short,
                        header_nonce: short,
                        coinbase_tx: B64K::new(bytes).unwrap(),
                    };
                    bench.receive(OTHER, solution);
                }
                3 => {
                    let foreign = SubmitSolution { template_id: long % 8, ..work.solved().0 };
                    bench.receive(OTHER, foreign);
                }
                4 => drop(bench.pass(Duration::from_millis(u64::from(short % 10_000)))),
                _ => {
                    bench.give(Input::Closed { connection: OTHER, reason: CloseReason::ByPeer });
                    bench.setup(OTHER);
                }
            }
        }

        // Not the block that the other client may have solved as well.
        let coinbase = work.coinbase(Vec::new());
        let (solution, hash) = work.solve(&coinbase, work.header(&coinbase));
        let outputs = bench.receive(POOL, solution);
        prop_assert_eq!(bench.carry_out(&outputs), [Output::Event(Event::BlockFound { hash })]);
    }

    #[test]
    fn every_solution_of_the_last_work_is_a_block(
        seed in any::<u64>(),
        steps in proptest::collection::vec((0..4_u8, 0..40_000_u32, any::<u16>()), 1..10),
    ) {
        let config = ChainConfig::new(ChainConfig::EASY, START.unix);
        let mut bench = Bench::new();
        bench.node = ChainHost::new(Chain::new(config, Entropy::from_seed(seed)));
        bench.deliver_news();
        bench.setup(POOL);
        let mut work = Work::from_pair(&bench.receive(POOL, small()));
        let mut own = (10, 0);
        for (step, size, sigops) in steps {
            bench.now = bench.now.after(Duration::from_secs(1));
            let outputs = match step {
                0 => bench.new_block(),
                1 => bench.new_transaction(),
                2 => {
                    let shape = TransactionShape { data_len: 20 * size as usize, sigops: 2_000 };
                    bench.node.chain_mut().generate_transaction(shape);
                    bench.deliver_news()
                }
                _ => {
                    own = (size, sigops);
                    bench.receive(POOL, constraints(size, sigops))
                }
            };
            work = match messages(&outputs, POOL)[..] {
                [] => work,
                [Message::NewTemplate(_)] => work.updated(&outputs),
                _ => Work::from_pair(&outputs),
            };
        }
        let outputs = outputs_of(&work, own.0 as usize, usize::from(own.1));
        let coinbase = work.coinbase(outputs);
        let (solution, hash) = work.solve(&coinbase, work.header(&coinbase));

        let outputs = bench.receive(POOL, solution);

        prop_assert!(notes(&outputs).is_empty(), "{:?}", notes(&outputs));
        prop_assert_eq!(bench.carry_out(&outputs), [Output::Event(Event::BlockFound { hash })]);
    }
}

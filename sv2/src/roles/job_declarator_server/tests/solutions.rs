//! Blocks that clients push (spec 6.4.9).

use super::bench::{
    Bench, COINBASE_ONLY, FULL_TEMPLATE, MINER, OTHER, asked, config, events, solution, success,
};
use crate::event::Event;
use crate::job_declaration::PushSolution;
use crate::mining::header::Header;
use crate::role::{Answer, Input, Output};
use crate::wire::{B32, U256};

#[test]
fn a_pushed_block_becomes_the_tip_of_the_node_with_all_its_transactions() {
    let mut bench = Bench::started();
    (0..3).for_each(|_| bench.new_transaction());
    let (job, _) = bench.declared(MINER);
    let (solution, hash) = job.solve(&[7; 20]);

    let outputs = bench.exchange(MINER, solution);

    let pushed = Event::BlockPushed { connection: MINER, hash };
    assert!(events(&outputs).contains(&pushed));
    assert!(events(&outputs).contains(&Event::BlockFound { hash }));
    assert_eq!(bench.node.chain().tip(), hash);
    assert_eq!(bench.node.chain().mempool_len(), 0);
}

#[test]
fn rolled_versions_and_times_are_no_fault() {
    let mut bench = Bench::started();
    let (job, _) = bench.declared(MINER);
    let mut header = job.header(&[7; 20]);
    (header.version, header.ntime) = (header.version ^ 0x1fff_ffe0, header.ntime + 3);
    let (solution, hash) = job.solve_header(&[7; 20], header);

    bench.exchange(MINER, solution);

    assert_eq!(bench.node.chain().tip(), hash);
}

#[test]
fn a_block_of_a_job_that_a_newer_acknowledgement_has_overtaken_is_not_lost() {
    let mut bench = Bench::started();
    let (old, _) = bench.declared(MINER);
    bench.new_transaction();
    bench.declared(MINER);
    let (solution, hash) = old.solve(&[7; 20]);

    bench.exchange(MINER, solution);

    assert_eq!(bench.node.chain().tip(), hash, "AMB-51");
}

#[test]
fn the_job_that_was_acknowledged_last_can_be_solved_after_a_new_block() {
    let mut bench = Bench::started();
    let (first, _) = bench.declared(MINER);
    bench.new_transaction();
    let (last, _) = bench.declared(MINER);
    bench.new_block();

    let pushed = bench.receive(MINER, last.solve(&[7; 20]).0);
    let superseded = bench.receive(MINER, first.solve(&[7; 20]).0);

    assert!(matches!(pushed[..], [Output::Request { .. }, _]), "the node decides: {pushed:?}");
    assert!(matches!(superseded[..], [Output::Event(Event::Noted { .. })]), "{superseded:?}");
}

#[test]
fn a_refused_declaration_takes_nothing_from_the_job_before_it() {
    let mut bench = Bench::started();
    let (job, _) = bench.declared(MINER);
    let token = bench.token(MINER);
    let bad = crate::job_declaration::DeclareMiningJob { version: 1, ..job.declaration(2, token) };
    bench.exchange(MINER, bad);
    let (solution, hash) = job.solve(&[7; 20]);

    bench.exchange(MINER, solution);

    assert_eq!(bench.node.chain().tip(), hash);
}

#[test]
fn a_job_that_was_not_acknowledged_yet_is_not_solved() {
    let mut bench = Bench::started();
    bench.new_transaction();
    let job = bench.job();
    let token = bench.token(MINER);
    let outputs = bench.exchange(MINER, job.declaration(1, token));
    let answer = job.provide(&asked(&outputs, MINER));

    let early = bench.receive(MINER, job.solve(&[7; 20]).0);

    assert_eq!(events(&early).len(), early.len(), "{early:?}");
    success(&bench.exchange(MINER, answer), MINER);
}

#[test]
fn bad_solutions_harm_neither_connection_nor_node() {
    let check = |remark: &str, change: &dyn Fn(Header, PushSolution) -> PushSolution| {
        let mut bench = Bench::started();
        let (job, _) = bench.declared(MINER);
        let (good, _) = job.solve(&[7; 20]);

        let outputs = bench.receive(MINER, change(job.header(&[7; 20]), good.clone()));

        let [Output::Event(Event::Noted { what, .. })] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert!(what.contains(remark), "{what}");
        let outputs = bench.receive(MINER, good);
        assert!(matches!(outputs[..], [Output::Request { .. }, _]), "{outputs:?}");
    };

    check("it builds on", &|_, good| PushSolution { prev_hash: U256::MAX, ..good });
    check("its nbits are", &|_, good| PushSolution { nbits: good.nbits - 1, ..good });
    check("differs in bits", &|_, good| PushSolution { version: good.version ^ 1, ..good });
    for len in [0, 19, 21, 32] {
        check("bytes of extranonce, 20 were declared", &|_, good| PushSolution {
            extranonce: B32::new(&[7; 32][..len]).unwrap(),
            ..good
        });
    }
    check("is above the target", &|mut header, _| {
        while crate::wire::Target::from_compact(header.nbits).unwrap().is_met_by(&header.hash()) {
            header.nonce += 1;
        }
        solution(&[7; 20], &header)
    });
}

#[test]
fn nobody_pushes_blocks_of_jobs_that_others_declared_or_without_any() {
    let mut bench = Bench::started();
    let (job, _) = bench.declared(MINER);
    for flags in [FULL_TEMPLATE, COINBASE_ONLY] {
        bench.join(OTHER, flags);

        let outputs = bench.receive(OTHER, job.solve(&[7; 20]).0);

        assert!(matches!(outputs[..], [Output::Event(Event::Noted { .. })]), "{outputs:?}");
        bench.leave(OTHER);
    }
}

#[test]
fn a_block_goes_to_the_node_once() {
    let mut bench = Bench::started();
    let (job, _) = bench.declared(MINER);
    let (solution, _) = job.solve(&[7; 20]);
    bench.receive(MINER, solution.clone());

    let again = bench.receive(MINER, solution);

    assert!(matches!(again[..], [Output::Event(Event::Noted { .. })]), "{again:?}");
}

#[test]
fn a_block_that_did_not_reach_the_node_may_be_pushed_again() {
    let mut bench = Bench::started();
    let (job, _) = bench.declared(MINER);
    let (solution, hash) = job.solve(&[7; 20]);
    let outputs = bench.receive(MINER, solution.clone());
    let [Output::Request { request, .. }, _] = outputs[..] else { panic!("{outputs:?}") };
    let answer = Answer::Failed("no connection".to_owned());
    bench.give(Input::Answer { request, answer });

    bench.exchange(MINER, solution);

    assert_eq!(bench.node.chain().tip(), hash);
}

#[test]
fn a_block_that_the_node_knows_or_refuses_ends_no_connection() {
    // That the miner's own node was faster is no news.
    for (reason, note_count) in [("duplicate", 0), ("bad-txns-inputs-missingorspent", 1)] {
        let mut bench = Bench::started();
        let (job, _) = bench.declared(MINER);
        let outputs = bench.receive(MINER, job.solve(&[7; 20]).0);
        let [Output::Request { request, .. }, _] = outputs[..] else { panic!("{outputs:?}") };

        let answer = Answer::BlockRejected { reason: reason.to_owned() };
        let outputs = bench.give(Input::Answer { request, answer });

        let is_note = |output: &Output| matches!(output, Output::Event(Event::Noted { .. }));
        assert!(outputs.len() == note_count && outputs.iter().all(is_note), "{outputs:?}");
    }
}

#[test]
fn only_so_many_jobs_are_kept_and_the_last_one_whatever_it_takes() {
    for limit in [
        super::JobDeclaratorServerConfig { declared_jobs_max: 1, ..config() },
        super::JobDeclaratorServerConfig { declared_bytes_max: 1, ..config() },
    ] {
        let mut bench = Bench::started_with(limit);
        let (old, _) = bench.declared(MINER);
        bench.new_transaction();
        let (last, _) = bench.declared(MINER);

        let gone = bench.receive(MINER, old.solve(&[7; 20]).0);
        let kept = bench.receive(MINER, last.solve(&[7; 20]).0);

        assert!(matches!(gone[..], [Output::Event(Event::Noted { .. })]), "{gone:?}");
        assert!(matches!(kept[..], [Output::Request { .. }, _]), "{kept:?}");
    }
}

//! Declarations that are acknowledged, and what the pool learns of them (spec 6.4.4 to 6.4.8).

use bitcoin::consensus::serialize;
use bytes::Bytes;

use super::bench::{
    Bench, EXTRANONCE_LEN, FULL_TEMPLATE, Job, MINER, OTHER, PAYOUT, asked, config, errors, events,
    key, messages, provided, success,
};
use crate::chain::merkle;
use crate::event::Event;
use crate::job_declaration::token::TokenStage;
use crate::mining::SetCustomMiningJob;
use crate::mining::coinbase::payout;
use crate::mining::custom_job::{CustomJobContext, CustomJobRefusal, CustomJobs};
use crate::mining::job::Tip;
use crate::mining::proof::ProofCheck;
use crate::role::{Answer, Input, Output, Request};
use crate::wire::{B64K, B255, Seq255};

#[test]
fn a_job_of_known_transactions_is_acknowledged_without_asking_for_them() {
    let mut bench = Bench::started();
    (0..5).for_each(|_| bench.new_transaction());
    bench.deliver_news();
    let job = bench.job();
    let allocated = bench.token(MINER);

    let outputs = bench.exchange(MINER, job.declaration(7, allocated.clone()));

    let success = success(&outputs, MINER);
    assert_eq!(success.request_id, 7);
    let (old, new) =
        (key().open(allocated.as_slice()), key().open(success.new_mining_job_token.as_slice()));
    let (old, new) = (old.unwrap(), new.unwrap());
    assert!(matches!(new.stage, TokenStage::Declared(_)));
    assert_eq!((new.id, new.expires_at, new.payout), (old.id, old.expires_at, old.payout));
    let declared = Event::JobDeclared {
        connection: MINER,
        request_id: 7,
        transaction_count: 5,
        provided_count: 0,
    };
    assert_eq!(events(&outputs), [declared]);
}

#[test]
fn transactions_that_the_server_lacks_are_asked_for_by_position_and_known_from_then_on() {
    let mut bench = Bench::started();
    bench.new_transaction();
    bench.deliver_news();
    (0..4).for_each(|_| bench.new_transaction());
    let job = bench.job();
    let first = bench.token(MINER);

    let outputs = bench.exchange(MINER, job.declaration(7, first));
    let asked = asked(&outputs, MINER);
    let known = bench.server.known.len();
    let acknowledged = bench.exchange(MINER, job.provide(&asked));

    assert_eq!(asked.request_id, 7);
    let positions = asked.unknown_tx_position_list.as_slice();
    assert_eq!((positions.len(), known), (4, 1), "one of five is known");
    assert!(positions.is_sorted());
    success(&acknowledged, MINER);
    assert!(events(&acknowledged).contains(&Event::JobDeclared {
        connection: MINER,
        request_id: 7,
        transaction_count: 5,
        provided_count: 4,
    }));
    bench.join(OTHER, FULL_TEMPLATE);
    let token = bench.token(OTHER);
    success(&bench.exchange(OTHER, job.declaration(1, token)), OTHER);
}

#[test]
fn the_node_judges_the_very_block_that_was_declared() {
    let mut bench = Bench::started();
    bench.new_transaction();
    bench.deliver_news();
    let job = bench.job();
    let token = bench.token(MINER);

    let outputs = bench.receive(MINER, job.declaration(7, token));

    let [Output::Request { what: Request::ValidateBlock { block }, .. }] = &outputs[..] else {
        panic!("{outputs:?}");
    };
    let header = job.header(&[0; EXTRANONCE_LEN]);
    let block: bitcoin::Block = bitcoin::consensus::deserialize(block).unwrap();
    assert_eq!(serialize(&block.header), header.to_bytes());
    assert_eq!(serialize(&block.txdata[0]), &job.coinbase().transaction(&[&[0; 20]])[..]);
    assert_eq!(serialize(&block.txdata[1]), &job.template.transactions[0].raw[..]);
}

/// What a client tells the pool about its job.
fn custom_job(job: &Job, token: B255) -> SetCustomMiningJob {
    let txids = job.template.transactions.iter().map(|transaction| transaction.txid);
    SetCustomMiningJob {
        channel_id: 1,
        request_id: 1,
        mining_job_token: token,
        version: job.template.version,
        prev_hash: job.template.prev_hash,
        min_ntime: job.template.min_ntime,
        nbits: job.template.nbits,
        coinbase_tx_version: 2,
        coinbase_prefix: B255::new(job.script_start.clone()).unwrap(),
        coinbase_tx_input_n_sequence: 0xffff_fffe,
        coinbase_tx_outputs: B64K::new(serialize(&job.outputs)).unwrap(),
        coinbase_tx_locktime: 0,
        merkle_path: Seq255::new(merkle::path(txids)).unwrap(),
    }
}

#[test]
fn the_new_token_is_good_at_the_pool_for_the_job_that_was_declared_and_for_no_other() {
    let mut bench = Bench::started();
    (0..3).for_each(|_| bench.new_transaction());
    let (job, token) = bench.declared(MINER);
    let tip = Tip {
        prev_hash: job.template.prev_hash,
        nbits: job.template.nbits,
        min_ntime: job.template.min_ntime,
        network_target: job.template.target,
        since: bench.now.instant,
        proof_check: ProofCheck::Hashed,
    };
    let context = CustomJobContext {
        tip: Some(&tip),
        height: Some(job.template.height),
        extranonce_len: EXTRANONCE_LEN,
        user_identity: Some(b"miner"),
    };
    let mut pool = CustomJobs::new(key(), 10);
    let declared = custom_job(&job, token.clone());
    let richer = Job { outputs: vec![payout(1, &PAYOUT)], ..job };

    let other = pool.accept(bench.now, &custom_job(&richer, token), &context);
    let same = pool.accept(bench.now, &declared, &context);

    assert!(matches!(other, Err(CustomJobRefusal::NotAsDeclared(_))), "{other:?}");
    assert!(same.is_ok(), "{same:?}");
}

#[test]
fn coinbases_without_witnesses_and_other_sizes_of_extranonce_are_judged_as_they_are() {
    for (extranonce_len, has_commitment) in [(32, true), (4, true), (0, true), (20, false)] {
        let mut bench = Bench::started();
        let mut job = bench.job();
        job.extranonce_len = extranonce_len;
        if !has_commitment {
            job.outputs.pop();
        }
        let token = bench.token(MINER);

        let outputs = bench.exchange(MINER, job.declaration(7, token));

        success(&outputs, MINER);
    }
}

#[test]
fn what_a_later_version_appends_to_a_transaction_is_no_part_of_it() {
    let mut bench = Bench::started();
    bench.new_transaction();
    let job = bench.job();
    let token = bench.token(MINER);
    bench.exchange(MINER, job.declaration(7, token));

    let longer = [&job.template.transactions[0].raw[..], &[1, 2, 3]].concat();
    let outputs = bench.exchange(MINER, provided(7, [Bytes::from(longer)]));

    success(&outputs, MINER);
}

#[test]
fn declarations_wait_for_each_other_and_later_ones_profit() {
    let mut bench = Bench::started();
    bench.new_transaction();
    let job = bench.job();
    let [first, second] = [bench.token(MINER), bench.token(MINER)];
    let outputs = bench.exchange(MINER, job.declaration(1, first));
    let asked = asked(&outputs, MINER);

    let waiting = bench.exchange(MINER, job.declaration(2, second));
    let outputs = bench.exchange(MINER, job.provide(&asked));

    assert_eq!(waiting, []);
    let answers: Vec<_> = messages(&outputs, MINER);
    assert_eq!(answers.len(), 2, "the second needs to ask for nothing: {answers:?}");
    assert_eq!(errors(&outputs, MINER), []);
}

#[test]
fn a_judgement_that_comes_after_its_connection_has_gone_is_not_taken_for_anothers() {
    let mut bench = Bench::started();
    let job = bench.job();
    let token = bench.token(MINER);
    let [Output::Request { request: first, .. }] =
        bench.receive(MINER, job.declaration(1, token))[..]
    else {
        panic!("no request");
    };
    bench.leave(MINER);
    bench.join(MINER, FULL_TEMPLATE);
    let token = bench.token(MINER);
    let second = bench.receive(MINER, job.declaration(2, token));

    let answer = Answer::BlockRejected { reason: "bad-cb-amount".to_owned() };
    let late = bench.give(Input::Answer { request: first, answer });

    assert_eq!(late, []);
    let outputs = bench.carry_out(second);
    assert_eq!(success(&outputs, MINER).request_id, 2);
}

#[test]
fn only_so_many_blocks_are_judged_at_a_time_and_the_others_follow() {
    let config = super::JobDeclaratorServerConfig { validations_max: 1, ..config() };
    let mut bench = Bench::started_with(config);
    bench.join(OTHER, FULL_TEMPLATE);
    let job = bench.job();
    let [first, second] = [bench.token(MINER), bench.token(OTHER)];

    let asked = bench.receive(MINER, job.declaration(1, first));
    let queued = bench.receive(OTHER, job.declaration(2, second));
    let outputs = bench.carry_out(asked);

    assert_eq!(queued, []);
    assert_eq!(success(&outputs, MINER).request_id, 1);
    assert_eq!(success(&outputs, OTHER).request_id, 2);
}

//! Declarations that are refused: one row for each reason, and what a refusal leaves behind.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::{any, prop};
use proptest::{prop_assert_eq, proptest};
use zeroize::Zeroizing;

use super::bench::{
    Bench, COINBASE_ONLY, FULL_TEMPLATE, Job, MINER, OTHER, PAYOUT, asked, config, errors, events,
    messages, provided, solution, success,
};
use crate::chain::block::height_push;
use crate::event::Event;
use crate::job_declaration::DeclareMiningJob;
use crate::job_declaration::token::TokenKey;
use crate::mining::coinbase::payout;
use crate::role::{Answer, Input, Output};
use crate::wire::{B64K, B255, Seq64K, U256};

/// One refusal with this code, and a good declaration with the same token afterwards.
fn check(expected: &str, change: impl FnOnce(&Job, DeclareMiningJob) -> DeclareMiningJob) {
    let mut bench = Bench::started();
    let job = bench.job();
    let token = bench.token(MINER);

    let outputs = bench.exchange(MINER, change(&job, job.declaration(9, token.clone())));

    assert_eq!(errors(&outputs, MINER), [(9, expected.to_owned())]);
    assert_eq!(messages(&outputs, MINER).len(), 1);
    let told = events(&outputs);
    let [Event::DeclarationRefused { error_code, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*error_code, expected);
    let outputs = bench.exchange(MINER, job.declaration(10, token));
    assert_eq!(success(&outputs, MINER).request_id, 10, "a refusal leaves the token (AMB-38)");
}

fn bytes(change: impl FnOnce(&mut Vec<u8>), of: &B64K) -> B64K {
    let mut bytes = of.as_slice().to_vec();
    change(&mut bytes);
    B64K::new(bytes).unwrap()
}

#[test]
fn coinbases_that_are_none_are_refused() {
    // Version, marker and flag, count, nothing, index, length of the script.
    const SCRIPT_LEN_AT: usize = 4 + 2 + 1 + 32 + 4;
    let prefix = |expected: &str, change: &dyn Fn(&mut Vec<u8>)| {
        check(expected, |_, good| DeclareMiningJob {
            coinbase_tx_prefix: bytes(change, &good.coinbase_tx_prefix),
            ..good
        });
    };
    let suffix = |expected: &str, change: &dyn Fn(&mut Vec<u8>)| {
        check(expected, |_, good| DeclareMiningJob {
            coinbase_tx_suffix: bytes(change, &good.coinbase_tx_suffix),
            ..good
        });
    };

    prefix("invalid-coinbase-tx", &Vec::clear);
    prefix("invalid-coinbase-tx", &|bytes| bytes.truncate(SCRIPT_LEN_AT));
    prefix("invalid-coinbase-tx", &|bytes| bytes[6] = 2);
    prefix("invalid-coinbase-tx", &|bytes| bytes[7] = 1);
    prefix("invalid-coinbase-tx", &|bytes| bytes.extend([0; 21]));
    prefix("invalid-coinbase-tx", &|bytes| drop(bytes.drain(4..6)));
    prefix("invalid-coinbase-tx-input", &|bytes| bytes[SCRIPT_LEN_AT] = 101);
    prefix("invalid-coinbase-tx-input", &|bytes| bytes[SCRIPT_LEN_AT] = 1);
    prefix("invalid-coinbase-tx-input", &|bytes| bytes[SCRIPT_LEN_AT] = 0);
    prefix("invalid-coinbase-tx-input", &|bytes| bytes.truncate(SCRIPT_LEN_AT + 1));
    suffix("invalid-coinbase-tx", &Vec::clear);
    suffix("invalid-coinbase-tx", &|bytes| bytes.truncate(bytes.len() - 1));
    suffix("invalid-coinbase-tx", &|bytes| bytes.push(0));
    suffix("invalid-coinbase-tx", &|bytes| *bytes = vec![0xff; B64K::MAX]);
}

#[test]
fn coinbases_that_no_block_or_no_pool_can_have_are_refused() {
    let changed = |expected: &str, change: &dyn Fn(&mut Job)| {
        check(expected, |job, good| {
            let mut job = job.clone();
            change(&mut job);
            let changed = job.declaration(9, good.mining_job_token.clone());
            DeclareMiningJob { wtxid_list: good.wtxid_list, ..changed }
        });
    };

    changed("invalid-coinbase-tx-input", &|job| job.extranonce_len = 33);
    changed("invalid-coinbase-tx-input", &|job| job.script_start = vec![0x6a; 4]);
    changed("invalid-coinbase-tx-input", &|job| {
        job.script_start = height_push(job.template.height + 7).into_bytes();
    });
    for height in [job_height() - 1, job_height() + 1] {
        changed("stale-chain-tip", &|job| job.script_start = height_push(height).into_bytes());
    }
    changed("pool-payout-missing", &|job| drop(job.outputs.remove(1)));
    changed("pool-payout-missing", &|job| job.outputs[1] = payout(0, &PAYOUT));
    changed("pool-payout-missing", &|job| job.outputs[1] = payout(1, &PAYOUT[..2]));
    changed("invalid-job", &|job| {
        job.outputs[1] = payout(job.template.coinbase_value + 1, &PAYOUT);
    });
    changed("invalid-job", &|job| {
        let mut script = job.template.witness_commitment_script().to_vec();
        script[6] ^= 1;
        job.outputs[2] = payout(0, &script);
    });
}

fn job_height() -> u32 {
    Bench::started().job().template.height
}

#[test]
fn lists_and_versions_that_make_no_block_are_refused() {
    let list = |wtxids: Vec<U256>| {
        move |_: &Job, good: DeclareMiningJob| DeclareMiningJob {
            wtxid_list: Seq64K::new(wtxids).unwrap(),
            ..good
        }
    };

    check("invalid-job", list(vec![U256::MAX, U256::MAX]));
    check("invalid-job", list(vec![U256::MAX]));
    check("invalid-job", list((0..16_667).map(|n| U256::from_limbs([n, 1, 1, 1])).collect()));
    check("invalid-job", |_, good| DeclareMiningJob { version: 1, ..good });
}

#[test]
fn a_reserved_value_that_is_none_is_refused() {
    check("invalid-coinbase-tx-input", |_, good| {
        let shorter = |bytes: &mut Vec<u8>| {
            // Count, length, value, lock time.
            let at = bytes.len() - 4 - 32 - 1;
            bytes[at] = 31;
            bytes.remove(at + 1);
        };
        let coinbase_tx_suffix = bytes(shorter, &good.coinbase_tx_suffix);
        DeclareMiningJob { coinbase_tx_suffix, ..good }
    });
}

#[test]
fn tokens_that_are_not_good_for_it_are_refused() {
    let mut bench = Bench::with(config());
    bench.join(OTHER, FULL_TEMPLATE);
    let foreign = bench.token(OTHER);
    bench.join(MINER, FULL_TEMPLATE);
    let job = bench.job();
    let used = bench.token(MINER);
    let outputs = bench.exchange(MINER, job.declaration(1, used.clone()));
    let declared = success(&outputs, MINER).new_mining_job_token;
    let stranger = {
        let key = TokenKey::new(Zeroizing::new([2; 32]));
        let mut bench =
            Bench::started_with(super::JobDeclaratorServerConfig::new(key, PAYOUT.to_vec()));
        bench.token(MINER)
    };
    let cut = B255::new(used.as_slice()[1..].to_vec()).unwrap();

    for (token, expected) in [
        (B255::default(), "invalid-mining-job-token"),
        (cut, "invalid-mining-job-token"),
        (B255::new(vec![0; 255]).unwrap(), "invalid-mining-job-token"),
        (stranger, "invalid-mining-job-token"),
        (foreign, "mining-job-token-of-another-connection"),
        (used, "mining-job-token-used"),
        (declared, "mining-job-token-not-for-declaration"),
    ] {
        let outputs = bench.exchange(MINER, job.declaration(2, token));
        assert_eq!(errors(&outputs, MINER), [(2, expected.to_owned())]);
    }
}

#[test]
fn a_token_is_good_until_the_second_in_which_it_expires() {
    let lifetime = Duration::from_secs(60);
    let config = super::JobDeclaratorServerConfig { token_lifetime: lifetime, ..config() };
    let mut bench = Bench::started_with(config);
    let job = bench.job();
    let [first, second] = [bench.token(MINER), bench.token(MINER)];

    bench.pass(lifetime - Duration::from_secs(1));
    let early = bench.exchange(MINER, job.declaration(1, first));
    bench.pass(Duration::from_secs(1));
    let late = bench.exchange(MINER, job.declaration(2, second));

    success(&early, MINER);
    assert_eq!(errors(&late, MINER), [(2, "mining-job-token-expired".to_owned())]);
}

#[test]
fn coinbase_only_clients_declare_nothing() {
    let mut bench = Bench::with(config());
    bench.join(MINER, COINBASE_ONLY);
    let job = bench.job();
    let token = bench.token(MINER);

    let outputs = bench.exchange(MINER, job.declaration(1, token));

    assert_eq!(errors(&outputs, MINER), [(1, "declare-tx-data-not-negotiated".to_owned())]);
}

#[test]
fn a_server_that_waits_for_its_node_judges_nothing() {
    let mut bench = Bench::without_template(config());
    bench.join(MINER, FULL_TEMPLATE);
    let job = bench.job();
    let token = bench.token(MINER);

    let outputs = bench.exchange(MINER, job.declaration(1, token));

    assert_eq!(errors(&outputs, MINER), [(1, "internal-error".to_owned())]);
}

/// A refusal of what is sent for two transactions that were asked for.
fn check_provided(answer: impl FnOnce(&Job) -> Vec<Bytes>) {
    let mut bench = Bench::started();
    (0..2).for_each(|_| bench.new_transaction());
    let job = bench.job();
    let token = bench.token(MINER);
    let outputs = bench.exchange(MINER, job.declaration(9, token.clone()));
    assert_eq!(asked(&outputs, MINER).unknown_tx_position_list.as_slice(), [0, 1]);

    let outputs = bench.exchange(MINER, provided(9, answer(&job)));

    assert_eq!(errors(&outputs, MINER), [(9, "missing-txs".to_owned())]);
    assert_eq!(bench.server.known.len(), 0, "nothing is learned from a refused declaration");
    let outputs = bench.exchange(MINER, job.declaration(10, token));
    asked(&outputs, MINER);
}

#[test]
fn transactions_that_were_not_asked_for_are_refused() {
    let raw = |job: &Job, position: usize| job.template.transactions[position].raw.clone();
    check_provided(|_| vec![]);
    check_provided(|job| vec![raw(job, 0)]);
    check_provided(|job| vec![raw(job, 0), raw(job, 1), raw(job, 1)]);
    check_provided(|job| vec![raw(job, 1), raw(job, 0)]);
    check_provided(|job| vec![raw(job, 0), raw(job, 0)]);
    check_provided(|job| vec![raw(job, 0), Bytes::new()]);
    check_provided(|job| vec![raw(job, 0), raw(job, 1).slice(..40)]);
    check_provided(|job| {
        let mut stripped: bitcoin::Transaction =
            bitcoin::consensus::deserialize(&raw(job, 1)).unwrap();
        stripped.input[0].witness.clear();
        vec![raw(job, 0), Bytes::from(bitcoin::consensus::serialize(&stripped))]
    });
}

#[test]
fn a_list_of_txids_is_told_what_is_wrong_with_it() {
    let mut bench = Bench::started();
    bench.new_transaction();
    let mut job = bench.job();
    job.wtxids = vec![job.template.transactions[0].txid];
    // Its commitment is for the list as it is.
    job.outputs.pop();
    let token = bench.token(MINER);
    let outputs = bench.exchange(MINER, job.declaration(9, token));
    let answer = job.provide(&asked(&outputs, MINER));

    let outputs = bench.exchange(MINER, answer);

    let [Event::DeclarationRefused { reason, .. }] = &events(&outputs)[..] else { panic!() };
    assert!(reason.ends_with("wtxid_list holds its txid (spec 6.4.4)"), "{reason}");
}

#[test]
fn transactions_that_do_not_come_in_time_are_missed() {
    let mut bench = Bench::started();
    bench.new_transaction();
    let job = bench.job();
    let token = bench.token(MINER);
    let outputs = bench.exchange(MINER, job.declaration(9, token));
    let answer = job.provide(&asked(&outputs, MINER));

    let early = bench.pass(Duration::from_millis(9_999));
    let outputs = bench.pass(Duration::from_millis(1));
    let late = bench.exchange(MINER, answer);

    assert_eq!(early, []);
    assert_eq!(errors(&outputs, MINER), [(9, "missing-txs".to_owned())]);
    assert_eq!(messages(&late, MINER), []);
}

#[test]
fn a_new_block_ends_whatever_was_on_its_way() {
    // Asked for, at the node, and waiting behind.
    let mut bench = Bench::started();
    bench.join(OTHER, FULL_TEMPLATE);
    let empty = bench.job();
    bench.new_transaction();
    let job = bench.job();
    let tokens = [bench.token(MINER), bench.token(MINER), bench.token(OTHER)];
    let [first, second, third] = tokens;
    bench.receive(MINER, job.declaration(1, first));
    bench.receive(MINER, job.declaration(2, second.clone()));
    let judged = bench.receive(OTHER, empty.declaration(3, third));

    let outputs = bench.new_block();

    let stale = |request_id| (request_id, "stale-chain-tip".to_owned());
    assert_eq!(errors(&outputs, MINER), [stale(1), stale(2)]);
    assert_eq!(errors(&outputs, OTHER), [stale(3)]);
    assert_eq!(bench.carry_out(judged), [], "it has been answered");
    let next = bench.job();
    success(&bench.exchange(MINER, next.declaration(4, second)), MINER);
}

#[test]
fn what_the_node_says_decides() {
    let words = |reason: &str| Answer::BlockRejected { reason: reason.to_owned() };
    for (answer, expected) in [
        (words("bad-txns-inputs-missingorspent"), "invalid-job"),
        (words("inconclusive-not-best-prevblk"), "stale-chain-tip"),
        (words("prev-blk-not-found"), "stale-chain-tip"),
        (Answer::Failed("no connection".to_owned()), "internal-error"),
        (Answer::Persisted, "internal-error"),
    ] {
        let mut bench = Bench::started();
        let job = bench.job();
        let token = bench.token(MINER);
        let [Output::Request { request, .. }] = bench.receive(MINER, job.declaration(1, token))[..]
        else {
            panic!("no request");
        };

        let outputs = bench.give(Input::Answer { request, answer });

        assert_eq!(errors(&outputs, MINER), [(1, expected.to_owned())]);
    }
}

#[test]
fn a_node_that_says_nothing_is_not_waited_for_and_gets_no_more_to_do() {
    let config = super::JobDeclaratorServerConfig { validations_max: 1, ..config() };
    let mut bench = Bench::started_with(config);
    let job = bench.job();
    let [first, second] = [bench.token(MINER), bench.token(MINER)];
    let asked = bench.receive(MINER, job.declaration(1, first));

    let outputs = bench.pass(Duration::from_secs(30));
    let queued = bench.receive(MINER, job.declaration(2, second));

    assert_eq!(errors(&outputs, MINER), [(1, "internal-error".to_owned())]);
    assert_eq!(queued, []);
    let outputs = bench.carry_out(asked);
    assert_eq!(success(&outputs, MINER).request_id, 2, "its answer makes room");
}

/// Where a part of a coinbase is changed, and to what.
type Changes = Vec<(prop::sample::Index, u8)>;

fn changed(part: &B64K, changes: &Changes) -> B64K {
    bytes(
        |bytes| {
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
        },
        part,
    )
}

proptest! {
    #[test]
    fn every_declaration_gets_one_answer_and_every_push_is_survived(
        prefix in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        suffix in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        extranonce in prop::collection::vec(any::<u8>(), 0..=32),
    ) {
        let mut bench = Bench::started();
        let job = bench.job();
        let token = bench.token(MINER);
        let good = job.declaration(9, token);
        let declaration = DeclareMiningJob {
            coinbase_tx_prefix: changed(&good.coinbase_tx_prefix, &prefix),
            coinbase_tx_suffix: changed(&good.coinbase_tx_suffix, &suffix),
            ..good
        };

        let outputs = bench.exchange(MINER, declaration);
        let pushed = bench.receive(MINER, solution(&extranonce, &job.header(&extranonce)));

        prop_assert_eq!(messages(&outputs, MINER).len(), 1);
        prop_assert_eq!(messages(&pushed, MINER).len(), 0);
    }
}

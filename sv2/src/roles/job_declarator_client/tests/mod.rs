//! What the client does when peers do what they should not, or nothing.

mod bench;
mod hostile;
mod silent;

use bitcoin::consensus::serialize;

use self::bench::{
    Bench, Declarator, EASY, HARD, POOL_SCRIPT, Pool, Provider, SECOND, config, new_template,
};
use super::JobDeclarationMode;
use super::shares::Shares;
use crate::common::Reconnect;
use crate::event::Event;
use crate::message::Message;
use crate::mining::coinbase::payout;
use crate::mining::coinbase::tests::commitment;
use crate::mining::{SetExtranoncePrefix, SetTarget};
use crate::roles::job_declarator_client::JobDeclaratorClientConfig;
use crate::wire::{B32, Str255, Target};

fn lost(event: &Event) -> usize {
    match event {
        Event::SharesLost { count } => *count,
        _ => 0,
    }
}

#[test]
fn shares_wait_for_the_pools_word_and_then_go_up_in_order_under_its_job_id() {
    let mut bench = Bench::started(config(), HARD);
    bench.mine(2);
    bench.provide_data(1);
    bench.mine(1);
    bench.acknowledge();
    assert_eq!(bench.submitted(), []);

    bench.accept_job(77);
    bench.mine(1);

    assert_eq!(bench.submitted(), [(0, 77), (1, 77), (2, 77), (3, 77)]);
}

#[test]
fn more_shares_than_are_kept_lose_the_oldest() {
    let mut bench = Bench::started(config(), HARD);
    let count = Shares::CACHED_MAX + 3;

    bench.mine(u32::try_from(count).unwrap());
    bench.provide_data(1);
    bench.acknowledge();
    bench.accept_job(77);

    assert_eq!(bench.submitted().len(), Shares::CACHED_MAX);
    assert_eq!(bench.events.iter().map(lost).sum::<usize>(), 3);
}

#[test]
fn a_new_tip_ends_shares_that_wait_and_answers_that_are_late() {
    let mut bench = Bench::started(config(), HARD);
    bench.mine(5);
    bench.provide_data(1);
    bench.acknowledge();

    bench.tip(2, 2, HARD);
    bench.accept_job(77);
    bench.mine(1);

    assert_eq!(bench.events.iter().map(lost).sum::<usize>(), 5);
    assert_eq!((bench.submitted(), bench.left()), (vec![], vec![]));
}

#[test]
fn a_block_leaves_by_every_way_that_is_open_to_it() {
    let coinbase_only =
        JobDeclaratorClientConfig { mode: JobDeclarationMode::CoinbaseOnly, ..config() };
    let mut early = Bench::started(config(), EASY);
    let mut accepted = Bench::accepted(config(), EASY, 77);
    let mut alone = Bench::started(coinbase_only, EASY);
    alone.accept_job(77);

    let to_miner = "SubmitShares.Success";
    for (bench, expected) in [
        (&mut early, &[to_miner, "SubmitSolution"][..]),
        (&mut accepted, &[to_miner, "SubmitSharesExtended", "PushSolution", "SubmitSolution"][..]),
        (&mut alone, &[to_miner, "SubmitSharesExtended", "SubmitSolution"][..]),
    ] {
        // The last is sent first.
        assert_eq!(bench.mine_block(), expected);
    }
}

#[test]
fn every_template_is_one_custom_job_and_a_future_one_is_none_before_its_tip() {
    let mut bench = Bench::accepted(config(), HARD, 77);
    bench.take_names();

    bench.hear(Provider, new_template(2, true));
    let future = bench.take_names();
    bench.hear(Provider, new_template(3, false));
    bench.provide_data(3);
    bench.acknowledge();
    bench.accept_job(78);
    bench.mine(1);

    assert_eq!(future, ["NewExtendedMiningJob"]);
    let is_custom = |name: &&&str| **name == "SetCustomMiningJob";
    assert_eq!(bench.names().iter().filter(is_custom).count(), 1);
    assert_eq!(bench.submitted(), [(0, 78)]);
}

#[test]
fn shares_that_miss_the_target_of_the_pool_stay_here() {
    let mut bench = Bench::started(config(), HARD);
    let maximum_target = Target::from_expected_hashes(1e9);
    bench.hear(Pool, SetTarget { channel_id: 6, maximum_target });
    bench.provide_data(1);
    bench.acknowledge();
    bench.accept_job(77);

    bench.mine(3);

    assert_eq!(bench.submitted(), []);
    assert_eq!(bench.count(|event| matches!(event, Event::ShareFiltered { .. })), 3);
}

#[test]
fn new_outputs_are_made_room_for_and_worked_for() {
    let mut bench = Bench::started(config(), HARD);
    let long = payout(0, &[0x53; 40]);

    // The token that the first job takes is made up for, with other outputs.
    bench.provide_data(1);
    bench.allocate(std::slice::from_ref(&long));
    let room = bench.last(|message| match message {
        Message::CoinbaseOutputConstraints(room) => Some(room.clone()),
        _ => None,
    });
    bench.hear(Provider, new_template(2, false));

    assert_eq!(room.coinbase_output_max_additional_size, 8 + 1 + 40);
    let suffix = bench.last(|message| match message {
        Message::NewExtendedMiningJob(job) => Some(job.coinbase_tx_suffix.clone()),
        _ => None,
    });
    let script = long.script_pubkey.as_bytes();
    assert!(suffix.as_slice().windows(40).any(|window| window == script));
}

#[test]
fn a_new_prefix_makes_a_job_anew_that_the_pool_has_not_accepted() {
    let mut bench = Bench::started(config(), HARD);
    bench.provide_data(1);
    bench.acknowledge();
    let late = bench.custom_job_id();
    bench.mine(1);

    let extranonce_prefix = B32::new(&[9, 9, 9, 9]).unwrap();
    bench.hear(Pool, SetExtranoncePrefix { channel_id: 5, extranonce_prefix });
    bench.accept_job(77);
    bench.mine(1);
    assert_eq!(bench.submitted(), [], "the pool would take them for others");
    bench.provide_data(1);
    bench.acknowledge();
    bench.accept_job(78);

    assert_ne!(bench.custom_job_id(), late);
    assert_eq!(bench.submitted(), [(0, 78)]);
    assert!(bench.names().contains(&"SetExtranoncePrefix"), "the miner has it too");
}

#[test]
fn a_pool_that_moves_is_followed_and_not_left() {
    let mut bench = Bench::accepted(config(), HARD, 77);

    let reconnect = Reconnect { new_host: Str255::from_static("there"), new_port: 99 };
    bench.hear(Pool, reconnect);
    bench.run(2 * SECOND);

    let ports: Vec<u16> = bench.dials.iter().map(|(_, port)| *port).collect();
    assert_eq!((bench.left(), ports.contains(&99)), (vec![], true), "{ports:?}");
    [Pool, Declarator].into_iter().for_each(|peer| bench.accept(peer));
    bench.open_channel();
    bench.allocate(&[payout(0, &POOL_SCRIPT)]);
    let told: Vec<_> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            Event::MiningFor { upstream } => Some(*upstream),
            _ => None,
        })
        .collect();
    assert_eq!(told, [Some(0), None, Some(0)]);
}

#[test]
fn without_its_template_provider_a_miner_goes_on_and_its_block_is_kept_for_the_next() {
    let mut bench = Bench::accepted(config(), EASY, 77);
    bench.cut(Provider);

    let sent = bench.mine_block();
    bench.run(SECOND);
    bench.accept(Provider);

    assert!(!sent.contains(&"SubmitSolution") && sent.contains(&"PushSolution"), "{sent:?}");
    let names = bench.take_names();
    assert_eq!(
        names[names.len() - 3..],
        ["SetupConnection", "CoinbaseOutputConstraints", "SubmitSolution"]
    );
    assert_eq!(bench.left(), []);
}

#[test]
fn the_outputs_of_a_custom_job_are_those_of_the_token_and_the_template() {
    let mut bench = Bench::started(config(), HARD);
    bench.provide_data(1);

    bench.acknowledge();

    let outputs = bench.last(|message| match message {
        Message::SetCustomMiningJob(request) => Some(request.coinbase_tx_outputs.clone()),
        _ => None,
    });

    let all = vec![payout(312_500_000, &POOL_SCRIPT), commitment()];
    assert_eq!(outputs.as_slice(), serialize(&all));
}

//! Jobs, tips and targets, of channels and of groups.

use super::*;
use crate::mining::coinbase::Coinbase;
use crate::mining::job::Work;
use crate::mining::{
    NewExtendedMiningJob, NewMiningJob, SetExtranoncePrefix, SetNewPrevHash, SetTarget,
};
use crate::template_distribution::NewTemplate;
use crate::wire::{Seq255, U256};

fn work() -> Work {
    let template: NewTemplate = crate::mining::coinbase::tests::template(&[]);
    Work {
        template_id: None,
        min_ntime: None,
        version: 0x2000_0000,
        version_rolling_allowed: true,
        merkle_path: Seq255::new(vec![U256::from_le_bytes([3; 32])]).unwrap(),
        coinbase: Coinbase::new(&template, b"", &[], 12).unwrap(),
    }
}

fn job(job_id: u32, min_ntime: Option<u32>) -> NewExtendedMiningJob {
    work().extended_job(GROUP, job_id, min_ntime)
}

fn derived(channel_id: u32, job_id: u32, min_ntime: Option<u32>, prefix: &B32) -> NewMiningJob {
    work().standard_job(channel_id, job_id, min_ntime, prefix)
}

fn tip(channel_id: u32, job_id: u32) -> SetNewPrevHash {
    SetNewPrevHash {
        channel_id,
        job_id,
        prev_hash: U256::from_le_bytes([5; 32]),
        min_ntime: 9,
        nbits: 0x1d00_ffff,
    }
}

#[test]
fn a_job_of_a_group_goes_to_all_its_clients_and_is_made_a_standard_job_where_it_must_be() {
    for min_ntime in [None, Some(3)] {
        let mut bench = Bench::open();

        let told = bench.say(UP, job(4, min_ntime));

        assert_eq!(
            told,
            [
                (ALICE, job(4, min_ntime).into()),
                (BOB, derived(12, 4, min_ntime, &prefix(12)).into()),
                (BOB, derived(13, 4, min_ntime, &prefix(13)).into()),
            ]
        );
    }
}

#[test]
fn a_standard_job_of_the_upstream_is_passed_on_as_it_is() {
    let mut bench = Bench::open();
    let job = NewMiningJob {
        channel_id: 12,
        job_id: 1,
        min_ntime: None,
        version: 1,
        merkle_root: U256::from_le_bytes([8; 32]),
    };

    assert_eq!(bench.say(UP, job.clone()), [(BOB, job.into())]);
}

#[test]
fn a_standard_job_is_derived_at_arrival_so_that_a_new_prefix_does_not_touch_it() {
    let mut bench = Bench::open();
    let new_prefix = prefix(99);

    let before = bench.say(UP, job(4, None));
    bench.say(UP, SetExtranoncePrefix { channel_id: 12, extranonce_prefix: new_prefix });
    let activated = bench.say(UP, tip(GROUP, 4));
    let after = bench.say(UP, job(5, Some(1)));

    assert!(before.contains(&(BOB, derived(12, 4, None, &prefix(12)).into())));
    assert_eq!(
        activated,
        [(ALICE, tip(GROUP, 4).into()), (BOB, tip(12, 4).into()), (BOB, tip(13, 4).into())]
    );
    assert!(after.contains(&(BOB, derived(12, 5, Some(1), &new_prefix).into())));
}

#[test]
fn whoever_joins_a_group_after_its_future_job_gets_the_job_before_the_tip() {
    let mut bench = Bench::ready();
    bench.open_standard(ALICE, 1, 11);
    bench.say(UP, job(4, None));
    bench.open_standard(BOB, 1, 12);
    bench.connect(CAROL, 0);
    bench.open_standard(CAROL, 1, 13);

    let told = bench.say(UP, tip(GROUP, 4));

    assert_eq!(
        told,
        [
            (BOB, derived(12, 4, None, &prefix(12)).into()),
            (CAROL, job(4, None).into()),
            (ALICE, tip(GROUP, 4).into()),
            (BOB, tip(12, 4).into()),
            (CAROL, tip(GROUP, 4).into()),
        ]
    );
}

#[test]
fn a_tip_for_one_channel_reaches_its_client_alone() {
    let mut bench = Bench::open();

    assert_eq!(bench.say(UP, tip(13, 1)), [(BOB, tip(13, 1).into())]);
}

#[test]
fn a_target_for_a_group_is_one_for_each_member() {
    let mut bench = Bench::open();
    let target =
        |channel_id| SetTarget { channel_id, maximum_target: Target::from_expected_hashes(1e6) };

    let of_group = bench.say(UP, target(GROUP));
    let of_one = bench.say(UP, target(12));

    assert_eq!(
        of_group,
        [(ALICE, target(GROUP).into()), (BOB, target(12).into()), (BOB, target(13).into())]
    );
    assert_eq!(of_one, [(BOB, target(12).into())]);
}

#[test]
fn a_job_that_has_no_coinbase_transaction_is_passed_on_and_not_derived_from() {
    let mut bench = Bench::open();
    let broken = NewExtendedMiningJob { coinbase_tx_prefix: Default::default(), ..job(4, None) };

    let outputs = bench.receive(UP, broken.clone());

    let noted = outputs.iter().filter(|output| matches!(output, Output::Event(_))).count();
    assert_eq!(noted, 1);
    assert_eq!(sent(outputs), [(ALICE, broken.into())]);
}

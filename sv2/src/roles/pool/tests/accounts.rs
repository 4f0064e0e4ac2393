//! Accounts: what is written about shares, and what their miners hear of it.

use bytes::Bytes;

use super::*;
use crate::extensions::RequestExtensions;
use crate::mining::share_record::{ShareOutcome, ShareRecord};
use crate::mining::{SubmitSharesExtended, SubmitSharesSuccess};
use crate::role::{Answer, Request, RequestId};
use crate::wire::{B32, Seq64K, Tlv, TlvOrder};

fn keeping_accounts() -> MiningServerConfig {
    MiningServerConfig { persists_shares: true, ..easy() }
}

/// Every request of these outputs, and nothing else of them.
fn records(outputs: &[Output]) -> Vec<(RequestId, ShareRecord)> {
    let record = |output: &Output| match output {
        Output::Request { request, what: Request::Persist { record } } => {
            Some((*request, (**record).clone()))
        }
        _ => None,
    };
    outputs.iter().filter_map(record).collect()
}

fn events(outputs: Vec<Output>) -> Vec<Event> {
    let event = |output| match output {
        Output::Event(event) => Some(event),
        _ => None,
    };
    outputs.into_iter().filter_map(event).collect()
}

impl Bench {
    fn answer(&mut self, request: RequestId, answer: Answer) -> Vec<Output> {
        self.give(Input::Answer { request, answer })
    }

    fn disk_is_full(&mut self, request: RequestId) -> Vec<Output> {
        self.answer(request, Answer::Failed("disk full".to_owned()))
    }
}

#[test]
fn a_share_is_acknowledged_only_when_it_is_on_disk() {
    let mut bench = Bench::ready(keeping_accounts());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;

    let outputs = bench.receive(MINER, share(channel_id, 1, 1));
    let [(request, record)] = &records(&outputs)[..] else { panic!("{outputs:?}") };
    let written = bench.answer(*request, Answer::Persisted);

    assert_eq!(messages_to(MINER, &outputs), []);
    assert_eq!((record.at, record.user_identity.as_slice()), (bench.now.unix, &b"miner"[..]));
    assert!(matches!(record.outcome, ShareOutcome::Accepted { is_block: false, .. }));
    let [Message::SubmitSharesSuccess(success)] = &messages_to(MINER, &written)[..] else {
        panic!("{written:?}");
    };
    assert_eq!((success.channel_id, success.last_sequence_number), (channel_id, 1));
}

#[test]
fn a_batch_counts_only_shares_that_are_on_disk() {
    let mut bench = Bench::ready(MiningServerConfig { share_batch_size: 2, ..keeping_accounts() });
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;
    (1..=3).for_each(|nonce| drop(bench.receive(MINER, share(channel_id, 1, nonce))));

    let first = bench.answer(RequestId(0), Answer::Persisted);
    let second = bench.disk_is_full(RequestId(1));
    let third = bench.answer(RequestId(2), Answer::Persisted);

    assert_eq!(messages_to(MINER, &first), []);
    assert_eq!(code(&messages_to(MINER, &second)), "internal-error");
    let success = SubmitSharesSuccess {
        channel_id,
        last_sequence_number: 3,
        new_submits_accepted_count: 2,
        new_shares_sum: 0,
    };
    assert_eq!(messages_to(MINER, &third), [success.into()]);
}

#[test]
fn a_disk_that_fails_is_told_once_and_so_is_its_recovery() {
    let mut bench = Bench::ready(keeping_accounts());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;
    (1..=4).for_each(|nonce| drop(bench.receive(MINER, share(channel_id, 1, nonce))));

    let told: Vec<usize> = [false, false, true, true]
        .into_iter()
        .zip(0..)
        .map(|(works, request)| match works {
            true => bench.answer(RequestId(request), Answer::Persisted),
            false => bench.disk_is_full(RequestId(request)),
        })
        .map(|outputs| {
            let about_accounts = |event: &&Event| event.name().starts_with("accounts-");
            events(outputs).iter().filter(about_accounts).count()
        })
        .collect();

    assert_eq!(told, [1, 0, 1, 0]);
}

#[test]
fn a_rejection_is_recorded_with_its_code_and_answered_at_once() {
    let mut bench = Bench::ready(keeping_accounts());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;

    let outputs = bench.receive(MINER, share(channel_id, 99, 1));
    let written = bench.answer(RequestId(0), Answer::Persisted);

    assert_eq!(code(&messages_to(MINER, &outputs)), "invalid-job-id");
    let [(_, record)] = &records(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!(record.outcome, ShareOutcome::Rejected { error_code: "invalid-job-id" });
    assert_eq!(written, []);
}

#[test]
fn a_share_for_no_channel_and_one_that_was_not_written_are_in_no_account() {
    let mut bench = Bench::ready(keeping_accounts());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;
    bench.receive(MINER, share(channel_id, 1, 1));

    let unwritten = bench.disk_is_full(RequestId(0));
    let stray = bench.receive(MINER, share(channel_id + 9, 1, 1));

    assert_eq!(records(&unwritten), []);
    assert_eq!(records(&stray), []);
}

#[test]
fn a_flood_of_bad_shares_leaves_room_for_good_ones_and_what_it_left_out_is_told() {
    let mut bench = Bench::ready(keeping_accounts());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;
    let mut requests = Vec::new();
    for nonce in 0..5_000 {
        let outputs = bench.receive(MINER, share(channel_id, 99, nonce));
        requests.extend(records(&outputs).into_iter().map(|(request, _)| request));
    }

    let good = bench.receive(MINER, share(channel_id, 1, 1));
    let answers = requests.iter().map(|request| bench.answer(*request, Answer::Persisted));
    let told: Vec<Event> = answers.flat_map(events).collect();

    assert_eq!(records(&good).len(), 1);
    assert_eq!(requests.len(), 4_096);
    assert_eq!(told, [Event::RejectionsUncounted { count: 5_000 - 4_096 }]);
}

#[test]
fn the_worker_that_a_share_names_is_in_its_record() {
    let mut bench = Bench::ready(keeping_accounts());
    bench.join(MINER, 0);
    let requested_extensions = Seq64K::new(vec![2]).unwrap();
    bench.receive(MINER, RequestExtensions { request_id: 1, requested_extensions });
    let channel_id = bench.open_extended(MINER).channel_id;
    let name = Tlv { extension: 2, field: 1, value: Bytes::from_static(b"rig-7") };
    let named = Tlvs::encode(&[name], TlvOrder::LittleEndian);

    let workers: Vec<Bytes> = [(1, named.clone()), (99, named), (1, Tlvs::NONE)]
        .into_iter()
        .zip(0..)
        .flat_map(|((job_id, tlvs), nonce)| {
            let share = extended(channel_id, job_id, nonce);
            records(&bench.receive_with(MINER, share, tlvs))
        })
        .map(|(_, record)| record.worker)
        .collect();

    assert_eq!(workers, ["rig-7", "rig-7", ""]);
}

#[test]
fn an_answer_from_the_disk_does_not_reach_whoever_came_after() {
    let mut bench = Bench::ready(keeping_accounts());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;
    bench.receive(MINER, share(channel_id, 1, 1));
    bench.closed(MINER);
    bench.join(MINER, 0);
    assert_eq!(bench.open_standard(MINER).channel_id, channel_id);

    let outputs = bench.answer(RequestId(0), Answer::Persisted);

    assert_eq!(outputs, []);
}

fn extended(channel_id: u32, job_id: u32, nonce: u32) -> SubmitSharesExtended {
    SubmitSharesExtended {
        channel_id,
        sequence_number: nonce,
        job_id,
        nonce,
        ntime: MIN_NTIME,
        version: 0x2000_0000,
        extranonce: B32::new(&[5; 16]).unwrap(),
    }
}

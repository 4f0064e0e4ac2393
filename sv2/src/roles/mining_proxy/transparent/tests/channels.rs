//! Opening, updating, regrouping and closing.

use super::*;
use crate::mining::setup_flag::success;
use crate::mining::{
    OpenMiningChannelError, SetCustomMiningJob, SetCustomMiningJobError, SetCustomMiningJobSuccess,
    SetExtranoncePrefix, SetGroupChannel, UpdateChannelError,
};
use crate::wire::{B64K, B255, Seq64K, Seq255, U256};

fn close(channel_id: u32) -> CloseChannel {
    CloseChannel { channel_id, reason_code: code("done") }
}

fn update(channel_id: u32, nominal_hash_rate: f32) -> UpdateChannel {
    UpdateChannel { channel_id, nominal_hash_rate, maximum_target: Target::MAX }
}

#[test]
fn request_ids_that_two_clients_share_are_told_apart_and_come_back() {
    let mut bench = Bench::ready();

    let first = sent(bench.receive(ALICE, standard(3)));
    let second = sent(bench.receive(BOB, standard(3)));
    let ids: Vec<u32> = [first, second]
        .into_iter()
        .flatten()
        .map(|(_, message)| match message {
            Message::OpenStandardMiningChannel(request) => request.request_id,
            other => panic!("{other:?}"),
        })
        .collect();
    let later = bench.say(UP, standard_success(ids[1], 12));
    let earlier = bench.say(UP, standard_success(ids[0], 11));

    assert_ne!(ids[0], ids[1]);
    assert_eq!(later, [(BOB, standard_success(3, 12).into())]);
    assert_eq!(earlier, [(ALICE, standard_success(3, 11).into())]);
}

#[test]
fn a_refusal_reaches_the_client_that_asked() {
    let mut bench = Bench::ready();
    bench.say(ALICE, standard(3));
    bench.say(BOB, standard(4));
    let refusal = |request_id| OpenMiningChannelError { request_id, error_code: code("no-room") };

    let told = bench.say(UP, refusal(2));

    assert_eq!(told, [(BOB, refusal(4).into())]);
}

#[test]
fn a_channel_that_opens_when_its_client_has_gone_is_closed() {
    let mut bench = Bench::ready();
    bench.say(ALICE, standard(3));
    bench.handle(Input::Closed { connection: ALICE, reason: CloseReason::ByPeer });

    let told = bench.say(UP, standard_success(1, 11));

    let reason_code = code("downstream-closed");
    assert_eq!(told, [(UP, CloseChannel { channel_id: 11, reason_code }.into())]);
}

#[test]
fn an_extranonce_that_is_shorter_than_asked_for_is_given_back() {
    let mut bench = Bench::ready();
    bench.say(ALICE, extended(3));

    let told = bench.say(UP, extended_success(1, 11, 7));

    let (given_back, refused) =
        (code("extranonce-too-short"), code("min-extranonce-size-too-large"));
    assert_eq!(
        told,
        [
            (UP, CloseChannel { channel_id: 11, reason_code: given_back }.into()),
            (ALICE, OpenMiningChannelError { request_id: 3, error_code: refused }.into()),
        ]
    );
}

#[test]
fn a_client_that_requires_standard_jobs_gets_no_extended_channel() {
    let mut bench = Bench::ready();

    let told = bench.say(BOB, extended(3));

    let error_code = code("extended-channels-not-supported-for-standard-jobs");
    assert_eq!(told, [(BOB, OpenMiningChannelError { request_id: 3, error_code }.into())]);
}

#[test]
fn an_upstream_that_gives_an_id_twice_is_left() {
    for (channel_id, group_channel_id) in [(11, 7), (7, 8), (20, 11), (20, 20)] {
        let mut bench = Bench::open();
        bench.say(ALICE, standard(3));
        let success = OpenStandardMiningChannelSuccess {
            group_channel_id,
            ..standard_success(4, channel_id)
        };

        let outputs = bench.receive(UP, success);

        let violation = Violation::ChannelIdInUse { id: channel_id };
        assert_eq!(closed(&outputs), [(UP, violation.into())]);
    }
}

#[test]
fn updates_of_one_channel_are_not_sent_more_often_than_agreed_and_the_last_counts() {
    let mut bench = Bench::open();

    let at_once = bench.say(ALICE, update(11, 1.0));
    let held = [bench.say(ALICE, update(11, 2.0)), bench.say(ALICE, update(11, 3.0))].concat();
    let other_channel = bench.say(BOB, update(12, 4.0));
    let after_a_second = sent(bench.pass(SECOND));
    let later = sent(bench.pass(10 * SECOND));

    assert_eq!(at_once, [(UP, update(11, 1.0).into())]);
    assert_eq!(held, []);
    assert_eq!(other_channel, [(UP, update(12, 4.0).into())]);
    assert_eq!(after_a_second, [(UP, update(11, 3.0).into())]);
    assert_eq!(later, []);
}

#[test]
fn nobody_updates_or_closes_the_channel_of_another() {
    let mut bench = Bench::open();

    let updated = bench.say(ALICE, update(12, 1.0));
    let closed = bench.say(ALICE, close(12));

    let error_code = code("invalid-channel-id");
    assert_eq!(updated, [(ALICE, UpdateChannelError { channel_id: 12, error_code }.into())]);
    assert_eq!(closed, []);
}

#[test]
fn a_client_that_closes_a_group_closes_its_own_members() {
    let mut bench = Bench::open();

    let told = bench.say(BOB, close(GROUP));

    assert_eq!(told, [(UP, close(12).into()), (UP, close(13).into())]);
}

#[test]
fn a_client_that_leaves_closes_its_channels() {
    let mut bench = Bench::open();

    let told = sent(bench.handle(Input::Closed { connection: BOB, reason: CloseReason::ByPeer }));

    let close = |channel_id| CloseChannel { channel_id, reason_code: code("downstream-closed") };
    assert_eq!(told, [(UP, close(12).into()), (UP, close(13).into())]);
}

#[test]
fn a_group_that_the_upstream_closes_ends_for_all_in_words_that_each_reads() {
    let mut bench = Bench::open();

    let told = bench.say(UP, close(GROUP));
    let dead = bench.say(ALICE, update(11, 1.0));

    assert_eq!(
        told,
        [(ALICE, close(GROUP).into()), (BOB, close(12).into()), (BOB, close(13).into())]
    );
    assert!(matches!(dead[..], [(ALICE, Message::UpdateChannelError(_))]), "{dead:?}");
}

#[test]
fn each_client_hears_of_a_new_group_of_its_own_channels() {
    let mut bench = Bench::open();
    bench.open_standard(ALICE, 2, 14);
    let group = |channel_ids: &[u32]| SetGroupChannel {
        group_channel_id: 8,
        channel_ids: Seq64K::new(channel_ids.to_vec()).unwrap(),
    };

    let told = bench.say(UP, group(&[12, 14, 99]));
    let closed = bench.say(UP, close(8));

    assert_eq!(told, [(ALICE, group(&[14]).into())]);
    assert_eq!(closed, [(ALICE, close(8).into()), (BOB, close(12).into())]);
}

#[test]
fn a_new_prefix_reaches_its_channel() {
    let mut bench = Bench::open();
    let news = SetExtranoncePrefix { channel_id: 12, extranonce_prefix: prefix(99) };

    assert_eq!(bench.say(UP, news.clone()), [(BOB, news.into())]);
}

fn custom_job(channel_id: u32, request_id: u32) -> SetCustomMiningJob {
    SetCustomMiningJob {
        channel_id,
        request_id,
        mining_job_token: B255::default(),
        version: 1,
        prev_hash: U256::ZERO,
        min_ntime: 2,
        nbits: 3,
        coinbase_tx_version: 4,
        coinbase_prefix: B255::default(),
        coinbase_tx_input_n_sequence: 5,
        coinbase_tx_outputs: B64K::default(),
        coinbase_tx_locktime: 6,
        merkle_path: Seq255::default(),
    }
}

#[test]
fn custom_jobs_go_up_and_their_answers_come_back() {
    let mut bench = Bench::ready();
    bench.connect(CAROL, REQUIRES_WORK_SELECTION);
    bench.upstream(UP_WORK, 0);
    bench.open_extended(CAROL, 1, 21);

    let asked = bench.say(CAROL, custom_job(21, 77));
    let [(UP_WORK, Message::SetCustomMiningJob(request))] = &asked[..] else { panic!("{asked:?}") };
    let success = |request_id| SetCustomMiningJobSuccess { channel_id: 21, request_id, job_id: 5 };
    let told = bench.say(UP_WORK, success(request.request_id));

    assert_eq!(told, [(CAROL, success(77).into())]);
}

#[test]
fn custom_jobs_are_refused_where_nobody_has_asked_for_them_or_others_are_in_the_group() {
    let mut bench = Bench::open();
    bench.connect(CAROL, REQUIRES_WORK_SELECTION);
    bench.upstream(UP_WORK, 0);
    bench.open_extended(CAROL, 1, 21);
    let dave = ConnectionId(3);
    bench.connect(dave, REQUIRES_WORK_SELECTION);
    bench.open_extended(dave, 1, 22);
    let rows = [
        (ALICE, 11, "jd-not-supported"),
        (CAROL, GROUP, "invalid-channel-id"),
        (CAROL, 22, "invalid-channel-id"),
    ];
    for (client, channel_id, error_code) in rows {
        let told = bench.say(client, custom_job(channel_id, 4));

        let error_code = code(error_code);
        let refusal = SetCustomMiningJobError { channel_id, request_id: 4, error_code };
        assert_eq!(told, [(client, refusal.into())]);
    }
}

/// Spec 5.3.1.
#[test]
fn an_upstream_that_requires_extended_channels_is_asked_for_no_other() {
    let mut bench = Bench::new(MiningProxyConfig::default());
    bench.connect(ALICE, 0);
    bench.upstream(UP, success::REQUIRES_EXTENDED_CHANNELS);

    let told = bench.say(ALICE, standard(5));

    let error_code = code("standard-channels-not-supported");
    assert_eq!(told, [(ALICE, OpenMiningChannelError { request_id: 5, error_code }.into())]);
}

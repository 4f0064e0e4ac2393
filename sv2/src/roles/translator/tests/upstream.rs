//! What upstreams do: refuse, fail, close, move; and what they are told.

use super::*;
use crate::extensions::RequestExtensionsError;
use crate::mining::vardiff::VardiffAlgorithm;
use crate::mining::{CloseChannel, OpenMiningChannelError, SetGroupChannel, UpdateChannel};
use crate::violation::Violation;
use crate::wire::Str255;

fn updates(bench: &mut Bench) -> Vec<UpdateChannel> {
    bench.take_sent(|message| match message {
        Message::UpdateChannel(update) => Some(update.clone()),
        _ => None,
    })
}

fn opens(bench: &mut Bench) -> Vec<OpenExtendedMiningChannel> {
    bench.take_sent(|message| match message {
        Message::OpenExtendedMiningChannel(open) => Some(open.as_ref().clone()),
        _ => None,
    })
}

fn closes(bench: &mut Bench) -> Vec<u32> {
    bench.take_sent(|message| match message {
        Message::CloseChannel(close) => Some(close.channel_id),
        _ => None,
    })
}

#[test]
fn one_channel_is_opened_for_all_devices_and_none_before_there_is_one() {
    let mut bench = Bench::new(config());
    let (dial, _) = bench.dialled[0].clone();
    bench.up = UP;
    bench.handle(Input::Connected { connection: UP, via: Via::Dial(dial) });
    let asked = bench.take_sent(|message| match message {
        Message::SetupConnection(setup) => Some((setup.protocol, setup.flags)),
        _ => None,
    });
    bench.receive(SetupConnectionSuccess { used_version: 2, flags: 0 });
    assert_eq!(asked, [(0, 0b100)], "it requires version rolling");
    for device in [ALICE, BOB] {
        bench.connect(device);
        bench.say(device, SUBSCRIBE);
    }
    assert_eq!(opens(&mut bench), [], "extensions are not agreed on");

    let supported_extensions = Seq64K::new(vec![WORKER_TRACKING]).unwrap();
    bench.receive(RequestExtensionsSuccess { request_id: 0, supported_extensions });

    let opens = opens(&mut bench);
    assert_eq!(opens.len(), 1);
    assert_eq!(opens[0].min_extranonce_size, 6);
    assert_eq!(opens[0].user_identity.to_text(), "assay.translator");
    assert!((opens[0].nominal_hash_rate - 20.0).abs() < 1e-3, "two devices");
}

#[test]
fn an_upstream_without_extensions_is_worked_for_and_one_that_requires_unknown_ones_is_left() {
    let refuse = |required: Vec<u16>| {
        let mut bench = Bench::new(config());
        let (dial, _) = bench.dialled[0].clone();
        bench.up = UP;
        bench.handle(Input::Connected { connection: UP, via: Via::Dial(dial) });
        bench.receive(SetupConnectionSuccess { used_version: 2, flags: 0 });
        bench.receive(RequestExtensionsError {
            request_id: 0,
            unsupported_extensions: Seq64K::new(vec![2]).unwrap(),
            required_extensions: Seq64K::new(required).unwrap(),
        });
        bench.connect(ALICE);
        bench.say(ALICE, SUBSCRIBE);
        (opens(&mut bench).len(), bench.dialled.len())
    };

    assert_eq!(refuse(vec![]), (1, 1));
    let (opened, _) = refuse(vec![9]);
    assert_eq!(opened, 0);
}

#[test]
fn an_upstream_that_does_not_know_how_to_negotiate_is_worked_for_after_a_while() {
    let mut bench = Bench::new(config());
    let (dial, _) = bench.dialled[0].clone();
    bench.up = UP;
    bench.handle(Input::Connected { connection: UP, via: Via::Dial(dial) });
    bench.receive(SetupConnectionSuccess { used_version: 2, flags: 0 });
    bench.connect(ALICE);
    bench.say(ALICE, SUBSCRIBE);
    assert_eq!(opens(&mut bench), []);

    bench.wait(bench.translator.config.extensions_timeout);

    assert_eq!(opens(&mut bench).len(), 1);
}

#[test]
fn the_upstream_hears_of_hash_rates_once_a_second_and_of_nothing_that_has_not_changed() {
    let mut bench = Bench::working(config(), &[ALICE]);
    for device in 1..30 {
        bench.login(ConnectionId(device));
    }
    assert_eq!(updates(&mut bench), []);
    bench.wait(SECOND);
    let joined = updates(&mut bench);
    bench.wait(5 * SECOND);
    let idle = updates(&mut bench);
    for device in 0..30 {
        let connection = ConnectionId(device);
        bench.handle(Input::Closed { connection, reason: CloseReason::ByPeer });
    }
    bench.wait(SECOND);
    let left = updates(&mut bench);

    assert_eq!((joined.len(), idle.len(), left.len()), (1, 0, 1));
    assert!((joined[0].nominal_hash_rate - 300.0).abs() < 0.01, "{joined:?}");
    assert_eq!((left[0].channel_id, left[0].nominal_hash_rate), (10, 0.0));
    assert!(closes(&mut bench).is_empty(), "the channel stays");
}

#[test]
fn the_channel_of_a_device_is_closed_with_it_even_if_it_is_opened_later() {
    let mut bench = Bench::working(per_device(), &[ALICE, BOB]);
    bench.handle(Input::Closed { connection: ALICE, reason: CloseReason::ByPeer });
    assert_eq!(closes(&mut bench), [10]);

    let carol = ConnectionId(2);
    bench.connect(carol);
    bench.say(carol, &authorize(1, "carol.1"));
    bench.say(carol, SUBSCRIBE);
    let open = opens(&mut bench).remove(0);
    bench.handle(Input::Closed { connection: carol, reason: CloseReason::ByPeer });
    let opened = bench.opened(&open);
    bench.receive(opened);

    assert_eq!(closes(&mut bench), [12]);
}

#[test]
fn where_an_upstream_is_lost_devices_stay_and_move_to_the_next() {
    for config in [config(), per_device()] {
        let mut bench = Bench::working(config, &[ALICE, BOB]);
        bench.say(ALICE, r#"{"id":3,"method":"mining.extranonce.subscribe"}"#);
        bench.said.clear();
        let connection = bench.up;

        bench.handle(Input::Closed { connection, reason: CloseReason::ByPeer });
        bench.wait(2 * SECOND);

        assert_eq!(bench.dialled.last().unwrap().1.port, 2, "the next in the list");
        assert!(bench.said.is_empty() && bench.closed.is_empty());
        bench.set_up_upstream();
        let alice = Miner { extranonce2_size: 4, ..bench.miner(ALICE) };
        assert_eq!(alice.extranonce1[..2], [0xf0, 101], "{alice:?}");
        assert_eq!(bench.closed, [(BOB, CloseReason::ServiceChanged("the extranonce"))]);
        let device = bench.translator.devices[0].as_deref().unwrap();
        let miner = Miner { difficulty: device.difficulty, ..alice };
        assert!(bench.submit(ALICE, &miner.find(0)).contains("true"));
        assert_eq!(bench.take_shares().len(), 1);
    }
}

#[test]
fn an_upstream_that_opens_nothing_is_left_for_the_next() {
    let mut bench = Bench::new(config());
    bench.connect(ALICE);
    bench.say(ALICE, SUBSCRIBE);
    bench.up = UP;
    let (dial, _) = bench.dialled[0].clone();
    bench.handle(Input::Connected { connection: UP, via: Via::Dial(dial) });
    bench.receive(SetupConnectionSuccess { used_version: 2, flags: 0 });
    let supported_extensions = Seq64K::default();
    bench.receive(RequestExtensionsSuccess { request_id: 0, supported_extensions });
    let request_id = opens(&mut bench)[0].request_id;

    let error_code = Str255::from_static("min-extranonce-size-too-large");
    bench.receive(OpenMiningChannelError { request_id, error_code });
    bench.wait(SECOND);

    let reason = CloseReason::RefusedByPeer("min-extranonce-size-too-large".to_owned());
    assert_eq!(bench.closed, [(UP, reason)]);
    assert_eq!(bench.dialled.last().unwrap().1.port, 2);
    bench.set_up_upstream();
    assert!(bench.heard(ALICE)[0].contains(r#"{"id":1,"result":[[["#), "the device has waited");
}

#[test]
fn a_device_that_the_upstream_does_not_want_goes_alone() {
    let mut bench = Bench::working(per_device(), &[ALICE]);
    bench.connect(BOB);
    bench.say(BOB, &authorize(1, "bob.1"));
    bench.say(BOB, SUBSCRIBE);
    let request_id = opens(&mut bench)[0].request_id;
    bench.said.clear();

    let error_code = Str255::from_static("invalid-user-identity");
    bench.receive(OpenMiningChannelError { request_id, error_code });

    assert!(bench.heard(BOB)[0].contains(r#""error":[20,"the pool opens no channel",null]"#));
    let reason = CloseReason::RefusedByPeer("invalid-user-identity".to_owned());
    assert_eq!(bench.closed, [(BOB, reason)]);
}

#[test]
fn an_upstream_that_gives_too_few_bytes_is_named_and_left() {
    let mut bench = Bench::new(config());
    bench.connect(ALICE);
    bench.say(ALICE, SUBSCRIBE);
    bench.up = UP;
    let (dial, _) = bench.dialled[0].clone();
    bench.handle(Input::Connected { connection: UP, via: Via::Dial(dial) });
    bench.receive(SetupConnectionSuccess { used_version: 2, flags: 0 });
    bench.receive(RequestExtensionsSuccess {
        request_id: 0,
        supported_extensions: Seq64K::default(),
    });
    let open = opens(&mut bench).remove(0);

    let opened = bench.opened(&open);
    bench.receive(OpenExtendedMiningChannelSuccess { extranonce_size: 5, ..opened });

    let reason = CloseReason::Limit("extranonce of the upstream");
    assert_eq!(bench.closed, [(UP, reason)]);
    let is_named = |event: &Event| matches!(event, Event::Noted { what, .. } if what.contains("gives 5 bytes"));
    assert_eq!(bench.count(is_named), 1);
}

#[test]
fn more_bytes_than_were_asked_for_are_filled_and_nobody_rolls_them() {
    let mut bench = Bench::new(config());
    bench.connect(ALICE);
    bench.say(ALICE, SUBSCRIBE);
    bench.said.clear();
    bench.up = UP;
    let (dial, _) = bench.dialled[0].clone();
    bench.handle(Input::Connected { connection: UP, via: Via::Dial(dial) });
    bench.receive(SetupConnectionSuccess { used_version: 2, flags: 0 });
    bench.receive(RequestExtensionsSuccess {
        request_id: 0,
        supported_extensions: Seq64K::default(),
    });
    let open = opens(&mut bench).remove(0);
    let opened = bench.opened(&open);
    bench.receive(OpenExtendedMiningChannelSuccess { extranonce_size: 16, ..opened });
    bench.receive(job(10, 1, None));
    bench.receive(tip(10, 1, 1));
    bench.handle(Input::Line { connection: ALICE, line: authorize(2, "alice.1").into() });
    let miner = bench.miner(ALICE);

    assert_eq!((miner.extranonce1.len(), miner.extranonce2_size), (3 + 16 - 4, 4));
    assert!(bench.submit(ALICE, &miner.find(0)).contains("true"));
    assert_eq!(bench.take_shares()[0].extranonce.as_slice().len(), 16);
}

#[test]
fn a_closed_channel_ends_its_device_or_moves_all_to_the_next_upstream() {
    let close = |channel_id| {
        let reason_code = Str255::from_static("service-ends");
        CloseChannel { channel_id, reason_code }
    };
    let mut own = Bench::working(per_device(), &[ALICE, BOB]);
    own.receive(close(11));
    let mut group = Bench::working(per_device(), &[ALICE, BOB]);
    group.receive(close(GROUP));
    let mut shared = Bench::working(config(), &[ALICE, BOB]);
    shared.receive(close(10));

    let reason = CloseReason::ServiceChanged("the upstream has closed the channel");
    assert_eq!(own.closed, [(BOB, reason)]);
    assert_eq!(group.closed.len(), 2);
    let reason = CloseReason::RefusedByPeer("service-ends".to_owned());
    assert_eq!(shared.closed, [(shared.up, reason)]);
}

#[test]
fn jobs_go_to_the_channels_of_their_group_alone() {
    let mut bench = Bench::working(per_device(), &[ALICE, BOB]);
    let channel_ids = Seq64K::new(vec![11]).unwrap();
    bench.receive(SetGroupChannel { group_channel_id: 200, channel_ids });
    bench.said.clear();

    bench.receive(job(200, 2, Some(1_700_000_002)));
    let heard = (bench.heard(ALICE).len(), bench.heard(BOB).len());
    bench.receive(job(77, 3, Some(1_700_000_003)));

    assert_eq!(heard, (0, 1));
    assert_eq!(bench.heard(BOB).len(), 1, "no channel and no group has this number");
}

#[test]
fn a_channel_opened_between_a_groups_job_and_its_block_follows_the_block() {
    let mut bench = Bench::working(per_device(), &[ALICE]);
    bench.receive(job(GROUP, 7, None));
    bench.login(BOB);
    bench.said.clear();

    bench.receive(tip(GROUP, 7, 2));

    for device in [ALICE, BOB] {
        assert!(bench.heard(device)[0].ends_with("true]}"), "{:?}", bench.heard(device));
    }
    assert!(bench.closed.is_empty());
}

#[test]
fn a_block_that_names_no_job_ends_the_upstream() {
    let mut bench = Bench::working(config(), &[ALICE]);

    bench.receive(tip(10, 9, 2));

    assert_eq!(bench.closed, [(bench.up, Violation::UnknownJob { job_id: 9 }.into())]);
}

#[test]
fn an_upstream_that_answers_no_share_and_says_nothing_is_left() {
    let mut bench = Bench::working(config(), &[]);
    let miner = bench.login(ALICE);
    bench.submit(ALICE, &miner.find(0));
    bench.wait(500 * SECOND);
    bench.receive(job(10, 2, Some(1_700_000_002)));
    bench.wait(500 * SECOND);
    assert!(bench.closed.is_empty(), "it speaks");

    bench.wait(101 * SECOND);

    assert_eq!(bench.closed[0], (UP, CloseReason::Unanswered("a share")));
}

#[test]
fn an_upstream_that_answers_no_request_is_left() {
    let mut bench = Bench::working(config(), &[]);
    bench.connect(ALICE);
    bench.say(ALICE, SUBSCRIBE);

    bench.wait(bench.translator.config.answer_timeout);

    assert_eq!(bench.closed, [(UP, CloseReason::Unanswered("a request"))]);
}

#[test]
fn vardiff_moves_a_device_with_its_shares_and_the_upstream_hears_what_they_prove() {
    let vardiff = Some(VardiffAlgorithm::default());
    let mut bench = Bench::new(TranslatorConfig { vardiff, ..config() });
    bench.target = Target::from_expected_hashes(1e6);
    bench.set_up_upstream();
    let miner = bench.login(ALICE);
    let mut nonce = 0;

    // Ten times as many shares as wanted, for two minutes.
    for _ in 0..120 {
        bench.wait(SECOND);
        let share = miner.find(nonce);
        nonce = share.nonce + 1;
        bench.submit(ALICE, &share);
    }

    let device = bench.translator.devices[0].as_deref().unwrap();
    assert!(device.pace.hash_rate() > 30.0, "{:?}", device.pace);
    assert!(device.difficulty > miner.difficulty, "{:?}", device.difficulty);
    let told = updates(&mut bench).last().map(|update| update.nominal_hash_rate);
    assert!(told.is_some_and(|rate| rate > 30.0), "{told:?}");
}

#[test]
fn a_device_that_boasts_makes_nobodys_work_harder() {
    let vardiff = Some(VardiffAlgorithm::default());
    let mut bench = Bench::new(TranslatorConfig { vardiff, ..config() });
    bench.target = Target::from_expected_hashes(1e6);
    bench.set_up_upstream();
    [ALICE, BOB].iter().for_each(|device| _ = bench.login(*device));
    updates(&mut bench);

    bench.say(BOB, r#"{"id":3,"method":"mining.suggest_difficulty","params":[1e300]}"#);
    bench.wait(300 * SECOND);

    let told = updates(&mut bench);
    assert!(told.iter().all(|update| update.nominal_hash_rate <= 20.0), "{told:?}");
    let alice = bench.translator.devices[0].as_deref().unwrap();
    assert!(alice.pace.hash_rate() <= 10.0);
}

//! Set-up, channels that open and close, reconnection.

use std::num::NonZeroU8;
use std::time::Duration;

use bytes::Bytes;

use crate::common::{Reconnect, SetupConnectionError, SetupConnectionSuccess};
use crate::event::Event;
use crate::message::Message;
use crate::mining::{
    CloseChannel, OpenExtendedMiningChannelSuccess, OpenMiningChannelError, UpdateChannel,
    setup_flag,
};
use crate::role::{CloseReason, DialFailure, DialId, Input, Output, PeerAddress, Role};
use crate::roles::mining_device::{
    ANSWER_TIMEOUT, MiningDeviceConfig, RECONNECT_WAIT_MIN, VersionRolling,
};
use crate::wire::{B32, Frame, Str255};

use super::{Bench, CHANNEL, EASY, GROUP, POOL, config, extended_config, left, notes, sent};

#[test]
fn the_first_message_asks_for_standard_jobs_and_names_vendor_and_address() {
    let mut bench = Bench::new(config());

    let outputs = bench.connect(0);

    let [Message::SetupConnection(setup)] = sent(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!((setup.protocol, setup.min_version, setup.max_version), (0, 2, 2));
    assert_eq!(setup.flags, setup_flag::REQUIRES_STANDARD_JOBS);
    assert_eq!(
        (setup.endpoint_host.to_text().as_ref(), setup.endpoint_port),
        ("pool.example", 3333)
    );
    assert!(!setup.vendor.as_slice().is_empty());
}

#[test]
fn a_device_that_needs_version_rolling_says_so_and_leaves_a_pool_that_fixes_the_version() {
    let rolling = VersionRolling::Required(VersionRolling::BIP_320);
    let config = MiningDeviceConfig { version_rolling: rolling, ..extended_config() };
    assert_eq!(config.setup_flags(), setup_flag::REQUIRES_VERSION_ROLLING);

    let (_, outputs) = Bench::set_up(config, setup_flag::success::REQUIRES_FIXED_VERSION);

    assert!(left(&outputs).unwrap().contains("REQUIRES_FIXED_VERSION"));
}

#[test]
fn a_standard_device_leaves_a_pool_that_opens_extended_channels_only() {
    let flags = setup_flag::success::REQUIRES_EXTENDED_CHANNELS;

    let (_, outputs) = Bench::set_up(config(), flags);

    assert!(left(&outputs).unwrap().contains("REQUIRES_EXTENDED_CHANNELS"));
    assert!(left(&Bench::set_up(extended_config(), flags).1).is_none());
}

#[test]
fn a_version_that_was_not_offered_is_a_violation() {
    let mut bench = Bench::connected(config());

    let outputs = bench.receive(SetupConnectionSuccess { used_version: 3, flags: 0 });

    assert_eq!(left(&outputs).unwrap(), "version 3 was chosen from 2 to 2 (spec 3.6.2)");
}

#[test]
fn as_many_channels_are_asked_for_as_configured_under_different_request_ids() {
    let config = MiningDeviceConfig { channel_count: NonZeroU8::new(3).unwrap(), ..config() };

    let (_, outputs) = Bench::set_up(config, 0);

    let ids = sent(&outputs).into_iter().map(|message| match message {
        Message::OpenStandardMiningChannel(open) => {
            assert_eq!(open.user_identity.to_text(), "user.worker");
            open.request_id
        }
        other => panic!("{}", other.name()),
    });
    assert_eq!(ids.collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_closed_group_ends_all_of_its_channels_and_the_device_dials_again() {
    let mut bench = Bench::open(config(), EASY);

    let outputs = bench.receive(CloseChannel {
        channel_id: GROUP,
        reason_code: Str255::from_static("maintenance"),
    });

    assert!(
        outputs.contains(&Output::Event(Event::ChannelClosed {
            connection: POOL,
            channel_id: CHANNEL
        }))
    );
    assert!(left(&outputs).unwrap().contains("maintenance"));
    assert!(matches!(&bench.wake()[..], [Output::Dial { .. }]));
}

#[test]
fn one_refused_channel_is_noted_and_the_last_one_ends_the_connection() {
    let config = MiningDeviceConfig { channel_count: NonZeroU8::new(2).unwrap(), ..config() };
    let (mut bench, _) = Bench::set_up(config, 0);
    let mut refuse = |request_id| {
        let error_code = Str255::from_static("unknown-user");
        bench.receive(OpenMiningChannelError { request_id, error_code })
    };

    assert!(left(&refuse(1)).is_none());
    assert!(left(&refuse(2)).unwrap().contains("unknown-user"));
}

#[test]
fn an_extranonce_that_no_share_can_carry_ends_the_connection() {
    let (mut bench, _) = Bench::set_up(extended_config(), 0);

    let outputs = bench.receive(OpenExtendedMiningChannelSuccess {
        request_id: 1,
        channel_id: CHANNEL,
        target: EASY,
        extranonce_size: 33,
        extranonce_prefix: B32::default(),
        group_channel_id: GROUP,
    });

    assert!(left(&outputs).unwrap().contains("extranonce_size 33"));
}

#[test]
fn a_reconnect_leads_elsewhere_under_the_same_authority_and_back_if_nobody_is_there() {
    let mut bench = Bench::open(config(), EASY);

    let outputs =
        bench.receive(Reconnect { new_host: Str255::from_static("other.example"), new_port: 0 });
    assert!(left(&outputs).is_some());
    let dialled = bench.wake();
    let other = PeerAddress { host: "other.example".to_owned(), ..config().pool };
    assert_eq!(dialled, [Output::Dial { dial: DialId(1), peer: other }]);

    let reason = DialFailure::Unreachable("refused".to_owned());
    bench.input(Input::DialFailed { dial: DialId(1), reason });
    assert_eq!(bench.wake(), [Output::Dial { dial: DialId(2), peer: config().pool }]);
}

#[test]
fn two_dials_are_never_closer_than_the_shortest_wait() {
    let mut bench = Bench::open(config(), EASY);
    let first = bench.now.instant;

    bench.receive(Reconnect { new_host: Str255::default(), new_port: 4444 });
    bench.wake();

    assert_eq!(bench.now.instant.since(first), RECONNECT_WAIT_MIN);
}

#[test]
fn the_wait_doubles_with_each_failure_up_to_its_limit_and_starts_anew_after_work() {
    let mut bench = Bench::new(config());
    let fail = |bench: &mut Bench, dial| {
        bench.wake();
        let reason = DialFailure::Unreachable("refused".to_owned());
        bench.input(Input::DialFailed { dial: DialId(dial), reason });
        bench.device.wake_at().unwrap().since(bench.now.instant).as_secs_f64()
    };

    for (dial, wait) in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 16.0), (5, 32.0), (6, 60.0)] {
        let waited = fail(&mut bench, dial);
        assert!((wait..wait * 1.5).contains(&waited), "{waited} s after failure {dial}");
    }
    bench.connect(7);
    bench.receive(SetupConnectionSuccess { used_version: 2, flags: 0 });
    bench.open_channel(1, CHANNEL, EASY);
    bench.standard_job(1, None);
    bench.tip(CHANNEL, 1);
    bench.input(Input::Closed { connection: POOL, reason: CloseReason::ByPeer });

    let waited = bench.device.wake_at().unwrap().since(bench.now.instant);
    assert!(waited < Duration::from_millis(1500), "{waited:?}");
}

#[test]
fn a_silent_pool_is_left_when_the_answer_is_overdue() {
    let mut bench = Bench::connected(config());
    let asked_at = bench.now.instant;

    let outputs = bench.wake();

    assert_eq!(bench.now.instant.since(asked_at), ANSWER_TIMEOUT);
    assert!(left(&outputs).unwrap().contains("no answer within 30 s"));
}

#[test]
fn a_pool_that_refuses_set_up_is_left_with_its_own_words() {
    let mut bench = Bench::connected(config());

    let error_code = Str255::from_static("unsupported-feature-flags");
    let outputs = bench.receive(SetupConnectionError { flags: 1, error_code });

    assert!(left(&outputs).unwrap().contains("unsupported-feature-flags, flags 0x1"));
}

#[test]
fn work_before_the_answer_to_set_up_is_noted_and_ignored() {
    let mut bench = Bench::connected(config());

    let outputs = bench.standard_job(1, None);

    assert_eq!(notes(&outputs), ["NewMiningJob before the answer to SetupConnection"]);
}

#[test]
fn an_unknown_frame_is_noted_and_a_malformed_one_ends_the_connection() {
    let mut bench = Bench::open(config(), EASY);
    let mut receive = |message_type, payload: &'static [u8]| {
        let payload = Bytes::from_static(payload);
        let frame = Frame { extension_type: 0, message_type, payload };
        let error = Message::decode(&frame).unwrap_err();
        bench.input(Input::Undecodable { connection: POOL, frame, error })
    };

    let unknown = receive(0xee, b"");
    assert!(left(&unknown).is_none() && notes(&unknown).len() == 1);

    assert!(left(&receive(0x15, b"short")).unwrap().contains("NewMiningJob is malformed"));
}

#[test]
fn messages_that_only_a_client_sends_are_noted() {
    let mut bench = Bench::open(config(), EASY);

    let outputs = bench.receive(SetupConnectionSuccess { used_version: 2, flags: 0 });
    assert!(notes(&outputs)[0].contains("SetupConnection.Success has no place"));

    let outputs = bench.receive(UpdateChannel {
        channel_id: CHANNEL,
        nominal_hash_rate: 1.0,
        maximum_target: EASY,
    });
    assert!(notes(&outputs)[0].contains("UpdateChannel has no place"));
}

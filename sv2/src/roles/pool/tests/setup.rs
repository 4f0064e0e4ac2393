//! Set-up, limits and what is ignored.

use super::*;
use crate::common::SetupConnectionError;
use crate::mining::SubmitSharesSuccess;

#[test]
fn a_client_is_set_up_and_gets_the_pools_flags() {
    let mut bench = Bench::new(MiningServerConfig { requires_extended_channels: true, ..easy() });

    assert_eq!(bench.connect(MINER), [], "a server is silent before set-up (AMB-08)");
    let answer = bench.receive(MINER, setup(0b100));

    assert_eq!(answer[0], sent(MINER, SetupConnectionSuccess { used_version: 2, flags: 0b10 }));
}

#[test]
fn a_fixed_version_is_demanded_of_nobody_who_requires_rolling() {
    let config = MiningServerConfig { requires_fixed_version: true, ..easy() };
    let mut bench = Bench::new(config);
    bench.connect(MINER);
    bench.connect(OTHER);

    let refused = bench.answers(MINER, setup(0b100));
    let accepted = bench.answers(OTHER, setup(0));

    assert!(matches!(&refused[..], [Message::SetupConnectionError(_)]));
    assert_eq!(accepted, [SetupConnectionSuccess { used_version: 2, flags: 0b01 }.into()]);
}

#[test]
fn a_refused_client_gets_one_error_and_is_closed() {
    let mut bench = Bench::new(easy());
    bench.connect(MINER);

    let answer = bench.receive(MINER, setup(0b10));
    let after = bench.receive(MINER, setup(0));

    let error_code = Str255::from_static("unsupported-feature-flags");
    let reason = CloseReason::SetupRefused("unsupported-feature-flags");
    assert_eq!(
        answer,
        [
            sent(MINER, SetupConnectionError { flags: !0b101, error_code }),
            Output::Close { connection: MINER, reason },
        ]
    );
    assert_eq!(after, []);
}

#[test]
fn a_message_before_setup_closes_without_an_answer() {
    let mut bench = Bench::ready(easy());
    bench.connect(MINER);

    let answer = bench.receive(MINER, standard_request(1));

    let reason = Violation::BeforeSetup { message: "OpenStandardMiningChannel" }.into();
    assert_eq!(answer, [Output::Close { connection: MINER, reason }]);
}

#[test]
fn a_second_setup_closes() {
    let mut bench = Bench::new(easy());
    bench.join(MINER, 0);

    let answer = bench.receive(MINER, setup(1));

    let reason = Violation::SecondSetup.into();
    assert_eq!(answer, [Output::Close { connection: MINER, reason }]);
}

#[test]
fn a_silent_client_is_closed_when_setup_times_out() {
    let mut bench = Bench::ready(easy());
    bench.connect(MINER);

    let early = bench.pass(bench.pool.server.config().setup_timeout - Duration::from_nanos(1));
    let late = bench.pass(Duration::from_nanos(1));

    assert_eq!(early, []);
    let reason = CloseReason::SetupTimedOut;
    assert_eq!(late, [Output::Close { connection: MINER, reason }]);
}

#[test]
fn a_client_without_channels_is_closed_as_idle_and_one_with_a_channel_is_not() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.join(OTHER, 0);
    bench.open_standard(OTHER);

    let late = bench.pass(bench.pool.server.config().idle_timeout);

    assert_eq!(late, [Output::Close { connection: MINER, reason: CloseReason::Idle }]);
}

#[test]
fn what_the_pool_does_not_know_or_does_not_take_is_ignored_and_service_goes_on() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let frame = |extension_type| Frame {
        extension_type,
        message_type: 0x42,
        payload: bytes::Bytes::from_static(&[1, 0, 0, 0]),
    };

    for extension_type in [0x0000, 0x8000, 0x4001, 0xc001] {
        let frame = frame(extension_type);
        let error = Message::decode(&frame).unwrap_err();
        let outputs = bench.give(Input::Undecodable { connection: MINER, frame, error });
        assert!(matches!(&outputs[..], [Output::Event(Event::Noted { .. })]), "{outputs:?}");
    }
    let misplaced = SubmitSharesSuccess {
        channel_id: 1,
        last_sequence_number: 0,
        new_submits_accepted_count: 0,
        new_shares_sum: 0,
    };
    assert_eq!(bench.answers(MINER, misplaced), []);

    bench.open_standard(MINER);
}

#[test]
fn a_malformed_message_closes_and_says_which() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let frame = Frame {
        extension_type: 0x8000,
        message_type: 0x1a,
        payload: bytes::Bytes::from_static(&[1]),
    };
    let error = Message::decode(&frame).unwrap_err();

    let outputs = bench.give(Input::Undecodable { connection: MINER, frame, error });

    let [Output::Close { reason, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(reason.to_string().contains("SubmitSharesStandard"), "{reason}");
}

#[test]
fn a_flood_of_messages_that_earn_nothing_closes_its_own_connection_alone() {
    let mut bench =
        Bench::ready(MiningServerConfig { useless_messages_per_minute_max: 3, ..easy() });
    bench.join(MINER, 0);
    bench.join(OTHER, 0);
    let channel_id = bench.open_standard(OTHER).channel_id;

    for _ in 0..3 {
        assert_eq!(code(&bench.answers(MINER, share(9, 9, 9))), "invalid-channel-id");
    }
    let fourth = bench.receive(MINER, share(9, 9, 9));

    let is_flood = |output: &Output| {
        let Output::Close { connection: MINER, reason } = output else { return false };
        matches!(reason, CloseReason::Violation(Violation::Flood { count: 4, limit: 3, .. }))
    };
    assert!(fourth.iter().any(is_flood), "{fourth:?}");
    let answers = bench.answers(OTHER, share(channel_id, 1, 1));
    assert!(matches!(&answers[..], [Message::SubmitSharesSuccess(_)]));
}

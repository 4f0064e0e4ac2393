//! Deadlines, and what is refused when there is too much of it.

use super::super::lane::Channel;
use super::*;
use crate::mining::{OpenMiningChannelError, SetTarget, SubmitSharesError, SubmitSharesStandard};

fn config(server: MiningServerConfig) -> MiningProxyConfig {
    MiningProxyConfig { server, ..MiningProxyConfig::default() }
}

#[test]
fn an_upstream_that_leaves_a_request_unanswered_is_left() {
    let mut bench = Bench::ready();
    bench.say(ALICE, standard(1));

    let early = bench.pass(29 * SECOND);
    let late = bench.pass(SECOND);

    assert_eq!(closed(&early), []);
    assert_eq!(closed(&late), [(UP, CloseReason::Unanswered("a request"))]);
}

#[test]
fn an_upstream_that_says_nothing_while_shares_wait_is_left_and_any_word_is_a_word() {
    let mut bench = Bench::open();
    let share = SubmitSharesStandard {
        channel_id: 11,
        sequence_number: 1,
        job_id: 1,
        nonce: 2,
        ntime: 3,
        version: 4,
    };

    let without_shares = bench.pass(2_000 * SECOND);
    bench.receive(ALICE, share);
    let waited = bench.pass(599 * SECOND);
    let target = SetTarget { channel_id: 12, maximum_target: Target::MAX };
    bench.receive(UP, target);
    let waited_again = bench.pass(599 * SECOND);
    let too_long = bench.pass(SECOND);

    for quiet in [without_shares, waited, waited_again] {
        assert_eq!(closed(&quiet), []);
    }
    assert_eq!(closed(&too_long), [(UP, CloseReason::Unanswered("a request"))]);
}

#[test]
fn a_client_that_says_nothing_or_opens_nothing_is_closed() {
    let mut bench = Bench::ready();
    bench.handle(Input::Connected { connection: CAROL, via: Via::Listener(0) });

    let outputs = bench.pass(10 * SECOND);
    assert_eq!(closed(&outputs), [(CAROL, CloseReason::SetupTimedOut)]);

    bench.open_standard(ALICE, 1, 11);
    let outputs = bench.pass(110 * SECOND);
    assert_eq!(closed(&outputs), [(BOB, CloseReason::Idle)]);
}

#[test]
fn channels_of_one_connection_are_counted_with_those_that_are_asked_for() {
    let server = MiningServerConfig { channels_per_connection_max: 2, ..Default::default() };
    let mut bench = Bench::new(config(server));
    bench.connect(ALICE, 0);
    bench.upstream(UP, 0);
    bench.open_standard(ALICE, 1, 11);
    bench.say(ALICE, standard(2));

    let told = bench.say(ALICE, standard(3));

    let error_code = code("channel-capacity-exhausted");
    assert_eq!(told, [(ALICE, OpenMiningChannelError { request_id: 3, error_code }.into())]);
}

#[test]
fn shares_that_nobody_answers_are_refused_at_the_limit() {
    let mut bench = Bench::open();
    let share = |sequence_number| SubmitSharesStandard {
        channel_id: 11,
        sequence_number,
        job_id: 1,
        nonce: 2,
        ntime: 3,
        version: 4,
    };
    (0..Channel::IN_FLIGHT_MAX).for_each(|number| drop(bench.receive(ALICE, share(number))));

    let told = bench.say(ALICE, share(77));

    let error_code = code("too-many-shares");
    let refusal = SubmitSharesError { channel_id: 11, sequence_number: 77, error_code };
    assert_eq!(told, [(ALICE, refusal.into())]);
}

#[test]
fn a_client_that_wastes_the_upstreams_patience_is_closed_alone() {
    let server = MiningServerConfig { useless_messages_per_minute_max: 3, ..Default::default() };
    let mut bench = Bench::new(config(server));
    bench.connect(ALICE, 0);
    bench.connect(BOB, 0);
    bench.upstream(UP, 0);
    bench.open_standard(ALICE, 1, 11);
    let refusal = |sequence_number| SubmitSharesError {
        channel_id: 11,
        sequence_number,
        error_code: code("difficulty-too-low"),
    };

    let closes: Vec<_> =
        (0..4).flat_map(|number| closed(&bench.receive(UP, refusal(number)))).collect();

    assert!(
        matches!(closes[..], [(ALICE, CloseReason::Violation(Violation::Flood { .. }))]),
        "{closes:?}"
    );
}

#[test]
fn what_comes_before_set_up_ends_the_connection() {
    for phase in 0..2 {
        let mut bench = Bench::new(MiningProxyConfig::default());
        bench.handle(Input::Connected { connection: ALICE, via: Via::Listener(0) });
        if phase == 1 {
            bench.receive(ALICE, setup(0));
        }

        let outputs = bench.receive(ALICE, standard(1));

        let violation = Violation::BeforeSetup { message: "OpenStandardMiningChannel" };
        assert_eq!(closed(&outputs), [(ALICE, violation.into())]);
    }
}

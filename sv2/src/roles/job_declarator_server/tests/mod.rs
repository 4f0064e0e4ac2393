//! The job declarator server as its clients see it.

mod bench;
mod declarations;
mod limits;
mod refusals;
mod solutions;

use std::time::Duration;

use bitcoin::TxOut;
use bitcoin::consensus::encode;

use self::bench::{
    Bench, COINBASE_ONLY, FULL_TEMPLATE, MINER, OTHER, PAYOUT, START, allocate, closed, config,
    events, key, messages, sent, setup,
};
use super::*;
use crate::common::SetupConnectionSuccess;
use crate::job_declaration::AllocateMiningJobToken;
use crate::job_declaration::token::{PayoutDigest, TokenStage, UserDigest};
use crate::mining::coinbase::payout;
use crate::role::Output;
use crate::time::UnixTime;
use crate::wire::{Frame, Str255};

#[test]
fn a_client_is_set_up_in_the_mode_that_it_asks_for_and_gets_no_flags() {
    for flags in [COINBASE_ONLY, FULL_TEMPLATE] {
        let mut bench = Bench::with(config());

        assert_eq!(bench.connect(MINER), [], "a server is silent before set-up (AMB-08)");
        let outputs = bench.receive(MINER, setup(flags));

        let success = SetupConnectionSuccess { used_version: 2, flags: 0 };
        assert_eq!(messages(&outputs, MINER), [success.into()]);
        let done = Event::SetupDone { connection: MINER, protocol: 1, flags };
        assert_eq!(events(&outputs), [done]);
    }
}

#[test]
fn refused_setups_name_their_reason_and_end_the_connection() {
    let check = |config, request: SetupConnection, flags: u32, error_code: &'static str| {
        let mut bench = Bench::with(config);
        bench.connect(MINER);

        let outputs = bench.receive(MINER, request);

        let error = SetupConnectionError { flags, error_code: Str255::from_static(error_code) };
        let close = closed(MINER, CloseReason::SetupRefused(error_code));
        assert_eq!(outputs, [sent(MINER, error), close]);
        assert_eq!(bench.receive(MINER, setup(1)), [], "nothing more is said");
    };
    let demanding = || JobDeclaratorServerConfig { requires_transaction_data: true, ..config() };

    check(config(), SetupConnection { protocol: 0, ..setup(1) }, 0, "unsupported-protocol");
    check(
        config(),
        SetupConnection { min_version: 3, max_version: 3, ..setup(1) },
        0,
        "protocol-version-mismatch",
    );
    check(config(), setup(0b11), !1, "unsupported-feature-flags");
    check(demanding(), setup(COINBASE_ONLY), 0, "missing-declare-tx-data-flag");
}

#[test]
fn a_server_that_demands_transactions_takes_clients_that_reveal_them() {
    let mut bench =
        Bench::with(JobDeclaratorServerConfig { requires_transaction_data: true, ..config() });

    let outputs = bench.join(MINER, FULL_TEMPLATE);

    assert!(matches!(messages(&outputs, MINER)[..], [Message::SetupConnectionSuccess(_)]));
}

#[test]
fn misuse_ends_the_connection_with_the_rule_that_it_breaks() {
    let check = |messages: Vec<Message>, violation: Violation| {
        let mut bench = Bench::with(config());
        bench.connect(MINER);

        let last = messages.into_iter().map(|message| bench.receive(MINER, message)).last();

        assert_eq!(last, Some(vec![closed(MINER, violation)]));
    };

    let message = "AllocateMiningJobToken";
    check(vec![allocate(1).into()], Violation::BeforeSetup { message });
    check(vec![setup(1).into(), setup(1).into()], Violation::SecondSetup);
}

#[test]
fn a_token_says_whom_it_is_for_and_comes_with_the_outputs_that_the_pool_wants() {
    for (flags, stage) in
        [(COINBASE_ONLY, TokenStage::CoinbaseOnly), (FULL_TEMPLATE, TokenStage::FullTemplate)]
    {
        let mut bench = Bench::with(JobDeclaratorServerConfig {
            further_scripts: vec![vec![0x6a, 1, 9]],
            ..config()
        });
        bench.join(MINER, flags);

        let first = bench.allocate(MINER);
        let second = bench.allocate(MINER);

        assert_eq!(first.request_id, 5);
        let outputs: Vec<TxOut> =
            encode::deserialize(first.coinbase_tx_outputs.as_slice()).unwrap();
        assert_eq!(outputs, [payout(0, &PAYOUT), payout(0, &[0x6a, 1, 9])]);
        assert_eq!(second.coinbase_tx_outputs, first.coinbase_tx_outputs);
        let token = key().open(first.mining_job_token.as_slice()).unwrap();
        assert_eq!(token.stage, stage);
        assert_eq!(token.payout, PayoutDigest::new(&PAYOUT));
        assert_eq!(token.user, UserDigest::new(b"miner"));
        assert_eq!(token.expires_at, UnixTime(START.unix.0 + 24 * 3600));
        assert_ne!(key().open(second.mining_job_token.as_slice()).unwrap().id, token.id);
    }
}

#[test]
fn two_connections_never_get_the_same_token() {
    let mut bench = Bench::with(config());
    bench.join(MINER, FULL_TEMPLATE);
    bench.join(OTHER, FULL_TEMPLATE);
    let first = key().open(bench.token(MINER).as_slice()).unwrap().id;
    bench.leave(MINER);
    bench.join(MINER, FULL_TEMPLATE);

    let others = [bench.token(OTHER), bench.token(MINER)]
        .map(|token| key().open(token.as_slice()).unwrap().id);

    assert_eq!((first.serial, others[0].serial, others[1].serial), (1, 1, 1));
    assert!(!others.contains(&first) && others[0] != others[1]);
}

#[test]
fn tokens_are_allocated_before_the_node_has_answered() {
    let mut bench = Bench::without_template(config());
    bench.join(MINER, COINBASE_ONLY);

    let outputs = bench.receive(MINER, allocate(u32::MAX));

    assert_eq!(
        events(&outputs),
        [Event::TokenAllocated { connection: MINER, user: "miner".to_owned() }]
    );
}

#[test]
fn a_user_cannot_steer_a_terminal() {
    let mut bench = Bench::started();
    let user_identifier = Str255::from_static("\u{1b}[2J");

    let outputs = bench.receive(MINER, AllocateMiningJobToken { user_identifier, request_id: 1 });

    insta::assert_snapshot!(events(&outputs)[0], @r"connection 3: token allocated to \x1b[2J");
}

#[test]
fn a_silent_client_is_closed_when_setup_times_out() {
    let mut bench = Bench::with(config());
    bench.connect(MINER);

    assert_eq!(bench.pass(Duration::from_nanos(9_999_999_999)), []);
    let outputs = bench.pass(Duration::from_nanos(1));

    assert_eq!(outputs, [closed(MINER, CloseReason::SetupTimedOut)]);
}

#[test]
fn a_client_without_a_good_token_is_closed_as_idle() {
    let mut bench = Bench::started();
    bench.join(OTHER, FULL_TEMPLATE);
    bench.token(OTHER);

    assert_eq!(bench.pass(Duration::from_secs(119)), []);
    assert_eq!(bench.pass(Duration::from_secs(1)), [closed(MINER, CloseReason::Idle)]);
    assert_eq!(bench.pass(Duration::from_secs(24 * 3600 - 1)), []);
    assert_eq!(bench.pass(Duration::from_secs(1)), [closed(OTHER, CloseReason::Idle)]);
}

#[test]
fn a_request_for_extensions_is_answered_with_none() {
    let mut bench = Bench::started();
    let requested_extensions = Seq64K::new(vec![2]).unwrap();
    let request = RequestExtensions { request_id: 9, requested_extensions };

    let outputs = bench.receive(MINER, request.clone());

    let error = RequestExtensionsError {
        request_id: 9,
        unsupported_extensions: request.requested_extensions,
        required_extensions: Seq64K::default(),
    };
    assert_eq!(outputs, [sent(MINER, error)]);
}

#[test]
fn unknown_messages_are_ignored_and_malformed_ones_end_the_connection() {
    let mut bench = Bench::started();
    let frame = Frame { extension_type: 0x4000, message_type: 0, payload: Default::default() };
    let error = DecodeError::Unknown { extension: 0x4000, number: 0 };
    let outputs = bench.give(Input::Undecodable { connection: MINER, frame, error });
    assert!(matches!(outputs[..], [Output::Event(Event::Noted { .. })]), "{outputs:?}");

    let frame = Frame { extension_type: 0, message_type: 0x57, payload: Default::default() };
    let error = Message::decode(&frame).unwrap_err();
    let outputs = bench.give(Input::Undecodable { connection: MINER, frame, error: error.clone() });

    assert_eq!(outputs, [closed(MINER, error)]);
}

#[test]
fn a_client_that_has_gone_leaves_nothing_behind() {
    let mut bench = Bench::started();
    let (job, _) = bench.declared(MINER);
    let token = bench.token(MINER);
    let open = bench.receive(MINER, job.declaration(2, token.clone()));
    let pushed = bench.receive(MINER, job.solve(&[7; 20]).0);
    let reason = CloseReason::ByPeer;

    let gone = bench.leave(MINER);

    let closed = Event::ConnectionClosed { connection: MINER, reason };
    assert_eq!(gone, [Output::Event(closed)]);
    let judged = bench.carry_out(open);
    assert_eq!(judged, [], "nobody waits for the judgement");
    let found = bench.carry_out(pushed);
    assert!(found.iter().any(|it| matches!(it, Output::Event(Event::BlockFound { .. }))));
    bench.join(MINER, FULL_TEMPLATE);
    let again = bench.receive(MINER, job.declaration(3, token));
    assert_eq!(bench::errors(&again, MINER).len(), 1, "its tokens went with it");
    assert_eq!(bench.server.wake_at().map(|at| at - START.instant), Some(config().idle_timeout));
}

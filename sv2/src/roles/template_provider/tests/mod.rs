//! The template provider as its clients see it.

mod bench;
mod solutions;

use std::time::Duration;

use bitcoin::Transaction;
use bitcoin::consensus::encode;

use self::bench::{
    Bench, OTHER, POOL, START, Work, block_of, closed, constraints, messages, notes, sent, setup,
    small,
};
use super::*;
use crate::chain::block::from_txid;
use crate::chain::{BLOCK_WEIGHT_MAX, Chain, ChainConfig, ChainHost, TransactionShape};
use crate::common::SetupConnectionSuccess;
use crate::entropy::Entropy;
use crate::mining::SubmitSharesSuccess;
use crate::role::Via;
use crate::template_distribution::{RequestTransactionDataError, RequestTransactionDataSuccess};
use crate::wire::{Frame, Str255, Tlvs};

#[test]
fn a_client_is_set_up_and_gets_no_template_before_its_constraints() {
    let mut bench = Bench::new();

    assert_eq!(bench.connect(POOL), []);
    let outputs = bench.receive(POOL, setup());

    let success = SetupConnectionSuccess { used_version: 2, flags: 0 };
    assert_eq!(messages(&outputs, POOL), [success.into()]);
    assert_eq!(messages(&bench.new_block(), POOL), [], "TD-7-09");
}

#[test]
fn constraints_are_answered_at_once_with_a_template_and_its_tip() {
    let (bench, work) = Bench::started(small());

    let Work { template, tip } = work;
    assert_eq!(template.coinbase_prefix.as_slice(), [1, 102]);
    assert_eq!(template.coinbase_tx_value_remaining, 5_000_000_000);
    assert_eq!(tip.prev_hash, bench.node.chain().tip());
    assert_eq!(tip.target, bench.node.chain().target());
    assert_eq!(u64::from(tip.header_timestamp), START.unix.0);
}

#[test]
fn a_late_client_starts_at_the_present_time() {
    let mut bench = Bench::new();
    bench.setup(POOL);
    bench.pass(Duration::from_secs(5));

    let work = Work::from_pair(&bench.receive(POOL, small()));

    assert_eq!(u64::from(work.tip.header_timestamp), START.unix.0 + 5);
}

#[test]
fn a_client_that_is_earlier_than_the_node_gets_its_pair_with_the_first_template() {
    let mut provider = TemplateProvider::new(TemplateProviderConfig::default());
    let node = Chain::new(ChainConfig::new(ChainConfig::EASY, START.unix), Entropy::from_seed(7));
    let (mut node, mut out) = (ChainHost::new(node), Outbox::new());
    let connected = Input::Connected { connection: POOL, via: Via::Listener(0) };
    provider.handle(START, connected, &mut out);
    for message in [Message::from(setup()), small().into()] {
        let (tlvs, original) = (Tlvs::NONE, None);
        let input = Input::Received { connection: POOL, message, tlvs, original };
        provider.handle(START, input, &mut out);
    }
    assert_eq!(messages(&out.take(), POOL).len(), 1, "set-up alone is answered");

    provider.handle(START, Input::Chain(node.current(START)), &mut out);

    Work::from_pair(&out.take());
}

#[test]
fn refused_setups_name_their_reason_and_end_the_connection() {
    let check = |request: SetupConnection, flags: u32, error_code: &'static str| {
        let mut bench = Bench::new();
        bench.connect(POOL);

        let outputs = bench.receive(POOL, request);

        let error = SetupConnectionError { flags, error_code: Str255::from_static(error_code) };
        let close = closed(POOL, CloseReason::SetupRefused(error_code));
        assert_eq!(outputs, [sent(POOL, error), close]);
        assert_eq!(bench.receive(POOL, setup()), [], "nothing more is said");
    };

    check(SetupConnection { protocol: 0, ..setup() }, 0, "unsupported-protocol");
    check(
        SetupConnection { min_version: 3, max_version: 3, ..setup() },
        0,
        "protocol-version-mismatch",
    );
    check(SetupConnection { flags: 1, ..setup() }, u32::MAX, "unsupported-feature-flags");
}

#[test]
fn misuse_ends_the_connection_with_the_rule_that_it_breaks() {
    let check = |messages: Vec<Message>, violation: Violation| {
        let mut bench = Bench::new();
        bench.connect(POOL);

        let last = messages.into_iter().map(|message| bench.receive(POOL, message)).last();

        assert_eq!(last, Some(vec![closed(POOL, violation)]));
    };

    check(vec![small().into()], Violation::BeforeSetup { message: "CoinbaseOutputConstraints" });
    let request = RequestTransactionData { template_id: 1 };
    check(vec![request.into()], Violation::BeforeSetup { message: "RequestTransactionData" });
    check(vec![setup().into(), setup().into()], Violation::SecondSetup);
    let success = SubmitSharesSuccess {
        channel_id: 1,
        last_sequence_number: 1,
        new_submits_accepted_count: 1,
        new_shares_sum: 1,
    };
    check(
        vec![setup().into(), success.into()],
        Violation::OutOfPlace { message: "SubmitShares.Success" },
    );
    let (weight, limit) = (1168 + 4 * u64::from(u32::MAX), BLOCK_WEIGHT_MAX);
    check(
        vec![setup().into(), constraints(u32::MAX, 0).into()],
        Violation::CoinbaseTooLarge { weight, limit },
    );
}

#[test]
fn silent_clients_are_closed_when_their_time_is_over() {
    let mut bench = Bench::new();
    bench.connect(POOL);
    bench.setup(OTHER);

    let outputs = bench.pass(Duration::from_secs(10));

    let missing = Violation::ConstraintsMissing { seconds: 10 };
    assert_eq!(outputs, [closed(POOL, CloseReason::SetupTimedOut), closed(OTHER, missing)]);
}

#[test]
fn a_client_above_the_limit_is_closed_at_once() {
    let config = TemplateProviderConfig { clients_max: 1, ..Default::default() };
    let mut bench = Bench::with(config, ChainConfig::EASY);
    bench.connect(POOL);

    let outputs = bench.connect(OTHER);

    assert_eq!(outputs, [closed(OTHER, CloseReason::Limit("clients of the template provider"))]);
}

#[test]
fn a_flood_of_requests_ends_the_connection() {
    let (mut bench, work) = Bench::started(small());
    let request = RequestTransactionData { template_id: work.template.template_id };
    // The constraints were worth the first 10 of 200.
    (10..200).for_each(|_| assert_eq!(bench.receive(POOL, request.clone()).len(), 1));

    let outputs = bench.receive(POOL, request);

    let what = "RequestTransactionData";
    let violation = Violation::Flood { what, count: 201, seconds: 10, limit: 200 };
    assert_eq!(outputs, [closed(POOL, violation)]);
}

#[test]
fn a_flood_of_constraints_ends_the_connection_sooner() {
    let (mut bench, _) = Bench::started(small());
    (1..20).for_each(|size| assert_eq!(bench.receive(POOL, constraints(size, 0)).len(), 1));

    let outputs = bench.receive(POOL, small());

    let what = "CoinbaseOutputConstraints";
    let violation = Violation::Flood { what, count: 210, seconds: 10, limit: 200 };
    assert_eq!(outputs, [closed(POOL, violation)]);
}

#[test]
fn each_of_many_clients_has_its_own_pair_for_each_tip_and_every_one_is_a_block() {
    let mut bench = Bench::new();
    let clients: Vec<ConnectionId> = (10..60).map(ConnectionId).collect();
    for (client, number) in clients.iter().zip(0..) {
        bench.setup(*client);
        bench.receive(*client, constraints(20_000 * number, 40 * u16::try_from(number).unwrap()));
    }
    let mut last_id = 0;
    for step in 0..4 {
        let shape = TransactionShape { data_len: 50_000, sigops: 400 };
        for _ in 0..30 {
            bench.node.chain_mut().generate_transaction(shape);
        }
        match step {
            // Also back to a tip of an earlier height.
            2 => bench.node.chain_mut().reorganise(1, bench.now).unwrap(),
            _ => bench.node.chain_mut().extend_tip_unproven(bench.now),
        };

        let outputs = bench.deliver_news();

        for client in &clients {
            let work = Work::from_pair_to(*client, &outputs);
            assert!(work.template.template_id > last_id, "ids increase over all clients");
            last_id = work.template.template_id;
            assert_eq!(work.tip.prev_hash, bench.node.chain().tip());
            let request = RequestTransactionData { template_id: work.template.template_id };
            let answers = messages(&bench.receive(*client, request), *client);
            let [Message::RequestTransactionDataSuccess(data)] = &answers[..] else {
                panic!("{answers:?}");
            };
            let coinbase = work.coinbase(vec![work.payout()]);
            let block = block_of(&work.header(&coinbase), &coinbase, data);
            let judged = bench.node.chain().validate_block(bench.now, &block);
            assert_eq!(judged, Ok(work.header(&coinbase).hash()), "{client}");
        }
    }
}

#[test]
fn a_new_block_gives_each_client_its_own_pair() {
    let mut bench = Bench::new();
    bench.setup(POOL);
    bench.setup(OTHER);
    let first = Work::from_pair(&bench.receive(POOL, small()));
    bench.receive(OTHER, constraints(1_000, 4));

    let outputs = bench.new_block();

    let (pool, other) = (Work::from_pair(&outputs), Work::from_pair_to(OTHER, &outputs));
    let tip = bench.node.chain().tip();
    assert_eq!((pool.tip.prev_hash, other.tip.prev_hash), (tip, tip));
    assert!(pool.template.template_id > first.template.template_id);
    let told = outputs.iter().filter(|output| {
        matches!(output, Output::Event(Event::TipChanged { prev_hash }) if *prev_hash == tip)
    });
    assert_eq!(told.count(), 1);
}

#[test]
fn more_fees_give_an_update_for_the_same_tip() {
    let (mut bench, work) = Bench::started(small());

    let updated = work.updated(&bench.new_transaction());

    let before = work.template.coinbase_tx_value_remaining;
    assert!(updated.template.coinbase_tx_value_remaining > before);
    let (solution, hash) = updated.solved();
    let outputs = bench.receive(POOL, solution);
    assert_eq!(bench.carry_out(&outputs), [Output::Event(Event::BlockFound { hash })]);
}

#[test]
fn fees_that_rise_too_little_give_no_update() {
    let config = TemplateProviderConfig { fee_rise_min: 1_000_000_000, ..Default::default() };
    let mut bench = Bench::with(config, ChainConfig::EASY);
    bench.setup(POOL);
    bench.receive(POOL, small());

    assert_eq!(bench.new_transaction(), []);
}

#[test]
fn updates_keep_their_interval_and_the_last_one_is_not_lost() {
    let fee_update_interval = Duration::from_secs(5);
    let config = TemplateProviderConfig { fee_update_interval, ..Default::default() };
    let mut bench = Bench::with(config, ChainConfig::EASY);
    bench.setup(POOL);
    let work = Work::from_pair(&bench.receive(POOL, small()));
    assert_eq!(bench.new_transaction(), []);
    assert_eq!(bench.new_transaction(), []);
    assert_eq!(bench.pass(Duration::from_secs(4)), []);

    let updated = work.updated(&bench.pass(Duration::from_secs(1)));

    assert_eq!(updated.template.merkle_path.as_slice().len(), 2, "both transactions are in");
}

#[test]
fn a_new_tip_does_not_wait_for_the_interval() {
    let fee_update_interval = Duration::from_secs(3600);
    let config = TemplateProviderConfig { fee_update_interval, ..Default::default() };
    let mut bench = Bench::with(config, ChainConfig::EASY);
    bench.setup(POOL);
    bench.receive(POOL, small());
    bench.new_transaction();

    Work::from_pair(&bench.new_block());
}

#[test]
fn new_constraints_renew_the_template_on_the_same_tip() {
    let (mut bench, work) = Bench::started(small());

    let updated = work.updated(&bench.receive(POOL, constraints(100_000, 400)));

    assert_eq!(updated.template.coinbase_tx_value_remaining, 5_000_000_000);
}

#[test]
fn transaction_data_are_whole_and_in_block_order() {
    let (mut bench, work) = Bench::started(small());
    (0..5).for_each(|_| drop(bench.new_transaction()));
    let work = work.updated(&bench.receive(POOL, small()));
    let template_id = work.template.template_id;

    let outputs = bench.receive(POOL, RequestTransactionData { template_id });

    let [Message::RequestTransactionDataSuccess(data)] = &messages(&outputs, POOL)[..] else {
        panic!("{outputs:?}");
    };
    let transactions: Vec<Transaction> = data
        .transaction_list
        .as_slice()
        .iter()
        .map(|raw| encode::deserialize(raw.as_slice()).unwrap())
        .collect();
    let txids = transactions.iter().map(|transaction| from_txid(transaction.compute_txid()));
    let path = crate::chain::merkle::path(txids);
    assert_eq!(data.template_id, template_id);
    assert_eq!(data.excess_data.as_slice(), [0; 32]);
    assert_eq!(transactions.len(), 5);
    assert!(transactions.iter().all(|it| !it.input[0].witness.is_empty()));
    assert_eq!(path, work.template.merkle_path.as_slice());
}

#[test]
fn data_of_the_last_tip_are_served_for_the_grace_and_are_stale_then() {
    let (mut bench, work) = Bench::started(small());
    let template_id = work.template.template_id;
    let error = |template_id, error_code| {
        let error_code = Str255::from_static(error_code);
        sent(POOL, RequestTransactionDataError { template_id, error_code })
    };
    bench.new_block();

    bench.pass(Duration::from_millis(9_999));
    let outputs = bench.receive(POOL, RequestTransactionData { template_id });
    let [Message::RequestTransactionDataSuccess(data)] = &messages(&outputs, POOL)[..] else {
        panic!("{outputs:?}");
    };
    let RequestTransactionDataSuccess { template_id: answered, .. } = **data;
    assert_eq!(answered, template_id);

    bench.pass(Duration::from_millis(1));
    let outputs = bench.receive(POOL, RequestTransactionData { template_id });
    assert_eq!(outputs, [error(template_id, "stale-template-id")]);
    for unknown in [0, 99, u64::MAX] {
        let outputs = bench.receive(POOL, RequestTransactionData { template_id: unknown });
        assert_eq!(outputs, [error(unknown, "template-id-not-found")]);
    }
}

#[test]
fn templates_of_the_present_tip_do_not_become_stale() {
    let (mut bench, work) = Bench::started(small());
    bench.new_transaction();
    bench.pass(Duration::from_secs(3600));

    let (solution, hash) = work.solved();
    let outputs = bench.receive(POOL, solution);

    assert_eq!(bench.carry_out(&outputs), [Output::Event(Event::BlockFound { hash })]);
}

#[test]
fn the_templates_of_each_tip_have_their_own_grace() {
    let (mut bench, _) = Bench::started(small());
    bench.pass(Duration::from_secs(20));
    bench.new_block();
    bench.pass(Duration::from_secs(4));
    bench.new_block();

    let first = bench.provider.wake_at();
    bench.pass(Duration::from_secs(6));
    let second = bench.provider.wake_at();
    bench.pass(Duration::from_secs(4));

    let after = |seconds| Some(START.instant + Duration::from_secs(seconds));
    assert_eq!((first, second, bench.provider.wake_at()), (after(30), after(34), None));
}

#[test]
fn a_request_for_extensions_is_answered_with_none() {
    let (mut bench, _) = Bench::started(small());
    let requested_extensions = Seq64K::new(vec![2]).unwrap();
    let request = RequestExtensions { request_id: 9, requested_extensions };

    let outputs = bench.receive(POOL, request.clone());

    let error = RequestExtensionsError {
        request_id: 9,
        unsupported_extensions: request.requested_extensions,
        required_extensions: Seq64K::default(),
    };
    assert_eq!(outputs, [sent(POOL, error)]);
}

#[test]
fn unknown_messages_are_ignored_and_malformed_ones_end_the_connection() {
    let (mut bench, _) = Bench::started(small());
    let frame = Frame { extension_type: 0x4000, message_type: 0, payload: Default::default() };
    let unknown = DecodeError::Unknown { extension: 0x4000, number: 0 };
    let input = Input::Undecodable { connection: POOL, frame: frame.clone(), error: unknown };
    let outputs = bench.give(input);
    assert_eq!(notes(&outputs).len(), outputs.len());

    let short = Frame { extension_type: 0, message_type: 0x73, payload: Default::default() };
    let error = Message::decode(&short).unwrap_err();
    let outputs =
        bench.give(Input::Undecodable { connection: POOL, frame: short, error: error.clone() });

    assert_eq!(outputs, [closed(POOL, error)]);
}

#[test]
fn a_client_that_has_gone_leaves_nothing_behind() {
    let (mut bench, work) = Bench::started(small());
    let outputs = bench.receive(POOL, work.solved().0);
    let reason = CloseReason::ByPeer;
    let gone = bench.give(Input::Closed { connection: POOL, reason: reason.clone() });
    assert_eq!(gone, [Output::Event(Event::ConnectionClosed { connection: POOL, reason })]);

    let found = bench.carry_out(&outputs);

    assert!(matches!(found[..], [Output::Event(Event::BlockFound { .. })]), "its block counts");
    assert_eq!(messages(&bench.deliver_news(), POOL), []);
    bench.setup(POOL);
    let again = bench.receive(POOL, RequestTransactionData { template_id: 1 });
    assert!(matches!(messages(&again, POOL)[..], [Message::RequestTransactionDataError(_)]));
}

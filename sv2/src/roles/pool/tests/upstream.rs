//! The pool as a client of its template provider.

use super::*;
use crate::common::{Reconnect, SetupConnectionError};
use crate::role::DialFailure;
use crate::template_distribution::CoinbaseOutputConstraints;

fn dials(outputs: &[Output]) -> Vec<(DialId, String, u16)> {
    let dial = |output: &Output| match output {
        Output::Dial { dial, peer } => Some((*dial, peer.host.clone(), peer.port)),
        _ => None,
    };
    outputs.iter().filter_map(dial).collect()
}

#[test]
fn the_first_waking_dials_and_set_up_is_followed_by_constraints_at_once() {
    let mut pool = Pool::new(served(easy()), Entropy::from_seed(7));
    assert_eq!(pool.wake_at(), Some(Instant::ZERO));
    let mut out = Outbox::new();
    let now = Now { instant: Instant::ZERO, unix: UnixTime(0) };
    pool.handle(now, Input::Woken, &mut out);
    assert_eq!(dials(&out.take()), [(DialId(0), "127.0.0.1".to_owned(), 8442)]);
    let mut bench = Bench { pool, now, out };

    let connected =
        bench.give(Input::Connected { connection: PROVIDER, via: Via::Dial(DialId(0)) });
    let done = bench.receive(PROVIDER, SetupConnectionSuccess { used_version: 2, flags: 0 });

    let [Message::SetupConnection(request)] = &messages_to(PROVIDER, &connected)[..] else {
        panic!("{connected:?}");
    };
    assert_eq!((request.protocol, request.min_version, request.max_version), (2, 2, 2));
    assert_ne!(request.vendor, Str255::default());
    let constraints = CoinbaseOutputConstraints {
        // Eight bytes of value, one of length, one of script.
        coinbase_output_max_additional_size: 10,
        coinbase_output_max_additional_sigops: 0,
    };
    assert_eq!(done, [sent(PROVIDER, constraints)]);
}

#[test]
fn a_provider_that_cannot_be_reached_is_dialled_again_with_growing_waits() {
    let mut bench = Bench::new(easy());
    let mut waits = Vec::new();
    for dial in 0..8 {
        let reason = DialFailure::Unreachable("refused".to_owned());
        bench.give(Input::DialFailed { dial: DialId(dial), reason });
        let wait = bench.pool.wake_at().unwrap() - bench.now.instant;
        assert_eq!(dials(&bench.pass(wait))[0].0, DialId(dial + 1));
        waits.push(wait.as_secs());
    }

    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
}

#[test]
fn a_provider_that_refuses_or_does_not_answer_is_closed_and_dialled_again() {
    let refusal = SetupConnectionError { flags: 0, error_code: Str255::from_static("no") };
    for answer in [Some(Message::from(refusal)), None] {
        let mut bench = Bench::new(easy());
        bench.give(Input::Connected { connection: PROVIDER, via: Via::Dial(DialId(0)) });

        let closing = match answer {
            Some(answer) => bench.receive(PROVIDER, answer),
            None => bench.pass(bench.pool.server.config().setup_timeout),
        };
        assert!(matches!(&closing[..], [Output::Close { connection: PROVIDER, .. }]));
        bench.closed(PROVIDER);

        assert_eq!(dials(&bench.pass(Duration::from_secs(1))).len(), 1);
    }
}

#[test]
fn a_reconnect_leads_elsewhere() {
    let mut bench = Bench::ready(easy());

    let host = Str255::from_static("backup");
    let closing = bench.receive(PROVIDER, Reconnect { new_host: host, new_port: 0 });
    bench.closed(PROVIDER);

    assert!(matches!(&closing[..], [Output::Close { connection: PROVIDER, .. }]));
    let dialled = dials(&bench.pass(Duration::from_secs(1)));
    assert_eq!(dialled, [(DialId(1), "backup".to_owned(), 8442)]);
}

#[test]
fn a_tip_for_a_template_that_was_not_sent_ends_the_provider_and_not_the_miners() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;

    let closing = bench.tip(99, 2);

    let reason = Violation::UnknownTemplate { template_id: 99 }.into();
    assert_eq!(closing, [Output::Close { connection: PROVIDER, reason }]);
    bench.closed(PROVIDER);
    let answers = bench.answers(MINER, share(channel_id, 1, 1));
    assert!(matches!(&answers[..], [Message::SubmitSharesSuccess(_)]));
}

#[test]
fn opens_wait_for_the_first_work_and_are_then_answered_in_order() {
    let mut bench = Bench::new(easy());
    bench.join(MINER, 0);
    assert_eq!(bench.answers(MINER, extended_request(7)), []);
    assert_eq!(bench.answers(MINER, standard_request(8)), []);
    assert_eq!(bench.pass(bench.pool.server.config().idle_timeout), [], "who waits is not idle");
    bench.provide();
    assert_eq!(bench.template(1, true), []);

    let outputs = bench.tip(1, 1);

    let names: Vec<_> = messages_to(MINER, &outputs).iter().map(Message::name).collect();
    assert_eq!(
        names,
        [
            "OpenExtendedMiningChannel.Success",
            "NewExtendedMiningJob",
            "SetNewPrevHash",
            "OpenStandardMiningChannel.Success",
            "NewMiningJob",
            "SetNewPrevHash",
        ]
    );
}

#[test]
fn a_first_template_that_is_no_future_one_serves_as_soon_as_it_has_a_tip() {
    let mut bench = Bench::new(easy());
    bench.provide();
    bench.template(1, false);
    bench.tip(1, 1);
    bench.join(MINER, 0);

    bench.open_standard(MINER);
}

#[test]
fn a_template_without_a_valid_coinbase_is_noted_and_the_old_work_stays() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.open_standard(MINER);

    let broken = NewTemplate { coinbase_tx_outputs_count: 7, ..numbered_template(2, false) };
    let outputs = bench.receive(PROVIDER, broken);

    assert!(matches!(&outputs[..], [Output::Event(Event::Noted { .. })]), "{outputs:?}");
    bench.open_standard(MINER);
}

#[test]
fn a_block_that_is_found_without_a_provider_reaches_the_next_one() {
    let mut bench = Bench::new(easy());
    bench.provide();
    bench.template(1, true);
    bench.receive(
        PROVIDER,
        TemplateSetNewPrevHash { nbits: 0x2100_ffff, target: Target::MAX, ..tip_message(1, 1) },
    );
    bench.join(MINER, 0);
    let channel_id = bench.open_standard(MINER).channel_id;
    bench.closed(PROVIDER);
    // Not every hash meets nbits.
    let found = (0..50).any(|nonce| {
        let outputs = bench.receive(MINER, share(channel_id, 1, nonce));
        outputs.iter().any(|output| matches!(output, Output::Event(Event::BlockFound { .. })))
    });
    assert!(found);

    bench.pass(Duration::from_secs(1));
    bench.give(Input::Connected { connection: PROVIDER, via: Via::Dial(DialId(1)) });
    let outputs = bench.receive(PROVIDER, SetupConnectionSuccess { used_version: 2, flags: 0 });

    let messages = messages_to(PROVIDER, &outputs);
    assert!(matches!(messages[0], Message::CoinbaseOutputConstraints(_)));
    assert!(matches!(messages[1], Message::SubmitSolution(_)));
}

#[test]
fn a_provider_that_numbers_its_templates_anew_does_not_revive_jobs_of_the_old_numbers() {
    let mut bench = Bench::ready(easy());
    bench.join(MINER, 0);
    bench.open_standard(MINER);
    let old = messages_to(MINER, &bench.template(2, true));
    bench.closed(PROVIDER);
    bench.pass(Duration::from_secs(1));
    bench.give(Input::Connected { connection: PROVIDER, via: Via::Dial(DialId(1)) });
    bench.receive(PROVIDER, SetupConnectionSuccess { used_version: 2, flags: 0 });
    bench.template(2, false);

    let tip = messages_to(MINER, &bench.tip(2, 2));

    let named = prev_hash(&tip[1]).job_id;
    assert_ne!(named, extended_job(&old[0]).job_id);
    assert_eq!(named, extended_job(&tip[0]).job_id);
}

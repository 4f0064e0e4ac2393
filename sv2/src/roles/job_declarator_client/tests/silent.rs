//! Peers that do not answer: left for now, after the time that each is granted.

use std::time::Duration;

use super::bench::{Bench, Declarator, HARD, POOL_SCRIPT, Pool, Provider, SECOND, config};
use crate::event::Event;
use crate::mining::coinbase::payout;
use crate::role::{CloseReason, ConnectionId, DialFailure, Input, Via};

#[test]
fn whoever_owes_an_answer_is_left_when_its_time_has_passed_and_not_before() {
    let no_channel = || {
        let mut bench = Bench::new(config());
        [Provider, Pool].into_iter().for_each(|peer| bench.accept(peer));
        bench
    };
    let no_token = || {
        let mut bench = Bench::new(config());
        [Provider, Declarator].into_iter().for_each(|peer| bench.accept(peer));
        bench
    };
    let no_acknowledgement = || {
        let mut bench = Bench::started(config(), HARD);
        bench.provide_data(1);
        bench.allocate(&[payout(0, &POOL_SCRIPT)]);
        bench
    };
    let no_custom_job = || {
        let mut bench = no_acknowledgement();
        bench.acknowledge();
        bench
    };
    let rows: [(&dyn Fn() -> Bench, u64); 4] =
        [(&no_channel, 10), (&no_token, 10), (&no_acknowledgement, 60), (&no_custom_job, 10)];
    for (row, (bench, seconds)) in rows.into_iter().enumerate() {
        let mut bench = bench();

        bench.run(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert_eq!(bench.left(), [], "row {row}");
        bench.run(Duration::from_millis(1));

        assert_eq!(bench.left(), [(0, false)], "row {row}");
    }
}

#[test]
fn a_template_provider_that_keeps_the_transactions_costs_the_job_and_not_the_upstream() {
    let mut bench = Bench::started(config(), HARD);
    bench.mine(2);

    bench.run(10 * SECOND);
    bench.tip(2, 2, HARD);
    bench.provide_data(2);
    bench.acknowledge();
    bench.accept_job(78);
    bench.mine(1);

    assert_eq!((bench.left(), bench.submitted()), (vec![], vec![(0, 78)]));
    assert_eq!(bench.count(|event| *event == Event::SharesLost { count: 2 }), 1);
}

#[test]
fn an_upstream_that_cannot_be_reached_makes_room_for_the_next_and_nobody_works_before_it() {
    let mut bench = Bench::new(config());
    bench.accept(Provider);
    bench.tip(1, 1, HARD);
    let at = bench.dials.iter().position(|(_, port)| *port == 10).unwrap();
    let (dial, _) = bench.dials.remove(at);

    let reason = DialFailure::Unreachable("nobody is there".to_owned());
    bench.give(Input::DialFailed { dial, reason });
    bench.run(SECOND);

    assert_eq!(bench.left(), [(0, false)]);
    let ports: Vec<u16> = bench.dials.iter().map(|(_, port)| *port).collect();
    assert!(ports.contains(&11) && ports.contains(&21), "{ports:?}");
    assert_eq!(bench.count(|event| matches!(event, Event::MiningFor { .. })), 0);
}

#[test]
fn a_dial_that_comes_about_after_its_upstream_was_left_is_closed() {
    let mut bench = Bench::new(config());
    let late = bench.dials.iter().position(|(_, port)| *port == 20).unwrap();
    let (late, _) = bench.dials.remove(late);
    let failed = bench.dials.iter().position(|(_, port)| *port == 10).unwrap();
    let (failed, _) = bench.dials.remove(failed);
    let reason = DialFailure::Unreachable(String::new());
    bench.give(Input::DialFailed { dial: failed, reason });

    let connection = ConnectionId(50);
    bench.give(Input::Connected { connection, via: Via::Dial(late) });

    assert_eq!(bench.closed, [(connection, CloseReason::ByUs)]);
    assert_eq!(bench.left(), [(0, false)]);
}

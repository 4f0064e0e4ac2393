//! What a hostile client can make a server hold or do, and how it ends.

use super::JobDeclaratorServerConfig as Config;
use super::bench::{
    Bench, COINBASE_ONLY, FULL_TEMPLATE, MINER, OTHER, allocate, closed, config, errors, events,
    messages, success,
};
use crate::event::Event;
use crate::job_declaration::ProvideMissingTransactionsSuccess;
use crate::role::{CloseReason, Output};
use crate::violation::Violation;
use crate::wire::Seq64K;

fn flood(what: &'static str, limit: u64) -> CloseReason {
    Violation::Flood { what, count: limit + 1, seconds: 60, limit }.into()
}

#[test]
fn more_clients_than_are_served_are_closed_at_once() {
    let mut bench = Bench::started_with(Config { clients_max: 1, ..config() });

    let outputs = bench.connect(OTHER);

    let reason = CloseReason::Limit("clients of the job declarator server");
    assert_eq!(outputs, [closed(OTHER, reason)]);
    assert_eq!(bench.receive(OTHER, allocate(1)), []);
    bench.leave(MINER);
    bench.leave(OTHER);
    assert_eq!(bench.connect(OTHER), [], "there is room again");
}

#[test]
fn a_flood_of_tokens_ends_its_own_connection_alone() {
    for flags in [FULL_TEMPLATE, COINBASE_ONLY] {
        let mut bench = Bench::with(Config { tokens_per_minute_max: 3, ..config() });
        bench.join(MINER, flags);
        bench.join(OTHER, flags);
        (0..3).for_each(|_| drop(bench.token(MINER)));

        let outputs = bench.receive(MINER, allocate(4));

        let reason = flood("AllocateMiningJobToken (spec 6.4.2)", 3);
        assert_eq!(outputs, [closed(MINER, reason)]);
        bench.token(OTHER);
    }
}

#[test]
fn a_minute_later_there_are_tokens_again() {
    let mut bench = Bench::started_with(Config { tokens_per_minute_max: 1, ..config() });
    bench.token(MINER);
    bench.pass(std::time::Duration::from_secs(60));

    bench.token(MINER);
}

#[test]
fn the_oldest_token_goes_when_too_many_are_out() {
    let mut bench = Bench::started_with(Config { tokens_per_connection_max: 2, ..config() });
    let job = bench.job();
    let [first, second] = [bench.token(MINER), bench.token(MINER)];
    let outputs = bench.receive(MINER, allocate(3));
    assert!(matches!(events(&outputs)[0], Event::Noted { .. }), "it is said: {outputs:?}");

    let gone = bench.exchange(MINER, job.declaration(1, first));
    let kept = bench.exchange(MINER, job.declaration(2, second));

    assert_eq!(errors(&gone, MINER), [(1, "mining-job-token-used".to_owned())]);
    success(&kept, MINER);
}

#[test]
fn a_flood_of_declarations_ends_the_connection() {
    let mut bench = Bench::started_with(Config { declarations_per_minute_max: 2, ..config() });
    let job = bench.job();
    let token = bench.token(MINER);
    (0..2).for_each(|id| drop(bench.receive(MINER, job.declaration(id, token.clone()))));

    let outputs = bench.receive(MINER, job.declaration(3, token));

    assert_eq!(outputs, [closed(MINER, flood("DeclareMiningJob", 2))]);
}

#[test]
fn declarations_beyond_those_that_may_wait_are_refused() {
    let mut bench = Bench::started_with(Config { declarations_waiting_max: 2, ..config() });
    bench.new_transaction();
    let job = bench.job();
    let tokens: Vec<_> = (0..4).map(|_| bench.token(MINER)).collect();
    let mut declare =
        |id: u32| bench.receive(MINER, job.declaration(id, tokens[id as usize].clone()));

    let outputs: Vec<_> = (0..4).map(&mut declare).collect();

    assert_eq!(messages(&outputs[0], MINER).len(), 1, "it is looked at");
    assert_eq!(outputs[1..3], [vec![], vec![]], "two wait");
    assert_eq!(errors(&outputs[3], MINER), [(3, "too-many-declarations".to_owned())]);
}

#[test]
fn useless_messages_end_the_connection_only_as_a_flood() {
    let mut bench = Bench::started_with(Config { useless_messages_per_minute_max: 2, ..config() });
    let useless =
        ProvideMissingTransactionsSuccess { request_id: 1, transaction_list: Seq64K::default() };

    let outputs: Vec<_> = (0..3).map(|_| bench.receive(MINER, useless.clone())).collect();

    assert!(matches!(outputs[1][..], [Output::Event(Event::Noted { .. })]), "{outputs:?}");
    let reason = flood("messages that lead to nothing", 2);
    assert_eq!(outputs[2].last(), Some(&closed(MINER, reason)));
}

/// Room for one acknowledged job and one declaration beside it.
fn room_for_one() -> Config {
    let mut bench = Bench::started();
    let (job, token) = bench.declared(MINER);
    let job_cost = bench.server.clients[&MINER].cost();
    let declaration = super::declaration::Received::new(job.declaration(1, token)).unwrap();
    Config { declarations_bytes_max: job_cost + declaration.cost(), ..config() }
}

#[test]
fn jobs_that_need_not_be_kept_give_way_to_declarations() {
    let mut bench = Bench::started_with(room_for_one());
    bench.declared(MINER);
    bench.declared(MINER);
    assert_eq!(bench.server.clients[&MINER].declared().count(), 2);

    bench.declared(MINER);

    assert_eq!(bench.server.clients[&MINER].declared().count(), 2, "the first has gone");
}

#[test]
fn the_last_job_of_each_client_does_not_give_way() {
    let mut bench = Bench::started_with(room_for_one());
    bench.join(OTHER, FULL_TEMPLATE);
    bench.declared(MINER);
    bench.declared(OTHER);
    let job = bench.job();
    let token = bench.token(OTHER);

    let outputs = bench.exchange(OTHER, job.declaration(9, token));

    assert_eq!(errors(&outputs, OTHER), [(9, "too-many-declarations".to_owned())]);
    for connection in [MINER, OTHER] {
        assert_eq!(bench.server.clients[&connection].declared().count(), 1);
    }
}

#[test]
fn what_is_provided_counts_too() {
    let mut bench = Bench::started();
    bench.new_transaction();
    let job = bench.job();
    let token = bench.token(MINER);
    let outputs = bench.exchange(MINER, job.declaration(1, token));
    let answer = job.provide(&super::bench::asked(&outputs, MINER));
    bench.server.config.declarations_bytes_max = bench.server.clients[&MINER].cost();

    let outputs = bench.exchange(MINER, answer);

    assert_eq!(errors(&outputs, MINER), [(1, "too-many-declarations".to_owned())]);
}

#[test]
fn only_so_many_blocks_wait_for_the_node() {
    let mut bench = Bench::started();
    let (job, _) = bench.declared(MINER);
    for index in 0..super::solution::BLOCKS_MAX {
        let outputs = bench.receive(MINER, job.solve(&[u8::try_from(index).unwrap(); 20]).0);
        assert!(matches!(outputs[..], [Output::Request { .. }, _]), "{outputs:?}");
    }

    let outputs = bench.receive(MINER, job.solve(&[255; 20]).0);

    let [Output::Event(Event::Noted { what, .. })] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(what.contains("too many blocks"), "{what}");
}

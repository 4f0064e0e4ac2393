//! Configure, subscribe, authorise: in every order.

use super::*;

#[test]
fn no_job_comes_before_both_answers_and_the_difficulty_before_the_first_job() {
    for [first, second] in [[SUBSCRIBE, AUTHORIZE], [AUTHORIZE, SUBSCRIBE]] {
        let mut bench = Bench::ready(easy());
        bench.connect(DEVICE);

        let early = bench.ask(DEVICE, first);
        let rest = bench.ask(DEVICE, second);

        assert_eq!(early.len(), 1, "{early:?}");
        assert!(outcome(&rest[0]).is_yes());
        assert_eq!(difficulty(&rest[1]), Difficulty::of(Target::MAX));
        let first = notify(&rest[2]);
        assert!(first.clean_jobs);
        assert_eq!(u64::from(first.ntime), NOW);
        assert_eq!(rest.len(), 3);
    }
}

#[test]
fn a_device_that_comes_before_the_first_template_gets_its_job_with_it() {
    let mut bench = Bench::new(easy());
    bench.connect(DEVICE);
    bench.ask(DEVICE, SUBSCRIBE);
    assert_eq!(bench.ask(DEVICE, AUTHORIZE).len(), 1);
    bench.provide();
    bench.template(1, true);

    let lines = lines_to(DEVICE, &bench.tip(1, 1, Target::HARDEST));

    assert_eq!(difficulty(&lines[0]), Difficulty::of(Target::MAX));
    assert!(notify(&lines[1]).clean_jobs);
}

#[test]
fn every_connection_searches_elsewhere_and_keeps_its_place_when_it_subscribes_again() {
    let mut bench = Bench::ready(easy());
    let first = bench.join(DEVICE);
    let second = bench.join(OTHER);

    let again = outcome(&bench.ask(DEVICE, SUBSCRIBE)[0]);

    assert_ne!(first.extranonce1, second.extranonce1);
    let Outcome::Subscribed(again) = again else { panic!("{again:?}") };
    assert_eq!((again.extranonce1, again.extranonce2_size), (first.extranonce1, 8));
}

#[test]
fn a_mask_is_granted_as_far_as_it_was_asked_for_and_others_are_answered_too() {
    for (asked, granted) in [
        (r#","version-rolling.mask":"ffffffff""#, "1fffffe0"),
        (r#","version-rolling.mask":"1fffe000""#, "1fffe000"),
        (r#","version-rolling.mask":"e0000000""#, "00000000"),
        ("", "1fffffe0"),
    ] {
        let mut bench = Bench::ready(easy());
        bench.connect(DEVICE);
        let line = format!(
            r#"{{"id":1,"method":"mining.configure","params":[["version-rolling","minimum-difficulty","x"],{{"minimum-difficulty.value":4{asked}}}]}}"#
        );

        let answers = lines_to(DEVICE, &bench.line(DEVICE, line));

        let expected = format!(
            r#"{{"id":1,"result":{{"version-rolling":true,"minimum-difficulty":true,"x":false,"version-rolling.mask":"{granted}"}},"error":null}}"#
        );
        assert_eq!(answers, [expected]);
    }
}

#[test]
fn a_minimum_difficulty_bounds_the_first_one() {
    let mut bench = Bench::ready(easy());
    bench.connect(DEVICE);
    bench.ask(
        DEVICE,
        r#"{"id":1,"method":"mining.configure","params":[["minimum-difficulty"],{"minimum-difficulty.value":4}]}"#,
    );
    bench.ask(DEVICE, SUBSCRIBE);

    let lines = bench.ask(DEVICE, AUTHORIZE);

    assert_eq!(difficulty(&lines[1]).to_f64(), 4.0);
}

#[test]
fn a_suggestion_before_subscription_decides_the_first_difficulty() {
    let mut bench = Bench::ready(easy());
    bench.connect(DEVICE);
    let suggest = r#"{"id":1,"method":"mining.suggest_difficulty","params":[1024]}"#;
    let answers = bench.ask(DEVICE, suggest);
    bench.ask(DEVICE, SUBSCRIBE);

    let lines = bench.ask(DEVICE, AUTHORIZE);

    assert!(outcome(&answers[0]).is_yes());
    let ratio = difficulty(&lines[1]).to_f64() / 1024.0;
    assert!((0.999..1.001).contains(&ratio), "{ratio}");
}

#[test]
fn powers_of_two_are_told_where_they_are_wanted() {
    let mut bench =
        Bench::ready(Sv1PoolConfig { assumed_hash_rate: 1e12, rounds_difficulty: true, ..easy() });
    bench.connect(DEVICE);
    bench.ask(DEVICE, SUBSCRIBE);

    let lines = bench.ask(DEVICE, AUTHORIZE);

    assert_eq!(lines[1], r#"{"id":null,"method":"mining.set_difficulty","params":[2048]}"#);
}

#[test]
fn users_are_refused_by_name_and_beyond_the_limit() {
    let config = Sv1PoolConfig {
        refused_users: vec!["bad".to_owned()],
        users_per_connection_max: 1,
        ..easy()
    };
    let mut bench = Bench::ready(config);
    bench.connect(DEVICE);
    let authorize = |user: &str| {
        let (user, password) = (user.to_owned(), None);
        Message::request(5, Call::Authorize { user, password }).to_line()
    };

    for (user, is_taken) in [("bad", false), ("", false), ("a", true), ("a", true), ("b", false)] {
        let outputs = bench.line(DEVICE, authorize(user));

        let answer = outcome(&lines_to(DEVICE, &outputs)[0]);
        assert_eq!(answer.is_yes(), is_taken, "{user}");
        if !is_taken {
            assert_eq!(error(DEVICE, &outputs).0, error_code::UNAUTHORIZED);
        }
    }
}

#[test]
fn a_connection_without_a_worker_ends_in_time_and_one_with_a_worker_stays() {
    let mut bench = Bench::ready(easy());
    bench.join(OTHER);
    bench.connect(DEVICE);
    bench.ask(DEVICE, SUBSCRIBE);

    let outputs = bench.wake();

    let reason = "Stratum V1: no worker was authorised within 30 s".to_owned();
    assert_eq!(closed(&outputs), [(DEVICE, reason)]);
}

#[test]
fn an_extranonce_is_free_again_when_its_connection_is_gone() {
    let layout = crate::mining::extranonce::ExtranonceLayout::new(vec![], 1, 9).unwrap();
    let mut bench = Bench::ready(Sv1PoolConfig { extranonce: layout, ..easy() });
    for id in 1..=256 {
        bench.join(ConnectionId(id));
    }
    let late = ConnectionId(300);
    bench.connect(late);
    let outputs = bench.line(late, SUBSCRIBE);
    assert!(error(late, &outputs).1.contains("in use"));

    bench.give(Input::Closed { connection: ConnectionId(9), reason: CloseReason::ByPeer });

    assert!(outcome(&bench.ask(late, SUBSCRIBE)[0]).is_yes());
}

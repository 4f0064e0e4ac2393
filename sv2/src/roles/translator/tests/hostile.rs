//! Devices that mean no good, or are broken: named, bounded, and nobody else's business.

use super::*;
use crate::sv1::Sv1Error;

/// What Alice says is answered with an error, and Bob works on.
fn check_answered(line: &str, answer: &str) {
    let mut bench = Bench::working(config(), &[ALICE]);
    let bob = bench.login(BOB);

    let heard = bench.say(ALICE, line);

    assert_eq!(heard.len(), 1, "{line}: {heard:?}");
    assert!(heard[0].contains(answer), "{line}: {heard:?}");
    assert!(bench.closed.is_empty(), "{line}: {:?}", bench.closed);
    assert!(bench.submit(BOB, &bob.find(0)).contains("true"));
}

#[test]
fn lines_that_are_wrong_are_answered_with_the_place_and_nobody_else_is_disturbed() {
    let params = |count: usize| vec!["1"; count].join(",");
    let many = format!(r#"{{"id":1,"method":"mining.submit","params":[{}]}}"#, params(17));
    let deep = format!(r#"{{"id":1,"method":"x","params":{}}}"#, "[".repeat(5_000));
    for (line, answer) in [
        ("GET / HTTP/1.1", r#"{"id":null,"result":null,"error":[20,"no JSON"#),
        ("[]", "no JSON object"),
        ("7", "no JSON object"),
        ("\u{1}\u{2}\u{fffd}", "no JSON"),
        (&deep, "no JSON"),
        ("{}", "there is no method"),
        (r#"{"id":[1],"method":"mining.ping"}"#, "the id should be"),
        (r#"{"id":1,"method":7}"#, r#"{"id":1,"result":null,"error":[20,"the method should"#),
        (r#"{"id":1,"method":"mining.submit"}"#, "mining.submit: parameter 0 should be a user"),
        (r#"{"id":1,"method":"mining.submit","params":{}}"#, "should be an array"),
        (
            r#"{"id":1,"method":"mining.submit","params":["alice.1","1","zz","1","1"]}"#,
            "parameter 2",
        ),
        (r#"{"id":1,"method":"mining.submit","params":["alice.1",7,"00","1","1"]}"#, "parameter 1"),
        (
            r#"{"id":1,"method":"mining.submit","params":["alice.1","1","00","123456789","1"]}"#,
            "parameter 3",
        ),
        (&many, "17 parameters, at most 16 are taken"),
        (r#"{"id":1,"method":"mining.authorize","params":[]}"#, "mining.authorize: parameter 0"),
        (r#"{"id":1,"method":"mining.authorize","params":[""]}"#, "[24,"),
        (r#"{"id":1,"method":"mining.suggest_difficulty","params":[0]}"#, "a number above zero"),
        (r#"{"id":1,"method":"mining.suggest_difficulty","params":[-1]}"#, "a number above zero"),
        (r#"{"id":1,"method":"mining.notify","params":[]}"#, "mining.notify"),
        (r#"{"id":1,"method":"mining.set_difficulty","params":[1]}"#, "no method of a pool"),
        (r#"{"id":1,"method":"eth_submitWork","params":[]}"#, "no method of a pool"),
    ] {
        check_answered(line, answer);
    }
}

#[test]
fn what_comes_before_its_time_is_refused_by_its_own_code() {
    let mut bench = Bench::working(config(), &[]);
    bench.connect(ALICE);
    let submit = r#"{"id":1,"method":"mining.submit","params":["a","1","00000000","1","1"]}"#;

    assert!(bench.say(ALICE, submit)[0].contains("[25,"));
    bench.say(ALICE, SUBSCRIBE);
    assert!(bench.say(ALICE, SUBSCRIBE)[0].contains("the first one is not answered"));
    bench.serve();
    assert!(bench.say(ALICE, submit)[0].contains("[24,"), "subscribed, not authorized");
    assert!(bench.say(ALICE, SUBSCRIBE)[0].contains("mining.notify"), "the same answer again");
}

#[test]
fn a_flood_of_lines_that_earn_nothing_is_closed_by_name_and_others_work_on() {
    for line in [
        "nonsense",
        r#"{"id":1,"method":"mining.ping"}"#,
        r#"{"id":1,"result":true}"#,
        r#"{"id":1,"method":"mining.authorize","params":["alice.1"]}"#,
        r#"{"id":1,"method":"mining.suggest_difficulty","params":[1]}"#,
        r#"{"id":1,"method":"mining.submit","params":["alice.1","1","00000000","1","1"]}"#,
    ] {
        let mut bench = Bench::working(config(), &[ALICE]);
        let bob = bench.login(BOB);

        for _ in 0..=600 {
            bench.say(ALICE, line);
        }

        // Logging in were the first two.
        let flood = Sv1Error::Flood { count: 601, seconds: 60, limit: 600 };
        assert_eq!(bench.closed, [(ALICE, CloseReason::Sv1(flood))], "{line}");
        assert!(bench.submit(BOB, &bob.find(0)).contains("true"));
    }
}

#[test]
fn a_device_that_never_logs_in_is_closed_in_time_and_one_that_waits_for_a_pool_is_not() {
    for lines in
        [&[][..], &[SUBSCRIBE][..], &[r#"{"id":1,"method":"mining.authorize","params":["a"]}"#]]
    {
        let mut bench = Bench::working(config(), &[]);
        bench.connect(ALICE);
        lines.iter().for_each(|line| _ = bench.say(ALICE, line));
        bench.serve();

        bench.wait(bench.translator.config.login_timeout);

        let reason = CloseReason::Sv1(Sv1Error::NotAuthorized { seconds: 60 });
        assert_eq!(bench.closed, [(ALICE, reason)], "{lines:?}");
    }
    let mut bench = Bench::new(config());
    bench.connect(ALICE);
    bench.say(ALICE, SUBSCRIBE);
    bench.say(ALICE, &authorize(2, "alice.1"));
    bench.wait(2 * bench.translator.config.login_timeout);
    assert!(bench.closed.is_empty(), "it is no fault of the device");
}

#[test]
fn what_a_device_can_make_us_keep_is_bounded() {
    let mut bench = Bench::new(config());
    bench.connect(ALICE);
    bench.say(ALICE, SUBSCRIBE);
    let max = bench.translator.config.workers_per_device_max;

    for user in 0..2 * max {
        bench.say(ALICE, &authorize(2, &format!("alice.{user}")));
    }

    let device = bench.translator.devices[0].as_deref().unwrap();
    assert_eq!((device.workers.len(), device.unanswered.len()), (max, max));
    for job_id in 2..500 {
        bench.receive(job(10, job_id, Some(1_700_000_002)));
    }
    let device = bench.translator.devices[0].as_deref_mut().unwrap();
    assert!(device.jobs.iter_mut().count() <= device::GivenJobs::MAX);
}

#[test]
fn more_devices_than_there_are_extranonces_are_closed_by_name() {
    let config = TranslatorConfig { extranonce_index_len: 1, ..config() };
    let mut bench = Bench::working(config, &[]);
    for device in 0..255 {
        bench.login(ConnectionId(device));
    }
    assert!(bench.closed.is_empty(), "{:?}", bench.closed);

    bench.login(ConnectionId(900));
    bench.connect(ConnectionId(901));
    bench.say(ConnectionId(901), SUBSCRIBE);

    let reason = CloseReason::Limit("extranonces to tell devices apart");
    assert_eq!(bench.closed, [(ConnectionId(901), reason)]);
}

#[test]
fn more_devices_than_are_served_are_closed_by_name() {
    let mut bench = Bench::new(TranslatorConfig { devices_max: 1, ..config() });
    bench.connect(ALICE);
    bench.connect(BOB);
    assert_eq!(bench.closed, [(BOB, CloseReason::Limit("devices"))]);

    bench.handle(Input::Closed { connection: ALICE, reason: CloseReason::ByPeer });
    bench.connect(ConnectionId(2));
    assert_eq!(bench.closed.len(), 1);
}

#[test]
fn answers_to_what_nobody_has_asked_are_ignored() {
    let mut bench = Bench::working(config(), &[ALICE]);

    let heard = bench.say(ALICE, r#"{"id":1,"result":true,"error":null}"#);

    assert!(heard.is_empty() && bench.closed.is_empty());
}

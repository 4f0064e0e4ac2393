//! Lines that are wrong: each answered with an error that names it, and nobody disturbed.

use proptest::prelude::*;

use super::*;

#[test]
fn a_wrong_line_is_answered_and_disturbs_nobody() {
    let seventeen =
        format!(r#"{{"id":7,"method":"mining.submit","params":[{}]}}"#, vec!["\"\""; 17].join(","));
    let long =
        format!(r#"{{"id":7,"method":"mining.authorize","params":["{}"]}}"#, "u".repeat(256));
    let mut bench = Bench::ready(easy());
    let device = bench.join(OTHER);
    bench.connect(DEVICE);
    for (line, id, error) in [
        ("GET / HTTP/1.1", "null", "no JSON from byte 1 on"),
        ("{}", "null", "there is no method, no result and no error"),
        ("[]", "null", "no JSON object"),
        (r#"{"id":{},"method":"mining.ping"}"#, "null", "the id should be"),
        (r#"{"id":7,"method":[]}"#, "7", "the method should be"),
        (r#"{"id":7,"method":"mining.submit","params":"x"}"#, "7", "the parameters should be"),
        (r#"{"id":"x","method":"mining.submit","params":[1]}"#, "\"x\"", "parameter 0 should be"),
        (r#"{"method":"mining.submit","params":[]}"#, "null", "parameter 0 should be"),
        (r#"{"id":7,"method":"mining.authorize"}"#, "7", "parameter 0 should be"),
        (&seventeen, "7", "17 parameters, at most 16"),
        (&long, "7", "parameter 0 should be a user of at most 255 bytes"),
        (r#"{"id":7,"method":"mining.fly","params":[]}"#, "7", "Method not found"),
        (r#"{"id":7,"method":"mining.notify","params":[]}"#, "7", "parameter 0 should be"),
        (r#"{"id":7,"method":"mining.set_difficulty","params":[1]}"#, "7", "Method not found"),
    ] {
        let outputs = bench.line(DEVICE, line.to_owned());

        let answer = &lines_to(DEVICE, &outputs)[0];
        assert!(answer.starts_with(&format!(r#"{{"id":{id},"result":null,"error":[20,""#)));
        assert!(answer.contains(error), "{line:.60}: {answer}");
        assert_eq!(closed(&outputs), []);
        assert!(outputs.iter().all(|output| match output {
            Output::Line { connection, .. } => *connection == DEVICE,
            _ => true,
        }));
    }
    let outputs = bench.submit(&device, device.share(1));
    assert!(outcome(&lines_to(OTHER, &outputs)[0]).is_yes());
}

#[test]
fn a_flood_of_wrong_lines_ends_its_connection_alone() {
    let mut bench = Bench::ready(Sv1PoolConfig { useless_lines_per_minute_max: 10, ..easy() });
    let device = bench.join(OTHER);
    bench.connect(DEVICE);

    let flood: Vec<Output> = (0..20).flat_map(|_| bench.line(DEVICE, "{")).collect();

    let reason = "Stratum V1: 11 lines that earn nothing within 60 s, the limit is 10".to_owned();
    assert_eq!(closed(&flood), [(DEVICE, reason)]);
    assert_eq!(lines_to(DEVICE, &flood).len(), 11, "nothing is said after the end");
    let outputs = bench.submit(&device, device.share(1));
    assert!(outcome(&lines_to(OTHER, &outputs)[0]).is_yes());
}

#[test]
fn answers_that_nobody_asked_for_count_as_useless() {
    let mut bench = Bench::ready(Sv1PoolConfig { useless_lines_per_minute_max: 1, ..easy() });
    bench.connect(DEVICE);

    let answers = [(); 2].map(|()| bench.line(DEVICE, r#"{"id":1,"result":true}"#));

    assert_eq!([closed(&answers[0]).len(), closed(&answers[1]).len()], [0, 1]);
}

#[test]
fn a_frame_where_lines_belong_and_a_line_where_frames_belong_end_their_connection() {
    let mut bench = Bench::ready(easy());
    bench.connect(DEVICE);
    let message = SetupConnectionSuccess { used_version: 2, flags: 0 }.into();
    let (connection, tlvs) = (DEVICE, Tlvs::NONE);

    let frame = bench.give(Input::Received { connection, message, tlvs, original: None });
    let line = bench.line(PROVIDER, SUBSCRIBE);

    assert_eq!(closed(&frame)[0].0, DEVICE);
    assert_eq!(closed(&line)[0].0, PROVIDER);
}

#[test]
fn errors_are_written_as_objects_where_that_is_wanted() {
    let error_form = crate::sv1::ErrorForm::Object;
    let mut bench = Bench::ready(Sv1PoolConfig { error_form, ..easy() });
    bench.connect(DEVICE);

    let answers = bench.ask(DEVICE, r#"{"id":1,"method":"mining.fly"}"#);

    let object = r#"{"id":1,"result":null,"error":{"code":20,"message":"Method not found"}}"#;
    assert_eq!(answers, [object]);
}

/// What a device may say, to be changed at random.
const SAID: [&str; 12] = [
    CONFIGURE,
    SUBSCRIBE,
    EXTRANONCE_SUBSCRIBE,
    AUTHORIZE,
    r#"{"id":5,"method":"mining.submit","params":["user.worker","1","0707070707070707","6553f100","00000001","00000000"]}"#,
    r#"{"id":6,"method":"mining.submit","params":["user.worker","2","","0","0"]}"#,
    r#"{"id":7,"method":"mining.suggest_difficulty","params":[1e300]}"#,
    r#"{"id":7,"method":"mining.suggest_difficulty","params":[5e-324]}"#,
    r#"{"id":8,"method":"mining.suggest_target","params":["0000000000000000000000000000000000000000000000000000000000000000"]}"#,
    r#"{"id":9,"method":"mining.configure","params":[["minimum-difficulty","info"],{"minimum-difficulty.value":1e99}]}"#,
    r#"{"id":null,"method":"client.get_version","params":[]}"#,
    r#"{"id":10,"result":[[["mining.notify","x"]],"00",4],"error":null}"#,
];

proptest! {
    #[test]
    fn whatever_a_device_says_another_one_is_served(
        said in prop::collection::vec(
            (
                prop::sample::select(SAID.to_vec()),
                prop::option::of((any::<usize>(), prop::collection::vec(any::<u8>(), 0..3))),
            ),
            0..20,
        ),
    ) {
        let mut bench = Bench::ready(easy());
        let device = bench.join(OTHER);
        bench.connect(DEVICE);

        for (line, change) in said {
            let mut line = line.as_bytes().to_vec();
            if let Some((at, with)) = change {
                let at = at % line.len();
                line.splice(at..(at + with.len()).min(line.len()), with);
            }
            bench.line(DEVICE, line);
        }

        let outputs = bench.submit(&device, device.share(1));
        prop_assert!(outcome(&lines_to(OTHER, &outputs)[0]).is_yes());
    }
}

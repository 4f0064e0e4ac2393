//! The example session, the traps of dialects, and what is no message.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::wire::{B32, Target, U256};

fn parsed(line: &str) -> Message {
    Message::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn called(line: &str) -> Call {
    match parsed(line) {
        Message::Call { call, .. } => call,
        Message::Response(_) => panic!("{line} is no call"),
    }
}

fn outcome(line: &str) -> Outcome {
    match parsed(line) {
        Message::Response(response) => response.outcome,
        Message::Call { .. } => panic!("{line} is no answer"),
    }
}

fn short(bytes: &[u8]) -> B32 {
    B32::new(bytes).unwrap()
}

fn line_of(message: &Message) -> String {
    String::from_utf8(message.to_line().to_vec()).unwrap()
}

/// The session that introductions to Stratum V1 show, with hex digits where they have
/// placeholders, and written compactly.
const SESSION: [&str; 5] = [
    r#"{"id": 1, "method": "mining.subscribe", "params": ["miner/1.0"]}"#,
    r#"{"id": 1, "result": [["mining.notify", "ae6"], "08000002", 4]}"#,
    r#"{"id": 2, "method": "mining.authorize", "params": ["worker1", "pass"]}"#,
    r#"{"method": "mining.notify", "params": ["bf",
        "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000",
        "01000000010000", "072f736c7573682f", ["1111111111111111111111111111111111111111111111111111111111111122"],
        "00000002", "1c2ac4af", "504e86b9", false]}"#,
    r#"{"id": 3, "method": "mining.submit", "params": ["worker1", "bf", "00000001", "504e86ed", "b2957c02"]}"#,
];

#[test]
fn the_example_session_is_read() {
    let [subscribe, subscribed, authorize, notify, submit] = SESSION;

    let user_agent = Some("miner/1.0".to_owned());
    assert_eq!(called(subscribe), Call::Subscribe(Subscribe { user_agent, session: None }));
    assert_eq!(
        outcome(subscribed),
        Outcome::Subscribed(Subscribed {
            subscriptions: vec![("mining.notify".to_owned(), "ae6".to_owned())],
            extranonce1: short(&[8, 0, 0, 2]),
            extranonce2_size: 4,
        }),
    );
    let (user, password) = ("worker1".to_owned(), Some("pass".to_owned()));
    assert_eq!(called(authorize), Call::Authorize { user, password });
    let mut branch = [0x11; 32];
    branch[31] = 0x22;
    assert_eq!(
        called(notify),
        Call::Notify(Box::new(Notify {
            job_id: "bf".to_owned(),
            prev_hash: U256::from_hex(
                "00000000440b921e1b77c6c0487ae5616de67f788f44ae2a5af6e2194d16b6f8",
            )
            .unwrap(),
            coinbase_1: vec![1, 0, 0, 0, 1, 0, 0],
            coinbase_2: b"\x07/slush/".to_vec(),
            merkle_branches: vec![U256::from_le_bytes(branch)],
            version: 2,
            nbits: 0x1c2a_c4af,
            ntime: 0x504e_86b9,
            clean_jobs: false,
        })),
    );
    assert_eq!(
        called(submit),
        Call::Submit(Submit {
            user: "worker1".to_owned(),
            job_id: "bf".to_owned(),
            extranonce2: short(&[0, 0, 0, 1]),
            ntime: 0x504e_86ed,
            nonce: 0xb295_7c02,
            version_bits: None,
            extra_param_count: 0,
        }),
    );
}

#[test]
fn the_example_session_is_written_compactly_and_the_same_each_time() {
    let written: Vec<String> = SESSION.map(parsed).iter().map(line_of).collect();

    assert_eq!(
        written,
        [
            r#"{"id":1,"method":"mining.subscribe","params":["miner/1.0"]}"#,
            r#"{"id":1,"result":[[["mining.notify","ae6"]],"08000002",4],"error":null}"#,
            r#"{"id":2,"method":"mining.authorize","params":["worker1","pass"]}"#,
            r#"{"id":null,"method":"mining.notify","params":["bf","4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000","01000000010000","072f736c7573682f",["1111111111111111111111111111111111111111111111111111111111111122"],"00000002","1c2ac4af","504e86b9",false]}"#,
            r#"{"id":3,"method":"mining.submit","params":["worker1","bf","00000001","504e86ed","b2957c02"]}"#,
        ],
    );
}

#[test]
fn ids_are_echoed_as_they_came() {
    for (id, echoed) in [
        ("4", "4"),
        ("null", "null"),
        (r#""a\u0001""#, r#""a\u0001""#),
        ("1.0", "1.0"),
        ("-7", "-7"),
        ("18446744073709551616", "18446744073709551616"),
        ("1e3", "1e3"),
    ] {
        let line = format!(r#"{{"method":"mining.ping","id":{id}}}"#);
        let Message::Call { id, .. } = parsed(&line) else { panic!("{line}") };

        let answer = Message::from(Response::yes(id));

        let expected = format!(r#"{{"id":{echoed},"result":true,"error":null}}"#);
        assert_eq!(line_of(&answer), expected);
    }
}

#[test]
fn a_missing_id_is_told_from_null_and_answered_with_null() {
    let Message::Call { id, .. } = parsed(r#"{"method":"mining.ping"}"#) else { panic!() };

    assert_eq!(id, Id::Missing);
    assert_eq!(line_of(&Response::yes(id).into()), r#"{"id":null,"result":true,"error":null}"#);
}

#[test]
fn version_rolling_is_asked_for_and_granted() {
    let asked = r#"{"id":1,"method":"mining.configure","params":[["version-rolling","minimum-difficulty","subscribe-extranonce","info","x"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":2,"minimum-difficulty.value":2048,"info.hw-version":"S19"}]}"#;
    let granted = r#"{"id":1,"result":{"version-rolling":true,"minimum-difficulty":false,"subscribe-extranonce":true,"info":"no","x":false,"version-rolling.mask":"1fffe000"},"error":null}"#;

    let hw_version = Some("S19".to_owned());
    let rolling = VersionRolling { mask: Some(0x1fff_e000), min_bit_count: Some(2) };
    assert_eq!(
        called(asked),
        Call::Configure(Box::new(Configure {
            version_rolling: Some(rolling),
            minimum_difficulty: Difficulty::new(2048.0),
            subscribe_extranonce: true,
            info: Some(MinerInfo { hw_version, ..MinerInfo::default() }),
            unknown: vec!["x".to_owned()],
        })),
    );
    assert_eq!(
        outcome(granted),
        Outcome::Configured(Box::new(Configured {
            version_rolling: Some(Granted::Yes),
            version_rolling_mask: Some(0x1fff_e000),
            minimum_difficulty: Some(Granted::No),
            subscribe_extranonce: Some(Granted::Yes),
            info: Some(Granted::Because("no".to_owned())),
            others: vec![("x".to_owned(), Granted::No)],
        })),
    );
    assert_eq!([line_of(&parsed(asked)), line_of(&parsed(granted))], [asked, granted]);
}

#[test]
fn a_device_that_names_no_mask_or_no_difficulty_is_understood() {
    let line = r#"{"id":1,"method":"mining.configure","params":[["version-rolling","minimum-difficulty"]]}"#;

    let unknown = vec!["minimum-difficulty".to_owned()];
    let version_rolling = Some(VersionRolling::default());
    let configure = Configure { version_rolling, unknown, ..Configure::default() };
    assert_eq!(called(line), Call::Configure(Box::new(configure)));
}

#[test]
fn dialects_are_read() {
    let reconnect = |host: Option<&str>, port, wait| {
        Call::Reconnect(Reconnect { host: host.map(str::to_owned), port, wait })
    };
    for (call, expected) in [
        (r#""mining.set_difficulty","params":[1024.0]"#, Call::SetDifficulty(difficulty(1024.0))),
        (r#""mining.set_difficulty","params":[1e+06]"#, Call::SetDifficulty(difficulty(1e6))),
        (r#""mining.set_difficulty","params":[0.001]"#, Call::SetDifficulty(difficulty(0.001))),
        (
            r#""mining.suggest_difficulty","params":[65536]"#,
            Call::SuggestDifficulty(difficulty(65536.0)),
        ),
        (r#""mining.set_version_mask","params":["1FFFE000"]"#, Call::SetVersionMask(0x1fff_e000)),
        (
            r#""mining.set_extranonce","params":["08000003",8]"#,
            Call::SetExtranonce { extranonce1: short(&[8, 0, 0, 3]), extranonce2_size: 8 },
        ),
        (r#""mining.extranonce.subscribe","params":[]"#, Call::ExtranonceSubscribe),
        (r#""mining.extranonce.subscribe""#, Call::ExtranonceSubscribe),
        (r#""mining.subscribe","params":[]"#, Call::Subscribe(Subscribe::default())),
        (
            r#""mining.subscribe","params":[null,null,"h",3333]"#,
            Call::Subscribe(Subscribe::default()),
        ),
        (r#""client.reconnect","params":[]"#, reconnect(None, None, 0)),
        (r#""client.reconnect","params":["h","3333","5"]"#, reconnect(Some("h"), Some(3333), 5)),
        (r#""client.reconnect","params":["h",3333,5]"#, reconnect(Some("h"), Some(3333), 5)),
        (r#""client.show_message","params":["hi"]"#, Call::ShowMessage("hi".to_owned())),
        (r#""mining.get_version","params":[]"#, Call::GetVersion),
        (r#""ping""#, Call::Ping),
        (r#""mining.pong""#, Call::Pong),
        (
            r#""mining.authorize","params":["a.b",123]"#,
            Call::Authorize { user: "a.b".to_owned(), password: None },
        ),
        (
            r#""mining.set_goal","params":{"a":1}"#,
            Call::Unknown { method: "mining.set_goal".to_owned(), params: json!({"a": 1}) },
        ),
    ] {
        assert_eq!(called(&format!(r#"{{"id":null,"method":{call}}}"#)), expected, "{call}");
    }
}

#[test]
fn a_share_may_roll_versions_and_say_more_than_we_know() {
    let Call::Submit(submit) = called(
        r#"{"id":4,"method":"mining.submit","params":["u","1","00FF","504E86ED","1","1fffe000",7,[]]}"#,
    ) else {
        panic!("no share")
    };

    assert_eq!(submit.extranonce2, short(&[0, 0xff]));
    assert_eq!((submit.ntime, submit.nonce), (0x504e_86ed, 1));
    assert_eq!(submit.version_bits, Some(0x1fff_e000));
    assert_eq!(submit.extra_param_count, 2);
}

#[test]
fn a_suggested_target_is_a_number_as_people_write_it() {
    let digits = "00000000ffff0000000000000000000000000000000000000000000000000000";
    let line = format!(r#"{{"id":1,"method":"mining.suggest_target","params":["{digits}"]}}"#);

    assert_eq!(called(&line), Call::SuggestTarget(Target::DIFFICULTY_1));
    assert_eq!(line_of(&parsed(&line)), line);
}

#[test]
fn answers_are_read_in_all_their_forms() {
    let error = |code, text: &str, form| {
        Outcome::Error(ResponseError { code, text: text.to_owned(), form })
    };
    let triple = |code, text| error(code, text, ErrorForm::Triple);
    for (answer, expected) in [
        (r#""result":true,"error":null"#, Outcome::Flag(true)),
        (r#""result":false"#, Outcome::Flag(false)),
        (r#""result":null,"error":null"#, Outcome::Null),
        (r#""result":"pong","method":null"#, Outcome::Text("pong".to_owned())),
        (r#""error":[21,"Job not found",null]"#, triple(21, "Job not found")),
        (r#""result":true,"error":[-1,"x"]"#, triple(-1, "x")),
        (r#""error":"boom""#, triple(20, "boom")),
        (
            r#""error":{"code":23,"message":"low"},"jsonrpc":"2.0""#,
            error(23, "low", ErrorForm::Object),
        ),
        (r#""result":7"#, Outcome::Other(json!(7))),
    ] {
        let line = format!(r#"{{"id":1,{answer}}}"#);

        assert_eq!(outcome(&line), expected, "{answer}");
        assert_eq!(outcome(&line_of(&parsed(&line))), expected, "{answer}, written again");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let seventeen = vec!["1"; 17].join(",");
    let seventeen = format!(r#"{{"id":7,"method":"mining.submit","params":[{seventeen}]}}"#);
    let deep = format!(r#"{{"id":7,"method":"mining.ping","params":{}"#, "[".repeat(9_000));
    let closed_deep = format!("{deep}{}}}", "]".repeat(9_000));
    for (line, error) in [
        ("hello", "no JSON from byte 1 on"),
        ("", "no JSON from byte 0 on"),
        ("\u{feff}[1]", "no JSON object"),
        (r#"[1,"mining.ping",[],null,null]"#, "no JSON object"),
        (r#"{"id":7}"#, "there is no method, no result and no error"),
        (
            r#"{"id":[],"method":"mining.ping"}"#,
            "the id should be null, a number or a short string",
        ),
        (r#"{"id":7,"method":5}"#, "the method should be a short string"),
        (
            r#"{"id":7,"method":"mining.submit","params":{}}"#,
            "mining.submit: the parameters should be an array",
        ),
        (&seventeen, "mining.submit: 17 parameters, at most 16 are taken"),
        (&closed_deep, "mining.ping: the parameters should be an array"),
        (
            r#"{"id":7,"method":"mining.submit","params":["u","1","00","zz","1"]}"#,
            "mining.submit: parameter 3 should be 1 to 8 hex digits, and is another string",
        ),
        (
            r#"{"id":7,"method":"mining.submit","params":["u","1","00",5,"1"]}"#,
            "mining.submit: parameter 3 should be 1 to 8 hex digits, and is a number",
        ),
        (
            r#"{"id":7,"method":"mining.submit","params":["u"]}"#,
            "mining.submit: parameter 1 should be a job id of 1 to 64 bytes, and is missing",
        ),
        (
            r#"{"id":7,"method":"mining.set_difficulty","params":[0]}"#,
            "mining.set_difficulty: parameter 0 should be a number above zero, and is a number",
        ),
        (
            r#"{"id":7,"method":"mining.set_extranonce","params":["00",33]}"#,
            "mining.set_extranonce: parameter 1 should be a number to 32, and is a number",
        ),
        (
            r#"{"id":7,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":1}]}"#,
            "mining.configure: version-rolling.mask should be 1 to 8 hex digits, and is a number",
        ),
        (
            r#"{"id":7,"result":[[],"00",300]}"#,
            "result 2 should be a number to 32, and is a number",
        ),
        (r#"{"id":7,"error":5}"#, "error should be [code, text, traceback], and is a number"),
    ] {
        let found = Message::parse(line.as_bytes()).unwrap_err();

        assert_eq!(found.to_string(), error, "{line:.80}");
        let has_id = line.contains(r#""id":7"#);
        assert_eq!(found.id, if has_id { Id::Number(7) } else { Id::Missing }, "{line:.80}");
    }
}

#[test]
fn user_names_end_at_their_limit_and_keep_their_characters() {
    for (user, is_taken) in [("é".repeat(127), true), ("é".repeat(128), false)] {
        let line = format!(r#"{{"id":1,"method":"mining.authorize","params":["{user}","x"]}}"#);

        let message = Message::parse(line.as_bytes());

        assert_eq!(message.is_ok(), is_taken);
        assert!(message.is_err() || line_of(&message.unwrap()) == line);
    }
}

fn difficulty(difficulty: f64) -> Difficulty {
    Difficulty::new(difficulty).unwrap()
}

fn any_call() -> impl Strategy<Value = Call> {
    let text = "[ -~é]{0,12}";
    let word = any::<u32>;
    let submit = (text, word(), word(), prop::option::of(word()), any::<[u8; 8]>()).prop_map(
        |(user, ntime, nonce, version_bits, extranonce2)| {
            let (job_id, extranonce2) = ("1a".to_owned(), short(&extranonce2));
            Call::Submit(Submit {
                user,
                job_id,
                extranonce2,
                ntime,
                nonce,
                version_bits,
                extra_param_count: 0,
            })
        },
    );
    let notify = (any::<[u8; 32]>(), word(), any::<bool>(), 0_usize..14).prop_map(
        |(bytes, word, clean_jobs, branch_count)| {
            Call::Notify(Box::new(Notify {
                job_id: word.to_string(),
                prev_hash: U256::from_le_bytes(bytes),
                coinbase_1: bytes.to_vec(),
                coinbase_2: bytes[..8].to_vec(),
                merkle_branches: vec![U256::from_le_bytes(bytes); branch_count],
                version: word,
                nbits: word,
                ntime: word,
                clean_jobs,
            }))
        },
    );
    let set_difficulty = (1e-12_f64..1e18).prop_map(|d| Call::SetDifficulty(difficulty(d)));
    prop_oneof![submit, notify, set_difficulty]
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(id: u64, call in any_call()) {
        let message = Message::request(id, call);

        prop_assert_eq!(Message::parse(&message.to_line()), Ok(message));
    }

    #[test]
    fn no_line_is_more_than_wrong(
        line in prop::sample::select(SESSION.to_vec()),
        at in 0_usize..400,
        with in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut line = line.as_bytes().to_vec();
        let at = at.min(line.len());
        line.splice(at..(at + with.len()).min(line.len()), with);

        if let Ok(message) = Message::parse(&line) {
            let again = message.to_line();
            prop_assert_eq!(Message::parse(&again).map(|again| again.to_line()), Ok(again));
        }
    }
}

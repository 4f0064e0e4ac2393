//! A device against a scripted pool that checks every share as a pool would.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::mining::header::{Header, coinbase_txid, merkle_root};
use crate::role::{Output, PeerAddress};
use crate::roles::mining_device::VersionRolling;
use crate::sv1::{
    Call, Configured, Difficulty, Granted, Id, Message, Notify, Outcome, Response, ResponseError,
    Submit, Subscribed,
};
use crate::time::UnixTime;
use crate::wire::{B32, Target, U256};

const POOL: ConnectionId = ConnectionId(3);
const MASK: u32 = VersionRolling::BIP_320;
const VERSION: u32 = 0x2000_0004;
const NTIME: u32 = 5_000;

struct Bench {
    device: Sv1Device,
    now: Now,
    out: Outbox,
}

fn config() -> Sv1DeviceConfig {
    let pool = PeerAddress { host: "a.pool.example".to_owned(), port: 3333, authority: None };
    Sv1DeviceConfig {
        nonces_per_call: NonZeroU32::new(50).unwrap(),
        ..Sv1DeviceConfig::new(pool, "user.worker".to_owned())
    }
}

fn with(dialect: Dialect) -> Sv1DeviceConfig {
    Sv1DeviceConfig { dialect, ..config() }
}

impl Bench {
    fn connected(config: Sv1DeviceConfig) -> (Self, Vec<String>) {
        let now = Now { instant: Instant(1_000_000), unix: UnixTime(9_000) };
        let device = Sv1Device::new(config, Entropy::from_seed(7));
        let mut bench = Bench { device, now, out: Outbox::new() };
        bench.wake();
        let outputs = bench.input(Input::Connected { connection: POOL, via: Via::Dial(DialId(0)) });
        (bench, lines(&outputs))
    }

    /// The pool says yes to everything and gives a difficulty that one hash in 16 meets.
    fn working(config: Sv1DeviceConfig) -> Self {
        let (mut bench, mut asked) = Bench::connected(config);
        while let Some(line) = asked.pop() {
            asked.extend(lines(&bench.agree(&line)));
        }
        bench.receive(&notification(Call::SetDifficulty(one_in(16.0))));
        bench.receive(&job("a1", true));
        bench
    }

    fn agree(&mut self, line: &str) -> Vec<Output> {
        let Ok(Message::Call { id, call }) = Message::parse(line.as_bytes()) else {
            panic!("{line}")
        };
        let outcome = match call {
            Call::Configure(_) => Outcome::Configured(Box::new(Configured {
                version_rolling: Some(Granted::Yes),
                version_rolling_mask: Some(MASK),
                ..Configured::default()
            })),
            Call::Subscribe(_) => Outcome::Subscribed(subscribed()),
            _ => Outcome::Flag(true),
        };
        self.receive(&Response { id, outcome }.into())
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        self.device.handle(self.now, input, &mut self.out);
        self.out.take()
    }

    fn receive(&mut self, message: &Message) -> Vec<Output> {
        self.input(Input::Line { connection: POOL, line: message.to_line() })
    }

    fn wake(&mut self) -> Vec<Output> {
        let at = self.device.wake_at().expect("the device waits for something");
        self.now = self.now.after(at.since(self.now.instant));
        self.input(Input::Woken)
    }

    /// Lets the device hash until it has sent something.
    fn mine(&mut self) -> Vec<(Id, Submit)> {
        for _ in 0..1_000 {
            let outputs = self.wake();
            let shares: Vec<_> = lines(&outputs).iter().map(|line| share(line)).collect();
            if !shares.is_empty() {
                return shares;
            }
        }
        panic!("no share within 50,000 hashes");
    }
}

fn subscribed() -> Subscribed {
    let extranonce1 = B32::new(&[8, 0, 0, 2]).unwrap();
    Subscribed { extranonce1, extranonce2_size: 4, ..Subscribed::default() }
}

/// One hash in so many meets it.
fn one_in(hashes: f64) -> Difficulty {
    Difficulty::of(Target::from_expected_hashes(hashes))
}

fn notification(call: Call) -> Message {
    Message::notification(call)
}

fn notify(job_id: &str, clean_jobs: bool) -> Notify {
    Notify {
        job_id: job_id.to_owned(),
        prev_hash: U256::from_limbs([1, 2, 3, 0]),
        coinbase_1: b"in front".to_vec(),
        coinbase_2: b"behind".to_vec(),
        merkle_branches: vec![U256::MAX, U256::ZERO],
        version: VERSION,
        nbits: 0x1d00_ffff,
        ntime: NTIME,
        clean_jobs,
    }
}

fn job(job_id: &str, clean_jobs: bool) -> Message {
    notification(Call::Notify(Box::new(notify(job_id, clean_jobs))))
}

/// The header of a share for the one job that there is.
fn header(share: &Submit, extranonce1: &[u8], mask: u32) -> Header {
    let notify = notify(&share.job_id, true);
    let extranonce2 = share.extranonce2.as_slice();
    let txid = coinbase_txid(&notify.coinbase_1, extranonce1, extranonce2, &notify.coinbase_2);
    Header {
        version: (VERSION & !mask) | share.version_bits.unwrap_or(0),
        prev_hash: notify.prev_hash,
        merkle_root: merkle_root(txid, &notify.merkle_branches),
        ntime: share.ntime,
        nbits: notify.nbits,
        nonce: share.nonce,
    }
}

fn lines(outputs: &[Output]) -> Vec<String> {
    let line = |output: &Output| match output {
        Output::Line { connection: POOL, line } => Some(String::from_utf8(line.to_vec()).unwrap()),
        _ => None,
    };
    outputs.iter().filter_map(line).collect()
}

fn share(line: &str) -> (Id, Submit) {
    match Message::parse(line.as_bytes()) {
        Ok(Message::Call { id, call: Call::Submit(submit) }) => (id, submit),
        other => panic!("{line}: {other:?}"),
    }
}

fn methods(lines: &[String]) -> Vec<String> {
    let method = |line: &String| match Message::parse(line.as_bytes()) {
        Ok(Message::Call { call, .. }) => call.method().to_owned(),
        other => panic!("{line}: {other:?}"),
    };
    lines.iter().map(method).collect()
}

fn left(outputs: &[Output]) -> Option<String> {
    outputs.iter().find_map(|output| match output {
        Output::Close { connection: POOL, reason } => Some(reason.to_string()),
        _ => None,
    })
}

fn notes(outputs: &[Output]) -> Vec<&str> {
    let note = |output| match output {
        &Output::Event(Event::Noted { ref what, .. }) => Some(what.as_str()),
        _ => None,
    };
    outputs.iter().filter_map(note).collect()
}

#[test]
fn a_share_is_a_real_proof_for_the_job_with_bits_that_were_granted() {
    let mut bench = Bench::working(config());

    for (_, share) in bench.mine() {
        assert_eq!((share.job_id.as_str(), share.user.as_str()), ("a1", "user.worker"));
        assert_eq!(share.version_bits.unwrap() & !MASK, 0);
        assert_eq!(share.extranonce2.as_slice().len(), 4);
        let hash = header(&share, &[8, 0, 0, 2], MASK).hash();
        assert!(one_in(16.0).target().is_met_by(&hash), "{hash}");
    }
}

#[test]
fn a_device_that_rolls_no_version_asks_for_nothing_and_sends_five_parameters() {
    let rolls_not = Sv1DeviceConfig { version_rolling: VersionRolling::Off, ..config() };
    let (_, asked) = Bench::connected(rolls_not.clone());
    let mut bench = Bench::working(rolls_not);

    let (_, share) = bench.mine().remove(0);

    assert_eq!(methods(&asked), ["mining.subscribe"]);
    assert_eq!(share.version_bits, None);
    let hash = header(&share, &[8, 0, 0, 2], 0).hash();
    assert!(one_in(16.0).target().is_met_by(&hash), "{hash}");
}

#[test]
fn each_call_of_the_handshake_waits_for_the_last_answer_unless_it_is_pipelined() {
    let suggests = Some(Difficulty::ONE);
    let waits = Sv1DeviceConfig { suggested_difficulty: suggests, ..config() };
    let pipelines = Dialect { pipelines: true, ..Dialect::default() };

    let (mut bench, mut asked) = Bench::connected(waits);
    let mut rounds = Vec::new();
    while !asked.is_empty() {
        rounds.push(methods(&asked));
        asked = lines(&bench.agree(&asked[0]));
    }
    let (_, at_once) = Bench::connected(with(pipelines));

    let expected = [
        &["mining.configure"][..],
        &["mining.subscribe"],
        &["mining.extranonce.subscribe"],
        &["mining.authorize"],
        &["mining.suggest_difficulty"],
    ];
    assert_eq!(rounds, expected);
    assert_eq!(methods(&at_once), expected[..4].concat());
}

#[test]
fn the_handshake_is_in_the_order_of_the_dialect() {
    let suggested_difficulty = Some(Difficulty::ONE);
    let order = |configures, suggests_first| {
        let pipelines = true;
        let dialect = Dialect { configures, suggests_first, pipelines, ..Dialect::default() };
        let config = Sv1DeviceConfig { suggested_difficulty, ..with(dialect) };
        methods(&Bench::connected(config).1).join(" ")
    };

    assert_eq!(
        order(Configures::AfterSubscribe, true),
        "mining.suggest_difficulty mining.subscribe mining.configure \
         mining.extranonce.subscribe mining.authorize"
    );
    assert_eq!(
        order(Configures::Last, false),
        "mining.subscribe mining.extranonce.subscribe mining.authorize mining.configure \
         mining.suggest_difficulty"
    );
}

#[test]
fn a_job_before_authorisation_is_worked_on_after_it() {
    let (mut bench, asked) = Bench::connected(with(Dialect {
        configures: Configures::Last,
        takes_extranonces: false,
        ..Dialect::default()
    }));
    let asked = lines(&bench.agree(&asked[0]));
    bench.receive(&notification(Call::SetDifficulty(one_in(16.0))));

    let early = bench.receive(&job("a1", true));
    assert_eq!(early, []);
    bench.agree(&asked[0]);

    assert_eq!(bench.mine()[0].1.job_id, "a1");
}

#[test]
fn a_difficulty_holds_from_the_next_job_on_or_at_once_by_dialect() {
    for difficulty_at_once in [false, true] {
        let mut bench = Bench::working(with(Dialect { difficulty_at_once, ..Dialect::default() }));

        bench.receive(&notification(Call::SetDifficulty(one_in(4096.0))));
        let before = bench.device.accounts.hash_count;
        bench.mine();
        let for_one = bench.device.accounts.hash_count - before;

        // One share in 16 hashes, or in 4096: the seed decides which side of this.
        assert_eq!(for_one > 300, difficulty_at_once, "{for_one} hashes");
        bench.receive(&job("a2", false));
        let (_, share) = bench.mine().remove(0);
        assert_eq!(share.job_id, "a2");
        let hash = header(&share, &[8, 0, 0, 2], MASK).hash();
        assert!(one_in(4096.0).target().is_met_by(&hash));
    }
}

#[test]
fn another_extranonce_holds_from_the_next_job_on_where_it_was_asked_for() {
    for takes_extranonces in [true, false] {
        let mut bench = Bench::working(with(Dialect { takes_extranonces, ..Dialect::default() }));
        let extranonce1 = B32::new(&[9]).unwrap();

        let set = Call::SetExtranonce { extranonce1, extranonce2_size: 2 };
        bench.receive(&notification(set));
        let before = bench.mine().remove(0).1;
        bench.receive(&job("a1", true));
        let after = bench.mine().remove(0).1;

        let sizes = [before, after.clone()].map(|share| share.extranonce2.as_slice().len());
        assert_eq!(sizes, if takes_extranonces { [4, 2] } else { [4, 4] });
        let extranonce1 = if takes_extranonces { &[9][..] } else { &[8, 0, 0, 2] };
        assert!(one_in(16.0).target().is_met_by(&header(&after, extranonce1, MASK).hash()));
    }
}

#[test]
fn bits_that_the_pool_takes_away_are_not_rolled_from_then_on() {
    let mut bench = Bench::working(config());

    bench.receive(&notification(Call::SetVersionMask(0x0000_2000)));

    for (_, share) in bench.mine() {
        assert_eq!(share.version_bits.unwrap() & !0x2000, 0);
        let hash = header(&share, &[8, 0, 0, 2], 0x2000).hash();
        assert!(one_in(16.0).target().is_met_by(&hash));
    }
}

#[test]
fn a_mask_before_authorisation_frightens_some_devices_away() {
    for fears_early_version_mask in [false, true] {
        let dialect = Dialect { fears_early_version_mask, ..Dialect::default() };
        let (mut bench, _) = Bench::connected(with(dialect));

        let outputs = bench.receive(&notification(Call::SetVersionMask(MASK)));

        assert_eq!(left(&outputs).is_some(), fears_early_version_mask);
    }
}

#[test]
fn a_pool_is_followed_within_its_domain_alone() {
    for (host, port, is_followed) in [
        (Some("b.pool.example"), Some(4444), true),
        (None, None, true),
        (Some("pool.evil"), Some(4444), false),
        (Some("10.0.0.1"), Some(4444), false),
        (Some("b.pool.example\n"), Some(4444), false),
    ] {
        let mut bench = Bench::working(config());
        let reconnect = Reconnect { host: host.map(str::to_owned), port, wait: 5 };

        let outputs = bench.receive(&notification(Call::Reconnect(reconnect)));

        assert_eq!(left(&outputs).is_some(), is_followed, "{host:?}");
        if is_followed {
            let before = bench.now.instant;
            let outputs = bench.wake();
            assert_eq!(bench.now.instant.since(before), Duration::from_secs(5));
            let [Output::Dial { peer, .. }] = &outputs[..] else { panic!("{outputs:?}") };
            assert_eq!(peer.host, host.unwrap_or("a.pool.example"));
            assert_eq!(peer.port, port.unwrap_or(3333));
        }
    }
}

#[test]
fn submitted_shares_are_accepted_or_refused_or_in_flight() {
    let mut bench = Bench::working(config());
    let mut shares = Vec::new();
    while shares.len() < 5 {
        shares.extend(bench.mine());
    }
    let submitted_count = shares.len() as u64;
    let answer = |at: usize, outcome| Response { id: shares[at].0.clone(), outcome }.into();

    bench.receive(&answer(0, Outcome::Flag(true)));
    bench.receive(&answer(1, Outcome::Error(ResponseError::new(23, "Low difficulty"))));
    bench.receive(&answer(2, Outcome::Flag(false)));
    let again = bench.receive(&answer(0, Outcome::Flag(true)));

    let accounts = bench.device.accounts();
    assert_eq!(accounts.submitted_count, submitted_count);
    assert_eq!((accounts.accepted_count, accounts.rejected_count()), (1, 2));
    assert_eq!(accounts.unanswered_count(), submitted_count - 3);
    assert_eq!(accounts.rejected_count_by_code()["23 Low difficulty"], 1);
    assert_eq!(notes(&again), ["an answer to nothing that was asked"]);
}

#[test]
fn what_a_device_cannot_work_with_makes_it_leave() {
    let no = |id| Message::from(Response { id: Id::Number(id), outcome: Outcome::Flag(false) });
    let large = Subscribed { extranonce2_size: 9, ..subscribed() };
    let large = Response { id: Id::Number(2), outcome: Outcome::Subscribed(large) }.into();
    let needs_rolling = VersionRolling::Required(MASK);
    for (config, line, reason) in [
        (config(), no(2).to_line(), "mining.subscribe was refused"),
        (config(), Message::to_line(&large), "an extranonce2 of 9 bytes, 8 is the most"),
        (config(), no(4).to_line(), "mining.authorize was refused"),
        (config(), "{".into(), "Stratum V1: no JSON from byte 1 on"),
        (
            Sv1DeviceConfig { version_rolling: needs_rolling, ..config() },
            no(1).to_line(),
            "mining.configure was refused",
        ),
    ] {
        let dialect = Dialect { pipelines: true, ..Dialect::default() };
        let (mut bench, _) = Bench::connected(Sv1DeviceConfig { dialect, ..config });

        let outputs = bench.input(Input::Line { connection: POOL, line });

        let left = left(&outputs).unwrap_or_default();
        assert!(left.ends_with(reason), "{left:?}");
        assert!(matches!(&bench.wake()[..], [Output::Dial { .. }]));
    }
}

#[test]
fn a_pool_that_answers_nothing_is_left() {
    let (mut bench, _) = Bench::connected(config());

    let outputs = bench.wake();

    assert_eq!(bench.now.instant, Instant(1_000_000) + ANSWER_TIMEOUT);
    assert_eq!(left(&outputs).unwrap(), "the handshake was not answered in time");
}

#[test]
fn a_pool_that_judges_no_share_is_left_at_the_limit() {
    let mut bench = Bench::working(config());
    bench.receive(&notification(Call::SetDifficulty(Difficulty::of(Target::MAX))));
    bench.receive(&job("a2", true));

    let reason = (0..1_000).find_map(|_| left(&bench.wake()));

    assert_eq!(reason.unwrap(), "mining.submit was not answered in time");
    assert!(bench.device.accounts().unanswered_count() <= 1024);
}

#[test]
fn questions_of_the_pool_are_answered_and_messages_shown() {
    let mut bench = Bench::working(config());
    for (line, answer) in [
        (r#"{"id":7,"method":"client.get_version","params":[]}"#, Some("\"result\":\"assay/")),
        (r#"{"id":"p","method":"mining.ping"}"#, Some(r#"{"id":"p","result":"pong""#)),
        (r#"{"id":9,"method":"mining.fly"}"#, Some(r#"[20,"Unknown method",null]"#)),
        (r#"{"id":null,"method":"mining.fly"}"#, None),
        (r#"{"id":null,"method":"client.show_message","params":["hi\u0007"]}"#, None),
    ] {
        let outputs = bench.input(Input::Line { connection: POOL, line: line.into() });

        assert_eq!(lines(&outputs).is_empty(), answer.is_none(), "{line}");
        if let Some(answer) = answer {
            assert!(lines(&outputs)[0].contains(answer), "{:?}", lines(&outputs));
        } else {
            assert!(!notes(&outputs)[0].contains('\u{7}'));
        }
    }
}

#[test]
fn dialects_are_seen_on_the_wire() {
    let dialect = Dialect {
        upper_case: true,
        text_ids: true,
        crlf: true,
        extra_param_count: 2,
        ..Dialect::default()
    };
    let mut bench = Bench::working(with(dialect));

    let outputs = (0..1_000).map(|_| lines(&bench.wake())).find(|lines| !lines.is_empty());

    let line = &outputs.unwrap()[0];
    assert!(line.starts_with(r#"{"id":""#) && line.ends_with("\"\",\"\"]}\r"), "{line:?}");
    let (_, share) = share(line);
    assert_eq!(share.extra_param_count, 2);
    let hash = header(&share, &[8, 0, 0, 2], MASK).hash();
    assert!(one_in(16.0).target().is_met_by(&hash));
}

/// What a pool may say, to be changed at random.
const SAID: [&str; 12] = [
    r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"ffffffff"},"error":null}"#,
    r#"{"id":2,"result":[[],"08000002",0],"error":null}"#,
    r#"{"id":3,"result":true,"error":null}"#,
    r#"{"id":4,"result":true,"error":null}"#,
    r#"{"id":6,"result":null,"error":[21,"Job not found",null]}"#,
    r#"{"id":null,"method":"mining.set_difficulty","params":[1e300]}"#,
    r#"{"id":null,"method":"mining.set_difficulty","params":[5e-324]}"#,
    r#"{"id":null,"method":"mining.set_extranonce","params":["",8]}"#,
    r#"{"id":null,"method":"mining.set_version_mask","params":["00000001"]}"#,
    r#"{"id":null,"method":"mining.notify","params":["1","0000000000000000000000000000000000000000000000000000000000000000","","",[],"0","0","ffffffff",true]}"#,
    r#"{"id":null,"method":"client.reconnect","params":["a.pool.example",0,4294967295]}"#,
    r#"{"id":9,"method":"client.show_message","params":["hi"]}"#,
];

proptest! {
    #[test]
    fn whatever_a_pool_says_a_device_works_on_or_leaves_and_dials_again(
        pipelines: bool,
        said in prop::collection::vec(
            (
                prop::sample::select(SAID.to_vec()),
                prop::option::of((any::<usize>(), prop::collection::vec(any::<u8>(), 0..3))),
            ),
            0..20,
        ),
    ) {
        let (mut bench, _) =
            Bench::connected(with(Dialect { pipelines, ..Dialect::default() }));

        for (line, change) in said {
            let mut line = line.as_bytes().to_vec();
            if let Some((at, with)) = change {
                let at = at % line.len();
                line.splice(at..(at + with.len()).min(line.len()), with);
            }
            bench.input(Input::Line { connection: POOL, line: line.into() });
            bench.input(Input::Woken);
        }

        bench.input(Input::Closed { connection: POOL, reason: CloseReason::ByPeer });
        let dials = bench.wake();
        prop_assert!(matches!(&dials[..], [Output::Dial { .. }]), "{:?}", dials);
    }
}

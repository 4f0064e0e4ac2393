//! What devices in the field do differently, each where a translator has been caught.

use super::*;
use crate::common::Reconnect;
use crate::mining::{SetExtranoncePrefix, SetTarget};
use crate::wire::{Str255, TlvOrder};

const CONFIGURE: &str = r#"{"id":7,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"MASK","version-rolling.min-bit-count":2}]}"#;

fn configure(mask: &str) -> String {
    CONFIGURE.replace("MASK", mask)
}

#[test]
fn trap_1_the_previous_hash_is_written_in_turned_words_and_numbers_by_their_digits() {
    let mut bench = Bench::working(config(), &[ALICE]);
    let mut news = tip(10, 2, 2);
    news.prev_hash =
        U256::from_hex("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f").unwrap();
    bench.receive(job(10, 2, None));
    bench.said.clear();

    bench.receive(news);

    let heard = bench.heard(ALICE).concat();
    for part in [
        r#""0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000""#,
        r#"["0707070707070707070707070707070707070707070707070707070707070707"]"#,
        r#""20000000","1d00ffff","6553f102",true]"#,
        &format!("\"{}\"", "c1".repeat(60)),
        &format!("\"{}\"", "c2".repeat(60)),
    ] {
        assert!(heard.contains(part), "{part} is not in {heard}");
    }
}

#[test]
fn trap_2_configure_grants_no_bits_beyond_what_was_asked_and_answers_every_extension() {
    for (asked, mask, granted) in [
        ("ffffffff", BIP320_MASK, "1fffe000"),
        ("ffffffff", 0x1fff_ffe0, "1fffffe0"),
        ("00006000", BIP320_MASK, "00006000"),
        ("1fffe000", BIP320_MASK, "1fffe000"),
    ] {
        let config = TranslatorConfig { version_mask: mask, ..config() };
        let mut bench = Bench::new(config);
        bench.connect(ALICE);

        let heard = bench.say(ALICE, &configure(asked));

        let expected = format!(
            r#"{{"id":7,"result":{{"version-rolling":true,"version-rolling.mask":"{granted}"}},"error":null}}"#
        );
        assert_eq!(heard, [expected]);
    }
    let mut bench = Bench::new(config());
    bench.connect(ALICE);
    let all = r#"{"id":1,"method":"mining.configure","params":[["minimum-difficulty","subscribe-extranonce","info","version-rolling","x"],{"minimum-difficulty.value":8}]}"#;
    let heard = bench.say(ALICE, all);
    for part in [
        r#""minimum-difficulty":false"#,
        r#""subscribe-extranonce":true"#,
        r#""info":false"#,
        r#""version-rolling":true"#,
        // Who does not say takes all (BIP 310).
        r#""version-rolling.mask":"1fffe000""#,
        r#""x":false"#,
    ] {
        assert!(heard[0].contains(part), "{part} is not in {}", heard[0]);
    }
}

#[test]
fn trap_2_bits_that_were_not_granted_are_refused_and_granted_ones_are_the_whole_version() {
    let mut bench = Bench::working(config(), &[]);
    let mut miner = bench.login(ALICE);
    let submit = miner.find_from(0, Some(0x2000), |_| true);
    assert!(bench.submit(ALICE, &submit).contains("[20,"), "no mask, no sixth parameter");

    bench.say(ALICE, &configure("0000e000"));
    miner.mask = Some(0xe000);
    let target = miner.difficulty.unwrap().target();
    let rolled = miner.find_from(0, Some(0x6000), |hash| target.is_met_by(hash));
    let beyond = Submit { version_bits: Some(0x1_2000), ..rolled.clone() };

    assert!(bench.submit(ALICE, &beyond).contains("[20,"));
    assert!(bench.submit(ALICE, &rolled).contains("true"));
    assert_eq!(bench.take_shares()[0].version, 0x2000_6000);
}

#[test]
fn trap_3_the_version_mask_is_told_after_authorisation_and_only_where_it_has_changed() {
    let mut bench =
        Bench::working(TranslatorConfig { requires_version_rolling: false, ..config() }, &[]);
    bench.connect(ALICE);
    bench.said.clear();
    bench.say(ALICE, &configure("1fffe000"));
    let before = bench.say(ALICE, SUBSCRIBE);
    bench.serve();
    let authorized = bench.say(ALICE, &authorize(2, "alice.1"));
    let is_told = |lines: &[String]| lines.iter().any(|line| line.contains("set_version_mask"));
    assert!(!is_told(&before) && !is_told(&authorized));

    let mut fixed = job(10, 2, Some(1_700_000_005));
    fixed.version_rolling_allowed = false;
    bench.said.clear();
    bench.receive(fixed.clone());
    let told = bench.heard(ALICE);
    fixed.job_id = 3;
    bench.said.clear();
    bench.receive(fixed);
    let again = bench.heard(ALICE);
    bench.said.clear();
    bench.receive(job(10, 4, Some(1_700_000_006)));

    assert!(told[0].contains(r#""mining.set_version_mask","params":["00000000"]"#), "{told:?}");
    assert!(told[1].contains("mining.notify"), "{told:?}");
    assert!(!is_told(&again));
    assert!(bench.heard(ALICE)[0].contains(r#"["1fffe000"]"#));
}

#[test]
fn trap_4_an_upstream_that_fixes_the_version_is_obeyed_whether_it_is_known_early_or_late() {
    let config = TranslatorConfig { requires_version_rolling: false, ..config() };
    let mut early = Bench::new(config.clone());
    early.flags = 1;
    early.set_up_upstream();
    early.connect(ALICE);
    let refused = early.say(ALICE, &configure("1fffe000"));
    assert_eq!(refused, [r#"{"id":7,"result":{"version-rolling":false},"error":null}"#]);

    // The channel, and what it permits, come later than the question.
    let mut late = Bench::new(config);
    late.flags = 1;
    late.connect(ALICE);
    let granted = late.say(ALICE, &configure("1fffe000"));
    late.say(ALICE, SUBSCRIBE);
    late.say(ALICE, &authorize(2, "alice.1"));
    late.set_up_upstream();

    assert!(granted[0].contains("1fffe000"));
    let heard = late.heard(ALICE);
    let at = |part: &str| heard.iter().position(|line| line.contains(part)).unwrap();
    assert!(
        at(r#""mining.set_version_mask","params":["00000000"]"#) < at(r#""method":"mining.notify"#)
    );
}

#[test]
fn trap_5_a_device_that_waits_for_its_subscription_before_it_authorizes_is_answered() {
    for config in [config(), per_device()] {
        let mut bench = Bench::working(config.clone(), &[]);
        bench.connect(ALICE);

        bench.say(ALICE, SUBSCRIBE);
        bench.wait(config.name_wait);
        bench.serve();
        let heard = bench.heard(ALICE);
        let authorized = bench.say(ALICE, &authorize(2, "alice.1"));

        assert!(heard[0].contains(r#"{"id":1,"result":[[["mining.set_difficulty","#), "{heard:?}");
        assert_eq!(heard.len(), 1, "no job before authorisation: {heard:?}");
        assert_eq!(authorized[0], r#"{"id":2,"result":true,"error":null}"#);
        assert!(authorized[1].contains("mining.set_difficulty"), "{authorized:?}");
        assert!(authorized[2].contains("mining.notify"), "{authorized:?}");
    }
}

#[test]
fn trap_5_a_channel_of_its_own_is_opened_for_the_user_where_the_user_is_known_in_time() {
    let identity = |lines: &[&str], wait| {
        let mut bench = Bench::working(per_device(), &[]);
        bench.connect(ALICE);
        lines.iter().for_each(|line| _ = bench.say(ALICE, line));
        if wait {
            bench.wait(bench.translator.config.name_wait);
        }
        let opened = bench.take_sent(|message| match message {
            Message::OpenExtendedMiningChannel(open) => Some(open.user_identity.clone()),
            _ => None,
        });
        opened.first().map(|identity| identity.to_text().into_owned())
    };
    let user = authorize(2, "alice.1");

    assert_eq!(identity(&[&user, SUBSCRIBE], false).as_deref(), Some("alice.1"));
    assert_eq!(identity(&[SUBSCRIBE, &user], false).as_deref(), Some("alice.1"));
    assert_eq!(identity(&[SUBSCRIBE], false), None);
    assert_eq!(identity(&[SUBSCRIBE], true).as_deref(), Some("assay.translator"));
}

#[test]
fn trap_6_another_extranonce_comes_with_a_clean_job_and_who_cannot_take_it_is_sent_away() {
    let mut bench = Bench::working(config(), &[ALICE, BOB]);
    bench.say(ALICE, r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#);
    let extranonce_prefix = B32::new(&[0xee; 3]).unwrap();
    bench.receive(job(10, 2, None));
    bench.receive(SetExtranoncePrefix { channel_id: 10, extranonce_prefix });
    bench.said.clear();

    // A job that came before keeps the prefix of its arrival, whenever it is activated.
    bench.receive(tip(10, 2, 2));
    let kept = bench.said.iter().all(|(_, line)| line.contains("mining.notify"));
    bench.said.clear();
    bench.receive(job(10, 3, Some(1_700_000_005)));

    assert!(kept && bench.closed.len() == 1, "{:?}", bench.closed);
    let alice = bench.heard(ALICE);
    let told = r#""mining.set_extranonce","params":["eeeeee0000",4]}"#;
    assert!(alice[0].contains(told), "{alice:?}");
    assert!(alice[1].contains("mining.notify") && alice[1].ends_with("true]}"), "{alice:?}");
    assert!(bench.heard(BOB)[0].contains(r#""client.reconnect","params":[]"#));
    assert_eq!(bench.closed[0], (BOB, CloseReason::ServiceChanged("the extranonce")));
    let miner = Miner { difficulty: Some(difficulty_of(&bench, ALICE)), ..bench.miner(ALICE) };
    let miner = Miner { extranonce2_size: 4, ..miner };
    assert!(bench.submit(ALICE, &miner.find(0)).contains("true"));
}

fn difficulty_of(bench: &Bench, device: ConnectionId) -> sv1::Difficulty {
    let device = bench.translator.devices[device.0 as usize].as_deref().unwrap();
    device.difficulty.unwrap()
}

#[test]
fn trap_7_a_difficulty_comes_before_its_job_and_the_easier_of_two_is_paid_for_a_while() {
    let mut bench = Bench::new(config());
    bench.target = Target::from_expected_hashes(1e6);
    bench.set_up_upstream();
    let easy = bench.login(ALICE);
    let easy_target = easy.difficulty.unwrap().target();

    let heard =
        bench.say(ALICE, r#"{"id":3,"method":"mining.suggest_difficulty","params":[0.000001]}"#);
    let hard = bench.miner(ALICE);
    let hard_target = hard.difficulty.unwrap().target();
    let at = |part: &str| heard.iter().position(|line| line.contains(part)).unwrap();
    assert!(at("mining.set_difficulty") < at(r#""method":"mining.notify"#));
    assert!(hard_target < easy_target);

    // Both jobs take both difficulties at first.
    let miss = |hash: &U256| easy_target.is_met_by(hash) && !hard_target.is_met_by(hash);
    let hard = Miner { extranonce1: easy.extranonce1.clone(), extranonce2_size: 4, ..hard };
    assert!(bench.submit(ALICE, &easy.find_from(0, None, miss)).contains("true"));
    assert!(bench.submit(ALICE, &hard.find_from(2_000, None, miss)).contains("true"));
    bench.wait(bench.translator.config.difficulty_grace);
    assert!(bench.submit(ALICE, &hard.find_from(5_000, None, miss)).contains("[23,"));
    assert!(bench.submit(ALICE, &easy.find_from(5_000, None, miss)).contains("true"), "its own");

    // An easier one is paid at once, also for the job that is there.
    bench.say(ALICE, r#"{"id":3,"method":"mining.suggest_difficulty","params":[1e-12]}"#);
    assert!(bench.submit(ALICE, &hard.find_from(9_000, None, miss)).contains("true"));
}

#[test]
fn trap_7_a_difficulty_that_has_not_changed_is_not_told_again() {
    let mut bench = Bench::working(config(), &[ALICE]);
    bench.said.clear();

    for job_id in 2..6 {
        bench.receive(job(10, job_id, Some(1_700_000_005)));
    }

    let heard = bench.heard(ALICE);
    assert_eq!(heard.len(), 4);
    assert!(heard.iter().all(|line| line.contains("mining.notify")), "{heard:?}");
}

#[test]
fn trap_7_the_upstreams_target_reaches_devices_before_the_next_job_and_not_the_present_one() {
    let mut bench = Bench::working(config(), &[ALICE]);
    let before = difficulty_of(&bench, ALICE);
    let maximum_target = Target::from_expected_hashes(4.0);
    bench.said.clear();

    bench.receive(SetTarget { channel_id: GROUP, maximum_target });
    let at_once = bench.said.len();
    bench.receive(job(GROUP, 2, Some(1_700_000_005)));

    let heard = bench.heard(ALICE);
    assert_eq!(at_once, 0);
    assert!(heard[0].contains("mining.set_difficulty"), "{heard:?}");
    assert!(heard[1].contains("mining.notify"), "{heard:?}");
    let told = difficulty_of(&bench, ALICE);
    assert!(told < before && told.target() >= maximum_target, "{told}");
}

#[test]
fn trap_7_no_device_is_asked_for_more_than_the_upstream_pays_for() {
    for steps in [DifficultySteps::Exact, DifficultySteps::PowersOfTwo] {
        let config =
            TranslatorConfig { initial_hash_rate: 1e6, difficulty_steps: steps, ..config() };
        let mut bench = Bench::working(config, &[ALICE]);
        let maximum_target = Target::from_expected_hashes(1_000.0);
        bench.receive(SetTarget { channel_id: 10, maximum_target });

        bench.receive(job(10, 2, Some(1_700_000_005)));

        let told = difficulty_of(&bench, ALICE).target();
        assert!(told >= maximum_target, "{told} {maximum_target}");
        assert!(told.expected_hashes() > 499.0, "{told}");
    }
}

#[test]
fn trap_8_difficulties_are_written_without_point_zero_and_without_exponent() {
    for (hash_rate, steps, text) in [
        // Difficulty 1024 takes 2^42 hashes.
        (440_000_000_000.0, DifficultySteps::PowersOfTwo, "1024"),
        (10.0, DifficultySteps::PowersOfTwo, "0.000000014901161193847656"),
        (1e15, DifficultySteps::PowersOfTwo, "2097152"),
    ] {
        let config = TranslatorConfig {
            initial_hash_rate: hash_rate,
            difficulty_steps: steps,
            easiest_target: Target::MAX,
            ..config()
        };
        let mut bench = Bench::new(config);
        bench.set_up_upstream();
        bench.connect(ALICE);
        bench.say(ALICE, &authorize(2, "alice.1"));
        bench.say(ALICE, SUBSCRIBE);
        // The upstream's target is as hard as can be: it does not matter here.
        let open = bench.take_sent(|message| match message {
            Message::OpenExtendedMiningChannel(open) => Some(open.as_ref().clone()),
            _ => None,
        });
        let opened = bench.opened(&open[0]);
        bench.receive(OpenExtendedMiningChannelSuccess { target: Target::HARDEST, ..opened });
        bench.receive(job(10, 1, None));
        bench.said.clear();
        bench.receive(tip(10, 1, 1));

        let told = format!(r#""mining.set_difficulty","params":[{text}]}}"#);
        assert!(bench.heard(ALICE)[0].contains(&told), "{told}: {:?}", bench.heard(ALICE));
    }
}

#[test]
fn trap_9_jobs_are_clean_with_a_block_and_only_then_and_future_jobs_are_held_back() {
    let mut bench = Bench::working(config(), &[ALICE]);
    let mut heard = |message: Message| {
        bench.said.clear();
        bench.receive(message);
        bench.heard(ALICE)
    };

    let update = heard(job(10, 2, Some(1_700_000_005)).into());
    let future = heard(job(10, 3, None).into());
    let block = heard(tip(10, 3, 2).into());

    assert!(update.len() == 1 && update[0].ends_with("false]}"), "{update:?}");
    assert!(future.is_empty(), "{future:?}");
    assert!(block.len() == 1 && block[0].ends_with("true]}"), "{block:?}");
}

#[test]
fn trap_10_job_ids_are_short_and_a_keep_alive_changes_the_time_and_the_id_alone() {
    let mut bench = Bench::working(config(), &[]);
    let first = bench.login(ALICE).notify.unwrap();
    bench.said.clear();

    bench.wait(Duration::from_secs(61));

    let second = bench.miner(ALICE).notify.unwrap();
    assert_ne!(second.job_id, first.job_id);
    assert_eq!(second.ntime, first.ntime + 60);
    let unchanged = Notify {
        job_id: first.job_id.clone(),
        ntime: first.ntime,
        clean_jobs: true,
        ..second.clone()
    };
    assert_eq!((unchanged, second.clean_jobs), (first.clone(), false));
    for id in [&first.job_id, &second.job_id] {
        assert!(id.len() <= 8 && !id.starts_with('0'), "{id}");
    }
}

#[test]
fn trap_10_a_padded_job_id_means_the_same_job() {
    let mut bench = Bench::working(config(), &[]);
    let miner = bench.login(ALICE);
    let submit = miner.find(0);
    let padded = Submit { job_id: format!("{:0>8}", submit.job_id.to_uppercase()), ..submit };

    assert!(bench.submit(ALICE, &padded).contains("true"));
}

#[test]
fn trap_10_a_device_that_finds_shares_is_not_told_the_time() {
    let mut bench = Bench::working(config(), &[]);
    let miner = bench.login(ALICE);
    bench.wait(50 * SECOND);
    bench.submit(ALICE, &miner.find(0));
    bench.said.clear();

    bench.wait(55 * SECOND);
    let quiet = bench.said.is_empty();
    bench.wait(10 * SECOND);

    assert!(quiet && bench.said.len() == 1, "{:?}", bench.said);
}

#[test]
fn trap_11_extranonce2_has_exactly_its_digits_in_either_case_and_the_time_is_a_number() {
    let mut bench = Bench::working(config(), &[]);
    let miner = bench.login(ALICE);
    let submit = miner.find(0);
    let line = |extranonce2: &str, ntime: &str| {
        let (job, nonce) = (&submit.job_id, submit.nonce);
        format!(
            r#"{{"id":4,"method":"mining.submit","params":["alice.1","{job}","{extranonce2}","{ntime}","{nonce:08x}"]}}"#
        )
    };
    let ntime = format!("{:08X}", submit.ntime);

    for (extranonce2, wrong) in [("222222", "[20,"), ("2222222222", "[20,"), ("2222222", "[20,")] {
        let heard = bench.say(ALICE, &line(extranonce2, &ntime));
        assert!(heard[0].contains(wrong), "{heard:?}");
    }
    assert!(bench.say(ALICE, &line("22222222", &ntime))[0].contains("true"));
    let late = format!("{:08x}", submit.ntime + 7_300);
    let early = format!("{:08x}", submit.ntime - 1);
    for ntime in [late, early] {
        assert!(bench.say(ALICE, &line("22222222", &ntime))[0].contains("[20,\"ntime"), "{ntime}");
    }
    // In either case: a share with letters among its digits.
    let mut letters = Submit { extranonce2: B32::new(&[0xab; 4]).unwrap(), ..submit.clone() };
    let target = miner.difficulty.unwrap().target();
    while !target.is_met_by(&miner.hash(&letters)) {
        letters.nonce += 1;
    }
    let line = line("ABaBABab", &format!("{:08x}", letters.ntime));
    let line = line.replace(&format!("{:08x}", submit.nonce), &format!("{:08X}", letters.nonce));
    assert!(bench.say(ALICE, &line)[0].contains("true"));
}

#[test]
fn trap_12_every_refusal_has_its_code_and_every_id_comes_back_as_it_was() {
    let mut bench = Bench::working(config(), &[]);
    bench.connect(BOB);
    let miner = bench.login(ALICE);
    let share = miner.find(0);
    let target = miner.difficulty.unwrap().target();
    let high = miner.find_from(0, None, |hash| !target.is_met_by(hash));
    assert!(bench.submit(BOB, &share).contains("[25,"), "not subscribed");
    assert!(bench.submit(ALICE, &share).contains("true"));
    for (submit, code) in [
        (Submit { user: "mallory".to_owned(), ..share.clone() }, "[24,"),
        (Submit { job_id: "dead".to_owned(), ..share.clone() }, "[21,"),
        (Submit { job_id: "no hex".to_owned(), ..share.clone() }, "[21,"),
        (share.clone(), "[22,"),
        (high, "[23,"),
    ] {
        let answer = bench.submit(ALICE, &submit);
        assert!(answer.contains(code), "{submit:?}: {answer}");
    }

    bench.receive(job(10, 2, None));
    bench.receive(tip(10, 2, 2));
    assert!(bench.submit(ALICE, &share).contains(r#"[21,"stale job",null]"#), "late");

    for id in ["null", "7", "\"x-1\"", "-3", "1.5"] {
        let heard =
            bench.say(ALICE, &format!(r#"{{"id":{id},"method":"mining.ping","params":[]}}"#));
        assert_eq!(heard, [format!(r#"{{"id":{id},"result":"pong","error":null}}"#)]);
    }
}

#[test]
fn trap_12_several_workers_on_one_connection_are_told_apart() {
    let mut bench = Bench::working(config(), &[]);
    let miner = bench.login(ALICE);
    bench.say(ALICE, &authorize(5, "alice.2"));
    let second = Miner { user: "alice.2".to_owned(), ..miner.clone() };

    bench.submit(ALICE, &miner.find(0));
    bench.submit(ALICE, &second.find(5_000));

    let names: Vec<_> = bench.sent.iter().filter_map(|(_, tlvs)| named(tlvs)).collect();
    assert_eq!(names, ["alice.1", "alice.2"]);
}

fn named(tlvs: &Tlvs) -> Option<String> {
    let fields = tlvs.fields(TlvOrder::LittleEndian).ok()?;
    let tlv = fields.first()?;
    assert_eq!((tlv.extension, tlv.field), (2, 1));
    Some(String::from_utf8(tlv.value.to_vec()).unwrap())
}

#[test]
fn trap_13_a_reconnect_of_the_upstream_is_followed_and_not_passed_on() {
    let mut bench = Bench::working(config(), &[ALICE]);
    bench.say(ALICE, r#"{"id":3,"method":"mining.extranonce.subscribe","params":[]}"#);
    bench.said.clear();

    bench.receive(Reconnect { new_host: Str255::from_static("elsewhere"), new_port: 7 });
    bench.wait(SECOND);

    let (_, peer) = bench.dialled.last().unwrap();
    assert_eq!((peer.host.as_str(), peer.port), ("elsewhere", 7));
    assert!(bench.said.is_empty(), "{:?}", bench.said);
    bench.set_up_upstream();
    let heard = bench.heard(ALICE);
    assert!(heard[0].contains("mining.set_extranonce"), "{heard:?}");
    assert!(heard.last().unwrap().ends_with("true]}"), "{heard:?}");
}

#[test]
fn trap_14_lines_that_are_unusual_and_right_are_answered() {
    let mut bench = Bench::working(config(), &[]);
    bench.target = Target::from_expected_hashes(1e6);
    bench.connect(ALICE);
    for (line, answer) in [
        (
            "\u{feff}{\"id\":1,\"method\":\"mining.suggest_difficulty\",\"params\":[1e-6]}",
            r#"{"id":1,"result":true,"error":null}"#,
        ),
        (
            r#"{"method":"mining.extranonce.subscribe"}"#,
            r#"{"id":null,"result":true,"error":null}"#,
        ),
        (
            r#"{"id":"a","method":"mining.extranonce.subscribe","params":null}"#,
            r#"{"id":"a","result":true,"error":null}"#,
        ),
        (r#"  {"id":2,"method":"mining.ping"}  "#, r#"{"id":2,"result":"pong","error":null}"#),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"mining.authorize","params":["alice.1"]}"#,
            r#"{"id":3,"result":true,"error":null}"#,
        ),
    ] {
        assert_eq!(bench.say(ALICE, line), [answer], "{line}");
    }
    let heard = bench.say(ALICE, r#"{"id":4,"method":"mining.subscribe"}"#);
    assert!(heard.is_empty());
    bench.serve();
    let told = difficulty_of(&bench, ALICE).to_f64();
    assert!((0.4e-6..=1e-6).contains(&told), "as suggested before the subscription: {told}");
}

#[test]
fn trap_15_a_long_user_name_is_cut_between_characters_and_nothing_breaks() {
    let mut bench = Bench::working(config(), &[]);
    bench.connect(ALICE);
    let user = "é".repeat(120);
    for line in [SUBSCRIBE.to_owned(), authorize(2, &user)] {
        bench.said.retain(|_| true);
        let line = line.into();
        bench.handle(Input::Line { connection: ALICE, line });
    }
    bench.serve();
    let miner = Miner { user, ..bench.miner(ALICE) };

    assert!(bench.submit(ALICE, &miner.find(0)).contains("true"));

    let names: Vec<_> = bench.sent.iter().filter_map(|(_, tlvs)| named(tlvs)).collect();
    assert_eq!(names, ["é".repeat(16)]);
    let too_long = bench.say(ALICE, &authorize(3, &"é".repeat(128)));
    assert!(too_long[0].contains("parameter 0 should be a user of at most 255 bytes"));
}

#[test]
fn trap_15_without_the_extension_no_share_names_a_worker() {
    let mut bench = Bench::new(config());
    bench.extensions.clear();
    bench.set_up_upstream();
    let miner = bench.login(ALICE);

    bench.submit(ALICE, &miner.find(0));

    assert!(bench.sent.iter().all(|(_, tlvs)| tlvs.is_empty()));
    assert_eq!(bench.take_shares().len(), 1);
}

#[test]
fn trap_16_a_share_between_both_targets_is_true_below_and_stays_here() {
    let mut bench = Bench::working(config(), &[]);
    bench.login(ALICE);
    let upstream = Target::from_expected_hashes(1_000.0);
    bench.receive(SetTarget { channel_id: 10, maximum_target: upstream });
    bench.receive(job(10, 2, Some(1_700_000_001)));
    let miner = bench.miner(ALICE);
    let target = miner.difficulty.unwrap().target();
    let between = |hash: &U256| target.is_met_by(hash) && !upstream.is_met_by(hash);

    assert!(bench.submit(ALICE, &miner.find_from(0, None, between)).contains("true"));
    assert_eq!(bench.take_shares(), []);
    assert!(
        bench.submit(ALICE, &miner.find_from(0, None, |h| upstream.is_met_by(h))).contains("true")
    );

    assert_eq!(bench.take_shares().len(), 1);
    assert_eq!(bench.count(|event| matches!(event, Event::ShareFiltered { .. })), 1);
    assert_eq!(bench.count(|event| matches!(event, Event::ShareAccepted { .. })), 2);
}

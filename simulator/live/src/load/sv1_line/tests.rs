//! What a line makes of what a Stratum V1 pool says, without the pool.

use std::time::Duration;

use sv2::mining::header::{Header, coinbase_txid, merkle_root};
use sv2::role::PeerAddress;
use sv2::sv1::{Message, Submit, Sv1Error, order};
use sv2::time::UnixTime;
use sv2::wire::U256;

use super::*;
use crate::load::figures::Figures;
use crate::load::{FleetChannel, LoadConfig};

const MASK: u32 = 0x1fff_e000;
const CONFIGURED: &str =
    r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}"#;
const SUBSCRIBED: &str = r#"{"id":2,"result":[[["mining.notify","1"]],"aabb",4],"error":null}"#;
const AUTHORIZED: &str = r#"{"id":4,"result":true,"error":null}"#;
/// Every hash or so.
const EASIEST: &str = r#"{"id":null,"method":"mining.set_difficulty","params":[0.0000000004]}"#;

fn at(milliseconds: u64) -> Now {
    Now { instant: Instant(milliseconds * 1_000_000), unix: UnixTime(1_800_000_000) }
}

fn fleet() -> Arc<Fleet> {
    Arc::new(Fleet::new(LoadConfig {
        pool: PeerAddress { host: "127.0.0.1".to_owned(), port: 1, authority: None },
        device_count: 2,
        proxy_count: None,
        channel: FleetChannel::Sv1,
        user_identity: "user.{}".to_owned(),
        shares_per_minute: 6.0,
        nominal_hash_rate: 1.0,
        hash_budget: 1e6,
        seed: 7,
        ramp: Duration::ZERO,
        key_log: None,
    }))
}

fn notify(job_id: &str, prev_hash: char) -> String {
    let prev_hash = String::from(prev_hash).repeat(64);
    format!(
        r#"{{"id":null,"method":"mining.notify","params":["{job_id}","{prev_hash}","0102","0304",["{}"],"20000000","1c010000","6b49d200",true]}}"#,
        "05".repeat(32)
    )
}

/// The lines that the line writes when these come.
fn say(line: &mut Sv1Line, lines: &[&str]) -> Result<Vec<Message>, End> {
    let mut input = BytesMut::from((lines.join("\n") + "\n").as_bytes());
    let mut out = Vec::new();
    line.receive(at(5), &mut input, &mut out)?;
    Ok(written(&out))
}

fn written(out: &[u8]) -> Vec<Message> {
    let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Message::parse(line).expect("we write what we read")).collect()
}

fn begun(fleet: &Arc<Fleet>) -> Sv1Line {
    Sv1Line::new(fleet, 1, at(0), &mut Vec::new())
}

/// A line with a job, and so many shares in flight: their ids count up from 5.
fn in_flight(fleet: &Arc<Fleet>, count: usize) -> (Sv1Line, Vec<Submit>) {
    let mut line = begun(fleet);
    fleet.tally.pending.add(1);
    let job = notify("a", '1');
    say(&mut line, &[CONFIGURED, SUBSCRIBED, AUTHORIZED, EASIEST, &job])
        .unwrap_or_else(|end| panic!("{end}"));
    let shares = mine(&mut line, count);
    (line, shares)
}

fn mine(line: &mut Sv1Line, count: usize) -> Vec<Submit> {
    let mut shares = Vec::new();
    while shares.len() < count {
        line.turns.grant();
        let mut out = Vec::new();
        line.hash(at(6), &mut out);
        for message in written(&out) {
            let Message::Call { call: Call::Submit(share), .. } = message else {
                panic!("{message:?}")
            };
            shares.push(share);
        }
    }
    shares
}

/// The books of a run whose one line has ended.
fn books(fleet: &Arc<Fleet>, mut line: Sv1Line, end: End) -> Figures {
    line.end(end, &[]);
    let figures = Figures::of(fleet, true);
    assert_eq!(figures.shares.difference(), 0, "{figures:?}");
    figures
}

#[test]
fn a_device_subscribes_then_authorises_and_is_open_with_its_first_job() {
    let fleet = fleet();
    fleet.tally.pending.add(1);
    let mut greeting = Vec::new();
    let mut line = Sv1Line::new(&fleet, 1, at(0), &mut greeting);
    let methods = |messages: Vec<Message>| -> Vec<String> {
        let of = |message| match message {
            Message::Call { call: Call::Authorize { user, .. }, .. } => user,
            Message::Call { call, .. } => call.method().to_owned(),
            Message::Response(response) => panic!("{response:?}"),
        };
        messages.into_iter().map(of).collect()
    };

    let after = say(&mut line, &[CONFIGURED, SUBSCRIBED]).unwrap_or_else(|end| panic!("{end}"));
    let waiting = Figures::of(&fleet, false);
    let job = notify("a", '1');
    say(&mut line, &[AUTHORIZED, &job]).unwrap_or_else(|end| panic!("{end}"));

    assert_eq!(methods(written(&greeting)), ["mining.configure", "mining.subscribe"]);
    assert_eq!(methods(after), ["mining.suggest_difficulty", "user.1"]);
    let counts = |figures: &Figures| {
        (figures.set_up_count, figures.open_channel_count, figures.pending_count)
    };
    assert_eq!(counts(&waiting), (0, 0, 1));
    assert_eq!(counts(&Figures::of(&fleet, false)), (1, 1, 0));
}

#[test]
fn each_share_has_one_outcome_whatever_a_pool_answers() {
    let error =
        |id: u64, code: u8| format!(r#"{{"id":{id},"result":null,"error":[{code},"no",null]}}"#);
    let flag = |id: u64, flag: bool| format!(r#"{{"id":{id},"result":{flag},"error":null}}"#);
    for (answers, expected) in [
        (vec![], "0 accepted, 0 stale, 0 rejected, 3 in flight"),
        (vec![flag(5, true), flag(6, true)], "2 accepted, 0 stale, 0 rejected, 1 in flight"),
        // In another order.
        (vec![flag(7, true), error(5, 21)], "1 accepted, 1 stale, 0 rejected, 1 in flight"),
        (vec![error(5, 23), flag(6, false)], "0 accepted, 0 stale, 2 rejected, 1 in flight"),
        // Twice, and to nothing: no share has two outcomes.
        (vec![flag(5, true), flag(5, true)], "1 accepted, 0 stale, 0 rejected, 2 in flight"),
        (vec![flag(8, true)], "0 accepted, 0 stale, 0 rejected, 3 in flight"),
    ] {
        let fleet = fleet();
        let (mut line, _) = in_flight(&fleet, 3);

        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        say(&mut line, &answers).unwrap_or_else(|end| panic!("{end}"));

        let shares = books(&fleet, line, End::ByUs).shares;
        let outcome = format!(
            "{} accepted, {} stale, {} rejected, {} in flight",
            shares.accepted_count,
            shares.stale_count,
            shares.rejected_count,
            shares.in_flight_count
        );
        assert_eq!(outcome, expected, "{answers:?}");
    }
}

#[test]
fn every_share_is_a_proof_of_its_own_with_rolled_bits_of_the_version() {
    let fleet = fleet();
    let (mut line, mut shares) = in_flight(&fleet, 40);
    say(&mut line, &[&notify("b", '1')]).unwrap_or_else(|end| panic!("{end}"));
    shares.extend(mine(&mut line, 40));

    let target = sv2::sv1::Difficulty::new(4e-10).unwrap().target();
    let mut proofs = Vec::new();
    for share in &shares {
        let bits = share.version_bits.expect("it was agreed on");
        let txid = coinbase_txid(&[1, 2], &[0xaa, 0xbb], share.extranonce2.as_slice(), &[3, 4]);
        let header = Header {
            version: order::rolled_version(0x2000_0000, MASK, bits),
            prev_hash: U256::from_le_bytes([0x11; 32]),
            merkle_root: merkle_root(txid, &[U256::from_le_bytes([5; 32])]),
            ntime: share.ntime,
            nbits: 0x1c01_0000,
            nonce: share.nonce,
        };
        assert_eq!((bits & !MASK, share.extranonce2.as_slice().len()), (0, 4));
        assert!(target.is_met_by(&header.hash()), "{share:?}");
        proofs.push(header.to_bytes());
    }
    proofs.sort_unstable();
    proofs.dedup();
    assert_eq!(proofs.len(), shares.len());
    assert!(shares.iter().any(|share| share.version_bits != Some(0)));
}

#[test]
fn a_pool_that_knows_no_version_rolling_gets_no_bits() {
    let fleet = fleet();
    let mut line = begun(&fleet);
    let no = r#"{"id":1,"result":null,"error":[20,"unknown method",null]}"#;
    let job = notify("a", '1');
    say(&mut line, &[no, SUBSCRIBED, AUTHORIZED, EASIEST, &job])
        .unwrap_or_else(|end| panic!("{end}"));

    let shares = mine(&mut line, 3);

    assert!(shares.iter().all(|share| share.version_bits.is_none()), "{shares:?}");
    assert!(Figures::of(&fleet, false).errors.is_empty());
}

#[test]
fn what_a_pool_does_wrong_is_an_error_with_a_name() {
    for (wrong, expected) in [
        ("hello", "no JSON"),
        (r#"{"id":9,"result":true,"error":null}"#, "an answer to no share in flight: true"),
        (r#"{"id":null,"result":true,"error":null}"#, "an answer to no call of ours: true"),
        (r#"{"id":4,"result":true,"error":null}"#, "an answer to no share in flight: true"),
        (r#"{"id":1,"method":"mining.submit","params":[]}"#, "mining.submit"),
        (r#"{"id":1,"method":"mining.subscribe","params":[]}"#, "mining.subscribe is out of place"),
        (r#"{"id":1,"method":"client.reconnect","params":[]}"#, "client.reconnect, which"),
        (r#"{"id":1,"method":"mining.notify","params":[]}"#, "mining.notify"),
    ] {
        let fleet = fleet();
        let (mut line, _) = in_flight(&fleet, 2);

        say(&mut line, &[wrong]).unwrap_or_else(|end| panic!("{end}"));

        let errors = Figures::of(&fleet, false).errors;
        let names: Vec<&String> = errors.keys().collect();
        assert!(names.len() == 1 && names[0].contains(expected), "{wrong}: {names:?}");
        books(&fleet, line, End::ByUs);
    }
}

#[test]
fn a_refused_set_up_ends_the_connection_in_the_words_of_the_pool() {
    let unauthorised = r#"{"id":4,"result":null,"error":[24,"Unauthorized worker",null]}"#;
    for (lines, expected) in [
        (
            &[r#"{"id":2,"result":null,"error":[20,"full",null]}"#][..],
            "mining.subscribe is answered with 20 full",
        ),
        (&[SUBSCRIBED, unauthorised], "mining.authorize is answered with 24 Unauthorized worker"),
        (&[SUBSCRIBED, r#"{"id":4,"result":false}"#], "mining.authorize is answered with false"),
    ] {
        let fleet = fleet();
        let mut line = begun(&fleet);
        fleet.tally.pending.add(1);

        let end = say(&mut line, lines).expect_err("it ends");

        assert_eq!(end.to_string(), expected);
        assert_eq!(books(&fleet, line, end).pending_count, 0);
    }
}

#[test]
fn who_still_waits_when_the_run_ends_was_not_served() {
    for (lines, expected) in [
        (&[CONFIGURED][..], "no answer to mining.subscribe by the end of the run"),
        (&[SUBSCRIBED], "no answer to mining.authorize by the end of the run"),
        (&[SUBSCRIBED, AUTHORIZED], "no job by the end of the run"),
    ] {
        let fleet = fleet();
        fleet.tally.pending.add(1);
        let mut line = begun(&fleet);
        say(&mut line, lines).unwrap_or_else(|end| panic!("{end}"));

        let figures = books(&fleet, line, End::ByUs);

        assert_eq!(figures.errors.into_iter().collect::<Vec<_>>(), [(expected.to_owned(), 1)]);
        assert_eq!(figures.pending_count, 0);
    }
}

#[test]
fn a_pool_that_does_not_answer_is_left_after_its_time() {
    for (lines, expected) in [
        (&[CONFIGURED][..], "no answer to mining.subscribe in time"),
        (&[SUBSCRIBED], "no answer to mining.authorize in time"),
        (&[SUBSCRIBED, AUTHORIZED], "no job after mining.authorize in time"),
    ] {
        let fleet = fleet();
        let mut line = begun(&fleet);
        // Arrivals would fill the time.
        line.quieten();
        say(&mut line, lines).unwrap_or_else(|end| panic!("{end}"));
        let late = at(5).instant + ANSWER_TIMEOUT;
        let now = Now { instant: late, ..at(0) };

        let end = line.work(now, &mut Vec::new()).expect_err("its time is over");

        assert_eq!(end.to_string(), expected);
    }
}

#[test]
fn shares_in_flight_are_lost_with_a_connection_that_the_pool_ends() {
    let fleet = fleet();
    let (mut line, _) = in_flight(&fleet, 3);

    let end = line.end(End::ByPeer, b"{\"id\"");

    let shares = Figures::of(&fleet, true).shares;
    assert_eq!(end, End::Line(Sv1Error::EndedInLine { len: 5 }));
    assert_eq!((shares.lost_count, shares.in_flight_count, shares.difference()), (3, 0, 0));
}

#[test]
fn a_tip_is_news_to_a_device_that_had_another_one() {
    let fleet = fleet();
    let (mut line, _) = in_flight(&fleet, 0);
    let news = || fleet.tally.times(crate::load::Wait::Tip).len();

    say(&mut line, &[&notify("b", '1')]).unwrap_or_else(|end| panic!("{end}"));
    let of_the_same_tip = news();
    say(&mut line, &[&notify("c", '2')]).unwrap_or_else(|end| panic!("{end}"));

    assert_eq!((of_the_same_tip, news()), (0, 1));
}

//! Every rule is proven to ring, and to be silent where something is only nearly wrong.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

mod captures;
mod cases;
mod hostile;
mod talk;

use captures::{extended, files, folder, standard};
use cases::Case;
use sv2_capture::rules::{Finding, RULES, Severity};
use talk::Talk;

fn run(conversation: fn(&mut Talk)) -> Talk {
    let mut talk = Talk::new();
    conversation(&mut talk);
    talk
}

/// Findings of a rule that are at least so bad.
fn found(talk: &Talk, rule: u8, severity: Severity) -> usize {
    talk.findings
        .iter()
        .filter(|finding| finding.rule.number == rule && finding.severity >= severity)
        .count()
}

#[test]
fn every_rule_finds_what_is_wrong_and_nothing_where_it_is_nearly_so() {
    for Case { rule, severity, about, wrong, nearly } in cases::all() {
        let talk = run(*wrong);
        assert!(
            talk.findings.iter().any(|f| f.rule.number == *rule && f.severity == *severity),
            "rule {rule}, {about}: not found as {severity:?} among {:#?}",
            talk.findings.iter().map(ToString::to_string).collect::<Vec<_>>()
        );

        let talk = run(*nearly);
        let severity = (*severity).max(Severity::Note);
        assert_eq!(
            found(&talk, *rule, severity),
            0,
            "rule {rule}, {about}: cries wolf: {:#?}",
            talk.findings.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
    }
}

#[test]
fn what_is_nearly_wrong_is_no_error_of_any_rule() {
    for Case { rule, about, nearly, .. } in cases::all() {
        let talk = run(*nearly);

        let errors: Vec<String> = talk
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(ToString::to_string)
            .collect();
        assert_eq!(errors, [""; 0], "rule {rule}, {about}");
    }
}

#[test]
fn every_rule_has_a_case() {
    let without: Vec<u8> = RULES
        .iter()
        .map(|rule| rule.number)
        .filter(|number| cases::all().all(|case| case.rule != *number))
        .collect();

    assert_eq!(without, [0; 0]);
}

#[test]
fn numbers_of_rules_are_their_places() {
    let numbers: Vec<usize> = RULES.iter().map(|rule| usize::from(rule.number)).collect();

    assert_eq!(numbers, (1..=36).collect::<Vec<_>>());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the files are what is compared")]
fn captures_in_vectors_are_these_conversations() {
    for (name, expected) in files() {
        let found = std::fs::read(folder().join(&name)).unwrap_or_default();
        assert!(found == expected, "{name}: write it with the example `write_captures`");
    }
}

#[test]
fn clean_conversations_find_nothing() {
    for conversation in [extended, standard] {
        let talk = run(conversation);

        let found: Vec<String> = talk.findings.iter().map(ToString::to_string).collect();
        assert_eq!(found, [""; 0]);
    }
}

#[test]
fn rules_that_need_history_are_silent_once_a_connection_is_lost() {
    use sv2::message::Message;
    use sv2::wire::Tlvs;
    use sv2_capture::{Direction, Integrity, What};
    let mut talk = Talk::mining();
    let direction = Direction::ServerToClient;
    let frame = Message::from(talk::tip(talk::CHANNEL, 9, 2)).to_frame(&Tlvs::NONE);
    talk.observe(talk::MINER, What::Frame { direction, frame: &frame, integrity: Integrity::Bad });

    // A job that was never given, a block for it, a share on a channel that is not there.
    talk.server(talk::tip(talk::CHANNEL, 9, 2));
    talk.server(talk::standard_job(77, 1, None));
    talk.pass(60_000);
    talk.client(talk::open_extended(5));

    assert_eq!(talk.codes(), ["E01".to_owned()].into());
}

#[test]
fn a_capture_that_begins_in_the_middle_has_no_errors_of_what_it_did_not_see() {
    let mut talk = Talk::new();
    talk.open(false);

    talk.server(talk::extended_job(talk::CHANNEL, 7, Some(talk::START)));
    talk.server(talk::tip(talk::CHANNEL, 3, 2));
    for _ in 0..3 {
        talk.share();
    }
    talk.accept(3, 3, 0);

    // Once for the channel, not for each message.
    let found: Vec<String> = talk.findings.iter().map(Finding::code).collect();
    assert_eq!(found, ["N10"]);
}

#[test]
fn findings_name_the_message_its_cause_and_its_pair() {
    let mut talk = Talk::mining();
    let number = talk.share();
    let error_code = talk::text("difficulty-too-low");
    let channel_id = talk::CHANNEL;
    talk.server(sv2::mining::SubmitSharesError { channel_id, sequence_number: number, error_code });

    let finding = talk.findings.iter().find(|finding| finding.rule.number == 21).unwrap();

    // Opened, set-up and its answer, channel and its answer, job, block, share, error.
    assert_eq!((finding.number, finding.cause, finding.pair), (9, Some(8), Some(8)));
    assert_eq!((finding.connection, finding.channel), (0, Some(talk::CHANNEL)));
    assert_eq!(
        finding.to_string(),
        "W21 #9 refused as \"difficulty-too-low\", but by recomputation the share is good \
         [spec 5.3.14, 5.3.21] because of #8"
    );
}

#[test]
fn filters_are_asked_while_a_capture_is_read() {
    // 1 opened, 2 and 3 set-up, 4 and 5 channel, 6 job, 7 block, 8 share, 9 its acknowledgement,
    // 10 a share for no job.
    for (text, numbers) in [
        ("msg == Submit*", &[8, 9, 10][..]),
        ("ch == 1 && dir == down", &[5, 6, 7, 9]),
        ("job == 1", &[6, 7, 8]),
        ("verdict == good", &[8]),
        ("latency < 5ms && req", &[5]),
        ("pair == 8", &[9]),
        ("sev >= E", &[10]),
        ("code == E19 and user == alice", &[10]),
        ("kind == ext and state == active", &[8]),
        ("src == 10.0.0.2 && proto == mining && seq", &[9]),
        ("diff < 1 && sharediff < 1", &[8]),
        ("xn == 0707070707070707", &[8, 10]),
        ("SetNewPrevHash.nbits == 0x17034219", &[7]),
        ("flags", &[2, 3]),
    ] {
        let mut talk = Talk::new();
        talk.filter = Some(sv2_capture::filter::Filter::parse(text).unwrap());
        talk.begin();
        let number = talk.share();
        talk.accept(number, 1, 0);
        let share = talk.good_share(&talk::easy_target());
        talk.client(sv2::mining::SubmitSharesExtended { job_id: 9, ..share });

        assert_eq!(talk.taken, numbers, "{text}");
    }
}

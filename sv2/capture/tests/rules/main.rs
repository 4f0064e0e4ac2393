//! Every rule is proven to ring, and to be silent where something is only nearly wrong.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

mod captures;
mod cases;
mod hostile;
mod talk;

use captures::{extended, files, folder, standard};
use cases::Case;
use sv2_capture::rules::{RULES, Severity};
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

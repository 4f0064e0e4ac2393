//! JUnit XML: a test case for each rule, which fails where it has found something as bad as asked;
//! and one for the capture, which is an error where not all of it was judged.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use sv2_capture::rules::{Policy, RULES, Rule, Severity, Tally};

/// What was judged, and how.
pub(super) struct Judged<'a> {
    pub(super) tally: &'a Tally,
    pub(super) policy: &'a Policy,
    /// What was not, in words.
    pub(super) unjudged: &'a [String],
}

/// The whole document; `name` is what was looked at.
pub(super) fn document(name: &str, judged: Judged<'_>, fail_on: Severity) -> Report {
    let Judged { tally, policy, unjudged } = judged;
    let mut suite = TestSuite::new("assay rules");
    suite.add_test_case(whole(unjudged));
    suite.add_test_cases(RULES.iter().map(|rule| match policy.allows(rule.number) {
        true => {
            let status = TestCaseStatus::skipped();
            let mut case = TestCase::new(name_of(rule), status);
            case.set_classname("sv2");
            case
        }
        false => case(rule, tally, fail_on),
    }));
    let mut report = Report::new(name);
    report.add_test_suite(suite);
    report
}

fn name_of(rule: &Rule) -> String {
    format!("{:02} {}", rule.number, rule.title)
}

/// Without it, a capture that nobody could read would be one without a fault.
fn whole(unjudged: &[String]) -> TestCase {
    let status = match unjudged {
        [] => TestCaseStatus::success(),
        _ => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("unjudged");
            status.set_message(unjudged.join("\n"));
            status
        }
    };
    let mut case = TestCase::new("the capture is read and decrypted whole", status);
    case.set_classname("sv2");
    case
}

fn case(rule: &Rule, tally: &Tally, fail_on: Severity) -> TestCase {
    let found: Vec<_> = tally.iter().filter(|(_, number, _)| *number == rule.number).collect();
    let lines = found.iter().map(|(severity, number, count)| {
        let code = format!("{}{number:02}", severity.letter());
        format!("{code} {} times, first #{}: {}", count.count, count.first, count.example)
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let is_bad = found.iter().any(|(severity, ..)| *severity >= fail_on);
    let status = match is_bad {
        false => TestCaseStatus::success(),
        true => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(rule.code());
            status.set_message(text.clone());
            status.set_description(format!("spec {}\n{}", rule.sections, rule.hint));
            status
        }
    };
    let mut case = TestCase::new(name_of(rule), status);
    case.set_classname("sv2");
    if !is_bad && !text.is_empty() {
        case.set_system_out(text);
    }
    case
}

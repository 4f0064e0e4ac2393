//! JUnit XML: a test case for each rule, which fails where it has found something as bad as asked.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use sv2_capture::rules::{RULES, Rule, Severity, Tally};

/// The whole document; `name` is what was looked at.
pub(super) fn document(name: &str, tally: &Tally, fail_on: Severity) -> Report {
    let mut suite = TestSuite::new("assay rules");
    suite.add_test_cases(RULES.iter().map(|rule| case(rule, tally, fail_on)));
    let mut report = Report::new(name);
    report.add_test_suite(suite);
    report
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
    let mut case = TestCase::new(format!("{:02} {}", rule.number, rule.title), status);
    case.set_classname("sv2");
    if !is_bad && !text.is_empty() {
        case.set_system_out(text);
    }
    case
}

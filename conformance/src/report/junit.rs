//! JUnit XML, as CI systems read it: a suite per area, a name per permutation that occurs once.

use std::collections::BTreeMap;
use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::Report;
use crate::run::{CaseReport, RunEvent};
use crate::verdict::Verdict;

/// Collects a run and writes it at its end.
#[derive(Debug)]
pub struct JUnit<W> {
    out: W,
    target: String,
    areas: BTreeMap<String, Vec<TestCase>>,
}

impl<W: Write> JUnit<W> {
    /// Writes to `out` when the run is finished.
    pub fn new(out: W) -> Self {
        JUnit { out, target: String::new(), areas: BTreeMap::new() }
    }
}

impl<W: Write> Report for JUnit<W> {
    fn event(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        match event {
            RunEvent::Started { target, .. } => (*target).clone_into(&mut self.target),
            RunEvent::CaseFinished(report) => {
                let area = report.case.rsplit_once('.').map_or("", |(area, _)| area).to_owned();
                let case = test_case(report, &area);
                self.areas.entry(area).or_default().push(case);
            }
            RunEvent::Finished(_) => {
                let mut document = Document::new(format!("assay check {}", self.target));
                for (area, cases) in std::mem::take(&mut self.areas) {
                    let mut suite = TestSuite::new(area);
                    suite.add_test_cases(cases);
                    document.add_test_suite(suite);
                }
                document.serialize(&mut self.out).map_err(io::Error::other)?;
                self.out.flush()?;
            }
            RunEvent::Fact { .. } | RunEvent::Gap { .. } | RunEvent::CaseStarted { .. } => {}
        }
        Ok(())
    }
}

fn test_case(report: &CaseReport, area: &str) -> TestCase {
    let finding = report.outcome.finding.as_ref().or(report.outcome.warnings.first());
    let because = finding.map_or(String::new(), |finding| finding.because.clone());
    let message = match &report.expectation {
        Some(expectation) if because.is_empty() => expectation.clone(),
        Some(expectation) => format!("{expectation}: {because}"),
        None => because,
    };
    let status = match report.verdict {
        Verdict::Pass | Verdict::Info | Verdict::Warn => TestCaseStatus::success(),
        Verdict::Skip(_) | Verdict::ExpectedFail => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("{}: {message}", report.verdict));
            status
        }
        Verdict::Fail | Verdict::UnexpectedPass => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(report.verdict.name());
            status.set_message(message);
            status.set_description(report.outcome.exchange.to_text());
            status
        }
        Verdict::Inconclusive | Verdict::Error => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type(report.verdict.name());
            status.set_message(message);
            status
        }
    };
    let mut case = TestCase::new(report.outcome.name.clone(), status);
    case.set_classname(area);
    case.set_time(report.outcome.elapsed);
    case.extra.insert("file".into(), report.file.clone().into());
    case.add_property(("clauses", report.clauses.join(" ").as_str()));
    case.add_property(("severity", report.severity));
    case.add_property(("rerun", report.rerun.as_str()));
    if report.verdict == Verdict::Warn {
        let warnings: Vec<&str> =
            report.outcome.warnings.iter().map(|warning| warning.because.as_str()).collect();
        case.set_system_out(warnings.join("\n"));
    }
    case
}

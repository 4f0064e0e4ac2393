//! The report for people: a line for what did not pass, with requirement, expectation and
//! reality, and a summary.

use std::io::{self, Write};

use super::Report;
use crate::case::step::Reading;
use crate::clause::Registry;
use crate::run::{CaseReport, RunEvent, Summary};
use crate::runner::Finding;
use crate::verdict::Verdict;

/// Writes text with ANSI colours; whoever owns `out` strips them where they are not wanted.
#[derive(Debug)]
pub struct Terminal<'a, W> {
    out: W,
    registry: &'a Registry,
    /// Whether passes are told as well.
    verbose: bool,
}

impl<'a, W: Write> Terminal<'a, W> {
    /// Writes to `out`; `verbose` tells passes as well.
    pub fn new(out: W, registry: &'a Registry, verbose: bool) -> Self {
        Terminal { out, registry, verbose }
    }

    fn case(&mut self, report: &CaseReport) -> io::Result<()> {
        let (color, is_told) = match report.verdict {
            Verdict::Pass | Verdict::Info => (GREEN, self.verbose),
            Verdict::Skip(_) | Verdict::ExpectedFail => (DIM, self.verbose),
            Verdict::Warn | Verdict::Inconclusive => (YELLOW, true),
            Verdict::Fail | Verdict::UnexpectedPass | Verdict::Error => (RED, true),
        };
        if !is_told {
            return Ok(());
        }
        let verdict = report.verdict.name().to_uppercase();
        writeln!(
            self.out,
            "{color}{verdict}{RESET}  {BOLD}{}{RESET}  severity {}",
            report.outcome.name, report.severity
        )?;
        if matches!(report.verdict, Verdict::Pass) {
            return Ok(());
        }
        writeln!(self.out, "  {}", report.title)?;
        for finding in report.outcome.finding.iter().chain(&report.outcome.warnings) {
            self.finding(finding)?;
        }
        if let Some(expectation) = &report.expectation {
            writeln!(self.out, "  known     {expectation}")?;
        }
        if let Some(evidence) = &report.evidence {
            writeln!(self.out, "  evidence  {}", evidence.display())?;
            writeln!(self.out, "  rerun     {}", report.rerun)?;
        }
        writeln!(self.out)
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        for id in &finding.clauses {
            if let Some(clause) = self.registry.clause(id) {
                writeln!(
                    self.out,
                    "  clause    {id} {} (spec {}): {}",
                    clause.level.as_str(),
                    clause.section,
                    clause.rule
                )?;
            }
        }
        for (what, detail) in [("expected", &finding.expected), ("actual", &finding.actual)] {
            if let Some(detail) = detail {
                writeln!(self.out, "  {what:<9} {detail}")?;
            }
        }
        writeln!(self.out, "  because   {}", finding.because)
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        for unused in &summary.unused_expectations {
            writeln!(self.out, "{YELLOW}the expectation for {unused} concerns no case{RESET}")?;
        }
        for hang in &summary.hangs {
            writeln!(self.out, "{YELLOW}{hang}{RESET}")?;
        }
        if summary.target_lost {
            writeln!(self.out, "{RED}the target was lost: the other cases were not run{RESET}")?;
        }
        if summary.interrupted {
            writeln!(self.out, "{YELLOW}interrupted: the other cases were not run{RESET}")?;
        }
        for Reading { ambiguity, side } in &summary.readings {
            writeln!(self.out, "{DIM}reads {ambiguity} as: {side}{RESET}")?;
        }
        let total: usize = summary.counts.values().sum();
        write!(self.out, "{BOLD}{total} runs{RESET}")?;
        for (name, color) in ORDER {
            let count = summary.count(name);
            if count > 0 {
                write!(self.out, ", {color}{count} {name}{RESET}")?;
            }
        }
        writeln!(
            self.out,
            "; {} clauses kept, {} broken",
            summary.clauses_kept,
            summary.clauses_broken.len()
        )?;
        if !summary.clauses_broken.is_empty() {
            writeln!(self.out, "broken: {}", summary.clauses_broken.join(", "))?;
        }
        self.out.flush()
    }
}

impl<W: Write> Report for Terminal<'_, W> {
    fn event(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        match event {
            RunEvent::Started { target, case_count, permutation_count, seed, spec_commit } => {
                writeln!(
                    self.out,
                    "{BOLD}{target}{RESET}: {case_count} cases, {permutation_count} runs, \
                     seed {seed}, specification {spec_commit}"
                )
            }
            RunEvent::Fact { name, value } => {
                writeln!(self.out, "{DIM}  {name:<36} {value}{RESET}")
            }
            RunEvent::Gap { text } => writeln!(self.out, "{YELLOW}  {text}{RESET}"),
            RunEvent::CaseStarted { .. } => Ok(()),
            RunEvent::CaseFinished(report) => self.case(report),
            RunEvent::Finished(summary) => self.summary(summary),
        }
    }
}

/// Verdicts in the order of a summary, with their colours.
const ORDER: &[(&str, &str)] = &[
    ("pass", GREEN),
    ("info", GREEN),
    ("warn", YELLOW),
    ("fail", RED),
    ("xpass", RED),
    ("xfail", DIM),
    ("inconclusive", YELLOW),
    ("error", RED),
    ("skip", DIM),
];

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

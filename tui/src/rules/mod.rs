//! `assay rules`: what is wrong in a capture, for people and for continuous integration.

mod junit;
mod sarif;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::{Args, ValueEnum};
use serde_json::json;
use sv2_capture::rules::{Finding, Policy, REVISION, RULES, Rule, Severity, Tally, rule};

use crate::capture::{
    Choice, Flow, Input, Judgement, Redaction, Seen, Verdict, covered, severity, walk,
};
use crate::interruption::{self, INTERRUPTED};
use crate::outcome::Outcome;
use crate::print;

#[derive(Debug, Args)]
#[command(
    about = "Say what is wrong in a capture, for people and for continuous integration",
    after_help = "Examples:\n  \
        assay rules run.pcapng\n  \
        assay rules run.pcapng --fail-on error --allow 35\n  \
        assay rules run.pcapng --filter 'conn == 3' -o jsonl\n  \
        assay rules run.pcapng -o sarif > sv2.sarif\n  \
        assay rules run.pcapng --redact users,ips,tokens -o junit > for-others.xml\n  \
        assay rules --list\n  \
        assay rules --explain 19\n\n\
        With --redact everything is printed as of a redacted copy (assay decode), without names\n\
        of files; the exit code is of what was captured.\n\n\
        Exit codes: 0 nothing as bad as --fail-on, 1 findings, 3 a file cannot be read (on),\n\
        4 usage, or no room for what is written, 6 something could not be decrypted or found\n\
        again behind a gap, 130 interrupted: up to there. What was not judged is an error of its\n\
        own in JUnit, and execution that has not succeeded in SARIF."
)]
pub(crate) struct Rules {
    #[command(flatten)]
    input: Input,

    /// Tell of what this filter takes; everything is looked at all the same
    #[arg(long, value_name = "FILTER", default_value = "")]
    filter: String,

    #[command(flatten)]
    redaction: Redaction,

    #[command(flatten)]
    judgement: Judgement,

    /// Exit with 1 if something as bad is found: chat, note, warning or error
    #[arg(long, value_name = "SEVERITY", value_parser = severity, default_value = "warning")]
    fail_on: Severity,

    /// Form of what is printed
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,

    /// Every finding on a line of its own, not a line for each rule
    #[arg(short, long)]
    verbose: bool,

    /// Print the rules and end
    #[arg(long)]
    list: bool,

    /// Print one rule and end: 19, or W19
    #[arg(long, value_name = "NUMBER", value_parser = rule_number)]
    explain: Option<u8>,
}

/// Form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line for each rule, worst first
    Text,
    /// An object for each finding
    Jsonl,
    /// A test case for each rule
    Junit,
    /// SARIF 2.1.0
    Sarif,
}

/// Runs `assay rules`.
pub(crate) fn run(options: &Rules) -> Outcome {
    judge(options).unwrap_or_else(|outcome| outcome)
}

fn judge(options: &Rules) -> Result<Outcome, Outcome> {
    if options.list {
        RULES.iter().for_each(|rule| print::line(format_args!("{}  {}", rule.code(), rule.title)));
        return Ok(Outcome::Done);
    }
    if let Some(number) = options.explain {
        let rule = rule(number)
            .ok_or_else(|| Outcome::usage(format!("rules are numbered 1 to {}", RULES.len())))?;
        print::text(explanation(rule));
        return Ok(Outcome::Done);
    }
    let input = &options.input;
    input.expect_files()?;
    let tells_at_once = options.output == Form::Jsonl || options.verbose;
    if input.is_live() && !tells_at_once {
        return Err(Outcome::usage(
            "what grows has no end to report at: -v or -o jsonl tell findings as they come",
        ));
    }
    let policy = options.judgement.policy()?;
    let choice = Choice::new(&options.filter, input, &policy)?;
    let mut cover = options.redaction.cover(&policy);
    let mut verdict = Verdict::default();
    let mut found = Found::default();
    let interrupted = if input.is_live() { Arc::default() } else { interruption::flag()? };
    let allowed = policy.clone();
    let mut see = |seen: &Seen<'_>| {
        let is_chosen = choice.takes(seen);
        verdict.note_if(seen, is_chosen);
        covered(&mut cover, seen, &mut |seen| {
            if is_chosen {
                seen.report.findings.iter().for_each(|finding| found.add(options, finding));
            }
        });
        match interrupted.load(Ordering::Relaxed) {
            true => Flow::Stop,
            false => Flow::GoOn,
        }
    };
    let end = walk(input, policy, &mut see, &mut || Flow::GoOn);
    let is_interrupted = interrupted.load(Ordering::Relaxed);
    if let Ok(end) = &end {
        let mut unjudged = verdict.unjudged(end);
        unjudged.extend(is_interrupted.then(|| "interrupted before its end".to_owned()));
        let printed = found.print(options, &allowed, &unjudged);
        printed.map_err(|error| Outcome::Internal(error.to_string()))?;
    }
    match is_interrupted {
        true => Ok(Outcome::Code(INTERRUPTED)),
        false => verdict.outcome(end, Some(options.fail_on)),
    }
}

/// With its letter or without.
fn rule_number(text: &str) -> Result<u8, String> {
    let digits = text.trim_start_matches(|first: char| first.is_ascii_alphabetic());
    digits.parse().map_err(|_| "a number, or a code such as W19, is expected".to_owned())
}

fn explanation(rule: &Rule) -> String {
    let disputed = rule.disputed.map_or_else(String::new, |why| format!("Disputed: {why}\n"));
    format!(
        "{}  {}\nSpecification {REVISION}, section {}\nHint: {}\n{disputed}",
        rule.code(),
        rule.title,
        rule.sections,
        rule.hint
    )
}

/// What was found.
#[derive(Default)]
struct Found {
    tally: Tally,
    /// For forms that list all of them; at most [`FINDINGS_MAX`].
    kept: Vec<Finding>,
    left_out: u64,
}

impl Found {
    fn add(&mut self, options: &Rules, finding: &Finding) {
        self.tally.add(finding);
        match (options.output, options.verbose) {
            (Form::Text, true) => print::line(finding),
            (Form::Text, false) | (Form::Junit, _) => {}
            (Form::Jsonl, _) => print::line(json_of(finding)),
            (Form::Sarif, _) if self.kept.len() < FINDINGS_MAX => self.kept.push(finding.clone()),
            (Form::Sarif, _) => self.left_out += 1,
        }
    }

    fn print(&self, options: &Rules, policy: &Policy, unjudged: &[String]) -> io::Result<()> {
        // Folders and files are called after people.
        let name = |file: &PathBuf| match options.redaction.redact {
            Some(_) => "capture".to_owned(),
            None => file.display().to_string(),
        };
        let names: Vec<String> = options.input.files.iter().map(name).collect();
        match options.output {
            Form::Text => self.print_text(unjudged),
            Form::Jsonl => {}
            Form::Junit => {
                let judged = junit::Judged { tally: &self.tally, policy, unjudged };
                let document = junit::document(&names.join(" "), judged, options.fail_on);
                let mut bytes = Vec::new();
                document.serialize(&mut bytes).map_err(io::Error::other)?;
                // A reader that has gone away has seen enough.
                print::note(io::stdout().write_all(&bytes));
            }
            Form::Sarif => print::line(sarif::document(&names, &self.kept, unjudged)),
        }
        if self.left_out > 0 {
            anstream::eprintln!("note: {} findings more are left out", self.left_out);
        }
        Ok(())
    }

    fn print_text(&self, unjudged: &[String]) {
        if self.tally.worst().is_none() {
            print::line(match unjudged {
                [] => "nothing is found",
                _ => "nothing is found, but not all was judged",
            });
            return;
        }
        let head = ["code", "title", "spec", "count", "first", "last", "connections"];
        let mut rows = vec![head.map(String::from)];
        for (severity, number, count) in self.tally.iter() {
            let rule = rule(number).expect("findings are of rules");
            let code = format!("{}{number:02}", severity.letter());
            let numbers = [count.count, count.first, count.last];
            let [all, first, last] = numbers.map(|number| number.to_string());
            let (first, last) = (format!("#{first}"), format!("#{last}"));
            let mut connections: Vec<String> =
                count.connections.iter().take(4).map(|id| format!("c{id}")).collect();
            if count.connections.len() > 4 {
                connections.push("…".into());
            }
            let title = rule.title.to_owned();
            let sections = rule.sections.to_owned();
            rows.push([code, title, sections, all, first, last, connections.join(" ")]);
        }
        print::table(&rows, 3);
        print::line("");
        for (severity, number, count) in self.tally.iter() {
            let code = format!("{}{number:02}", severity.letter());
            print::line(format_args!("{code} #{}: {}", count.first, count.example));
        }
        print::line("\n`assay rules --explain NUMBER` says what to do about it.");
    }
}

fn json_of(finding: &Finding) -> serde_json::Value {
    json!({
        "v": 1,
        "code": finding.code(),
        "rule": finding.rule.number,
        "severity": finding.severity.name(),
        "n": finding.number,
        "conn": format!("c{}", finding.connection),
        "ch": finding.channel,
        "cause": finding.cause,
        "pair": finding.pair,
        "text": finding.text,
        "title": finding.rule.title,
        "spec": finding.rule.sections,
        "revision": REVISION,
        "disputed": finding.rule.disputed,
        "hint": finding.rule.hint,
    })
}

/// Findings that SARIF lists.
const FINDINGS_MAX: usize = 100_000;

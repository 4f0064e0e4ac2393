//! Known failures of a target, with their reasons: a file that a project keeps beside its CI.
//!
//! ```toml
//! [[xfail]]
//! case   = "mining.submit-standard.stale-job-is-refused"   # or a pattern with `*`
//! match  = "SubmitShares.Success"          # the failure must still look like this
//! reason = "past jobs are not marked stale"
//! issue  = "https://example.org/issues/1"
//! until  = "2026-12-31"                    # after this day it counts again
//!
//! [[flaky]]
//! case   = "common.setup.*"
//! reason = "port reuse"
//!
//! [[skip]]
//! case   = "framing.flood"
//! reason = "our staging pool bans for an hour"
//! ```

use sv2::time::UnixTime;

use crate::case::document::{Document, LoadError, Node};
use crate::filter::matches;

/// What is expected of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectations {
    entries: Vec<Expectation>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// What is expected.
    pub kind: ExpectationKind,
    /// Name of a case or permutation, or a pattern with `*`.
    pub case: String,
    /// Why.
    pub reason: String,
    /// Where it is being mended.
    pub issue: Option<String>,
    /// A part of the failure's text.
    pub failure: Option<String>,
    /// First moment at which it counts no more.
    pub until: Option<UnixTime>,
}

/// What is expected of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectationKind {
    /// To fail, always.
    Fail,
    /// To fail at times.
    Flaky,
    /// Not to be run.
    Skip,
}

impl Expectations {
    /// Reads an expectations file; `file` is how errors call it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load(file: &str, text: &str) -> Result<Expectations, LoadError> {
        let document = Document::parse(file, text)?;
        let mut keys = document.keys(document.root())?;
        let mut entries = Vec::new();
        for (name, kind) in KINDS {
            if let Some(node) = keys.take(name) {
                for node in document.list(node)? {
                    entries.push(load_entry(&document, node, *kind)?);
                }
            }
        }
        keys.finish(&KINDS.map(|(name, _)| name))?;
        Ok(Expectations { entries })
    }

    /// The first entry for a permutation that still counts at `now`.
    pub fn of(&self, case: &str, permutation: &str, now: UnixTime) -> Option<&Expectation> {
        self.entries.iter().find(|entry| {
            let is_meant = matches(&entry.case, case) || matches(&entry.case, permutation);
            is_meant && entry.until.is_none_or(|until| now < until)
        })
    }

    /// Entries that concern none of these cases: they are stale, or mistyped.
    pub fn unused<'a>(&'a self, names: &[String]) -> Vec<&'a str> {
        self.entries
            .iter()
            .filter(|entry| !names.iter().any(|name| matches(&entry.case, name)))
            .map(|entry| entry.case.as_str())
            .collect()
    }
}

fn load_entry(
    document: &Document,
    node: &Node,
    kind: ExpectationKind,
) -> Result<Expectation, LoadError> {
    let mut keys = document.keys(node)?;
    let text =
        |node: Option<&Node>| node.map(|node| document.string(node).map(str::to_owned)).transpose();
    let case = document.string(keys.require("case")?)?.to_owned();
    let reason = document.string(keys.require("reason")?)?.to_owned();
    let issue = text(keys.take("issue"))?;
    let failure = text(keys.take("match"))?;
    let until = match keys.take("until") {
        None => None,
        Some(node) => Some(
            day_after(document.string(node)?)
                .ok_or_else(|| document.error(node.at, "expected a day such as \"2026-12-31\""))?,
        ),
    };
    keys.finish(&["case", "reason", "issue", "match", "until"])?;
    Ok(Expectation { kind, case, reason, issue, failure, until })
}

/// The first second (UTC) after a day written `YYYY-MM-DD`.
fn day_after(text: &str) -> Option<UnixTime> {
    let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1970..=9999).contains(&year) {
        return None;
    }
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lens = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month_index = usize::try_from(month - 1).ok().filter(|index| *index < 12)?;
    if !(1..=lens[month_index]).contains(&day) {
        return None;
    }
    let years_before = year - 1;
    let leap_days = |years: i64| years / 4 - years / 100 + years / 400;
    let days = (year - 1970) * 365 + leap_days(years_before) - leap_days(1969)
        + lens[..month_index].iter().sum::<i64>()
        + day;
    u64::try_from(days * 86_400).ok().map(UnixTime)
}

const KINDS: &[(&str, ExpectationKind); 3] = &[
    ("xfail", ExpectationKind::Fail),
    ("flaky", ExpectationKind::Flaky),
    ("skip", ExpectationKind::Skip),
];

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [[xfail]]
        case = "mining.share.*"
        match = "paid"
        reason = "known"
        until = "2024-02-29"
    "#;

    #[test]
    fn an_entry_counts_until_the_end_of_its_day() {
        let expectations = Expectations::load("known.toml", FILE).unwrap();
        // 2024-03-01 00:00 UTC.
        let end = 1_709_251_200;

        let at = |now| expectations.of("mining.share.stale", "x", UnixTime(now)).is_some();

        assert!(at(end - 1));
        assert!(!at(end));
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, expected) in [
            (
                "[[xfial]]\ncase = \"a\"",
                "known.toml:1:3: unknown key \"xfial\"; did you mean \"xfail\"?",
            ),
            ("[[skip]]\ncase = \"a\"", "known.toml:1:1: `reason` is missing"),
            (
                "[[skip]]\ncase = \"a\"\nreason = \"b\"\nuntil = \"2023-02-29\"",
                "known.toml:4:9: expected a day such as \"2026-12-31\"",
            ),
        ] {
            assert_eq!(Expectations::load("known.toml", text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn an_entry_for_no_case_is_told() {
        let expectations = Expectations::load("known.toml", FILE).unwrap();

        assert_eq!(expectations.unused(&["common.setup".to_owned()]), ["mining.share.*"]);
    }
}

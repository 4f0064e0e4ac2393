//! What is wrong in a capture, and why: thirty-six rules with numbers that never change.
//!
//! A finding says in one sentence what was seen, at which message, because of which other one,
//! against which section, and what to do about it. Rules never read bytes that cannot be
//! trusted, and say less where a capture starts in the middle: what was not seen may have been
//! said.

mod channels;
mod declarations;
mod framing;
mod handshake;
mod inspector;
mod jobs;
mod lines;
mod policy;
mod registry;
mod requests;
mod scene;
mod setup;
mod shares;
mod tally;
mod targets;
mod templates;
mod timing;
mod waiting;

use std::fmt;

pub use inspector::{Inspector, Report};
pub use policy::{Policy, PolicyError};
pub use registry::RULES;
pub use tally::{Count, Tally};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Ordinary, and worth counting.
    Chat,
    /// Worth knowing.
    Note,
    /// Suspicious, or against a SHOULD.
    Warning,
    /// Against a MUST, or the cryptography is broken.
    Error,
}

impl Severity {
    /// C, N, W or E.
    pub const fn letter(self) -> char {
        match self {
            Severity::Chat => 'C',
            Severity::Note => 'N',
            Severity::Warning => 'W',
            Severity::Error => 'E',
        }
    }

    /// As a word.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Chat => "chat",
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }

    /// In an index.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Severity::Chat => 0,
            Severity::Note => 1,
            Severity::Warning => 2,
            Severity::Error => 3,
        }
    }

    pub(crate) const fn of_number(number: u8) -> Option<Severity> {
        match number {
            0 => Some(Severity::Chat),
            1 => Some(Severity::Note),
            2 => Some(Severity::Warning),
            3 => Some(Severity::Error),
            _ => None,
        }
    }

    /// From a letter or a word, in either case.
    pub fn parse(text: &str) -> Option<Severity> {
        Some(match text.to_ascii_lowercase().as_str() {
            "c" | "chat" => Severity::Chat,
            "n" | "note" => Severity::Note,
            "w" | "warn" | "warning" => Severity::Warning,
            "e" | "error" => Severity::Error,
            _ => return None,
        })
    }
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the chapters")]
pub enum Group {
    Framing,
    Crypto,
    Setup,
    Channel,
    Job,
    Share,
    JobDeclaration,
    Template,
    Extension,
    Timing,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// From 1; never given to another rule.
    pub number: u8,
    /// Where nothing milder or harder applies.
    pub severity: Severity,
    /// What it is about.
    pub group: Group,
    /// In a few words.
    pub title: &'static str,
    /// Of the specification at [`REVISION`], comma separated.
    pub sections: &'static str,
    /// What to do about it.
    pub hint: &'static str,
    /// Where the specification can be read in two ways, or is about to change.
    pub disputed: Option<&'static str>,
    /// Whether it needs to have seen the connection from its start.
    pub needs_history: bool,
}

impl Rule {
    /// Such as `E13`: default severity and number.
    pub fn code(&self) -> String {
        format!("{}{:02}", self.severity.letter(), self.number)
    }
}

/// The specification's commit that [`Rule::sections`] are of.
pub const REVISION: &str = "0f38d51";

/// The rule with a number.
pub fn rule(number: u8) -> Option<&'static Rule> {
    RULES.get(usize::from(number).checked_sub(1)?)
}

/// Something that a rule has found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which.
    pub rule: &'static Rule,
    /// In this context.
    pub severity: Severity,
    /// The observation.
    pub number: u64,
    /// The connection.
    pub connection: u32,
    /// The channel or group.
    pub channel: Option<u32>,
    /// The observation that makes this one wrong.
    pub cause: Option<u64>,
    /// The observation that this one answers.
    pub pair: Option<u64>,
    /// One sentence, with the numbers.
    pub text: String,
}

impl Finding {
    /// Such as `N19`: its own severity and the number of the rule.
    pub fn code(&self) -> String {
        format!("{}{:02}", self.severity.letter(), self.rule.number)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{} {} [spec {}]", self.code(), self.number, self.text, self.rule.sections)?;
        self.cause.map_or(Ok(()), |cause| write!(f, " because of #{cause}"))
    }
}

//! Verdicts: what is known about a case after it ran.

use std::fmt;

/// What is known about a case after it ran. Ordered: of several, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Each clause that the case cites was observed, and kept.
    Pass,
    /// Nothing was demanded; something was learned.
    Info,
    /// The case was not run, or ended where it does not apply.
    Skip(Skip),
    /// It failed as the expectations file says.
    ExpectedFail,
    /// A SHOULD was not kept.
    Warn,
    /// The clause could not be observed: neither kept nor broken.
    Inconclusive,
    /// A clause is broken.
    Fail,
    /// It passed although the expectations file says that it fails.
    UnexpectedPass,
    /// The suite or the case is at fault.
    Error,
}

/// Why a case was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// The target is of a kind that the case does not concern.
    NotApplicable,
    /// The target does not have what is optional and would be tested.
    Unsupported,
    /// The world around the target cannot be asked for what the case needs.
    NoControl,
    /// A share costs more hashes than the budget allows.
    Unaffordable,
    /// The user did not want it.
    Excluded,
}

impl Skip {
    /// As in reports.
    pub fn name(self) -> &'static str {
        match self {
            Skip::NotApplicable => "not-applicable",
            Skip::Unsupported => "unsupported",
            Skip::NoControl => "no-control",
            Skip::Unaffordable => "unaffordable",
            Skip::Excluded => "excluded",
        }
    }
}

impl Verdict {
    /// As in reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Info => "info",
            Verdict::Skip(_) => "skip",
            Verdict::ExpectedFail => "xfail",
            Verdict::Warn => "warn",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Fail => "fail",
            Verdict::UnexpectedPass => "xpass",
            Verdict::Error => "error",
        }
    }

    /// Whether the target has done something that a clause forbids or advises against.
    pub fn is_finding(self) -> bool {
        matches!(self, Verdict::Warn | Verdict::Fail)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Skip(why) => write!(f, "skip ({})", why.name()),
            other => f.write_str(other.name()),
        }
    }
}

/// Exit codes of a run.
pub mod exit {
    /// All as expected; expected failures and allowed skips included.
    pub const AS_EXPECTED: u8 = 0;
    /// An unexpected failure, or an unexpected pass.
    pub const FAILED: u8 = 1;
    /// No failure, but a case that could not be decided, where that was asked for.
    pub const INCONCLUSIVE: u8 = 2;
    /// No case matched the filter.
    pub const NOTHING_RUN: u8 = 3;
    /// The command line, a case, a target or an expectations file is wrong.
    pub const USAGE: u8 = 4;
    /// The target did not start, or was lost.
    pub const TARGET_LOST: u8 = 5;
    /// The suite is at fault.
    pub const INTERNAL: u8 = 70;
}

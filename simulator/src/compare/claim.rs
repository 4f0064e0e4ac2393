//! What somebody says, and what runs say to it.

use crate::statistics::Interval;

/// A statement about two arms.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// As reports and scenarios name it.
    pub id: String,
    /// In a sentence, with who says so.
    pub statement: String,
    /// Where the figure should lie.
    pub expected: Expectation,
}

/// Where a figure should lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expectation {
    /// Below this.
    Below(f64),
    /// Above this.
    Above(f64),
    /// Between these.
    Between(f64, f64),
}

/// What runs say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The whole interval is as expected.
    Supported,
    /// No part of it is.
    Contradicted,
    /// Some is: more runs would tell.
    Inconclusive,
}

/// A claim that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What was claimed.
    pub claim: Claim,
    /// What was found, at 95 %.
    pub interval: Interval,
    /// What a closed form gives, where there is one.
    pub predicted: Option<f64>,
    /// What it says of the claim.
    pub verdict: Verdict,
}

impl Claim {
    /// Tries it against what was found.
    pub fn judge(self, interval: Interval, predicted: Option<f64>) -> Finding {
        let verdict = self.expected.judge(interval);
        Finding { claim: self, interval, predicted, verdict }
    }
}

impl Expectation {
    /// What an interval says of it.
    pub fn judge(self, interval: Interval) -> Verdict {
        let (is_supported, is_contradicted) = match self {
            // No difference at all is not "less".
            Expectation::Below(bound) => (interval.high < bound, interval.low >= bound),
            Expectation::Above(bound) => (interval.low > bound, interval.high <= bound),
            Expectation::Between(low, high) => (
                low < interval.low && interval.high < high,
                interval.high < low || high < interval.low,
            ),
        };
        if is_supported {
            Verdict::Supported
        } else if is_contradicted {
            Verdict::Contradicted
        } else {
            Verdict::Inconclusive
        }
    }
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expectation::Below(bound) => write!(f, "below {bound}"),
            Expectation::Above(bound) => write!(f, "above {bound}"),
            Expectation::Between(low, high) => write!(f, "between {low} and {high}"),
        }
    }
}

impl Verdict {
    /// All of them.
    pub const ALL: [Verdict; 3] =
        [Verdict::Supported, Verdict::Contradicted, Verdict::Inconclusive];

    /// As reports and scenarios write it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Supported => "supported",
            Verdict::Contradicted => "contradicted",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

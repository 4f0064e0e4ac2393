//! Which observations are chosen.

use std::collections::BTreeSet;

use sv2_capture::filter::{Expression, Filter};
use sv2_capture::rules::Policy;

use super::options::Input;
use super::source::Flow;
use super::verdict::UNREADABLE;
use super::walk::{Seen, walk};
use crate::inspect::{Session, describe};
use crate::outcome::Outcome;

/// What a filter takes, asked while a capture is read.
pub(crate) enum Choice {
    /// Each observation tells by itself.
    Now(Filter),
    /// Some tell later only: these, by number, from an earlier reading.
    Known(BTreeSet<u64>),
}

impl Choice {
    /// Reads the filter; where it asks for what only the rest of a capture tells (whether a share
    /// was accepted, a request answered), reads the capture once before.
    pub(crate) fn new(text: &str, input: &Input, policy: &Policy) -> Result<Self, Outcome> {
        let filter = Filter::parse(text).map_err(|error| {
            Outcome::usage(format!("filter {text}: at {}: {error}", error.span.start))
        })?;
        if !filter.expression().is_some_and(Expression::needs_hindsight) {
            return Ok(Choice::Now(filter));
        }
        if input.follow || input.files.iter().any(|file| !file.is_file()) {
            return Err(Outcome::usage(format!(
                "filter {text}: what becomes of a message is known later: this needs whole files"
            )));
        }
        let mut session = Session::of(input, String::new());
        let mut take = |seen: &Seen<'_>| {
            session.take(seen);
            Flow::GoOn
        };
        walk(input, policy.clone(), &mut take, &mut || Flow::GoOn)
            .map_err(|why| Outcome::Said(why, UNREADABLE))?;
        if session.left_out > 0 {
            let most = session.len();
            return Err(Outcome::usage(format!(
                "filter {text}: for more than {most} messages what becomes of them is not kept; \
                 unpacked files have room for more"
            )));
        }
        let places = session.places(&filter);
        Ok(Choice::Known(places.iter().map(|place| *place as u64 + 1).collect()))
    }

    /// Whether every observation is.
    pub(crate) fn takes_all(&self) -> bool {
        matches!(self, Choice::Now(filter) if filter.expression().is_none())
    }

    /// Whether an observation is chosen.
    pub(crate) fn takes(&self, seen: &Seen<'_>) -> bool {
        match self {
            Choice::Now(filter) if filter.expression().is_none() => true,
            Choice::Now(filter) => {
                let info = describe::info(&seen.found.observed.what, &seen.report.facts);
                filter.takes(&seen.columns(&info), 0)
            }
            Choice::Known(numbers) => numbers.contains(&seen.found.observed.number),
        }
    }
}

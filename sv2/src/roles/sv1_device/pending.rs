//! Calls that wait for their answers.

use std::collections::BTreeMap;

use super::session::Step;
use crate::sv1::{Difficulty, Id};

/// What was asked, by the number of the call.
#[derive(Debug, Default)]
pub(super) struct Pending {
    asked: BTreeMap<u64, Asked>,
    last: u64,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Asked {
    Step(Step),
    /// To judge a share of this difficulty.
    Share {
        difficulty: Difficulty,
    },
}

/// The pool does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Pending {
    /// Most calls without an answer.
    pub(super) const CALLS_MAX: usize = 1024;

    pub(super) fn add(&mut self, asked: Asked) -> Result<u64, TooMany> {
        if self.asked.len() >= Pending::CALLS_MAX {
            return Err(TooMany);
        }
        self.last += 1;
        self.asked.insert(self.last, asked);
        Ok(self.last)
    }

    /// By the id of the answer, as a number or as text.
    pub(super) fn take(&mut self, id: &Id) -> Option<(u64, Asked)> {
        let number = match id {
            Id::Number(number) => *number,
            Id::Raw(raw) => raw.trim_matches('"').parse().ok()?,
            Id::Missing | Id::Null => return None,
        };
        Some((number, self.asked.remove(&number)?))
    }

    /// Whether the handshake waits for an answer.
    pub(super) fn has_awaited_step(&self) -> bool {
        self.asked.values().any(|asked| match asked {
            Asked::Step(step) => *step != Step::Suggest,
            Asked::Share { .. } => false,
        })
    }
}

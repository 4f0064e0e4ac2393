//! What a rule looks at, and how it says what it has found.

use std::collections::BTreeSet;

use sv2::message::Message;

use super::{Finding, Severity, rule};
use crate::Direction;
use crate::observed::Observed;
use crate::state::connection::{Connection, Trust};
use crate::state::{Facts, Mark, State};

/// An observation in front of the state that it has not changed yet.
pub(super) struct Scene<'a> {
    pub(super) state: &'a State,
    pub(super) connection: &'a Connection,
    pub(super) observed: &'a Observed<'a>,
    pub(super) facts: &'a Facts,
    /// The connection before and after: what cannot be read says nothing.
    pub(super) trust: Trust,
}

impl Scene<'_> {
    pub(super) fn mark(&self) -> Mark {
        Mark { number: self.observed.number, at: self.observed.at }
    }
}

/// A message with its sender, for rules that read nothing else.
pub(super) struct Said<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) message: &'a Message,
    pub(super) direction: Direction,
}

/// What was told once on a connection.
#[derive(Debug, Default)]
pub(super) struct Told {
    told: BTreeSet<(u8, u64)>,
}

impl Told {
    /// What is remembered for one connection; above, nothing that is told once is told.
    const MAX: usize = 512;

    fn first_time(&mut self, rule: u8, about: u64) -> bool {
        self.told.len() < Self::MAX && self.told.insert((rule, about))
    }
}

/// Collects findings.
pub(super) struct Findings<'a> {
    pub(super) found: Vec<Finding>,
    pub(super) told: &'a mut Told,
}

impl Findings<'_> {
    /// Tells what a rule has found; `text` is made only where it is wanted.
    pub(super) fn tell(
        &mut self,
        scene: &Scene<'_>,
        number: u8,
        severity: Severity,
        text: impl FnOnce() -> String,
    ) -> Evidence<'_> {
        let rule = rule(number).expect("rules are told by their numbers in the registry");
        let severity = match scene.trust {
            Trust::Lost | Trust::Selected if rule.needs_history => return Evidence(None),
            Trust::Assumed if rule.needs_history => severity.min(Severity::Note),
            _ => severity,
        };
        self.found.push(Finding {
            rule,
            severity,
            number: scene.observed.number,
            connection: scene.connection.id,
            channel: scene.facts.channel,
            cause: None,
            pair: scene.facts.pair(),
            text: text(),
        });
        Evidence(self.found.last_mut())
    }

    /// The same, but not again about the same thing on this connection.
    pub(super) fn tell_once(
        &mut self,
        scene: &Scene<'_>,
        (number, about): (u8, u64),
        severity: Severity,
        text: impl FnOnce() -> String,
    ) -> Evidence<'_> {
        if self.told.first_time(number, about) {
            self.tell(scene, number, severity, text)
        } else {
            Evidence(None)
        }
    }
}

/// A finding that has been told, to be completed.
pub(super) struct Evidence<'a>(Option<&'a mut Finding>);

impl Evidence<'_> {
    pub(super) fn cause(mut self, cause: u64) -> Self {
        if let Some(finding) = &mut self.0 {
            finding.cause = Some(cause);
        }
        self
    }

    pub(super) fn channel(mut self, channel: u32) -> Self {
        if let Some(finding) = &mut self.0 {
            finding.channel = Some(channel);
        }
        self
    }
}

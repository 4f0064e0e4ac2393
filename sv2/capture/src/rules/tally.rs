//! Findings counted by rule and severity: what a summary shows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Severity};

/// Findings of one rule and severity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub count: u64,
    /// The first observation.
    pub first: u64,
    /// The last observation.
    pub last: u64,
    /// Connections, at most [`Tally::CONNECTIONS_MAX`] of them.
    pub connections: BTreeSet<u32>,
    /// The sentence of the first.
    pub example: String,
}

/// All findings, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<(Severity, u8), Count>,
}

impl Tally {
    /// Connections that are named for one rule.
    pub const CONNECTIONS_MAX: usize = 64;

    /// Counts one more.
    pub fn add(&mut self, finding: &Finding) {
        let key = (finding.severity, finding.rule.number);
        let count = self.counts.entry(key).or_insert_with(|| Count {
            count: 0,
            first: finding.number,
            last: finding.number,
            connections: BTreeSet::new(),
            example: finding.text.clone(),
        });
        count.count += 1;
        count.last = finding.number;
        if count.connections.len() < Self::CONNECTIONS_MAX {
            count.connections.insert(finding.connection);
        }
    }

    /// From the worst to the mildest, by number within.
    pub fn iter(&self) -> impl Iterator<Item = (Severity, u8, &Count)> {
        let mut rows: Vec<_> = self.counts.iter().collect();
        rows.sort_by_key(|((severity, number), _)| (std::cmp::Reverse(*severity), *number));
        rows.into_iter().map(|((severity, number), count)| (*severity, *number, count))
    }

    /// The worst that was found.
    pub fn worst(&self) -> Option<Severity> {
        self.counts.keys().map(|(severity, _)| *severity).max()
    }
}

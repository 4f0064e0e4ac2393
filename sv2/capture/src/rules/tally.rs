//! Findings counted by rule and severity: what a summary shows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Severity, rule};
use crate::index::{Reader, Writer};

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

    /// Appends it, for an index.
    pub fn write(&self, out: &mut Writer) {
        out.int(self.counts.len() as u64);
        for ((severity, number), count) in &self.counts {
            let Count { count, first, last, connections, example } = count;
            out.u8(severity.number());
            out.u8(*number);
            [*count, *first, *last].iter().for_each(|value| out.int(*value));
            out.int(connections.len() as u64);
            connections.iter().for_each(|connection| out.int((*connection).into()));
            out.bytes(example.as_bytes());
        }
    }

    /// Reads what was written; `None` if it was not.
    pub fn read(from: &mut Reader<'_>) -> Option<Tally> {
        let mut tally = Tally::default();
        for _ in 0..from.int()? {
            let key = (Severity::of_number(from.u8()?)?, rule(from.u8()?)?.number);
            let (count, first, last) = (from.int()?, from.int()?, from.int()?);
            let mut connections = BTreeSet::new();
            for _ in 0..from.int()? {
                connections.insert(from.small()?);
            }
            let example = from.text()?.to_owned();
            tally.counts.insert(key, Count { count, first, last, connections, example });
        }
        Some(tally)
    }

    /// The worst that was found.
    pub fn worst(&self) -> Option<Severity> {
        self.counts.keys().map(|(severity, _)| *severity).max()
    }
}

//! When something was seen, and values that change with time.

use std::collections::VecDeque;

/// A place in a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Of the observation, from 1; orders everything.
    pub number: u64,
    /// Nanoseconds since the Unix epoch.
    pub at: u64,
}

impl Mark {
    /// Nanoseconds since `earlier`; zero if a clock went back.
    pub fn since(self, earlier: Mark) -> u64 {
        self.at.saturating_sub(earlier.at)
    }
}

/// A value with what it was before: targets and prefixes are those of a job's arrival or
/// activation, not the latest (spec 5.3.10, 5.3.21). Keeps [`History::LEN_MAX`] values.
#[derive(Clone, Debug)]
pub struct History<T> {
    values: VecDeque<(u64, T)>,
}

impl<T> History<T> {
    /// Values that are kept; older ones are taken for the oldest kept.
    pub const LEN_MAX: usize = 16;

    pub(super) fn new(since: u64, value: T) -> Self {
        History { values: VecDeque::from([(since, value)]) }
    }

    pub(super) fn push(&mut self, since: u64, value: T) {
        if self.values.len() == Self::LEN_MAX {
            self.values.pop_front();
        }
        self.values.push_back((since, value));
    }

    /// The present value.
    pub fn now(&self) -> &T {
        &self.values.back().expect("a history begins with a value").1
    }

    /// The value at observation `number`; before the first one, the first.
    pub fn at(&self, number: u64) -> &T {
        let mut newest_first = self.values.iter().rev();
        let found = newest_first.find(|(since, _)| *since <= number);
        &found.unwrap_or(&self.values[0]).1
    }

    /// When the value at observation `number` was set, by number.
    pub fn since_at(&self, number: u64) -> u64 {
        let mut newest_first = self.values.iter().rev();
        let found = newest_first.find(|(since, _)| *since <= number);
        found.unwrap_or(&self.values[0]).0
    }

    /// When the present value was set, by number.
    pub fn since(&self) -> u64 {
        self.values.back().expect("a history begins with a value").0
    }

    /// From the oldest kept to the present one, each with the number that set it.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &(u64, T)> {
        self.values.iter()
    }
}

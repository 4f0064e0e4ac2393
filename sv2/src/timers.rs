//! Keyed deadlines inside a role; the driver sees the earliest ([`crate::role::Role::wake_at`]).

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Instant;

/// At most one deadline per key.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    by_key: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K: Copy + Ord> Timers<K> {
    pub(crate) fn new() -> Self {
        Timers { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// Sets the deadline of `key`, replacing an earlier one.
    pub(crate) fn set(&mut self, key: K, at: Instant) {
        if let Some(replaced) = self.by_key.insert(key, at) {
            self.by_time.remove(&(replaced, key));
        }
        self.by_time.insert((at, key));
    }

    pub(crate) fn cancel(&mut self, key: K) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    pub(crate) fn is_set(&self, key: K) -> bool {
        self.by_key.contains_key(&key)
    }

    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the next key whose deadline has come; equal deadlines in the order of keys.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.cancel(key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_deadline_of_a_key_counts_and_due_keys_come_in_order_of_time() {
        let mut timers = Timers::new();
        timers.set('a', Instant(5));
        timers.set('b', Instant(3));
        timers.set('c', Instant(4));
        timers.set('a', Instant(9));
        timers.cancel('c');

        assert_eq!(timers.earliest(), Some(Instant(3)));
        assert_eq!(timers.take_due(Instant(8)), Some('b'));
        assert_eq!(timers.take_due(Instant(8)), None);
        assert_eq!(timers.take_due(Instant(9)), Some('a'));
        assert_eq!(timers.earliest(), None);
    }
}

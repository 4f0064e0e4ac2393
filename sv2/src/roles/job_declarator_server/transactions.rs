//! Transactions that clients need not send, because we have them.
//!
//! They come from the node's templates, and from jobs that the node has found valid: nobody can
//! fill the table with anything else.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::wire::U256;

/// A transaction whose witness id is known from where it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Serialised with witnesses.
    pub raw: Bytes,
    /// Hash without witnesses.
    pub txid: U256,
}

/// By witness id; what has been useless for the longest time goes first.
#[derive(Debug)]
pub(super) struct KnownTransactions {
    by_wtxid: BTreeMap<U256, Entry>,
    /// In the order of last use.
    by_use: BTreeMap<u64, U256>,
    next_use: u64,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    last_use: u64,
}

impl KnownTransactions {
    pub(super) fn new(bytes_max: usize) -> Self {
        KnownTransactions {
            by_wtxid: BTreeMap::new(),
            by_use: BTreeMap::new(),
            next_use: 0,
            bytes: 0,
            bytes_max,
        }
    }

    pub(super) fn get(&self, wtxid: &U256) -> Option<&Known> {
        self.by_wtxid.get(wtxid).map(|entry| &entry.known)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_wtxid.len()
    }

    /// Adds a transaction, or notes that it is still of use.
    pub(super) fn insert(&mut self, wtxid: U256, known: Known) {
        let last_use = self.next_use;
        self.next_use += 1;
        self.by_use.insert(last_use, wtxid);
        match self.by_wtxid.get_mut(&wtxid) {
            Some(entry) => {
                self.by_use.remove(&entry.last_use);
                entry.last_use = last_use;
            }
            None => {
                self.bytes += cost(&known);
                self.by_wtxid.insert(wtxid, Entry { known, last_use });
            }
        }
        while self.bytes > self.bytes_max
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            let gone = self.by_wtxid.remove(&oldest);
            self.bytes -= gone.map_or(0, |entry| cost(&entry.known));
        }
    }
}

fn cost(known: &Known) -> usize {
    known.raw.len() + OVERHEAD
}

/// What the two tables take for an entry, in bytes.
const OVERHEAD: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn known(len: usize) -> Known {
        Known { raw: Bytes::from(vec![0; len]), txid: U256::ZERO }
    }

    fn wtxid(number: u64) -> U256 {
        U256::from_limbs([number, 0, 0, 0])
    }

    #[test]
    fn what_was_of_no_use_for_the_longest_time_leaves_when_there_is_no_room() {
        let mut transactions = KnownTransactions::new(3 * (100 + OVERHEAD));
        (1..=3).for_each(|number| transactions.insert(wtxid(number), known(100)));

        transactions.insert(wtxid(1), known(100));
        transactions.insert(wtxid(4), known(100));

        let kept: Vec<u64> =
            (1..=4).filter(|number| transactions.get(&wtxid(*number)).is_some()).collect();
        assert_eq!(kept, [1, 3, 4]);
        assert_eq!(transactions.bytes, 3 * (100 + OVERHEAD));
        assert_eq!(transactions.by_use.len(), 3);
    }

    #[test]
    fn a_transaction_larger_than_the_table_leaves_it_empty() {
        let mut transactions = KnownTransactions::new(1_000);

        transactions.insert(wtxid(1), known(1_000));

        assert!(transactions.get(&wtxid(1)).is_none());
        assert_eq!(transactions.bytes, 0);
    }
}

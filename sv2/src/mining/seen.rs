//! The headers that a channel was paid for on one tip, so that none is paid twice.
//!
//! A table of its own because its keys are hashes already: open addressing with linear
//! probing takes a third of the time of a general set, which was a third of a share's.

use super::share::Rejection;
use crate::wire::U256;

/// A bounded set of header hashes.
#[derive(Debug)]
pub(crate) struct SeenShares {
    /// Made of the half of each hash that targets leave random; [`EMPTY`] where there is none.
    /// At most four fifths of them are taken.
    slots: Vec<u64>,
    count: usize,
    limit: usize,
    /// The block that all of them build on.
    prev_hash: U256,
    /// Secret and odd: who grinds headers must not choose where they fall.
    multiplier: u64,
}

impl SeenShares {
    /// A block is taken beyond the limit, or a full table would lose it. Only this many, since
    /// where targets are easy (regtest) every share is a block.
    const BLOCKS_BEYOND_LIMIT: usize = 64;

    pub(crate) fn new(limit: usize, seed: u64) -> Self {
        let prev_hash = U256::ZERO;
        SeenShares { slots: Vec::new(), count: 0, limit, prev_hash, multiplier: seed | 1 }
    }

    /// Remembers a header.
    #[inline]
    pub(crate) fn insert(&mut self, hash: &U256, is_block: bool) -> Result<(), Rejection> {
        if 5 * (self.count + 1) > 4 * self.slots.len() {
            self.grow();
        }
        let key = key(hash);
        let free = match self.find(key) {
            Ok(_) => return Err(Rejection::Duplicate { hash: *hash }),
            Err(free) => free,
        };
        let beyond = if is_block { Self::BLOCKS_BEYOND_LIMIT } else { 0 };
        if self.count >= self.limit.saturating_add(beyond) {
            return Err(Rejection::TooMany { limit: self.limit });
        }
        self.slots[free] = key;
        self.count += 1;
        Ok(())
    }

    /// Forgets all if the tip is another one. The same may be named again, when a source of work
    /// was lost and is back: what was paid is not paid again for the same work under another id.
    pub(crate) fn turn_to(&mut self, prev_hash: &U256) {
        if self.prev_hash != *prev_hash {
            self.prev_hash = *prev_hash;
            self.clear();
        }
    }

    /// Forgets all: the tip has changed. A busy tip does not hold its memory for ever.
    pub(crate) fn clear(&mut self) {
        self.count = 0;
        self.slots.truncate(KEPT_SLOTS);
        self.slots.shrink_to(KEPT_SLOTS);
        self.slots.fill(EMPTY);
    }

    /// The slot of a key, or the one where it belongs. Ends: a fifth of all slots is empty.
    #[inline]
    fn find(&self, key: u64) -> Result<usize, usize> {
        let mut at = self.place(key);
        loop {
            match self.slots[at] {
                EMPTY => return Err(at),
                taken if taken == key => return Ok(at),
                _ => at += 1,
            }
            if at == self.slots.len() {
                at = 0;
            }
        }
    }

    #[inline]
    fn place(&self, key: u64) -> usize {
        // The upper half of a product depends on all bits of the key.
        let mixed = key.wrapping_mul(self.multiplier) >> 32;
        // As a fraction of 2^32, so that there may be any number of slots: a power of two would be
        // twice the last one, and mostly too much.
        ((mixed * self.slots.len() as u64) >> 32) as usize
    }

    #[cold]
    fn grow(&mut self) {
        // There is one for each channel, and most stay small: those grow by a line of the cache,
        // so that hardly any of it is empty; large ones by half, so that they are seldom copied.
        let len = self.slots.len();
        let more = if len < KEPT_SLOTS { FIRST_SLOTS } else { len / 2 };
        let len = (len + more).next_multiple_of(FIRST_SLOTS);
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; len]);
        for key in old {
            if key != EMPTY {
                let (Ok(at) | Err(at)) = self.find(key);
                self.slots[at] = key;
            }
        }
    }
}

#[inline]
fn key(hash: &U256) -> u64 {
    let [low, high, ..] = hash.to_limbs();
    // Two hashes with one key are taken for one: of a million shares on one tip, once in 10^7
    // tips. Whoever grinds for that loses the second of them.
    match low ^ high.rotate_left(32) {
        EMPTY => 1,
        key => key,
    }
}

const EMPTY: u64 = 0;
/// A line of the cache.
const FIRST_SLOTS: usize = 8;
/// For as many shares as a tip sees at six a minute; there is a table for each channel.
const KEPT_SLOTS: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn hash(low: u64, high: u64) -> U256 {
        U256::from_limbs([low, high, 0, 0])
    }

    proptest! {
        #[test]
        fn the_table_is_a_set(
            keys in prop::collection::vec((0_u64..300, 0_u64..3), 0..600), seed: u64,
        ) {
            let mut seen = SeenShares::new(usize::MAX, seed);
            let mut set = BTreeSet::new();
            for (low, high) in keys {
                let low = low + 1;

                let is_new = seen.insert(&hash(low, high), false).is_ok();

                prop_assert_eq!(is_new, set.insert((low, high)));
            }
        }
    }

    #[test]
    fn what_was_forgotten_is_new_and_a_large_table_shrinks() {
        let mut seen = SeenShares::new(usize::MAX, 7);
        for low in 0..10_000 {
            seen.insert(&hash(low, 1), false).unwrap();
        }

        seen.clear();

        assert_eq!(seen.slots.len(), KEPT_SLOTS);
        for low in 0..10_000 {
            assert!(seen.insert(&hash(low, 1), false).is_ok());
            assert!(seen.insert(&hash(low, 1), false).is_err());
        }
    }

    #[test]
    fn the_limit_has_a_name_and_blocks_pass_it_a_little() {
        let mut seen = SeenShares::new(2, 7);
        seen.insert(&hash(1, 0), false).unwrap();
        seen.insert(&hash(2, 0), false).unwrap();

        let refused = seen.insert(&hash(3, 0), false).unwrap_err();
        assert_eq!(refused, Rejection::TooMany { limit: 2 });
        for block in 0..64 {
            seen.insert(&hash(100 + block, 0), true).unwrap();
        }
        let refused = seen.insert(&hash(200, 0), true).unwrap_err();
        assert_eq!(refused, Rejection::TooMany { limit: 2 });
        let again = seen.insert(&hash(1, 0), false).unwrap_err();
        assert_eq!(again, Rejection::Duplicate { hash: hash(1, 0) });
    }

    #[test]
    fn a_hash_whose_half_is_zero_is_remembered() {
        let mut seen = SeenShares::new(9, 7);

        assert!(seen.insert(&U256::ZERO, false).is_ok());
        assert!(seen.insert(&U256::ZERO, false).is_err());
    }
}

//! The headers that a channel was paid for on one tip, so that none is paid twice.
//!
//! Most channels find a few dozen of them: a list, which is looked through in as much time as a
//! table takes, and in less memory. From there on a table of its own, because its keys are hashes
//! already: open addressing with linear probing takes a third of the time of a general set, which
//! was a third of a share's.

use super::share::Rejection;
use crate::wire::U256;

/// A bounded set of header hashes.
#[derive(Debug)]
pub(crate) struct SeenShares {
    /// Made of the half of each hash that targets leave random; [`EMPTY`] where there is none.
    /// Up to [`LIST_SLOTS`] they are taken in turn. More are a table, of which at most four fifths
    /// are taken.
    slots: Box<[u64]>,
    count: u32,
    limit: u32,
    /// Half of the key of the block that all of them build on.
    tip: u32,
    /// Secret: who grinds headers must not choose where they fall.
    seed: u32,
}

impl SeenShares {
    /// A block is taken beyond the limit, or a full table would lose it. Only this many, since
    /// where targets are easy (regtest) every share is a block.
    const BLOCKS_BEYOND_LIMIT: u32 = 64;

    /// A limit above 2^32 is one of 2^32.
    pub(crate) fn new(limit: usize, seed: u64) -> Self {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        SeenShares { slots: Box::default(), count: 0, limit, tip: 0, seed: half(seed) }
    }

    /// Remembers a header.
    #[inline]
    pub(crate) fn insert(&mut self, hash: &U256, is_block: bool) -> Result<(), Rejection> {
        if self.count as usize >= self.room() {
            self.grow();
        }
        let key = key(hash);
        let Some(free) = self.free_slot(key) else {
            return Err(Rejection::Duplicate { hash: *hash });
        };
        let beyond = if is_block { Self::BLOCKS_BEYOND_LIMIT } else { 0 };
        if self.count >= self.limit.saturating_add(beyond) {
            return Err(Rejection::TooMany { limit: self.limit as usize });
        }
        self.slots[free] = key;
        self.count += 1;
        Ok(())
    }

    /// Forgets all if the tip is another one. The same may be named again, when a source of work
    /// was lost and is back: what was paid is not paid again for the same work under another id.
    pub(crate) fn turn_to(&mut self, prev_hash: &U256) {
        // Were two tips taken for one, nothing would be wrong: their headers differ.
        let tip = half(key(prev_hash));
        if self.tip != tip {
            self.tip = tip;
            self.clear();
        }
    }

    /// Forgets all: the tip has changed. A busy tip does not hold its memory for ever.
    pub(crate) fn clear(&mut self) {
        self.count = 0;
        self.slots = Box::default();
    }

    fn is_list(&self) -> bool {
        self.slots.len() <= LIST_SLOTS
    }

    /// How many are taken at most.
    #[inline]
    fn room(&self) -> usize {
        if self.is_list() { self.slots.len() } else { self.slots.len() / 5 * 4 }
    }

    /// Where a key belongs that is new.
    #[inline]
    fn free_slot(&self, key: u64) -> Option<usize> {
        if self.is_list() {
            // To the end: without a branch for each, several are compared at once.
            let is_there = self.slots.iter().fold(false, |found, slot| found | (*slot == key));
            return (!is_there).then_some(self.count as usize);
        }
        let mut at = self.place(key);
        // Ends: a fifth of all slots is empty.
        loop {
            match self.slots[at] {
                EMPTY => return Some(at),
                taken if taken == key => return None,
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
        let mixed = key.wrapping_mul(multiplier(self.seed)) >> 32;
        // As a fraction of 2^32, so that there may be any number of slots: a power of two would be
        // twice the last one, and mostly too much.
        ((mixed * self.slots.len() as u64) >> 32) as usize
    }

    #[cold]
    fn grow(&mut self) {
        // There is one for each channel, and most stay small: those grow by a few, so that hardly
        // any of it is empty; large ones by half, so that they are seldom copied.
        let len = self.slots.len();
        let longer = match len {
            0..LIST_SLOTS => len + LIST_STEP,
            LIST_SLOTS => 2 * LIST_SLOTS,
            _ => len + len / 2,
        };
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; longer].into());
        if self.is_list() {
            return self.slots[..len].copy_from_slice(&old);
        }
        for key in old {
            if key != EMPTY
                && let Some(at) = self.free_slot(key)
            {
                self.slots[at] = key;
            }
        }
    }
}

/// Odd, and different for each seed.
#[inline]
fn multiplier(seed: u32) -> u64 {
    (u64::from(seed) << 1 | 1).wrapping_mul(SPREAD)
}

/// That depends on all of a number.
fn half(of: u64) -> u32 {
    (of.wrapping_mul(SPREAD) >> 32) as u32
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
/// 2^64 by the golden ratio: the upper half of a product depends on all bits of a number.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// As many shares as a tip sees at six a minute; there is a list for each channel.
const LIST_SLOTS: usize = 64;
const LIST_STEP: usize = 4;

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

        assert_eq!(seen.slots.len(), 0);
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

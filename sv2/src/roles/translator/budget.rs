//! Who searches where: the bytes of an extranonce, layer by layer (spec 5.1.2.1).
//!
//! ```text
//! upstream's prefix | padding | index of the device | extranonce2
//! '---------------- extranonce1 ------------------'
//! ```
//!
//! The whole has the length that the upstream has set; a device rolls as many bytes as its
//! firmware can; what is left over between the two is zero.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::wire::B32;

/// What we need behind the upstream's prefix, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// That tell devices on one channel apart; 0 where each has its own.
    pub(super) index_len: usize,
    /// That a device rolls.
    pub(super) extranonce2_len: usize,
}

impl Budget {
    /// For `min_extranonce_size` of the upstream's channel.
    pub(super) fn asked(self) -> usize {
        self.index_len + self.extranonce2_len
    }

    /// Whether what an upstream has given is enough for every layer.
    pub(super) fn check(self, prefix_len: usize, granted: usize) -> Result<(), BudgetError> {
        let Budget { index_len, extranonce2_len } = self;
        let whole = prefix_len + granted;
        if granted < self.asked() {
            Err(BudgetError::TooShort { granted, index_len, extranonce2_len })
        } else if whole > B32::MAX {
            Err(BudgetError::TooLong { prefix_len, granted, whole })
        } else {
            Ok(())
        }
    }

    /// What a device is told: everything in front of what it rolls. The budget must have been
    /// [checked](Budget::check).
    pub(super) fn extranonce1(self, prefix: &B32, granted: usize, index: u32) -> B32 {
        let prefix = prefix.as_slice();
        let mut bytes = [0; B32::MAX];
        let len = prefix.len() + granted - self.extranonce2_len;
        bytes[..prefix.len()].copy_from_slice(prefix);
        bytes[len - self.index_len..len]
            .copy_from_slice(&index.to_be_bytes()[4 - self.index_len..]);
        B32::new(&bytes[..len]).expect("the budget was checked: at most 32 bytes")
    }
}

/// A layer of the extranonce that has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum BudgetError {
    /// Behind the upstream's prefix.
    #[error(
        "the upstream gives {granted} bytes of extranonce, and {index_len} are needed to tell \
         devices apart and {extranonce2_len} for each to roll (spec 5.1.2.1)"
    )]
    TooShort {
        /// By the upstream.
        granted: usize,
        /// Configured.
        index_len: usize,
        /// Configured.
        extranonce2_len: usize,
    },
    /// Altogether.
    #[error(
        "the upstream's prefix of {prefix_len} bytes and the {granted} behind it make an \
         extranonce of {whole}, 32 is the most (spec 5.1.2.1)"
    )]
    TooLong {
        /// The upstream's.
        prefix_len: usize,
        /// By the upstream.
        granted: usize,
        /// Together.
        whole: usize,
    },
}

/// Numbers that tell devices on one channel apart. They are used in turn, so that one comes back
/// as late as possible: whoever held it may still be hashing.
#[derive(Debug)]
pub(super) struct Indexes {
    len: usize,
    in_use: BTreeSet<u32>,
    next: u32,
}

impl Indexes {
    /// Numbers of `len` bytes, 0 to 4.
    pub(super) fn new(len: usize) -> Self {
        Indexes { len, in_use: BTreeSet::new(), next: 0 }
    }

    /// `None`: all are in use. Without bytes there is nothing to tell apart, and no end.
    pub(super) fn take(&mut self) -> Option<u32> {
        if self.len == 0 {
            return Some(0);
        }
        let count = 1_u64 << (8 * self.len);
        if self.in_use.len() as u64 >= count {
            return None;
        }
        // Ends: fewer than `count` are in use.
        loop {
            let index = self.next;
            let is_last = u64::from(index) + 1 == count;
            self.next = if is_last { 0 } else { index + 1 };
            if self.in_use.insert(index) {
                return Some(index);
            }
        }
    }

    pub(super) fn release(&mut self, index: u32) {
        self.in_use.remove(&index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(index_len: usize, extranonce2_len: usize) -> Budget {
        Budget { index_len, extranonce2_len }
    }

    #[test]
    fn extranonce1_and_extranonce2_fill_what_the_upstream_has_set() {
        let prefix = B32::new(&[0xaa, 0xbb]).unwrap();
        for extranonce2_len in 2..=8 {
            for index_len in 0..=4 {
                let budget = budget(index_len, extranonce2_len);
                for granted in budget.asked()..=30 {
                    budget.check(2, granted).unwrap();

                    let first = budget.extranonce1(&prefix, granted, 0x01);

                    assert_eq!(first.as_slice().len() + extranonce2_len, 2 + granted);
                    assert_eq!(first.as_slice()[..2], [0xaa, 0xbb]);
                    let last = first.as_slice().last().copied();
                    assert_eq!(last == Some(1), index_len > 0, "{first:?}");
                }
            }
        }
    }

    #[test]
    fn a_layer_without_room_is_named() {
        for (prefix_len, granted, error) in [
            (4, 5, BudgetError::TooShort { granted: 5, index_len: 2, extranonce2_len: 4 }),
            (4, 0, BudgetError::TooShort { granted: 0, index_len: 2, extranonce2_len: 4 }),
            (24, 9, BudgetError::TooLong { prefix_len: 24, granted: 9, whole: 33 }),
        ] {
            assert_eq!(budget(2, 4).check(prefix_len, granted), Err(error));
        }
        insta::assert_snapshot!(
            budget(2, 4).check(4, 5).unwrap_err(),
            @"the upstream gives 5 bytes of extranonce, and 2 are needed to tell devices apart and 4 for each to roll (spec 5.1.2.1)"
        );
    }

    #[test]
    fn an_index_comes_back_as_late_as_possible_and_the_last_one_is_the_last() {
        let mut indexes = Indexes::new(1);
        assert_eq!((indexes.take(), indexes.take()), (Some(0), Some(1)));
        indexes.release(0);

        let taken: Vec<_> = (0..256).map(|_| indexes.take()).collect();

        assert_eq!((taken[0], taken[253], taken[254]), (Some(2), Some(255), Some(0)));
        assert_eq!(taken[255], None);
    }
}

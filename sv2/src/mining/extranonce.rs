//! Who searches where: extranonce prefixes that no two channels share (spec 5.1.2.1).
//!
//! Every channel gets an index that nobody else holds, behind the server's own prefix. The
//! prefix of an extended channel ends there and the client rolls the rest; the prefix of a
//! standard channel is filled up with zeros to the full size. So no prefix is the beginning
//! of another.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::wire::B32;

/// How the extranonces of a server are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtranonceLayout {
    server_prefix: Vec<u8>,
    index_len: usize,
    full_len: usize,
    /// `full_len`, where an upstream has decided it.
    full_len_max: usize,
}

impl Default for ExtranonceLayout {
    /// As in the reference implementation: 1 + 3 + 16 bytes.
    fn default() -> Self {
        let (server_prefix, full_len_max) = (vec![0], Self::FULL_LEN_MAX);
        ExtranonceLayout { server_prefix, index_len: 3, full_len: 20, full_len_max }
    }
}

impl ExtranonceLayout {
    /// Longest extranonce in bytes: what the prefix field could hold (AMB-15).
    pub const FULL_LEN_MAX: usize = B32::MAX;

    /// `server_prefix` tells this server from others that pay to the same script;
    /// `index_len` bytes (1 to 4) tell its channels apart, so 256^n can be open at once;
    /// `full_len` is the length of prefix and rollable part together. A client that asks for a
    /// longer rollable part gets it, up to 32 bytes in all.
    ///
    /// # Errors
    /// [`LayoutError`]: the parts do not fit.
    pub fn new(
        server_prefix: Vec<u8>,
        index_len: usize,
        full_len: usize,
    ) -> Result<Self, LayoutError> {
        if !(1..=4).contains(&index_len) {
            return Err(LayoutError::IndexLen { index_len });
        }
        let prefix_len = server_prefix.len() + index_len;
        if full_len > Self::FULL_LEN_MAX || prefix_len > full_len {
            return Err(LayoutError::FullLen { prefix_len, full_len });
        }
        let full_len_max = Self::FULL_LEN_MAX;
        Ok(ExtranonceLayout { server_prefix, index_len, full_len, full_len_max })
    }

    /// The same behind an upstream, whose jobs are for extranonces of exactly `full_len` bytes:
    /// nobody gets a longer rollable part.
    ///
    /// # Errors
    /// [`LayoutError`]: the parts do not fit.
    pub fn behind_upstream(
        upstream_prefix: Vec<u8>,
        index_len: usize,
        full_len: usize,
    ) -> Result<Self, LayoutError> {
        let layout = Self::new(upstream_prefix, index_len, full_len)?;
        Ok(ExtranonceLayout { full_len_max: full_len, ..layout })
    }

    /// Of prefix and rollable part together, in bytes; a client may ask for more.
    pub(crate) fn full_len(&self) -> usize {
        self.full_len
    }

    fn prefix_len(&self) -> usize {
        self.server_prefix.len() + self.index_len
    }

    /// Channels that can be open at once.
    fn index_count(&self) -> u64 {
        1 << (8 * self.index_len)
    }
}

/// Hands out extranonces.
#[derive(Debug)]
pub struct ExtranonceAllocator {
    layout: ExtranonceLayout,
    in_use: BTreeSet<u32>,
    /// Indexes are used in turn, so that one comes back as late as possible: whoever held it
    /// may still be hashing.
    next: u32,
}

/// The part of the search space that belongs to one channel.
///
/// Not `Clone`: it goes back to its allocator once.
#[derive(Debug, PartialEq, Eq)]
pub struct Extranonce {
    index: u32,
    pub(super) prefix: B32,
    rollable_len: u8,
}

impl Extranonce {
    /// The bytes that are fixed.
    pub fn prefix(&self) -> B32 {
        self.prefix
    }

    /// How many bytes the client rolls; 0 for a standard channel.
    pub fn rollable_len(&self) -> usize {
        usize::from(self.rollable_len)
    }

    /// Fixed and rolled bytes together.
    pub fn full_len(&self) -> usize {
        self.prefix.as_slice().len() + self.rollable_len()
    }
}

/// Why there is no extranonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExtranonceError {
    /// All indexes are in use.
    #[error("all {limit} extranonce prefixes are in use")]
    Exhausted {
        /// As many as the layout has.
        limit: u64,
    },
    /// Prefix and rollable part would be longer than 32 bytes, or than the upstream's.
    #[error("{asked} bytes of extranonce were asked for, {available} are left behind the prefix")]
    TooLong {
        /// By the client.
        asked: u16,
        /// The most that can be granted.
        available: usize,
    },
}

/// Why a layout cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// Too few or too many bytes for the index.
    #[error("an extranonce index has 1 to 4 bytes, not {index_len}")]
    IndexLen {
        /// As configured.
        index_len: usize,
    },
    /// The parts do not fit.
    #[error("a prefix of {prefix_len} bytes does not fit an extranonce of {full_len}, at most 32")]
    FullLen {
        /// Server prefix and index.
        prefix_len: usize,
        /// As configured.
        full_len: usize,
    },
}

impl ExtranonceAllocator {
    /// Nothing is handed out yet.
    pub fn new(layout: ExtranonceLayout) -> Self {
        ExtranonceAllocator { layout, in_use: BTreeSet::new(), next: 0 }
    }

    /// A whole extranonce for a standard channel.
    ///
    /// # Errors
    /// [`ExtranonceError::Exhausted`].
    pub fn standard(&mut self) -> Result<Extranonce, ExtranonceError> {
        let index = self.take_index()?;
        Ok(Extranonce { index, prefix: self.prefix(index, self.layout.full_len), rollable_len: 0 })
    }

    /// A prefix for an extended channel, with at least `min_len` bytes to roll behind it.
    ///
    /// # Errors
    /// [`ExtranonceError`]: exhausted, or too many bytes asked for.
    pub fn extended(&mut self, min_len: u16) -> Result<Extranonce, ExtranonceError> {
        let prefix_len = self.layout.prefix_len();
        let available = self.layout.full_len_max - prefix_len;
        let rollable_len = usize::from(min_len).max(self.layout.full_len - prefix_len);
        if rollable_len > available {
            return Err(ExtranonceError::TooLong { asked: min_len, available });
        }
        let index = self.take_index()?;
        #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
        let rollable_len = rollable_len as u8;
        Ok(Extranonce { index, prefix: self.prefix(index, prefix_len), rollable_len })
    }

    /// From now on; who holds an extranonce keeps it until it is [renewed](Self::renewed).
    pub fn set_layout(&mut self, layout: ExtranonceLayout) {
        self.layout = layout;
        self.next = 0;
    }

    /// The same part of the search space under the present layout, in place of the old one,
    /// which is not released. `None`: the index or the rollable part has no room in it.
    pub fn renewed(&self, extranonce: &Extranonce) -> Option<Extranonce> {
        let (index, layout) = (extranonce.index, &self.layout);
        let prefix_len = match extranonce.rollable_len {
            0 => layout.full_len,
            _ => layout.prefix_len(),
        };
        let full_len = prefix_len + extranonce.rollable_len();
        let has_room = u64::from(index) < layout.index_count()
            && (layout.full_len..=layout.full_len_max).contains(&full_len);
        let prefix = has_room.then(|| self.prefix(index, prefix_len))?;
        Some(Extranonce { index, prefix, rollable_len: extranonce.rollable_len })
    }

    /// Another part of the search space, of the same kind and size.
    ///
    /// # Errors
    /// As [`Self::standard`] and [`Self::extended`].
    pub fn another(&mut self, extranonce: &Extranonce) -> Result<Extranonce, ExtranonceError> {
        match extranonce.rollable_len {
            0 => self.standard(),
            rollable_len => self.extended(rollable_len.into()),
        }
    }

    /// Takes back what is not searched any more.
    pub fn release(&mut self, extranonce: Extranonce) {
        let was_in_use = self.in_use.remove(&extranonce.index);
        debug_assert!(was_in_use, "an extranonce returns once, to the allocator that made it");
    }

    fn take_index(&mut self) -> Result<u32, ExtranonceError> {
        let limit = self.layout.index_count();
        if self.in_use.len() as u64 >= limit {
            return Err(ExtranonceError::Exhausted { limit });
        }
        #[expect(clippy::cast_possible_truncation, reason = "the limit is at most 2^32")]
        let last = (limit - 1) as u32;
        // Ends: fewer than `limit` indexes are in use.
        loop {
            let index = self.next;
            self.next = if index == last { 0 } else { index + 1 };
            if self.in_use.insert(index) {
                return Ok(index);
            }
        }
    }

    fn prefix(&self, index: u32, len: usize) -> B32 {
        let mut bytes = [0; B32::MAX];
        let (server, index_len) = (&self.layout.server_prefix, self.layout.index_len);
        bytes[..server.len()].copy_from_slice(server);
        bytes[server.len()..][..index_len].copy_from_slice(&index.to_be_bytes()[4 - index_len..]);
        B32::new(&bytes[..len]).expect("the layout has checked that its parts fit 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocator(index_len: usize) -> ExtranonceAllocator {
        ExtranonceAllocator::new(ExtranonceLayout::new(vec![0], index_len, 20).unwrap())
    }

    #[test]
    fn no_prefix_is_the_beginning_of_another() {
        let mut allocator = allocator(1);
        let prefixes: Vec<B32> = (0..256)
            .map(|turn| match turn % 3 {
                0 => allocator.standard(),
                1 => allocator.extended(2),
                _ => allocator.extended(20),
            })
            .map(|extranonce| extranonce.unwrap().prefix())
            .collect();

        for (first_index, first) in prefixes.iter().enumerate() {
            for second in &prefixes[first_index + 1..] {
                let shorter = first.as_slice().len().min(second.as_slice().len());
                assert_ne!(first.as_slice()[..shorter], second.as_slice()[..shorter]);
            }
        }
    }

    #[test]
    fn the_grant_is_at_least_what_was_asked_for_and_fits_32_bytes() {
        for (min_len, rollable_len) in [(0, 16), (2, 16), (16, 16), (17, 17), (28, 28)] {
            let extranonce = allocator(3).extended(min_len).unwrap();

            assert_eq!(extranonce.rollable_len(), rollable_len);
            assert_eq!(extranonce.full_len(), 4 + rollable_len);
        }
        for min_len in [29, 32, 33, u16::MAX] {
            let error = allocator(3).extended(min_len).unwrap_err();

            assert_eq!(error, ExtranonceError::TooLong { asked: min_len, available: 28 });
        }
    }

    #[test]
    fn a_standard_prefix_is_the_whole_extranonce() {
        let extranonce = allocator(3).standard().unwrap();

        assert_eq!((extranonce.prefix().as_slice().len(), extranonce.rollable_len()), (20, 0));
    }

    #[test]
    fn an_exhausted_server_says_so_and_goes_on_when_one_returns() {
        let mut allocator = allocator(1);
        let mut held: Vec<_> = (0..256).map(|_| allocator.standard().unwrap()).collect();

        assert_eq!(allocator.extended(0), Err(ExtranonceError::Exhausted { limit: 256 }));
        allocator.release(held.remove(7));

        assert_eq!(allocator.extended(0).unwrap().prefix().as_slice(), [0, 7]);
    }

    #[test]
    fn a_returned_prefix_is_used_again_as_late_as_possible() {
        let mut allocator = allocator(3);
        let first = allocator.standard().unwrap();
        let prefix = first.prefix();
        allocator.release(first);

        assert_ne!(allocator.standard().unwrap().prefix(), prefix);
    }

    #[test]
    fn behind_an_upstream_every_extranonce_has_the_upstreams_length() {
        let layout = ExtranonceLayout::behind_upstream(vec![1, 2, 3, 4], 2, 20).unwrap();
        let mut allocator = ExtranonceAllocator::new(layout);

        assert_eq!(allocator.standard().unwrap().full_len(), 20);
        assert_eq!(allocator.extended(3).unwrap().full_len(), 20);
        let error = ExtranonceError::TooLong { asked: 15, available: 14 };
        assert_eq!(allocator.extended(15), Err(error));
    }

    #[test]
    fn a_new_layout_moves_extranonces_and_refuses_those_that_it_has_no_room_for() {
        let behind = |prefix: &[u8], index_len, full_len| {
            ExtranonceLayout::behind_upstream(prefix.to_vec(), index_len, full_len).unwrap()
        };
        let mut allocator = ExtranonceAllocator::new(behind(&[1, 2], 2, 20));
        let standard = allocator.standard().unwrap();
        let extended = allocator.extended(4).unwrap();
        let renewed = |allocator: &ExtranonceAllocator, old: &Extranonce| {
            allocator.renewed(old).map(|new| (new.prefix().as_slice().to_vec(), new.full_len()))
        };

        allocator.set_layout(behind(&[7, 8, 9], 2, 21));
        let longer = renewed(&allocator, &extended);
        let whole = renewed(&allocator, &standard).unwrap();
        allocator.set_layout(behind(&[7, 8, 9], 2, 20));

        assert_eq!(longer, Some((vec![7, 8, 9, 0, 1], 21)));
        assert_eq!((&whole.0[..5], whole.1), (&[7, 8, 9, 0, 0][..], 21));
        assert_eq!(renewed(&allocator, &extended), None, "it rolls one byte too many");
        assert_eq!(renewed(&allocator, &standard).unwrap().1, 20);
        assert_ne!(allocator.standard().unwrap().prefix(), standard.prefix());
    }

    #[test]
    fn layouts_without_room_are_refused() {
        let layout = |index_len, full_len| ExtranonceLayout::new(vec![0], index_len, full_len);

        assert_eq!(layout(0, 20), Err(LayoutError::IndexLen { index_len: 0 }));
        assert_eq!(layout(5, 20), Err(LayoutError::IndexLen { index_len: 5 }));
        assert_eq!(layout(3, 3), Err(LayoutError::FullLen { prefix_len: 4, full_len: 3 }));
        assert_eq!(layout(3, 33), Err(LayoutError::FullLen { prefix_len: 4, full_len: 33 }));
        assert!(layout(3, 4).is_ok());
    }
}

//! Randomness as an argument.
//!
//! A role receives an [`Entropy`] when it is built and draws everything random from it:
//! a seed repeats a run to the byte. `sv2-net` seeds it from the operating system.

use std::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A stream of random bytes: ChaCha20 under a 256-bit seed.
pub struct Entropy {
    /// Kept to derive independent streams from; the generator alone cannot be split.
    seed: Zeroizing<[u8; 32]>,
    /// Words that were drawn.
    position: u64,
    /// The block of the stream that the next word is of, unless that is the first of one.
    words: Zeroizing<[u32; BLOCK_WORDS]>,
}

impl Entropy {
    /// A stream that is as unpredictable as its seed.
    pub fn from_bytes(seed: [u8; 32]) -> Self {
        Entropy { seed: Zeroizing::new(seed), position: 0, words: Zeroizing::default() }
    }

    /// A repeatable stream, for tests and simulations; never for keys that matter.
    pub fn from_seed(seed: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"assay entropy");
        hash.update(seed.to_le_bytes());
        Entropy::from_bytes(hash.finalize().into())
    }

    /// An independent stream for one purpose and one entity. What is drawn from it does not
    /// depend on how much was drawn from `self`.
    pub fn fork(&self, purpose: &str, entity: u64) -> Entropy {
        let mut hash = Sha256::new();
        hash.update(*self.seed);
        hash.update(entity.to_le_bytes());
        hash.update(purpose.as_bytes());
        Entropy::from_bytes(hash.finalize().into())
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.u32().to_le_bytes()[..chunk.len()]);
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder")]
        let at = (self.position % BLOCK_WORDS as u64) as usize;
        if at == 0 {
            self.refill();
        }
        self.position += 1;
        self.words[at]
    }

    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        let (low, high) = (self.u32(), self.u32());
        u64::from(high) << 32 | u64::from(low)
    }

    /// A number in `0..bound`, without bias.
    ///
    /// # Panics
    /// If `bound` is zero: the range is empty.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number lies below zero");
        // Rejecting the tail that does not divide evenly removes the bias of a remainder.
        let tail = u64::MAX - u64::MAX % bound;
        loop {
            let draw = self.u64();
            if draw < tail {
                return draw % bound;
            }
        }
    }
}

impl Entropy {
    /// The generator itself keeps four blocks, three of which are too much for a million devices.
    #[cold]
    fn refill(&mut self) {
        let mut stream = ChaCha20Rng::from_seed(*self.seed);
        stream.set_word_pos(self.position.into());
        self.words.fill_with(|| stream.next_u32());
    }
}

/// Of ChaCha20, in words of 32 bits.
const BLOCK_WORDS: usize = 16;

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::rand_core::RngCore;

    use super::*;

    #[test]
    fn the_same_seed_repeats_the_same_bytes() {
        let (mut first, mut second) = (Entropy::from_seed(7), Entropy::from_seed(7));

        assert_eq!(first.bytes::<64>(), second.bytes::<64>());
    }

    #[test]
    fn a_fork_does_not_depend_on_what_was_drawn_before() {
        let (mut early, late) = (Entropy::from_seed(7), Entropy::from_seed(7));
        early.u64();

        assert_eq!(early.fork("keys", 1).u64(), late.fork("keys", 1).u64());
        assert_ne!(late.fork("keys", 1).u64(), late.fork("keys", 2).u64());
        assert_ne!(late.fork("keys", 1).u64(), late.fork("jobs", 1).u64());
    }

    proptest! {
        /// Keys are made of these bytes, and runs are repeated by them.
        #[test]
        fn what_is_drawn_is_the_stream_of_chacha20(
            seed: [u8; 32], draws in prop::collection::vec(0_usize..200, 0..40),
        ) {
            let mut entropy = Entropy::from_bytes(seed);
            let mut stream = ChaCha20Rng::from_seed(seed);
            for draw in draws {
                match draw {
                    0..60 => prop_assert_eq!(entropy.u32(), stream.next_u32()),
                    60..120 => prop_assert_eq!(entropy.u64(), stream.next_u64()),
                    len => {
                        let (mut ours, mut theirs) = (vec![0; len], vec![0; len]);
                        entropy.fill(&mut ours);
                        stream.fill_bytes(&mut theirs);
                        prop_assert_eq!(ours, theirs);
                    }
                }
            }
        }
    }

    #[test]
    fn debug_output_does_not_show_the_seed() {
        insta::assert_snapshot!(format!("{:?}", Entropy::from_seed(7)), @"Entropy(..)");
    }
}

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
    stream: ChaCha20Rng,
}

impl Entropy {
    /// A stream that is as unpredictable as its seed.
    pub fn from_bytes(seed: [u8; 32]) -> Self {
        Entropy { seed: Zeroizing::new(seed), stream: ChaCha20Rng::from_seed(seed) }
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
        self.stream.fill_bytes(bytes);
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        self.stream.next_u32()
    }

    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.stream.next_u64()
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

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn debug_output_does_not_show_the_seed() {
        insta::assert_snapshot!(format!("{:?}", Entropy::from_seed(7)), @"Entropy(..)");
    }
}

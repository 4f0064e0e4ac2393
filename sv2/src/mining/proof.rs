//! What counts as a proof of work: the hash of a header or, where a simulation has no processor
//! for hashes, a number that the header's nonce carries.
//!
//! Such a nonce is a number as floating point has it, drawn as hashes fall, so that it meets each
//! target as often as a hash would. It proves nothing: whoever may choose a nonce chooses the
//! verdict. So only the settings of a role can ask for it, and no config file does.

use crate::wire::{Target, U256};

/// How a share's header is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProofCheck {
    /// By its hash (spec 5.3.11, 5.3.12).
    #[default]
    Hashed,
    /// By what its nonce says. In virtual time alone, where all devices are ours.
    Oracle,
}

impl ProofCheck {
    /// Whether a header is worth a block, for whoever is told that it is one. An oracle has spoken
    /// before: it was asked about the share.
    pub(crate) fn is_block(self, hash: &U256, target: &Target) -> bool {
        match self {
            ProofCheck::Hashed => target.is_met_by(hash),
            ProofCheck::Oracle => true,
        }
    }
}

/// Everything that tells a header from others of its tip, as both ends of a channel know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OracleHeader {
    pub(crate) prev_hash: U256,
    pub(crate) version: u32,
    pub(crate) ntime: u32,
    pub(crate) nonce: u32,
    pub(crate) space: SearchSpace,
}

impl OracleHeader {
    /// In the place of the hash. The nonce gives the leading zeros and the 25 bits behind them;
    /// all below tells headers apart that carry the same number.
    pub(crate) fn hash(&self) -> U256 {
        let [first, ..] = self.prev_hash.to_limbs();
        let header = u64::from(self.version) << 32 | u64::from(self.ntime);
        let key = [first, header, self.space.0, u64::from(self.nonce)];
        let seed = key.into_iter().fold(0, |seed, word| mix(seed ^ word));
        let fill = |index: u64| mix(seed.wrapping_add(index.wrapping_mul(GOLDEN)));
        let digits = u64::from(self.nonce & MANTISSA) << (63 - MANTISSA_BITS);
        let below = fill(3) >> (MANTISSA_BITS + 1);
        shifted([fill(0), fill(1), fill(2), 1 << 63 | digits | below], self.nonce >> MANTISSA_BITS)
    }
}

/// A whole extranonce, as a number: parts of the search space that differ seldom share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SearchSpace(u64);

impl SearchSpace {
    /// Up to and with these bytes.
    pub(crate) fn new(prefix: &[u8]) -> Self {
        SearchSpace(GOLDEN).with(prefix)
    }

    /// With the bytes that follow: where an extranonce is cut does not matter.
    pub(crate) fn with(self, bytes: &[u8]) -> Self {
        let step = |space, byte: &u8| mix(space ^ u64::from(*byte));
        SearchSpace(bytes.iter().fold(self.0, step))
    }
}

/// The nonce of a hash that is `draw` of 2^64 parts of the target: with even draws, hashes fall
/// evenly below it. Now and then, as what the nonce has no room for rounds, the hash is above.
pub(crate) fn oracle_nonce(target: &Target, draw: u64) -> u32 {
    let zeros = leading_zeros(&target.0);
    let [.., window] = shifted_left(&target.0, zeros);
    let product = (u128::from(window) * u128::from(draw)) >> 64;
    let product = (product as u64).max(1);
    let shift = (zeros + product.leading_zeros()).min(SHIFT_MAX);
    let digits = ((product << product.leading_zeros()) >> (63 - MANTISSA_BITS)) as u32;
    shift << MANTISSA_BITS | digits & MANTISSA
}

/// Spreads every bit over all 64 (the finaliser of SplitMix64; Steele, Lea and Flood, *Fast
/// splittable pseudorandom number generators*, 2014).
pub(crate) fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(GOLDEN);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

fn leading_zeros(number: &U256) -> u32 {
    let limbs = number.to_limbs();
    let empty = limbs.iter().rev().take_while(|limb| **limb == 0).count();
    let first = limbs.iter().rev().nth(empty).map_or(0, |limb| limb.leading_zeros());
    #[expect(clippy::cast_possible_truncation, reason = "four limbs at most")]
    let empty = empty as u32;
    (64 * empty + first).min(SHIFT_MAX)
}

/// To the right, by less than 256 bits; limbs from the least significant one.
fn shifted(limbs: [u64; 4], bits: u32) -> U256 {
    let (whole, part) = ((bits / 64) as usize, bits % 64);
    let limb = |index: usize| limbs.get(index).copied().unwrap_or(0);
    U256::from_limbs([0, 1, 2, 3].map(|index| {
        let carried = limb(index + whole + 1).checked_shl(64 - part).unwrap_or(0);
        limb(index + whole) >> part | carried
    }))
}

/// To the left, by less than 256 bits.
fn shifted_left(number: &U256, bits: u32) -> [u64; 4] {
    let (limbs, whole, part) = (number.to_limbs(), (bits / 64) as usize, bits % 64);
    let limb = |index: usize, less: usize| index.checked_sub(less).map_or(0, |at| limbs[at]);
    [0, 1, 2, 3].map(|index| {
        let carried = limb(index, whole + 1).checked_shr(64 - part).unwrap_or(0);
        limb(index, whole) << part | carried
    })
}

/// What is left of a nonce beside the count of zeros.
const MANTISSA_BITS: u32 = 24;
const MANTISSA: u32 = (1 << MANTISSA_BITS) - 1;
/// Most leading zeros.
const SHIFT_MAX: u32 = 255;
/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn header(nonce: u32) -> OracleHeader {
        let prev_hash = U256::from_limbs([7, 8, 9, 0]);
        OracleHeader { prev_hash, version: 1, ntime: 2, nonce, space: SearchSpace::new(&[3]) }
    }

    fn drawn(target: &Target, count: u64) -> impl Iterator<Item = U256> {
        (0..count).map(|draw| header(oracle_nonce(target, mix(draw))).hash())
    }

    #[test]
    fn drawn_hashes_meet_each_harder_target_as_often_as_hashes_would() {
        for hashes in [1.0, 2.0, 3.0, 65_536.0, 1e9, 7e14, 1e23, 1e30] {
            let target = Target::from_expected_hashes(hashes);
            for harder in [1.25, 2.0, 3.0, 10.0] {
                let block = Target::from_expected_hashes(hashes * harder);
                let met = drawn(&target, 20_000).filter(|hash| block.is_met_by(hash)).count();

                let (part, expected) = (met as f64 / 20_000.0, 1.0 / harder);
                assert!((part - expected).abs() < 0.015, "{hashes} hashes: {part}, not {expected}");
            }
        }
    }

    #[test]
    fn drawn_hashes_miss_their_own_target_once_in_a_million_at_most() {
        for hashes in [1.0, 3.0, 65_536.0, 7e14] {
            let target = Target::from_expected_hashes(hashes);

            let missed = drawn(&target, 100_000).filter(|hash| !target.is_met_by(hash)).count();

            assert!(missed <= 1, "{hashes} hashes: {missed}");
        }
    }

    #[test]
    fn extreme_targets_and_draws_give_nonces_of_their_size() {
        let hardest = Target(U256::from_limbs([1, 0, 0, 0]));
        for (target, draw, zeros) in [
            (Target::MAX, u64::MAX, 0),
            (Target::MAX, 0, 63),
            (hardest, u64::MAX, 255),
            (Target(U256::ZERO), u64::MAX, 255),
        ] {
            let hash = header(oracle_nonce(&target, draw)).hash();

            assert_eq!(leading_zeros(&hash), zeros, "{target} with {draw}");
        }
    }

    #[test]
    fn headers_that_differ_in_anything_have_other_hashes() {
        let one = header(5);
        let others = [
            OracleHeader { prev_hash: U256::ZERO, ..one },
            OracleHeader { version: 3, ..one },
            OracleHeader { ntime: 3, ..one },
            OracleHeader { nonce: 6, ..one },
            OracleHeader { space: SearchSpace::new(&[4]), ..one },
        ];

        let hashes: BTreeSet<U256> = others.iter().chain([&one]).map(OracleHeader::hash).collect();

        assert_eq!(hashes.len(), 6);
    }

    #[test]
    fn an_extranonce_is_the_same_wherever_it_is_cut() {
        let whole = SearchSpace::new(&[1, 2, 3]);

        assert_eq!(SearchSpace::new(&[1]).with(&[2, 3]), whole);
        assert_ne!(SearchSpace::new(&[1]).with(&[3, 2]), whole);
    }
}

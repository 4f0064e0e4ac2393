//! U256: hashes, merkle nodes and targets.
//!
//! The one place that knows their byte order. On the wire, in block headers and in
//! SHA-256's output the least significant byte comes first; people read and write the most
//! significant digit first. Mixing the two is the most frequent interoperability failure
//! in the field.

use std::cmp::Ordering;
use std::fmt;

use super::hex::array_from_hex;
use super::{Kind, Reader, WireField};

/// A 256-bit number; also a hash, seen as one. Prints as people read it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct U256([u8; 32]);

impl U256 {
    /// Zero.
    pub const ZERO: U256 = U256([0; 32]);
    /// 2^256 - 1.
    pub const MAX: U256 = U256([0xff; 32]);

    /// From wire order, which is also the order of a hash function's output.
    pub const fn from_le_bytes(bytes: [u8; 32]) -> Self {
        U256(bytes)
    }

    /// In wire order.
    pub const fn to_le_bytes(self) -> [u8; 32] {
        self.0
    }

    /// In wire order, borrowed.
    pub const fn as_le_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From the order in which people write numbers.
    pub fn from_be_bytes(mut bytes: [u8; 32]) -> Self {
        bytes.reverse();
        U256(bytes)
    }

    /// In the order in which people write numbers.
    pub fn to_be_bytes(self) -> [u8; 32] {
        let mut bytes = self.0;
        bytes.reverse();
        bytes
    }

    /// From 64 hexadecimal digits, most significant first; `None` if it is anything else.
    pub fn from_hex(digits: &str) -> Option<Self> {
        array_from_hex(digits.as_bytes()).map(U256::from_be_bytes)
    }

    /// The four 64-bit limbs, least significant first.
    #[inline]
    pub fn to_limbs(self) -> [u64; 4] {
        let (chunks, _) = self.0.as_chunks::<8>();
        [0, 1, 2, 3].map(|limb_index| u64::from_le_bytes(chunks[limb_index]))
    }

    /// From four 64-bit limbs, least significant first.
    pub fn from_limbs(limbs: [u64; 4]) -> Self {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(limbs) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        U256(bytes)
    }
}

impl Ord for U256 {
    /// As numbers.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (self.to_limbs(), other.to_limbs());
        ours.iter().rev().cmp(theirs.iter().rev())
    }
}

impl PartialOrd for U256 {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for U256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0.iter().rev()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).expect("digits are ASCII"))
    }
}

impl fmt::Debug for U256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The largest hash that still counts as a proof of work. Its arithmetic (difficulty, hash
/// rate, compact bits) is in [`crate::mining::target`].
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(pub U256);

impl Target {
    /// Every hash is a proof.
    pub const MAX: Target = Target(U256::MAX);

    /// Whether `hash` is a proof of work: equality counts.
    #[inline]
    pub fn is_met_by(&self, hash: &U256) -> bool {
        *hash <= self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl WireField for U256 {
    const KIND: Kind = Kind::U256;
    const LEN_MIN: usize = 32;
    #[inline(always)]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.array().map(U256)
    }
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    #[inline(always)]
    fn wire_len(&self) -> usize {
        32
    }
    #[inline(always)]
    fn read_many(reader: &mut Reader<'_>, count: usize) -> Option<Vec<Self>> {
        let (chunks, _) = reader.take(32 * count)?.as_chunks();
        Some(chunks.iter().map(|bytes| U256(*bytes)).collect())
    }
}

impl WireField for Target {
    const KIND: Kind = Kind::Target;
    const LEN_MIN: usize = 32;
    #[inline(always)]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        U256::read(reader).map(Target)
    }
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
    #[inline(always)]
    fn wire_len(&self) -> usize {
        32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_their_most_significant_byte() {
        let mut high = [0; 32];
        high[31] = 1;
        let mut low = [0xff; 32];
        low[31] = 0;

        assert!(U256::from_le_bytes(high) > U256::from_le_bytes(low));
    }

    #[test]
    fn a_number_prints_most_significant_digit_first_and_reads_back() {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (0x01, 0xab);
        let number = U256::from_le_bytes(bytes);

        let text = number.to_string();

        assert!(text.starts_with("ab") && text.ends_with("01"), "{text}");
        assert_eq!(U256::from_hex(&text), Some(number));
    }

    #[test]
    fn a_hash_equal_to_the_target_is_a_proof() {
        let target = Target(U256::from_limbs([5, 0, 0, 0]));

        assert!(target.is_met_by(&U256::from_limbs([5, 0, 0, 0])));
        assert!(!target.is_met_by(&U256::from_limbs([6, 0, 0, 0])));
    }
}

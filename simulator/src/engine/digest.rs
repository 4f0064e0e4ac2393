//! A rolling digest of a run: two runs with the same one went through the same events in the
//! same order.
//!
//! It guards against accidents, not against forgery: one multiplication a word, so that it can
//! stay on in the largest runs.

/// What has happened so far, in 64 bits. Order matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    state: u64,
}

impl Digest {
    /// Takes in a word.
    #[inline]
    pub fn word(&mut self, word: u64) {
        // Without the rotation, upper bits of a word would never reach lower ones.
        let product = u128::from(self.state.rotate_left(29) ^ word) * u128::from(FACTOR);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let folded = product as u64 ^ (product >> 64) as u64;
        self.state = folded;
    }

    /// Takes in bytes, and how many they are: `"ab", "c"` is not `"a", "bc"`.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    /// Of all that was taken in.
    pub fn value(&self) -> u64 {
        self.state
    }
}

impl Default for Digest {
    fn default() -> Self {
        Digest { state: START }
    }
}

/// Odd, with as many ones as zeros: from the digits of pi, as [`START`].
const FACTOR: u64 = 0x1319_8a2e_0370_7345;
const START: u64 = 0x243f_6a88_85a3_08d3;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[u64]) -> u64 {
        let mut digest = Digest::default();
        words.iter().for_each(|word| digest.word(*word));
        digest.value()
    }

    #[test]
    fn every_bit_and_the_order_of_words_change_the_digest() {
        let whole = of(&[1, 2, 3]);

        assert_ne!(whole, of(&[2, 1, 3]));
        assert_ne!(whole, of(&[1, 2]));
        for bit in 0..64 {
            assert_ne!(whole, of(&[1 ^ (1 << bit), 2, 3]), "bit {bit} of the first word");
            assert_ne!(whole, of(&[1, 2, 3 ^ (1 << bit)]), "bit {bit} of the last word");
        }
    }

    #[test]
    fn two_changes_of_the_same_bit_do_not_cancel() {
        for bit in 0..64 {
            assert_ne!(of(&[0, 0, 9]), of(&[1 << bit, 1 << bit, 9]), "bit {bit}");
        }
    }

    #[test]
    fn bytes_are_told_from_the_same_bytes_cut_elsewhere() {
        let (mut one, mut other) = (Digest::default(), Digest::default());
        one.bytes(b"ab");
        one.bytes(b"c");
        other.bytes(b"a");
        other.bytes(b"bc");

        assert_ne!(one.value(), other.value());
    }

    /// Digests are quoted in reports and kept beside seeds: a change of the algorithm is a change
    /// of all of them.
    #[test]
    fn the_digest_of_known_words_stays_what_it_was() {
        insta::assert_snapshot!(format!("{:016x}", of(&[1, 2, 3])), @"5742bae5f430b83e");
    }
}

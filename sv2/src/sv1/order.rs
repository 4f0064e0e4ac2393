//! The byte orders of Stratum V1, each in one place.
//!
//! | value | as hex digits |
//! | --- | --- |
//! | version, nbits, ntime, nonce, version bits | the number, most significant digit first |
//! | previous hash in `mining.notify` | bytes of the header, each 4-byte word turned round |
//! | merkle branches | bytes as hashed |
//! | coinbase parts, extranonces | bytes as they stand in the transaction |
//! | target in `mining.suggest_target` | the number, most significant digit first |

use crate::wire::U256;

/// The previous hash as it is written: neither the order of a header nor that of people.
pub fn prev_hash_to_words(hash: U256) -> [u8; 32] {
    turn_words(hash.to_le_bytes())
}

/// The other way.
pub fn prev_hash_from_words(words: [u8; 32]) -> U256 {
    U256::from_le_bytes(turn_words(words))
}

/// A node of the merkle tree as it is written.
pub fn branch_to_bytes(branch: U256) -> [u8; 32] {
    branch.to_le_bytes()
}

/// The other way.
pub fn branch_from_bytes(bytes: [u8; 32]) -> U256 {
    U256::from_le_bytes(bytes)
}

/// A 32-bit field as it is written: 8 digits.
pub fn word_to_bytes(word: u32) -> [u8; 4] {
    word.to_be_bytes()
}

/// Reads a 32-bit field of 1 to 8 digits in either case: some devices leave zeros out.
pub fn word_from_hex(digits: &str) -> Option<u32> {
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    (is_hex && digits.len() <= 8).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// The version of a header: the job's, with those bits of a share that the mask lets it choose
/// (BIP 310). A share says bits, not a difference.
pub fn rolled_version(job_version: u32, mask: u32, bits: u32) -> u32 {
    (job_version & !mask) | (bits & mask)
}

fn turn_words(mut bytes: [u8; 32]) -> [u8; 32] {
    bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|word| word.reverse());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::hex::write_hex;

    #[test]
    fn the_previous_hash_is_in_neither_of_the_two_usual_orders() {
        // The genesis block.
        let human = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
        let hash = U256::from_hex(human).unwrap();

        let mut written = Vec::new();
        write_hex(&prev_hash_to_words(hash), &mut written);

        let words = "0a8ce26f 72b3f1b6 46a2a6c1 4ff763ae 65831e93 9c085ae1 0019d668 00000000";
        assert_eq!(String::from_utf8(written).unwrap(), words.replace(' ', ""));
        assert_eq!(prev_hash_from_words(prev_hash_to_words(hash)), hash);
    }

    #[test]
    fn words_are_numbers_and_take_up_to_eight_digits() {
        assert_eq!(word_to_bytes(0x1c2a_c4af), [0x1c, 0x2a, 0xc4, 0xaf]);
        for (digits, word) in [
            ("1c2ac4af", Some(0x1c2a_c4af)),
            ("1C2AC4AF", Some(0x1c2a_c4af)),
            ("2", Some(2)),
            ("", None),
            ("+2", None),
            ("0x2", None),
            ("123456789", None),
            ("é", None),
        ] {
            assert_eq!(word_from_hex(digits), word, "{digits:?}");
        }
    }

    #[test]
    fn bits_outside_the_mask_are_the_jobs() {
        assert_eq!(rolled_version(0x2000_0004, 0x1fff_e000, 0xffff_ffff), 0x3fff_e004);
        assert_eq!(rolled_version(0x2000_e000, 0x1fff_e000, 0), 0x2000_0000);
    }
}

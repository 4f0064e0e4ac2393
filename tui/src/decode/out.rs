//! Text on its way out. It is made of text, so that nobody need look through it again to know that
//! it is: half of it are digits, which are made as bytes.

use std::fmt;

/// Appended to as a string is.
#[derive(Debug, Default)]
pub(crate) struct Out {
    bytes: Vec<u8>,
}

impl Out {
    pub(crate) fn push_str(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn push(&mut self, letter: char) {
        match u8::try_from(letter) {
            Ok(ascii @ 0..=0x7f) => self.bytes.push(ascii),
            _ => self.push_str(letter.encode_utf8(&mut [0; 4])),
        }
    }

    /// Decimal digits, without the machinery of `fmt`.
    pub(super) fn push_int(&mut self, mut value: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        while value >= 100 {
            at -= 2;
            digits[at..at + 2].copy_from_slice(&DECIMAL[(value % 100) as usize]);
            value /= 100;
        }
        let [tens, ones] = DECIMAL[(value % 100) as usize];
        at -= 1;
        digits[at] = ones;
        if tens != b'0' {
            at -= 1;
            digits[at] = tens;
        }
        self.bytes.extend_from_slice(&digits[at..]);
    }

    pub(super) fn push_hex(&mut self, bytes: &[u8]) {
        let mut text = [0; 64];
        for bytes in bytes.chunks(text.len() / 2) {
            for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
                digits.copy_from_slice(&HEX[usize::from(*byte)]);
            }
            self.bytes.extend_from_slice(&text[..2 * bytes.len()]);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Takes back what was appended behind a place.
    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// As text, looked through once more.
    pub(crate) fn into_string(self) -> String {
        String::from_utf8(self.bytes).unwrap_or_default()
    }
}

impl From<String> for Out {
    fn from(text: String) -> Self {
        Out { bytes: text.into_bytes() }
    }
}

impl fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

/// Two digits of each number below a hundred.
const DECIMAL: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut tens = 0;
    while tens < 10 {
        let mut ones = 0;
        while ones < 10 {
            pairs[10 * tens as usize + ones as usize] = [b'0' + tens, b'0' + ones];
            ones += 1;
        }
        tens += 1;
    }
    pairs
};

/// The same of each byte, to the base of sixteen.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_all_their_digits() {
        for value in [0, 9, 10, 99, 100, 101, 1_000, 1_234_567_890, u64::MAX] {
            let mut out = Out::default();
            out.push_int(value);
            assert_eq!(out.into_string(), value.to_string());
        }
    }

    #[test]
    fn bytes_have_two_digits_each() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut out = Out::default();
        out.push_hex(&bytes);

        let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(out.into_string(), expected);
    }

    #[test]
    fn letters_of_any_length_are_appended() {
        let mut out = Out::default();
        "aé\u{202e}\u{1f600}".chars().for_each(|letter| out.push(letter));

        assert_eq!(out.into_string(), "aé\u{202e}\u{1f600}");
    }
}

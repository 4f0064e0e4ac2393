//! Bytes as hexadecimal digits, two for each, in the order in which they lie: lines of Stratum V1,
//! and what people write. Numbers, whose digits stand the other way round, are
//! [`U256`](super::U256)'s.

/// Bytes of pairs of digits in either case; `None` if they are anything else.
pub fn bytes_from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// Appends the digits of bytes in lower case.
pub fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 * bytes.len());
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_of_digits_are_bytes() {
        for (digits, bytes) in [
            ("", Some(vec![])),
            ("00fF", Some(vec![0, 255])),
            ("0", None),
            ("0g", None),
            ("é", None),
            ("+1", None),
        ] {
            assert_eq!(bytes_from_hex(digits), bytes, "{digits:?}");
        }
    }
}

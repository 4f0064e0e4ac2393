//! Bytes as hexadecimal digits, two for each, in the order in which they lie: lines of Stratum V1,
//! key logs, and what people write.

/// Bytes of pairs of digits in either case; `None` if they are anything else.
pub fn bytes_from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// The same of a known length: nothing of it is left on the heap, should it be a secret.
pub fn array_from_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = digits.as_chunks();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (place, pair) in bytes.iter_mut().zip(pairs) {
        *place = byte(pair)?;
    }
    Some(bytes)
}

/// Appends the digits of bytes in lower case.
pub fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 * bytes.len());
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

fn byte([high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pairs_of_digits_are_bytes() {
        for (digits, bytes) in [
            ("", Some(vec![])),
            ("00fF", Some(vec![0, 255])),
            ("00f", None),
            ("0", None),
            ("0g", None),
            ("é", None),
            ("+1", None),
        ] {
            assert_eq!(bytes_from_hex(digits), bytes, "{digits:?}");
            let two = bytes.filter(|bytes| bytes.len() == 2);
            let array = array_from_hex::<2>(digits.as_bytes());
            assert_eq!(array.map(Vec::from), two, "{digits:?}");
        }
    }
}

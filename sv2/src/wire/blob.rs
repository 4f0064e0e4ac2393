//! Byte strings with a length in front: B0_32, B0_255, B0_64K, B0_16M and STR0_255 (spec 3.1).
//!
//! The types are bounded, so encoding cannot fail.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use super::{Kind, Reader, WireField};

/// A value that does not fit its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{len} is more than the {max} that the type can hold")]
pub struct TooLong {
    /// Bytes or elements.
    pub len: usize,
    /// The most that fit.
    pub max: usize,
}

/// B0_32, inline.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct B32 {
    // Bytes behind `len` are zero, so that the derived comparisons are right.
    bytes: [u8; 32],
    len: u8,
}

impl B32 {
    /// Longest value in bytes.
    pub const MAX: usize = 32;

    /// Copies `bytes`.
    ///
    /// # Errors
    /// Above 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, TooLong> {
        if bytes.len() > Self::MAX {
            return Err(TooLong { len: bytes.len(), max: Self::MAX });
        }
        Ok(Self::copied(bytes))
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Up to 32 bytes without a call of memcpy: two overlapping halves.
    #[inline(always)]
    fn copied(from: &[u8]) -> Self {
        #[inline(always)]
        fn halves<const N: usize>(to: &mut [u8; 32], from: &[u8]) {
            if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
                let last_at = from.len() - N;
                to[..N].copy_from_slice(first);
                if last_at + N <= 32 {
                    to[last_at..last_at + N].copy_from_slice(last);
                }
            }
        }
        let mut bytes = [0; 32];
        match from.len() {
            16..=32 => halves::<16>(&mut bytes, from),
            8..=15 => halves::<8>(&mut bytes, from),
            4..=7 => halves::<4>(&mut bytes, from),
            _ => bytes.iter_mut().zip(from.iter().take(3)).for_each(|(to, byte)| *to = *byte),
        }
        #[expect(clippy::cast_possible_truncation, reason = "callers pass at most 32 bytes")]
        B32 { bytes, len: from.len() as u8 }
    }
}

impl TryFrom<&[u8]> for B32 {
    type Error = TooLong;
    fn try_from(bytes: &[u8]) -> Result<Self, TooLong> {
        B32::new(bytes)
    }
}

impl fmt::Debug for B32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.as_slice())
    }
}

impl WireField for B32 {
    const KIND: Kind = Kind::Bytes { prefix: 1, max: 32 };
    const LEN_MIN: usize = 1;
    #[inline(always)]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [len] = reader.array()?;
        if usize::from(len) > Self::MAX {
            return None;
        }
        Some(Self::copied(reader.take(usize::from(len))?))
    }
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.len);
        out.extend_from_slice(self.as_slice());
    }
    #[inline(always)]
    fn wire_len(&self) -> usize {
        1 + usize::from(self.len)
    }
}

/// Bytes behind a length of `PREFIX` bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob<const PREFIX: usize>(Bytes);

/// B0_255.
pub type B255 = Blob<1>;
/// B0_64K.
pub type B64K = Blob<2>;
/// B0_16M.
pub type B16M = Blob<3>;

impl<const PREFIX: usize> Blob<PREFIX> {
    /// Longest value in bytes: 2^8 - 1, 2^16 - 1 or 2^24 - 1.
    pub const MAX: usize = (1 << (8 * PREFIX)) - 1;

    /// Takes `bytes`.
    ///
    /// # Errors
    /// Above [`Blob::MAX`] bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, TooLong> {
        let bytes = bytes.into();
        if bytes.len() > Self::MAX {
            return Err(TooLong { len: bytes.len(), max: Self::MAX });
        }
        Ok(Blob(bytes))
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, shared.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// A copy that does not keep the buffer alive from which it was read: for state that
    /// outlives its frame.
    pub fn to_owned_bytes(&self) -> Self {
        Blob(Bytes::copy_from_slice(&self.0))
    }
}

impl<const PREFIX: usize> fmt::Debug for Blob<PREFIX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl<const PREFIX: usize> WireField for Blob<PREFIX> {
    #[expect(clippy::cast_possible_truncation, reason = "PREFIX is 1 to 3")]
    const KIND: Kind = Kind::Bytes { prefix: PREFIX as u8, max: Self::MAX as u32 };
    const LEN_MIN: usize = PREFIX;
    #[inline(always)]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let len = reader.prefix::<PREFIX>()?;
        reader.bytes(len).map(Blob)
    }
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.len().to_le_bytes()[..PREFIX]);
        out.extend_from_slice(&self.0);
    }
    #[inline(always)]
    fn wire_len(&self) -> usize {
        PREFIX + self.0.len()
    }
}

/// STR0_255: text by intention, any bytes in fact.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str255(B255);

impl Str255 {
    /// Takes `text`.
    ///
    /// # Errors
    /// Above 255 bytes.
    pub fn new(text: impl Into<Bytes>) -> Result<Self, TooLong> {
        B255::new(text).map(Str255)
    }

    /// For texts that are known when the program is written, such as error codes.
    ///
    /// # Panics
    /// Above 255 bytes.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(text.len() <= B255::MAX, "a STR0_255 holds at most 255 bytes");
        Str255(Blob(Bytes::from_static(text.as_bytes())))
    }

    /// The bytes as they came.
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// As text; what is not UTF-8 is replaced.
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_slice())
    }
}

impl fmt::Debug for Str255 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped: what a peer sends must not steer a terminal.
        write!(f, "\"{}\"", self.as_slice().escape_ascii())
    }
}

impl WireField for Str255 {
    const KIND: Kind = Kind::Text;
    const LEN_MIN: usize = 1;
    #[inline(always)]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        B255::read(reader).map(Str255)
    }
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
    #[inline(always)]
    fn wire_len(&self) -> usize {
        self.0.wire_len()
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_an_inline_string_is_copied_whole() {
        let bytes: Vec<u8> = (1..=33).collect();

        for len in 0..=32 {
            let blob = B32::new(&bytes[..len]).unwrap();
            assert_eq!(blob.as_slice(), &bytes[..len]);
            // Comparison sees the bytes behind the length.
            assert_eq!(blob.bytes[len..], [0; 32][len..]);
        }
        assert_eq!(B32::new(&bytes), Err(TooLong { len: 33, max: 32 }));
    }

    #[test]
    fn a_value_longer_than_its_length_can_say_is_refused() {
        assert!(B255::new(vec![0; 255]).is_ok());
        assert_eq!(B255::new(vec![0; 256]), Err(TooLong { len: 256, max: 255 }));
        assert_eq!(B64K::new(vec![0; 0x1_0000]), Err(TooLong { len: 0x1_0000, max: 0xffff }));
        assert!(B16M::new(vec![0; 0x100_0000]).is_err());
        assert!(Str255::new(vec![b'a'; 256]).is_err());
    }

    #[test]
    fn short_fields_are_copied_and_long_ones_share_the_frame() {
        let payload = Bytes::from([&[64, 0][..], &[1; 64], &[65, 0], &[2; 65]].concat());
        let is_within = |blob: &B64K| payload.as_ptr_range().contains(&blob.as_slice().as_ptr());

        let mut reader = Reader::shared(&payload);
        let short = B64K::read(&mut reader).unwrap();
        let long = B64K::read(&mut reader).unwrap();

        assert!(!is_within(&short));
        assert!(is_within(&long));
        assert!(!is_within(&long.to_owned_bytes()));
    }

    #[test]
    fn text_of_a_peer_cannot_steer_a_terminal() {
        let text = Str255::new(&b"\x1b[2J\xff ok"[..]).unwrap();

        insta::assert_snapshot!(format!("{text:?}"), @r#""\x1b[2J\xff ok""#);
        assert_eq!(text.to_text(), "\u{1b}[2J\u{fffd} ok");
    }
}

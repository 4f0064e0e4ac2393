//! BOOL, U8 to U64 and F32 (spec 3.1): little-endian.

use std::fmt;

use super::{Kind, Reader, WireField};

/// U24.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct U24(u32);

impl U24 {
    /// 2^24 - 1.
    pub const MAX: U24 = U24(0xff_ffff);

    /// `None` above 2^24 - 1.
    pub const fn new(value: u32) -> Option<U24> {
        if value <= Self::MAX.0 { Some(U24(value)) } else { None }
    }

    /// As the next wider integer.
    pub const fn to_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for U24 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl WireField for U24 {
    const KIND: Kind = Kind::Int { bytes: 3 };
    const LEN_MIN: usize = 3;
    #[inline(always)]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [a, b, c] = reader.array()?;
        Some(U24(u32::from_le_bytes([a, b, c, 0])))
    }
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes()[..3]);
    }
    #[inline(always)]
    fn wire_len(&self) -> usize {
        3
    }
}

impl WireField for bool {
    const KIND: Kind = Kind::Bool;
    const LEN_MIN: usize = 1;
    /// Spec 3.1: recipients MUST NOT interpret bits outside of the least significant bit.
    #[inline(always)]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let [byte] = reader.array()?;
        if byte > 1 {
            reader.not_canonical();
        }
        Some(byte & 1 == 1)
    }
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    #[inline(always)]
    fn wire_len(&self) -> usize {
        1
    }
}

/// The number types of Rust whose encoding is their little-endian bytes.
macro_rules! little_endian {
    ($($number:ty, $kind:expr;)*) => {$(
        impl WireField for $number {
            const KIND: Kind = $kind;
            const LEN_MIN: usize = size_of::<$number>();
            #[inline(always)]
            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                reader.array().map(<$number>::from_le_bytes)
            }
            #[inline(always)]
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn wire_len(&self) -> usize {
                size_of::<$number>()
            }
        }
    )*};
}
little_endian! {
    u8, Kind::Int { bytes: 1 };
    u16, Kind::Int { bytes: 2 };
    u32, Kind::Int { bytes: 4 };
    u64, Kind::Int { bytes: 8 };
    f32, Kind::F32;
}

//! SEQ0_255, SEQ0_64K and OPTION (spec 3.1).

use super::{Kind, Reader, TooLong, WireField};

/// Elements behind a count of `PREFIX` bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seq<T, const PREFIX: usize>(Vec<T>);

/// SEQ0_255.
pub type Seq255<T> = Seq<T, 1>;
/// SEQ0_64K.
pub type Seq64K<T> = Seq<T, 2>;

impl<T, const PREFIX: usize> Default for Seq<T, PREFIX> {
    fn default() -> Self {
        Seq(Vec::new())
    }
}

impl<T, const PREFIX: usize> Seq<T, PREFIX> {
    /// Most elements: 2^8 - 1 or 2^16 - 1.
    pub const MAX: usize = (1 << (8 * PREFIX)) - 1;

    /// Takes `elements`.
    ///
    /// # Errors
    /// Above [`Seq::MAX`] elements.
    pub fn new(elements: Vec<T>) -> Result<Self, TooLong> {
        if elements.len() > Self::MAX {
            return Err(TooLong { len: elements.len(), max: Self::MAX });
        }
        Ok(Seq(elements))
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// The elements, owned.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T: WireField, const PREFIX: usize> WireField for Seq<T, PREFIX> {
    #[expect(clippy::cast_possible_truncation, reason = "PREFIX is 1 or 2")]
    const KIND: Kind = Kind::Sequence { prefix: PREFIX as u8, item: &T::KIND };
    const LEN_MIN: usize = PREFIX;
    #[inline(always)]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let count = reader.prefix::<PREFIX>()?;
        T::read_many(reader, count).map(Seq)
    }
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.len().to_le_bytes()[..PREFIX]);
        self.0.iter().for_each(|element| element.write(out));
    }
    #[inline(always)]
    fn wire_len(&self) -> usize {
        PREFIX + self.0.iter().map(T::wire_len).sum::<usize>()
    }
}

impl<T: WireField> WireField for Option<T> {
    const KIND: Kind = Kind::Option { item: &T::KIND };
    const LEN_MIN: usize = 1;
    #[inline(always)]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.array()? {
            [0] => Some(None),
            [1] => T::read(reader).map(Some),
            _ => None,
        }
    }
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(element) = self {
            element.write(out);
        }
    }
    #[inline(always)]
    fn wire_len(&self) -> usize {
        1 + self.as_ref().map_or(0, T::wire_len)
    }
}

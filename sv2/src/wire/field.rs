//! What a field on the wire is, and how a struct of fields becomes a message.

use super::Reader;

/// A data type of spec 3.1.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no encoding on the SV2 wire",
    note = "use one of: bool u8 u16 U24 u32 u64 f32 U256 Target Str255 B32 B255 B64K B16M Seq255<T> Seq64K<T> Option<T>"
)]
pub trait WireField: Sized {
    /// Its shape, for readers that know no struct.
    const KIND: Kind;
    /// The fewest bytes that a value can take.
    const LEN_MIN: usize;

    /// Takes one value; `None` if the bytes are not one.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
    /// Appends the canonical encoding.
    fn write(&self, out: &mut Vec<u8>);
    /// Length of the canonical encoding in bytes.
    fn wire_len(&self) -> usize;

    /// Takes `count` values. Never allocates more than the peer has sent.
    #[inline(always)]
    fn read_many(reader: &mut Reader<'_>, count: usize) -> Option<Vec<Self>> {
        if count * Self::LEN_MIN > reader.rest().len() {
            return None;
        }
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(Self::read(reader)?);
        }
        Some(values)
    }
}

/// The shape of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BOOL: one byte, of which only the lowest bit counts.
    Bool,
    /// U8, U16, U24, U32 or U64.
    Int {
        /// Width.
        bytes: u8,
    },
    /// F32: IEEE 754 single precision.
    F32,
    /// U256 that is a hash or a merkle node.
    U256,
    /// U256 that is a target.
    Target,
    /// B0_32, B0_255, B0_64K, B0_16M.
    Bytes {
        /// Width of the length, in bytes.
        prefix: u8,
        /// Longest value, in bytes.
        max: u32,
    },
    /// STR0_255.
    Text,
    /// SEQ0_255, SEQ0_64K.
    Sequence {
        /// Width of the count, in bytes.
        prefix: u8,
        /// Shape of the elements.
        item: &'static Kind,
    },
    /// OPTION: a sequence of at most one.
    Option {
        /// Shape of the element.
        item: &'static Kind,
    },
}

impl Kind {
    /// The specification's name of the type, as in spec 3.1.
    pub fn spec_name(&self) -> String {
        match self {
            Kind::Bool => "BOOL".into(),
            Kind::Int { bytes } => format!("U{}", u32::from(*bytes) * 8),
            Kind::F32 => "F32".into(),
            Kind::U256 | Kind::Target => "U256".into(),
            Kind::Bytes { max: 32, .. } => "B0_32".into(),
            Kind::Bytes { prefix: 1, .. } => "B0_255".into(),
            Kind::Bytes { prefix: 2, .. } => "B0_64K".into(),
            Kind::Bytes { .. } => "B0_16M".into(),
            Kind::Text => "STR0_255".into(),
            Kind::Sequence { prefix: 1, item } => format!("SEQ0_255[{}]", item.spec_name()),
            Kind::Sequence { item, .. } => format!("SEQ0_64K[{}]", item.spec_name()),
            Kind::Option { item } => format!("OPTION[{}]", item.spec_name()),
        }
    }
}

/// A named field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// As in the specification, in snake case.
    pub name: &'static str,
    /// Its shape.
    pub kind: &'static Kind,
}

/// A message: its fields in wire order.
pub trait WireMessage: Sized {
    /// The fields in wire order.
    const FIELDS: &'static [Field];
    /// Takes all fields; what is left behind them is not looked at.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
    /// Appends all fields.
    fn write(&self, out: &mut Vec<u8>);
    /// Length of all fields in bytes.
    fn wire_len(&self) -> usize;
}

impl<M: WireMessage> WireMessage for Box<M> {
    const FIELDS: &'static [Field] = M::FIELDS;
    #[inline(always)]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        M::read(reader).map(Box::new)
    }
    #[inline(always)]
    fn write(&self, out: &mut Vec<u8>) {
        M::write(self, out);
    }
    #[inline(always)]
    fn wire_len(&self) -> usize {
        M::wire_len(self)
    }
}

/// The shape of a field, inferred from its accessor.
pub const fn kind_of<M, F: WireField>(_: fn(&M) -> &F) -> &'static Kind {
    &F::KIND
}

/// Names the fields of a message in wire order; everything else follows from their types.
///
/// ```ignore
/// wire_message!(CloseChannel { channel_id, reason_code });
/// ```
#[macro_export]
macro_rules! wire_message {
    ($message:ident { $($field:ident),* $(,)? }) => {
        impl $crate::wire::WireMessage for $message {
            const FIELDS: &'static [$crate::wire::Field] = &[$($crate::wire::Field {
                name: stringify!($field),
                kind: $crate::wire::kind_of(|message: &$message| &message.$field),
            }),*];
            #[inline(always)]
            fn read(reader: &mut $crate::wire::Reader<'_>) -> Option<Self> {
                Some($message { $($field: $crate::wire::WireField::read(reader)?),* })
            }
            #[inline]
            fn write(&self, out: &mut Vec<u8>) {
                out.reserve($crate::wire::WireMessage::wire_len(self));
                $($crate::wire::WireField::write(&self.$field, out);)*
            }
            #[inline]
            fn wire_len(&self) -> usize {
                0 $(+ $crate::wire::WireField::wire_len(&self.$field))*
            }
        }
    };
}

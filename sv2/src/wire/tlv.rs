//! TLV fields behind a message (spec 3.4.3).

use bytes::{Bytes, BytesMut};
use thiserror::Error;

/// Byte order of a TLV's extension number and length. The specification contradicts itself
/// (AMB-03): 3.1 says little-endian for every multi-byte integer, the examples of 3.4.3 and
/// of extension 2 are big-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlvOrder {
    /// As 3.1 says, and as the reference implementation does.
    #[default]
    LittleEndian,
    /// As the examples show.
    BigEndian,
}

/// One TLV field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlv {
    /// The extension that defines the field.
    pub extension: u16,
    /// The field's number within the extension.
    pub field: u8,
    /// At most 65,535 bytes.
    pub value: Bytes,
}

impl Tlv {
    /// Length of the type and length in front of the value, in bytes.
    pub const HEADER_LEN: usize = 5;
}

/// Whatever stands behind the last field of a message: TLVs, or bytes that nobody knows.
/// Kept as it came; without a negotiated extension it is ignored (spec 3.4.3, extension 2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tlvs(Bytes);

impl Tlvs {
    /// Nothing.
    pub const NONE: Tlvs = Tlvs(Bytes::new());

    /// Raw bytes behind a message.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Tlvs(bytes)
    }

    /// Encodes `fields`; they MUST be ordered by extension (spec 3.4.3), which is the caller's
    /// business.
    ///
    /// # Panics
    /// If a value is longer than 65,535 bytes.
    pub fn encode(fields: &[Tlv], order: TlvOrder) -> Self {
        let mut out = BytesMut::new();
        for tlv in fields {
            let len = u16::try_from(tlv.value.len()).expect("a TLV value is below 2^16 bytes");
            let (extension, len) = match order {
                TlvOrder::LittleEndian => (tlv.extension.to_le_bytes(), len.to_le_bytes()),
                TlvOrder::BigEndian => (tlv.extension.to_be_bytes(), len.to_be_bytes()),
            };
            out.extend_from_slice(&extension);
            out.extend_from_slice(&[tlv.field]);
            out.extend_from_slice(&len);
            out.extend_from_slice(&tlv.value);
        }
        Tlvs(out.freeze())
    }

    /// Whether nothing stands behind the message.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes as they came.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Reads all fields in the given order.
    ///
    /// # Errors
    /// If the bytes are not a row of whole TLVs in that order.
    pub fn fields(&self, order: TlvOrder) -> Result<Vec<Tlv>, TlvError> {
        let mut rest = self.0.clone();
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let offset = self.0.len() - rest.len();
            let Some(&[e0, e1, field, l0, l1]) = rest.first_chunk() else {
                return Err(TlvError::HeaderCut { offset });
            };
            let (extension, len) = match order {
                TlvOrder::LittleEndian => {
                    (u16::from_le_bytes([e0, e1]), u16::from_le_bytes([l0, l1]))
                }
                TlvOrder::BigEndian => (u16::from_be_bytes([e0, e1]), u16::from_be_bytes([l0, l1])),
            };
            let end = Tlv::HEADER_LEN + usize::from(len);
            if rest.len() < end {
                return Err(TlvError::ValueCut { offset, len, left: rest.len() - Tlv::HEADER_LEN });
            }
            let value = rest.split_to(end).split_off(Tlv::HEADER_LEN);
            fields.push(Tlv { extension, field, value });
        }
        Ok(fields)
    }
}

/// Why the bytes behind a message are not TLVs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlvError {
    /// Fewer than five bytes are left.
    #[error("a TLV at byte {offset} ends within its type and length (spec 3.4.3)")]
    HeaderCut {
        /// Of the TLV, in bytes behind the last field.
        offset: usize,
    },
    /// The value runs past the end of the message.
    #[error("a TLV at byte {offset} says {len} bytes, {left} are left (spec 3.4.3)")]
    ValueCut {
        /// Of the TLV, in bytes behind the last field.
        offset: usize,
        /// As the TLV says, in bytes.
        len: u16,
        /// As there are, in bytes.
        left: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WORKER: &[u8] = b"Worker_001";

    fn worker() -> Tlv {
        Tlv { extension: 2, field: 1, value: Bytes::from_static(WORKER) }
    }

    #[test]
    fn both_byte_orders_of_the_example_are_read() {
        let big = [&[0x00, 0x02, 0x01, 0x00, 0x0a][..], WORKER].concat();
        let little = [&[0x02, 0x00, 0x01, 0x0a, 0x00][..], WORKER].concat();

        for (bytes, order) in [(big, TlvOrder::BigEndian), (little, TlvOrder::LittleEndian)] {
            assert_eq!(Tlvs::encode(&[worker()], order).as_bytes(), &bytes);
            assert_eq!(Tlvs::from_bytes(bytes.into()).fields(order), Ok(vec![worker()]));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_whole_fields_in_an_order_or_refused(bytes: Vec<u8>) {
            for order in [TlvOrder::LittleEndian, TlvOrder::BigEndian] {
                let tlvs = Tlvs::from_bytes(bytes.clone().into());
                if let Ok(fields) = tlvs.fields(order) {
                    prop_assert_eq!(Tlvs::encode(&fields, order), tlvs);
                }
            }
        }
    }

    #[test]
    fn a_value_that_runs_past_the_end_names_the_place_and_both_lengths() {
        let cut = Tlvs::from_bytes(Bytes::from_static(&[2, 0, 1, 0, 0, 2, 0, 1, 9, 0, 7]));

        assert_eq!(
            cut.fields(TlvOrder::LittleEndian),
            Err(TlvError::ValueCut { offset: 5, len: 9, left: 1 })
        );
    }
}

//! Bytes on the wire: data types, frames, TLVs (spec 3.1 to 3.4).
//!
//! Two readers stand side by side. The strict one ([`WireField::read`]) turns a payload into
//! a struct or says no, in nanoseconds. The tolerant one ([`dissect`](mod@dissect)) takes any
//! bytes and says where each field lies and what is wrong with it. A test holds them to each
//! other.

pub mod arbitrary;
mod blob;
pub mod compose;
pub mod dissect;
mod field;
pub mod frame;
pub mod hex;
mod integer;
mod reader;
mod sequence;
pub mod tlv;
mod u256;

pub use blob::{B16M, B32, B64K, B255, Blob, Str255, TooLong};
pub use field::{Field, Kind, WireField, WireMessage, kind_of};
pub use frame::{Frame, FrameDecoder, FrameError, FrameHeader};
pub use integer::U24;
pub use reader::Reader;
pub use sequence::{Seq, Seq64K, Seq255};
pub use tlv::{Tlv, TlvOrder, Tlvs};
pub use u256::{Target, U256};

/// Fields up to this length are copied out of the read buffer, in bytes; longer ones share it.
/// A short slice would keep the whole buffer alive.
pub const COPIED_LEN_MAX: usize = 64;

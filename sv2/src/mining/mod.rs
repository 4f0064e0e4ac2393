//! The mining protocol (spec 5).

pub mod accounting;
pub mod channel;
pub mod coinbase;
pub mod custom_job;
pub mod error_code;
pub mod extranonce;
pub mod group;
pub mod header;
pub mod job;
mod messages;
pub mod proof;
pub(crate) mod seen;
pub mod setup_flag;
pub mod share;
pub mod share_record;
pub mod target;
pub mod vardiff;

pub use messages::*;

/// The bits of a header's version that a miner may roll: 5 to 28 (spec 5.1, BIP 323).
pub const VERSION_ROLLING_MASK: u32 = 0x1fff_ffe0;

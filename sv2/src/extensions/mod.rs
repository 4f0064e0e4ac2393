//! Extensions: negotiation (0x0001) and worker-specific hash rate tracking (0x0002).

mod messages;

pub use messages::*;

/// Extension negotiation.
pub const NEGOTIATION: u16 = 0x0001;
/// Worker-specific hash rate tracking: a TLV behind `SubmitSharesExtended`.
pub const WORKER_TRACKING: u16 = 0x0002;
/// Field of extension 0x0002: who has found a share.
pub const WORKER_USER_IDENTITY: u8 = 0x01;
/// Its longest value in bytes.
pub const WORKER_USER_IDENTITY_LEN_MAX: usize = 32;

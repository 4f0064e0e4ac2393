//! Messages and procedures of every SV2 connection (spec 3.6).

mod messages;
mod setup;

pub use messages::*;
pub use setup::{SetupOffer, SetupRefusal};

/// The only protocol version that exists (spec 3.6.1).
pub const PROTOCOL_VERSION: u16 = 2;

/// What a connection is for (spec 3.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// Spec 5.
    Mining = 0,
    /// Spec 6.
    JobDeclaration = 1,
    /// Spec 7.
    TemplateDistribution = 2,
}

impl Protocol {
    /// The protocol that `SetupConnection` names; `None` for the other 253 numbers.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Protocol::Mining),
            1 => Some(Protocol::JobDeclaration),
            2 => Some(Protocol::TemplateDistribution),
            _ => None,
        }
    }
}

/// Codes of `SetupConnection.Error` (spec 3.6.3), the strings in use in the field.
pub mod setup_error_code {
    /// The number is not served here, or is none that the specification knows.
    pub const UNSUPPORTED_PROTOCOL: &str = "unsupported-protocol";
    /// The range of versions does not hold ours.
    pub const PROTOCOL_VERSION_MISMATCH: &str = "protocol-version-mismatch";
    /// At least one flag is not supported; the message names all of them.
    pub const UNSUPPORTED_FEATURE_FLAGS: &str = "unsupported-feature-flags";
    /// A proxy reaches nobody whom it could pass channels on to.
    pub const UPSTREAM_UNAVAILABLE: &str = "upstream-unavailable";
}

//! The three messages of extension 0x0001.

use crate::wire::Seq64K;
use crate::wire_message;

/// Asks which extensions may be used (extension 0x0001, 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestExtensions {
    /// Echoed in the answer.
    pub request_id: u16,
    /// Numbers without the channel bit.
    pub requested_extensions: Seq64K<u16>,
}
wire_message!(RequestExtensions { request_id, requested_extensions });

/// Which of the requested extensions may be used (extension 0x0001, 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestExtensionsSuccess {
    /// Of the request.
    pub request_id: u16,
    /// A subset of the requested ones.
    pub supported_extensions: Seq64K<u16>,
}
wire_message!(RequestExtensionsSuccess { request_id, supported_extensions });

/// Nothing requested is supported, or something required was not requested
/// (extension 0x0001, 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestExtensionsError {
    /// Of the request.
    pub request_id: u16,
    /// Requested, but not supported.
    pub unsupported_extensions: Seq64K<u16>,
    /// Required by the server, but not requested.
    pub required_extensions: Seq64K<u16>,
}
wire_message!(RequestExtensionsError { request_id, unsupported_extensions, required_extensions });

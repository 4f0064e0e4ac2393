//! Below the roles: Noise or plain, frames, the handshake's deadline.

use thiserror::Error;

/// Why a connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConnectionError {
    /// The handshake was not finished in time.
    #[error("the handshake was not finished in time")]
    HandshakeTimedOut,
}

//! What a server makes of a `SetupConnection` (spec 3.6.1 to 3.6.3), whatever its protocol.
//!
//! When the answer is due, and what a second request means, is the role's business.

use super::{PROTOCOL_VERSION, Protocol, SetupConnection, SetupConnectionError};
use super::{SetupConnectionSuccess, setup_error_code};
use crate::wire::Str255;

/// What a server offers to clients that set up a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupOffer {
    /// The one protocol that is served.
    pub protocol: Protocol,
    /// The flags of a request that the server can satisfy. The same on all servers of one
    /// address (spec 3.6.3).
    pub supported_flags: u32,
    /// What the server demands in return; other bits than those of the request (spec 5.3.1).
    pub answer_flags: u32,
}

/// Why a connection is not set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupRefusal {
    /// All flags that the server does not support; 0 if flags are not the reason.
    pub flags: u32,
    /// One of [`setup_error_code`].
    pub error_code: &'static str,
}

impl SetupOffer {
    /// Judges a request.
    ///
    /// # Errors
    /// The refusal to send before closing (spec 3.6.3).
    pub fn answer(
        &self,
        request: &SetupConnection,
    ) -> Result<SetupConnectionSuccess, SetupRefusal> {
        if Protocol::from_number(request.protocol) != Some(self.protocol) {
            let error_code = setup_error_code::UNSUPPORTED_PROTOCOL;
            return Err(SetupRefusal { flags: 0, error_code });
        }
        if !(request.min_version..=request.max_version).contains(&PROTOCOL_VERSION) {
            let error_code = setup_error_code::PROTOCOL_VERSION_MISMATCH;
            return Err(SetupRefusal { flags: 0, error_code });
        }
        // A bit that nobody has defined is a need that we cannot know, so it is not supported,
        // and the refusal names every such bit, asked for or not (AMB-06).
        if request.flags & !self.supported_flags != 0 {
            let error_code = setup_error_code::UNSUPPORTED_FEATURE_FLAGS;
            return Err(SetupRefusal { flags: !self.supported_flags, error_code });
        }
        Ok(SetupConnectionSuccess { used_version: PROTOCOL_VERSION, flags: self.answer_flags })
    }
}

impl From<SetupRefusal> for SetupConnectionError {
    fn from(refusal: SetupRefusal) -> Self {
        SetupConnectionError {
            flags: refusal.flags,
            error_code: Str255::from_static(refusal.error_code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: SetupOffer =
        SetupOffer { protocol: Protocol::Mining, supported_flags: 0b101, answer_flags: 0b10 };

    fn request(protocol: u8, versions: (u16, u16), flags: u32) -> SetupConnection {
        let (min_version, max_version) = versions;
        SetupConnection { protocol, min_version, max_version, flags, ..SetupConnection::default() }
    }

    #[test]
    fn any_range_that_holds_version_two_gets_version_two_and_the_servers_own_flags() {
        for versions in [(2, 2), (1, 9), (2, u16::MAX), (0, 2)] {
            let answer = OFFER.answer(&request(0, versions, 0b101));

            assert_eq!(answer, Ok(SetupConnectionSuccess { used_version: 2, flags: 0b10 }));
        }
    }

    #[test]
    fn ranges_without_version_two_are_refused_with_flags_zero() {
        for versions in [(3, 3), (1, 1), (3, 2), (0, 0)] {
            let refusal = OFFER.answer(&request(0, versions, u32::MAX)).unwrap_err();

            assert_eq!((refusal.flags, refusal.error_code), (0, "protocol-version-mismatch"));
        }
    }

    #[test]
    fn other_and_unknown_protocols_are_refused_with_flags_zero() {
        for protocol in [1, 2, 3, 255] {
            let refusal = OFFER.answer(&request(protocol, (2, 2), 0)).unwrap_err();

            assert_eq!((refusal.flags, refusal.error_code), (0, "unsupported-protocol"));
        }
    }

    #[test]
    fn one_unsupported_flag_is_answered_with_all_unsupported_flags() {
        for asked in [0b10, 1 << 31, u32::MAX, 0b111] {
            let refusal = OFFER.answer(&request(0, (2, 2), asked)).unwrap_err();

            assert_eq!((refusal.flags, refusal.error_code), (!0b101, "unsupported-feature-flags"));
        }
    }
}

//! The server's certificate: what act 2 carries beside the static key (spec 4.5.2, 4.5.3).

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::authority::{AuthorityPublicKey, AuthoritySecretKey};
use crate::entropy::Entropy;
use crate::time::UnixTime;

/// How far our clock may stand outside the window of validity, in seconds (AMB-11: the
/// specification has no tolerance; what is deployed has ten seconds).
pub const CLOCK_LEEWAY_SECONDS: u64 = 10;

/// `SIGNATURE_NOISE_MESSAGE`, the certificate as it is sent (spec 4.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Of the format; 0.
    pub version: u16,
    /// Seconds since the Unix epoch.
    pub valid_from: u32,
    /// Seconds since the Unix epoch.
    pub not_valid_after: u32,
    /// By the authority (BIP 340).
    pub signature: [u8; 64],
}

impl Certificate {
    /// On the wire, in bytes.
    pub const LEN: usize = 74;
    /// Of the only format that there is.
    pub const VERSION: u16 = 0;

    /// Certifies the static key with x coordinate `static_x`.
    pub fn sign(
        authority: &AuthoritySecretKey,
        static_x: &[u8; 32],
        valid_from: u32,
        not_valid_after: u32,
        entropy: &mut Entropy,
    ) -> Self {
        let unsigned =
            Certificate { version: Self::VERSION, valid_from, not_valid_after, signature: [0; 64] };
        let signature = authority.sign(unsigned.digest(static_x), entropy);
        Certificate { signature, ..unsigned }
    }

    /// As on the wire.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..10].copy_from_slice(&self.signed_fields());
        bytes[10..].copy_from_slice(&self.signature);
        bytes
    }

    /// Every combination of bits is a certificate; whether to trust it is another question.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [v0, v1, f0, f1, f2, f3, n0, n1, n2, n3, signature @ ..] = *bytes;
        Certificate {
            version: u16::from_le_bytes([v0, v1]),
            valid_from: u32::from_le_bytes([f0, f1, f2, f3]),
            not_valid_after: u32::from_le_bytes([n0, n1, n2, n3]),
            signature,
        }
    }

    /// Whether `authority` vouches at `now` for the key with x coordinate `static_x`.
    ///
    /// # Errors
    /// The first rule that is broken, in the order of [`CertificateError`].
    pub fn verify(
        &self,
        static_x: &[u8; 32],
        authority: &AuthorityPublicKey,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        self.check_window(now)?;
        if !authority.has_signed(self.digest(static_x), &self.signature) {
            return Err(CertificateError::Signature);
        }
        Ok(())
    }

    /// What can be checked without knowing the authority.
    ///
    /// # Errors
    /// All kinds but [`CertificateError::Signature`].
    pub fn check_window(&self, now: UnixTime) -> Result<(), CertificateError> {
        let Certificate { version, valid_from, not_valid_after, .. } = *self;
        if version != Self::VERSION {
            return Err(CertificateError::Version { version });
        }
        if now.0.saturating_add(CLOCK_LEEWAY_SECONDS) < u64::from(valid_from) {
            return Err(CertificateError::NotYetValid { valid_from, now });
        }
        if now.0.saturating_sub(CLOCK_LEEWAY_SECONDS) > u64::from(not_valid_after) {
            return Err(CertificateError::Expired { not_valid_after, now });
        }
        Ok(())
    }

    /// What is signed (spec 4.5.3.1): hashed once, the key by its x coordinate.
    fn digest(&self, static_x: &[u8; 32]) -> [u8; 32] {
        Sha256::new().chain_update(self.signed_fields()).chain_update(static_x).finalize().into()
    }

    fn signed_fields(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..2].copy_from_slice(&self.version.to_le_bytes());
        bytes[2..6].copy_from_slice(&self.valid_from.to_le_bytes());
        bytes[6..].copy_from_slice(&self.not_valid_after.to_le_bytes());
        bytes
    }
}

/// Why a certificate proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// A format that we do not know.
    #[error("the certificate has version {version}, expected 0 (spec 4.5.2)")]
    Version {
        /// Found.
        version: u16,
    },
    /// Its time has not come, or our clock is slow.
    #[error("the certificate is valid from {valid_from}, our clock shows {now} (spec 4.5.3)")]
    NotYetValid {
        /// Seconds since the Unix epoch.
        valid_from: u32,
        /// Our clock.
        now: UnixTime,
    },
    /// Its time has passed, or our clock is fast.
    #[error("the certificate expired at {not_valid_after}, our clock shows {now} (spec 4.5.3)")]
    Expired {
        /// Seconds since the Unix epoch.
        not_valid_after: u32,
        /// Our clock.
        now: UnixTime,
    },
    /// Signed by another key, or for another key.
    #[error("the authority has not signed this certificate for this server (spec 4.5.3.1)")]
    Signature,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATIC_X: [u8; 32] = [9; 32];

    fn authority() -> AuthoritySecretKey {
        AuthoritySecretKey::from_bytes(&[3; 32]).unwrap()
    }

    fn certificate() -> Certificate {
        Certificate::sign(&authority(), &STATIC_X, 1000, 2000, &mut Entropy::from_seed(1))
    }

    fn verify_at(now: u64) -> Result<(), CertificateError> {
        certificate().verify(&STATIC_X, &authority().public_key(), UnixTime(now))
    }

    #[test]
    fn the_fields_are_little_endian_and_in_order() {
        let certificate = Certificate {
            version: 0x0102,
            valid_from: 0x0304_0506,
            not_valid_after: 0x0708_090a,
            signature: [0xff; 64],
        };

        let bytes = certificate.to_bytes();

        assert_eq!(bytes[..10], [2, 1, 6, 5, 4, 3, 10, 9, 8, 7]);
        assert_eq!(Certificate::from_bytes(&bytes), certificate);
    }

    #[test]
    fn the_window_is_ten_seconds_wider_than_the_certificate_says() {
        assert_eq!(
            verify_at(989),
            Err(CertificateError::NotYetValid { valid_from: 1000, now: UnixTime(989) })
        );
        assert_eq!(verify_at(990), Ok(()));
        assert_eq!(verify_at(2010), Ok(()));
        assert_eq!(
            verify_at(2011),
            Err(CertificateError::Expired { not_valid_after: 2000, now: UnixTime(2011) })
        );
    }

    #[test]
    fn a_change_of_any_signed_byte_breaks_the_signature() {
        // A window so wide that no change of one bit leaves it.
        let (from, until, now) = (0x0101_0101, 0xfefe_fefe, UnixTime(0x8000_0000));
        let mut entropy = Entropy::from_seed(1);
        let certificate = Certificate::sign(&authority(), &STATIC_X, from, until, &mut entropy);
        let authority = authority().public_key();
        for index in 2..Certificate::LEN {
            let mut bytes = certificate.to_bytes();
            bytes[index] ^= 1;
            let changed = Certificate::from_bytes(&bytes);
            assert_eq!(
                changed.verify(&STATIC_X, &authority, now),
                Err(CertificateError::Signature),
                "byte {index}"
            );
        }
    }

    #[test]
    fn another_version_is_refused_before_its_signature_is_read() {
        let certificate = Certificate { version: 1, ..certificate() };

        let outcome = certificate.verify(&STATIC_X, &authority().public_key(), UnixTime(1500));

        assert_eq!(outcome, Err(CertificateError::Version { version: 1 }));
    }

    #[test]
    fn a_certificate_for_another_server_or_by_another_authority_proves_nothing() {
        let other = AuthoritySecretKey::from_bytes(&[4; 32]).unwrap().public_key();
        let now = UnixTime(1500);

        assert_eq!(
            certificate().verify(&[8; 32], &authority().public_key(), now),
            Err(CertificateError::Signature)
        );
        assert_eq!(certificate().verify(&STATIC_X, &other, now), Err(CertificateError::Signature));
    }

    #[test]
    fn a_clock_at_either_end_of_time_does_not_overflow() {
        assert!(matches!(verify_at(0), Err(CertificateError::NotYetValid { .. })));
        assert!(matches!(verify_at(u64::MAX), Err(CertificateError::Expired { .. })));
    }
}

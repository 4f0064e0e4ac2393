//! The keys that sign a server's certificate, and how people write them (spec 4.7).

use std::fmt;
use std::str::FromStr;

use bitcoin::base58;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::secp256k1::{Keypair, Message, SecretKey, XOnlyPublicKey};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::key::{InvalidSecretKey, curve, random_secret};
use crate::entropy::Entropy;

/// The key that signs a server's certificate: an x-only point of secp256k1 (BIP 340).
///
/// Its text is base58check of the version 1 as a little-endian U16 and the 32 bytes (spec 4.7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuthorityPublicKey(XOnlyPublicKey);

impl AuthorityPublicKey {
    /// From the x coordinate, big-endian.
    ///
    /// # Errors
    /// [`AuthorityKeyError::NotOnCurve`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, AuthorityKeyError> {
        XOnlyPublicKey::from_slice(bytes)
            .map(AuthorityPublicKey)
            .map_err(|_| AuthorityKeyError::NotOnCurve)
    }

    /// The x coordinate, big-endian.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.serialize()
    }

    /// Whether this key has signed `digest` (BIP 340).
    pub(crate) fn has_signed(&self, digest: [u8; 32], signature: &[u8; 64]) -> bool {
        // `from_slice` looks at the length alone.
        Signature::from_slice(signature).is_ok_and(|signature| {
            curve().verify_schnorr(&signature, &Message::from_digest(digest), &self.0).is_ok()
        })
    }
}

impl FromStr for AuthorityPublicKey {
    type Err = AuthorityKeyError;

    fn from_str(text: &str) -> Result<Self, AuthorityKeyError> {
        let bytes = decode(text, VERSION.len() + 32)?;
        let Some((version, key)) = bytes.split_first_chunk() else {
            return Err(AuthorityKeyError::Length {
                len: bytes.len(),
                expected: VERSION.len() + 32,
            });
        };
        let key = key.try_into().map_err(|_| AuthorityKeyError::Length {
            len: bytes.len(),
            expected: VERSION.len() + 32,
        })?;
        if *version != VERSION {
            return Err(AuthorityKeyError::Version(u16::from_le_bytes(*version)));
        }
        AuthorityPublicKey::from_bytes(key)
    }
}

impl fmt::Display for AuthorityPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 34];
        bytes[..2].copy_from_slice(&VERSION);
        bytes[2..].copy_from_slice(&self.to_bytes());
        f.write_str(&base58::encode_check(&bytes))
    }
}

impl fmt::Debug for AuthorityPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorityPublicKey({self})")
    }
}

/// The secret half. Wiped when dropped; printed only by [`AuthoritySecretKey::to_text`].
///
/// Its text is what configuration files of the reference implementation hold: base58check of
/// the 32 bytes, without a version. The specification has none.
pub struct AuthoritySecretKey(Keypair);

impl AuthoritySecretKey {
    /// A fresh one.
    pub fn generate(entropy: &mut Entropy) -> Self {
        let mut secret = random_secret(entropy);
        let key = Keypair::from_secret_key(curve(), &secret);
        secret.non_secure_erase();
        AuthoritySecretKey(key)
    }

    /// A stored one.
    ///
    /// # Errors
    /// [`InvalidSecretKey`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidSecretKey> {
        let mut secret = SecretKey::from_slice(bytes).map_err(|_| InvalidSecretKey)?;
        let key = Keypair::from_secret_key(curve(), &secret);
        secret.non_secure_erase();
        Ok(AuthoritySecretKey(key))
    }

    /// To be stored.
    pub fn to_text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(self.0.secret_bytes());
        Zeroizing::new(base58::encode_check(&*bytes))
    }

    /// The half that miners configure.
    pub fn public_key(&self) -> AuthorityPublicKey {
        AuthorityPublicKey(self.0.x_only_public_key().0)
    }

    /// A key for another purpose, which tells nothing about this one: a tagged hash (BIP 340).
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let tag = Sha256::digest(purpose);
        let secret = Zeroizing::new(self.0.secret_bytes());
        let hash = Sha256::new_with_prefix(tag).chain_update(tag).chain_update(*secret);
        Zeroizing::new(hash.finalize().into())
    }

    /// Signs 32 bytes (BIP 340).
    pub(crate) fn sign(&self, digest: [u8; 32], entropy: &mut Entropy) -> [u8; 64] {
        let message = Message::from_digest(digest);
        curve().sign_schnorr_with_aux_rand(&message, &self.0, &entropy.bytes()).serialize()
    }
}

impl FromStr for AuthoritySecretKey {
    type Err = AuthorityKeyError;

    fn from_str(text: &str) -> Result<Self, AuthorityKeyError> {
        let mut bytes = decode(text, 32)?;
        let key = match <&[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(secret) => Self::from_bytes(secret).map_err(AuthorityKeyError::from),
            Err(_) => Err(AuthorityKeyError::Length { len: bytes.len(), expected: 32 }),
        };
        bytes.zeroize();
        key
    }
}

impl Drop for AuthoritySecretKey {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

impl fmt::Debug for AuthoritySecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthoritySecretKey(.. of {})", self.public_key())
    }
}

/// Why a text is no authority key. Never shows the text: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthorityKeyError {
    /// Not base58, or too long to be a key.
    #[error("not base58 of at most {TEXT_LEN_MAX} characters (spec 4.7)")]
    NotBase58,
    /// A mistyped character, most likely.
    #[error("the checksum does not fit: a character is missing or mistyped (spec 4.7)")]
    Checksum,
    /// Too short or too long; often one kind of key in place of another.
    #[error("{len} bytes without the checksum, expected {expected} (spec 4.7)")]
    Length {
        /// Found.
        len: usize,
        /// Of this kind of key.
        expected: usize,
    },
    /// A version that we do not know.
    #[error("version {0}, expected 1 (spec 4.7)")]
    Version(u16),
    /// No point of the curve has this x coordinate.
    #[error("no point of secp256k1 has this x coordinate (spec 4.3.1.1)")]
    NotOnCurve,
    /// Zero, or not below the order of the curve.
    #[error(transparent)]
    InvalidSecretKey(#[from] InvalidSecretKey),
}

fn decode(text: &str, expected: usize) -> Result<Vec<u8>, AuthorityKeyError> {
    // Decoding takes time quadratic in the length.
    if text.len() > TEXT_LEN_MAX {
        return Err(AuthorityKeyError::NotBase58);
    }
    base58::decode_check(text).map_err(|error| match error {
        base58::Error::IncorrectChecksum(_) => AuthorityKeyError::Checksum,
        base58::Error::TooShort(_) => AuthorityKeyError::Length { len: 0, expected },
        _ => AuthorityKeyError::NotBase58,
    })
}

/// Little-endian U16 in front of a public key (spec 4.7).
const VERSION: [u8; 2] = [1, 0];
/// Longest text that is looked at, in characters; keys have about 50.
const TEXT_LEN_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec 4.7.1.
    const VECTOR_TEXT: &str = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";
    const VECTOR_BYTES: [u8; 32] = [
        118, 99, 112, 0, 151, 156, 28, 17, 175, 12, 48, 11, 205, 140, 127, 228, 134, 16, 252, 233,
        185, 193, 30, 61, 174, 227, 90, 224, 176, 138, 116, 85,
    ];

    #[test]
    fn the_specifications_vector_reads_and_prints() {
        let key: AuthorityPublicKey = VECTOR_TEXT.parse().unwrap();

        assert_eq!(key.to_bytes(), VECTOR_BYTES);
        assert_eq!(key.to_string(), VECTOR_TEXT);
    }

    #[test]
    fn a_secret_key_of_the_reference_implementations_examples_has_their_public_key() {
        let text = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n";
        let secret: AuthoritySecretKey = text.parse().unwrap();

        assert_eq!(
            secret.public_key().to_string(),
            "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
        );
        assert_eq!(*secret.to_text(), text);
    }

    #[test]
    fn keys_for_two_purposes_or_of_two_authorities_have_nothing_in_common() {
        let authority = |byte| AuthoritySecretKey::from_bytes(&[byte; 32]).unwrap();

        let key = authority(1).derive("tokens");

        assert_eq!(key, authority(1).derive("tokens"));
        assert_ne!(key, authority(1).derive("other"));
        assert_ne!(key, authority(2).derive("tokens"));
        assert_ne!(*key, [1; 32]);
    }

    #[test]
    fn every_way_to_mistype_a_public_key_has_its_own_answer() {
        #[track_caller]
        fn check(text: &str, expected: &AuthorityKeyError) {
            assert_eq!(text.parse::<AuthorityPublicKey>().as_ref().err(), Some(expected));
        }
        let encode = base58::encode_check;
        let with_version = |version: [u8; 2]| [&version[..], &VECTOR_BYTES].concat();

        check("9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXi", &AuthorityKeyError::Checksum);
        check("0OIl", &AuthorityKeyError::NotBase58);
        check("", &AuthorityKeyError::Length { len: 0, expected: 34 });
        check(&"1".repeat(101), &AuthorityKeyError::NotBase58);
        check(&encode(&with_version([0, 1])), &AuthorityKeyError::Version(256));
        check(&encode(&VECTOR_BYTES), &AuthorityKeyError::Length { len: 32, expected: 34 });
        check(&encode(&[1]), &AuthorityKeyError::Length { len: 1, expected: 34 });
        check(&encode(&[&[1, 0][..], &[0xff; 32]].concat()), &AuthorityKeyError::NotOnCurve);
    }

    #[test]
    fn a_public_key_in_place_of_a_secret_one_is_refused_for_its_length() {
        let outcome = VECTOR_TEXT.parse::<AuthoritySecretKey>();

        assert_eq!(outcome.err(), Some(AuthorityKeyError::Length { len: 34, expected: 32 }));
    }

    #[test]
    fn debug_output_does_not_show_the_secret() {
        let secret = AuthoritySecretKey::from_bytes(&[1; 32]).unwrap();

        let shown = format!("{secret:?}");

        assert!(!shown.contains(secret.to_text().as_str()), "{shown}");
        assert!(shown.contains(&secret.public_key().to_string()), "{shown}");
    }
}

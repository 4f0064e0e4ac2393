//! Keys of the curve as Noise uses them: a secret scalar and the 64-byte ElligatorSwift
//! encoding of its point (spec 4.3.1).

use std::fmt;
use std::sync::OnceLock;

use bitcoin::secp256k1::ellswift::{ElligatorSwift, ElligatorSwiftParty};
use bitcoin::secp256k1::{All, PublicKey, Secp256k1, SecretKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::entropy::Entropy;

/// Bytes that are no secret key: zero, or not below the order of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a secret key of secp256k1: expected 32 bytes from 1 to n - 1 (spec 4.3.1.1)")]
pub struct InvalidSecretKey;

/// How a point becomes 64 bytes: each has about 2^256 encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EllSwiftEncoding {
    /// One that nobody can predict from the point.
    Randomized {
        /// From [`Entropy`].
        auxiliary: [u8; 32],
    },
    /// The one that follows from the point with all-zero randomness. It can be told from
    /// random bytes; for comparing bytes with implementations that encode like this.
    ZeroRandomness,
}

/// A server's long-lived key pair of the handshake: `s` of Noise.
pub struct StaticKey(pub(crate) KeyPair);

impl StaticKey {
    /// A fresh one.
    pub fn generate(entropy: &mut Entropy) -> Self {
        StaticKey(KeyPair::generate(entropy))
    }

    /// A stored one.
    ///
    /// # Errors
    /// [`InvalidSecretKey`].
    pub fn from_secret(
        secret: &[u8; 32],
        encoding: EllSwiftEncoding,
    ) -> Result<Self, InvalidSecretKey> {
        KeyPair::from_secret(secret, encoding).map(StaticKey)
    }

    /// As it is sent in act 2.
    pub fn to_ellswift(&self) -> [u8; 64] {
        self.0.encoding
    }

    /// The x coordinate, which the certificate signs (spec 4.5.3).
    pub fn to_x_only(&self) -> [u8; 32] {
        x_only(&self.0.encoding)
    }

    /// To be stored; wiped when dropped.
    pub fn to_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.secret.secret_bytes())
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticKey(..)")
    }
}

/// A secret scalar with the encoding that its owner has shown or will show: the encoding goes
/// into the shared secret, so it is made once.
pub(crate) struct KeyPair {
    secret: SecretKey,
    encoding: [u8; 64],
}

impl KeyPair {
    pub(crate) fn generate(entropy: &mut Entropy) -> Self {
        let secret = random_secret(entropy);
        let encoding = EllSwiftEncoding::Randomized { auxiliary: entropy.bytes() };
        KeyPair::encode(secret, encoding)
    }

    pub(crate) fn from_secret(
        secret: &[u8; 32],
        encoding: EllSwiftEncoding,
    ) -> Result<Self, InvalidSecretKey> {
        let secret = SecretKey::from_slice(secret).map_err(|_| InvalidSecretKey)?;
        Ok(KeyPair::encode(secret, encoding))
    }

    fn encode(secret: SecretKey, encoding: EllSwiftEncoding) -> Self {
        let encoding = match encoding {
            EllSwiftEncoding::Randomized { auxiliary } => {
                ElligatorSwift::from_seckey(curve(), secret, Some(auxiliary))
            }
            EllSwiftEncoding::ZeroRandomness => {
                ElligatorSwift::from_pubkey(PublicKey::from_secret_key(curve(), &secret))
            }
        };
        KeyPair { secret, encoding: encoding.to_array() }
    }

    pub(crate) fn encoding(&self) -> &[u8; 64] {
        &self.encoding
    }

    /// BIP 324's `v2_ecdh`, which depends on who is the initiator (spec 4.4.2).
    pub(crate) fn shared_secret(&self, party: Party, theirs: &[u8; 64]) -> Zeroizing<[u8; 32]> {
        let ours = ElligatorSwift::from_array(self.encoding);
        let theirs = ElligatorSwift::from_array(*theirs);
        let (initiator, responder, side) = match party {
            Party::Initiator => (ours, theirs, ElligatorSwiftParty::A),
            Party::Responder => (theirs, ours, ElligatorSwiftParty::B),
        };
        let secret = ElligatorSwift::shared_secret(initiator, responder, self.secret, side, None);
        Zeroizing::new(secret.to_secret_bytes())
    }
}

impl Drop for KeyPair {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

/// Who we are in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Initiator,
    Responder,
}

/// Draws until a scalar is in range, which is practically always the first time.
pub(crate) fn random_secret(entropy: &mut Entropy) -> SecretKey {
    loop {
        let bytes = Zeroizing::new(entropy.bytes::<32>());
        if let Ok(secret) = SecretKey::from_slice(&*bytes) {
            return secret;
        }
    }
}

/// The x coordinate that 64 bytes encode; all 64-byte strings encode one (BIP 324).
pub(crate) fn x_only(encoding: &[u8; 64]) -> [u8; 32] {
    let point = PublicKey::from_ellswift(ElligatorSwift::from_array(*encoding));
    point.x_only_public_key().0.serialize()
}

/// Precomputed tables and a blinding factor that never changes a result: building one costs
/// more than a handshake.
pub(crate) fn curve() -> &'static Secp256k1<All> {
    static CURVE: OnceLock<Secp256k1<All>> = OnceLock::new();
    CURVE.get_or_init(Secp256k1::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parties_compute_the_same_secret_and_swapped_roles_do_not() {
        let mut entropy = Entropy::from_seed(1);
        let (ours, theirs) = (KeyPair::generate(&mut entropy), KeyPair::generate(&mut entropy));

        let initiator = ours.shared_secret(Party::Initiator, theirs.encoding());

        assert_eq!(theirs.shared_secret(Party::Responder, ours.encoding()), initiator);
        assert_ne!(theirs.shared_secret(Party::Initiator, ours.encoding()), initiator);
    }

    #[test]
    fn every_encoding_of_a_key_has_the_same_x_coordinate() {
        let secret = [5; 32];
        let x_of = |encoding| StaticKey::from_secret(&secret, encoding).unwrap().to_x_only();

        let zero = x_of(EllSwiftEncoding::ZeroRandomness);

        assert_eq!(x_of(EllSwiftEncoding::Randomized { auxiliary: [1; 32] }), zero);
        assert_eq!(x_of(EllSwiftEncoding::Randomized { auxiliary: [2; 32] }), zero);
    }

    #[test]
    fn the_order_of_the_curve_is_no_secret_key() {
        let order = bitcoin::secp256k1::constants::CURVE_ORDER;
        for bytes in [[0; 32], order, [0xff; 32]] {
            let outcome = StaticKey::from_secret(&bytes, EllSwiftEncoding::ZeroRandomness);
            assert_eq!(outcome.err(), Some(InvalidSecretKey), "{bytes:?}");
        }
    }

    #[test]
    fn debug_output_does_not_show_the_secret() {
        let key = StaticKey::generate(&mut Entropy::from_seed(1));

        insta::assert_snapshot!(format!("{key:?}"), @"StaticKey(..)");
    }
}

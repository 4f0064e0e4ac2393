//! What `snow` asks for: our curve, hash and cipher behind its traits, and a record of the
//! keys that it derives.
//!
//! Facts about snow 0.10 that this file and [`super::handshake`] rest on (the dependency is
//! pinned):
//! - Its buffers for public keys are long enough for 64 bytes only with its feature `p256`;
//!   without, it would panic. [`DHChoice::P256`] exists only with that feature, so naming it
//!   turns the panic into a failure to compile. Nothing of P-256 is used.
//! - `Dh` has no notion of roles, but a resolver serves one side of one handshake, so the
//!   resolver knows the party that BIP 324 asks for.
//! - `Dh::dh_len` must be overridden: the shared secret is shorter than the public key.
//! - It does not wipe the chaining key and the hash. Our own parts are wiped.

use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use snow::Error;
use snow::params::{
    BaseChoice, CipherChoice, DHChoice, HandshakeChoice, HandshakeModifierList, HandshakePattern,
    HashChoice, NoiseParams,
};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::Zeroizing;

use super::aead::{CipherKey, CipherSuite, MAC_LEN};
use super::key::{KeyPair, Party};

/// The primitives of one side of one handshake.
pub(super) struct Resolver {
    pub(super) suite: CipherSuite,
    pub(super) party: Party,
    /// Taken by the first `Dh::generate`.
    pub(super) ephemeral: Arc<KeyPair>,
    /// The responder's; shared between all its handshakes, with its encoding.
    pub(super) static_key: Option<Arc<KeyPair>>,
    pub(super) derived: DerivedKeys,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(NoRandomness))
    }

    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(Curve {
            party: self.party,
            ephemeral: Arc::clone(&self.ephemeral),
            static_key: self.static_key.clone(),
            key: None,
        }))
    }

    fn resolve_hash(&self, _: &HashChoice) -> Option<Box<dyn Hash>> {
        Some(Box::new(Sha(Sha256::new())))
    }

    fn resolve_cipher(&self, _: &CipherChoice) -> Option<Box<dyn Cipher>> {
        Some(Box::new(Aead { suite: self.suite, key: None, derived: self.derived.clone() }))
    }
}

/// The handshake's parameters.
pub(super) fn parameters(suite: CipherSuite) -> NoiseParams {
    NoiseParams::new(
        suite.protocol_name().to_owned(),
        BaseChoice::Noise,
        HandshakeChoice {
            pattern: HandshakePattern::NX,
            modifiers: HandshakeModifierList { list: Vec::new() },
        },
        DHChoice::P256,
        // Handed to our resolver alone, which knows better.
        CipherChoice::ChaChaPoly,
        HashChoice::SHA256,
    )
}

/// The keys that a handshake has derived so far, in order: those of `ee` and `es`, which seal
/// act 2, then those of the two directions. `snow` gives each to a cipher, and to nobody else.
#[derive(Clone, Default)]
pub(super) struct DerivedKeys(Arc<Mutex<Vec<Zeroizing<[u8; 32]>>>>);

impl DerivedKeys {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// `ee`, `es`, initiator to responder, responder to initiator; `None` before the end.
    pub(super) fn take(&self) -> Option<[Zeroizing<[u8; 32]>; 4]> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *keys).try_into().ok()
    }

    fn push(&self, key: &[u8; 32]) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Growing would leave copies behind.
        keys.reserve_exact(4);
        keys.push(Zeroizing::new(*key));
    }
}

/// Ephemeral keys are drawn before `snow` is asked to generate them: nothing else is random.
struct NoRandomness;

impl Random for NoRandomness {
    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Error> {
        Err(Error::Rng)
    }
}

struct Curve {
    party: Party,
    ephemeral: Arc<KeyPair>,
    static_key: Option<Arc<KeyPair>>,
    key: Option<Arc<KeyPair>>,
}

impl Dh for Curve {
    fn name(&self) -> &'static str {
        "Secp256k1+EllSwift"
    }

    fn pub_len(&self) -> usize {
        64
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn dh_len(&self) -> usize {
        32
    }

    /// Called for the static key alone; its bytes are not needed, we have the key.
    fn set(&mut self, _: &[u8]) {
        self.key.clone_from(&self.static_key);
    }

    fn generate(&mut self, _: &mut dyn Random) -> Result<(), Error> {
        self.key = Some(Arc::clone(&self.ephemeral));
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.key.as_ref().map_or(&[0; 64], |key| key.encoding())
    }

    /// Asked for only when `snow` itself generates static keys, which it does not do here.
    fn privkey(&self) -> &[u8] {
        &[0; 32]
    }

    fn dh(&self, theirs: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let key = self.key.as_ref().ok_or(Error::Dh)?;
        // `snow` passes its whole buffer, which is longer than the key.
        let theirs = theirs.first_chunk().ok_or(Error::Dh)?;
        let secret = key.shared_secret(self.party, theirs);
        out.get_mut(..32).ok_or(Error::Dh)?.copy_from_slice(&*secret);
        Ok(())
    }
}

struct Sha(Sha256);

impl Hash for Sha {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        out[..32].copy_from_slice(&self.0.finalize_reset());
    }
}

struct Aead {
    suite: CipherSuite,
    key: Option<CipherKey>,
    derived: DerivedKeys,
}

impl Cipher for Aead {
    fn name(&self) -> &'static str {
        match self.suite {
            CipherSuite::ChaChaPoly => "ChaChaPoly",
            CipherSuite::AesGcm => "AESGCM",
        }
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.derived.push(key);
        self.key = Some(CipherKey::new(self.suite, key));
    }

    fn encrypt(&self, nonce: u64, associated: &[u8], plain: &[u8], out: &mut [u8]) -> usize {
        let key = self.key.as_ref().expect("snow sets a key before it encrypts");
        let (text, rest) = out.split_at_mut(plain.len());
        text.copy_from_slice(plain);
        rest[..MAC_LEN].copy_from_slice(&key.seal(nonce, associated, text));
        plain.len() + MAC_LEN
    }

    fn decrypt(
        &self,
        nonce: u64,
        associated: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let key = self.key.as_ref().ok_or(Error::Decrypt)?;
        let mut text = Zeroizing::new(sealed.to_vec());
        let plain = key.open(nonce, associated, &mut text, 0).ok_or(Error::Decrypt)?;
        out.get_mut(..plain.len()).ok_or(Error::Decrypt)?.copy_from_slice(plain);
        Ok(plain.len())
    }
}

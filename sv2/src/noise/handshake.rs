//! The handshake (spec 4.5): act 1 of 64 bytes, act 2 of 234, then a [`Session`].
//!
//! `snow` does it, with our `resolver.rs`. Randomness and time are arguments:
//! the same arguments give the same bytes.

use std::fmt;
use std::sync::Arc;

use snow::{Builder, HandshakeState};
use thiserror::Error;

use super::aead::{CipherKey, CipherSuite, MAC_LEN};
use super::authority::{AuthorityPublicKey, AuthoritySecretKey};
use super::certificate::{Certificate, CertificateError};
use super::key::{EllSwiftEncoding, InvalidSecretKey, KeyPair, Party, StaticKey, x_only};
use super::key_log::SessionSecrets;
use super::resolver::{DerivedKeys, Resolver, parameters};
use super::transport::{Opener, Sealer, Session};
use crate::entropy::Entropy;
use crate::time::UnixTime;

/// Length of act 1 in bytes: an ephemeral key (spec 4.5.1.1).
pub const ACT_1_LEN: usize = 64;
/// Length of act 2 in bytes: an ephemeral key, and the static key and the certificate with a
/// MAC each (spec 4.5.2; the length of 170 that it also names is a mistake, AMB-02).
pub const ACT_2_LEN: usize = 64 + (64 + MAC_LEN) + (Certificate::LEN + MAC_LEN);

/// The side that opened the connection, between the acts.
pub struct Initiator {
    state: HandshakeState,
    suite: CipherSuite,
    authority: Option<AuthorityPublicKey>,
    derived: DerivedKeys,
    act_1: [u8; ACT_1_LEN],
}

impl Initiator {
    /// Expects a server that `authority` has certified. Without an authority any server is
    /// taken, its certificate unread: the session is private, but with whom is open (AMB-27).
    pub fn new(
        suite: CipherSuite,
        authority: Option<AuthorityPublicKey>,
        entropy: &mut Entropy,
    ) -> Self {
        Self::start(suite, authority, KeyPair::generate(entropy))
    }

    /// With a given ephemeral key: for test vectors and comparisons with other
    /// implementations, never for a session that matters.
    ///
    /// # Errors
    /// [`InvalidSecretKey`].
    pub fn with_ephemeral(
        suite: CipherSuite,
        authority: Option<AuthorityPublicKey>,
        secret: &[u8; 32],
        encoding: EllSwiftEncoding,
    ) -> Result<Self, InvalidSecretKey> {
        Ok(Self::start(suite, authority, KeyPair::from_secret(secret, encoding)?))
    }

    fn start(
        suite: CipherSuite,
        authority: Option<AuthorityPublicKey>,
        ephemeral: KeyPair,
    ) -> Self {
        let derived = DerivedKeys::default();
        let resolver = Resolver {
            suite,
            party: Party::Initiator,
            ephemeral: Arc::new(ephemeral),
            static_key: None,
            derived: derived.clone(),
        };
        let mut state = Builder::with_resolver(parameters(suite), Box::new(resolver))
            .build_initiator()
            .expect("the resolver has all primitives, and the initiator of NX needs no key");
        // `snow` wants room for a MAC even where none is written.
        let mut buffer = [0; ACT_1_LEN + MAC_LEN];
        let written = state.write_message(&[], &mut buffer);
        assert_eq!(written.ok(), Some(ACT_1_LEN), "act 1 is an ephemeral key and nothing else");
        let mut act_1 = [0; ACT_1_LEN];
        act_1.copy_from_slice(&buffer[..ACT_1_LEN]);
        Initiator { state, suite, authority, derived, act_1 }
    }

    /// To be sent.
    pub fn act_1(&self) -> [u8; ACT_1_LEN] {
        self.act_1
    }

    /// Takes the server's answer.
    ///
    /// # Errors
    /// A MAC that is wrong, or a certificate that does not hold at `now`.
    pub fn finish(
        mut self,
        act_2: &[u8; ACT_2_LEN],
        now: UnixTime,
    ) -> Result<(Session, ServerIdentity), HandshakeError> {
        let mut certificate = [0; Certificate::LEN];
        if self.state.read_message(act_2, &mut certificate).is_err() {
            // The key of `es` is derived only after the static key has been authenticated.
            return Err(match self.derived.count() {
                0 | 1 => HandshakeError::StaticKeyMac,
                _ => HandshakeError::CertificateMac,
            });
        }
        let static_key = *self
            .state
            .get_remote_static()
            .and_then(|key| key.first_chunk())
            .expect("act 2 has brought the static key");
        let certificate = Certificate::from_bytes(&certificate);
        if let Some(authority) = &self.authority {
            certificate.verify(&x_only(&static_key), authority, now)?;
        }
        let session = session(Party::Initiator, self.suite, self.act_1, &self.derived);
        let is_authenticated = self.authority.is_some();
        Ok((session, ServerIdentity { static_key, certificate, is_authenticated }))
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiator")
            .field("suite", &self.suite)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// What a server has shown of itself in act 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerIdentity {
    /// ElligatorSwift-encoded.
    pub static_key: [u8; 64],
    /// As received.
    pub certificate: Certificate,
    /// Whether the certificate was verified: there was an authority key to do it with.
    pub is_authenticated: bool,
}

impl ServerIdentity {
    /// The x coordinate of the static key, which the certificate is about.
    pub fn static_x(&self) -> [u8; 32] {
        x_only(&self.static_key)
    }
}

/// What a server is known by: a static key and its certificate. Signed and encoded once,
/// shared between all connections.
#[derive(Debug)]
pub struct Identity {
    static_key: StaticKeyPair,
    certificate: Certificate,
}

impl Identity {
    /// Has `authority` certify `static_key` from `valid_from` to `not_valid_after`, in seconds
    /// since the Unix epoch.
    pub fn new(
        authority: &AuthoritySecretKey,
        static_key: StaticKey,
        valid_from: u32,
        not_valid_after: u32,
        entropy: &mut Entropy,
    ) -> Self {
        let x = static_key.to_x_only();
        let certificate = Certificate::sign(authority, &x, valid_from, not_valid_after, entropy);
        Self::with_certificate(static_key, certificate)
    }

    /// With a certificate that was made elsewhere, or is wrong on purpose: nothing is checked.
    pub fn with_certificate(static_key: StaticKey, certificate: Certificate) -> Self {
        Identity { static_key: StaticKeyPair(Arc::new(static_key.0)), certificate }
    }

    /// What clients are shown.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The static key as clients are shown it.
    pub fn static_key(&self) -> [u8; 64] {
        *self.static_key.0.encoding()
    }
}

struct StaticKeyPair(Arc<KeyPair>);

impl fmt::Debug for StaticKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// The side that accepted the connection: it has one step and no state.
#[derive(Debug)]
pub struct Responder;

impl Responder {
    /// Answers act 1. All 64-byte strings are keys, so this always succeeds: a client that
    /// speaks something else shows itself by the MAC of its first frame.
    pub fn respond(
        suite: CipherSuite,
        identity: &Identity,
        act_1: &[u8; ACT_1_LEN],
        entropy: &mut Entropy,
    ) -> ([u8; ACT_2_LEN], Session) {
        Self::answer(suite, identity, act_1, KeyPair::generate(entropy))
    }

    /// With a given ephemeral key: for test vectors and comparisons with other
    /// implementations, never for a session that matters.
    ///
    /// # Errors
    /// [`InvalidSecretKey`].
    pub fn respond_with_ephemeral(
        suite: CipherSuite,
        identity: &Identity,
        act_1: &[u8; ACT_1_LEN],
        secret: &[u8; 32],
        encoding: EllSwiftEncoding,
    ) -> Result<([u8; ACT_2_LEN], Session), InvalidSecretKey> {
        Ok(Self::answer(suite, identity, act_1, KeyPair::from_secret(secret, encoding)?))
    }

    fn answer(
        suite: CipherSuite,
        identity: &Identity,
        act_1: &[u8; ACT_1_LEN],
        ephemeral: KeyPair,
    ) -> ([u8; ACT_2_LEN], Session) {
        let derived = DerivedKeys::default();
        let resolver = Resolver {
            suite,
            party: Party::Responder,
            ephemeral: Arc::new(ephemeral),
            static_key: Some(Arc::clone(&identity.static_key.0)),
            derived: derived.clone(),
        };
        let mut state = Builder::with_resolver(parameters(suite), Box::new(resolver))
            // `snow` only asks whether there is one: the resolver has it, with its encoding.
            .local_private_key(&[])
            .and_then(Builder::build_responder)
            .expect("the resolver has all primitives and the static key");
        state.read_message(act_1, &mut []).expect("act 1 is any 64 bytes, without a MAC");
        let mut act_2 = [0; ACT_2_LEN];
        let written = state.write_message(&identity.certificate.to_bytes(), &mut act_2);
        assert_eq!(written.ok(), Some(ACT_2_LEN), "act 2 has a fixed length");
        (act_2, session(Party::Responder, suite, *act_1, &derived))
    }
}

fn session(
    party: Party,
    suite: CipherSuite,
    act_1: [u8; ACT_1_LEN],
    derived: &DerivedKeys,
) -> Session {
    let [ee, es, to_responder, to_initiator] =
        derived.take().expect("the last act derives the keys of both directions");
    let (ours, theirs) = match party {
        Party::Initiator => (&to_responder, &to_initiator),
        Party::Responder => (&to_initiator, &to_responder),
    };
    Session {
        sealer: Sealer::new(CipherKey::new(suite, ours)),
        opener: Opener::new(CipherKey::new(suite, theirs)),
        secrets: SessionSecrets {
            act_1,
            initiator_to_responder: *to_responder,
            responder_to_initiator: *to_initiator,
            handshake_ee: *ee,
            handshake_es: *es,
        },
    }
}

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HandshakeError {
    /// The ephemeral key or the static key was altered, or the peer computes keys differently.
    #[error("act 2: the MAC of the static key is wrong (spec 4.5.2)")]
    StaticKeyMac,
    /// The certificate was altered, or the peer does not have the static key that it shows.
    #[error("act 2: the MAC of the certificate is wrong (spec 4.5.2)")]
    CertificateMac,
    /// The server is not who it should be.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

#[cfg(test)]
mod tests;

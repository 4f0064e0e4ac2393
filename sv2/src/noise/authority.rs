//! Authority keys and URLs (spec 4.7).

/// The key that signs a server's certificate: an x-only point of secp256k1 (BIP 340).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AuthorityPublicKey(pub(crate) [u8; 32]);

//! The encrypted session below the frames (spec 4).
//!
//! `snow` runs the handshake with our own primitives (`resolver.rs`), `ring` seals frames
//! (`aead.rs`, the only file that knows it). A handshake ends in a [`Session`]: one half
//! that seals and one that opens, which may live in different tasks.

mod aead;
mod authority;
mod certificate;
mod handshake;
mod key;
mod key_log;
mod resolver;
mod transport;
mod url;

pub use aead::{CipherKey, CipherSuite, MAC_LEN};
pub use authority::{AuthorityKeyError, AuthorityPublicKey, AuthoritySecretKey};
pub use certificate::{CLOCK_LEEWAY_SECONDS, Certificate, CertificateError};
pub use handshake::{
    ACT_1_LEN, ACT_2_LEN, HandshakeError, Identity, Initiator, Responder, ServerIdentity,
};
pub use key::{EllSwiftEncoding, InvalidSecretKey, StaticKey};
pub use key_log::{KeyLogLabel, SessionSecrets};
pub use transport::{
    CHUNK_LEN_MAX, Opener, SEALED_HEADER_LEN, Sealer, Session, TransportError, payload_chunks,
    sealed_payload_len,
};
pub use url::{StratumUrl, UrlError};

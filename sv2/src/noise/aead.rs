//! Authenticated encryption with a key and a counter (spec 4.3.3, 4.4.1): the one file that
//! knows which library does it.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// Length of a message authentication code, in bytes.
pub const MAC_LEN: usize = 16;

/// Which cipher a session uses. Both sides must have agreed on it beforehand: the handshake
/// does not negotiate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CipherSuite {
    /// The one that every implementation must support (spec 4.3.3).
    #[default]
    ChaChaPoly,
    /// AES-256-GCM, not part of the specification; only for peers known to speak it.
    AesGcm,
}

impl CipherSuite {
    /// The Noise protocol name, which the handshake hash starts from (spec 4.5.1).
    pub const fn protocol_name(self) -> &'static str {
        match self {
            CipherSuite::ChaChaPoly => "Noise_NX_Secp256k1+EllSwift_ChaChaPoly_SHA256",
            CipherSuite::AesGcm => "Noise_NX_Secp256k1+EllSwift_AESGCM_SHA256",
        }
    }
}

/// A key of one direction. The caller counts nonces and uses none twice for sealing.
///
/// Whoever reads a capture opens frames with it in any order.
#[derive(Clone)]
pub struct CipherKey {
    secret: Zeroizing<[u8; 32]>,
    /// As `ring` uses it, unless that is [made anew](CipherKey::shrink) each time: it has room
    /// for the longest schedule of all ciphers, and is not wiped when it is dropped.
    scheduled: Option<Box<LessSafeKey>>,
    suite: CipherSuite,
}

impl CipherKey {
    /// A key of either direction, as a handshake or a key log gives it.
    pub fn new(suite: CipherSuite, secret: &[u8; 32]) -> Self {
        let mut key = CipherKey { secret: Zeroizing::new(*secret), scheduled: None, suite };
        key.scheduled = Some(Box::new(key.schedule()));
        key
    }

    /// Takes a tenth of the memory from now on (48 bytes instead of some 600), and a tenth longer
    /// for a frame of a share. For a host of very many connections.
    pub fn shrink(&mut self) {
        self.scheduled = None;
    }

    fn schedule(&self) -> LessSafeKey {
        let algorithm = match self.suite {
            CipherSuite::ChaChaPoly => &CHACHA20_POLY1305,
            CipherSuite::AesGcm => &AES_256_GCM,
        };
        let key = UnboundKey::new(algorithm, self.secret.as_slice());
        LessSafeKey::new(key.expect("both ciphers take 32-byte keys"))
    }

    #[inline]
    fn with_schedule<T>(&self, work: impl FnOnce(&LessSafeKey) -> T) -> T {
        match &self.scheduled {
            Some(key) => work(key),
            None => work(&self.schedule()),
        }
    }

    /// Encrypts `text` in place and returns its MAC.
    #[inline]
    pub fn seal(&self, nonce: u64, associated: &[u8], text: &mut [u8]) -> [u8; MAC_LEN] {
        let (nonce, associated) = (self.nonce(nonce), Aad::from(associated));
        let tag = self
            .with_schedule(|key| key.seal_in_place_separate_tag(nonce, associated, text))
            .expect("a Noise message is far below the cipher's limit");
        tag.as_ref().try_into().expect("both ciphers have 16-byte tags")
    }

    /// Decrypts what stands from `from` to the end of `text`, MAC last, to the beginning of
    /// `text`. `None` if it is not authentic; `text` is then worthless.
    #[inline]
    pub fn open<'a>(
        &self,
        nonce: u64,
        associated: &[u8],
        text: &'a mut [u8],
        from: usize,
    ) -> Option<&'a mut [u8]> {
        let (nonce, associated) = (self.nonce(nonce), Aad::from(associated));
        self.with_schedule(|key| key.open_within(nonce, associated, text, from..)).ok()
    }

    /// Noise writes the counter little-endian for ChaChaPoly and big-endian for AESGCM, behind
    /// 32 zero bits in both cases.
    #[inline]
    fn nonce(&self, counter: u64) -> Nonce {
        let counter = match self.suite {
            CipherSuite::ChaChaPoly => counter.to_le_bytes(),
            CipherSuite::AesGcm => counter.to_be_bytes(),
        };
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&counter);
        Nonce::assume_unique_for_key(nonce)
    }
}

impl fmt::Debug for CipherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CipherKey({:?}, ..)", self.suite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_nonce_sealed_only_that_nonce_opens() {
        for suite in [CipherSuite::ChaChaPoly, CipherSuite::AesGcm] {
            let key = CipherKey::new(suite, &[7; 32]);
            let mut sealed = b"share".to_vec();
            let mac = key.seal(3, b"", &mut sealed);
            sealed.extend_from_slice(&mac);

            assert_eq!(key.open(4, b"", &mut sealed.clone(), 0), None);
            assert_eq!(key.open(3, b"", &mut sealed, 0).unwrap(), b"share");
        }
    }

    #[test]
    fn a_shrunk_key_is_the_same_key() {
        for suite in [CipherSuite::ChaChaPoly, CipherSuite::AesGcm] {
            let key = CipherKey::new(suite, &[7; 32]);
            let mut shrunk = key.clone();
            shrunk.shrink();
            let mut sealed = b"share".to_vec();
            let mac = shrunk.seal(3, b"", &mut sealed);
            sealed.extend_from_slice(&mac);

            assert_eq!(shrunk.open(3, b"", &mut sealed.clone(), 0).unwrap(), b"share");
            assert_eq!(key.open(3, b"", &mut sealed, 0).unwrap(), b"share");
        }
    }

    #[test]
    fn the_counters_byte_order_is_that_of_the_noise_specification() {
        let nonce_of = |suite, counter| *CipherKey::new(suite, &[0; 32]).nonce(counter).as_ref();

        assert_eq!(nonce_of(CipherSuite::ChaChaPoly, 1), [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(nonce_of(CipherSuite::AesGcm, 1), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn debug_output_does_not_show_the_key() {
        let key = CipherKey::new(CipherSuite::ChaChaPoly, &[0xab; 32]);

        insta::assert_snapshot!(format!("{key:?}"), @"CipherKey(ChaChaPoly, ..)");
    }
}

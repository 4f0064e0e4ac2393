//! Randomness from the operating system.

use bitcoin::secp256k1::rand::RngCore;
use bitcoin::secp256k1::rand::rngs::OsRng;
use sv2::entropy::Entropy;

/// A stream that nobody can predict or repeat.
///
/// # Panics
/// If the operating system has no randomness: keys from anything else would be no keys.
pub fn from_system() -> Entropy {
    let mut seed = [0; 32];
    OsRng.fill_bytes(&mut seed);
    Entropy::from_bytes(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_streams_differ() {
        assert_ne!(from_system().bytes::<32>(), from_system().bytes::<32>());
    }
}

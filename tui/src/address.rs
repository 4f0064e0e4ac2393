//! Addresses and bytes as people write them.

use sv2::noise::StratumUrl;
use sv2::role::PeerAddress;

/// A peer to dial, from its URL; the scheme may be missing.
///
/// # Errors
/// A text that names what was expected.
pub(crate) fn peer(text: &str) -> Result<PeerAddress, String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("stratum2+tcp://{text}") };
    let StratumUrl { host, port, authority } =
        url.parse().map_err(|error| format!("\"{text}\": {error}"))?;
    Ok(PeerAddress { host, port, authority })
}

/// A peer that speaks Stratum V1, from its URL; the scheme may be missing.
///
/// # Errors
/// A text that names what was expected.
pub(crate) fn sv1_peer(text: &str) -> Result<PeerAddress, String> {
    let expected = || format!("\"{text}\": expected stratum+tcp://HOST:PORT, without a key");
    let bare = text.strip_prefix("stratum+tcp://").or_else(|| text.strip_prefix("tcp://"));
    let bare = bare.unwrap_or(text);
    if bare.contains("://") {
        return Err(expected());
    }
    let address = peer(bare).map_err(|_| expected())?;
    if address.authority.is_some() { Err(expected()) } else { Ok(address) }
}

/// Bytes from hexadecimal digits; `None` if it is anything else.
pub(crate) fn hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len() / 2)
        .map(|index| u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_without_scheme_or_key_is_understood() {
        let peer = peer("127.0.0.1:8442").unwrap();

        assert_eq!((peer.host.as_str(), peer.port, peer.authority), ("127.0.0.1", 8442, None));
    }

    #[test]
    fn a_peer_of_stratum_v1_has_its_own_scheme_and_no_key() {
        for text in ["stratum+tcp://h.example:3333", "tcp://h.example:3333", "h.example:3333"] {
            let peer = sv1_peer(text).unwrap();
            assert_eq!((peer.host.as_str(), peer.port, peer.authority), ("h.example", 3333, None));
        }
        for text in ["stratum2+tcp://h.example:3333", "h.example", "http://h.example:80"] {
            assert!(sv1_peer(text).unwrap_err().contains("expected stratum+tcp://"), "{text}");
        }
    }

    #[test]
    fn odd_digits_are_no_bytes() {
        assert_eq!(hex("0a0"), None);
        assert_eq!(hex("0aff"), Some(vec![0x0a, 0xff]));
    }
}

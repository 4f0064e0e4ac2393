//! Addresses and bytes as people write them.

use sv2::noise::StratumUrl;
use sv2::role::PeerAddress;
use sv2::wire::hex::bytes_from_hex;

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

/// Bytes that a setting has as digits, such as a script.
///
/// # Errors
/// A text that names what was expected.
pub(crate) fn bytes(setting: &str, digits: &str) -> Result<Vec<u8>, String> {
    bytes_from_hex(digits)
        .ok_or_else(|| format!("{setting}: expected hexadecimal digits, got \"{digits}\""))
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
    fn what_is_no_pairs_of_digits_is_named_with_its_setting() {
        assert_eq!(bytes("script", "0aff"), Ok(vec![0x0a, 0xff]));
        for digits in ["0a0", "+a", "51 "] {
            let error = bytes("script", digits).unwrap_err();
            assert_eq!(error, format!("script: expected hexadecimal digits, got \"{digits}\""));
        }
    }
}

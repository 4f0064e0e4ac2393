//! The address of a server with its authority's key (spec 4.7).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::authority::{AuthorityKeyError, AuthorityPublicKey};

/// `stratum2+tcp://HOST:PORT/KEY`. IPv6 addresses stand in brackets; the key may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StratumUrl {
    /// Name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whose certificate to accept.
    pub authority: Option<AuthorityPublicKey>,
}

impl FromStr for StratumUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let rest = text.strip_prefix(SCHEME).ok_or(UrlError::Scheme)?;
        let (endpoint, key) = match rest.split_once('/') {
            Some((endpoint, key)) => (endpoint, key.strip_suffix('/').unwrap_or(key)),
            None => (rest, ""),
        };
        let (host, port) = match endpoint.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or(UrlError::Host)?;
                (host, port.strip_prefix(':').ok_or(UrlError::Port)?)
            }
            None => endpoint.rsplit_once(':').ok_or(UrlError::Port)?,
        };
        let is_bracketed = endpoint.starts_with('[');
        // Without brackets a colon in the host is half of an IPv6 address.
        let is_host = |byte: u8| {
            byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte) || byte == b':' && is_bracketed
        };
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(UrlError::Host);
        }
        // `parse` alone would take a plus sign.
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(UrlError::Port);
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?;
        let authority = match key {
            "" => None,
            key => Some(key.parse().map_err(UrlError::Authority)?),
        };
        Ok(StratumUrl { host: host.to_owned(), port, authority })
    }
}

impl fmt::Display for StratumUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StratumUrl { host, port, authority } = self;
        if host.contains(':') {
            write!(f, "{SCHEME}[{host}]:{port}")?;
        } else {
            write!(f, "{SCHEME}{host}:{port}")?;
        }
        authority.as_ref().map_or(Ok(()), |key| write!(f, "/{key}"))
    }
}

/// Why a text is no address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Another protocol, or none.
    #[error("expected an address like stratum2+tcp://HOST:PORT/KEY (spec 4.7)")]
    Scheme,
    /// Missing, or not a number.
    #[error("expected a port from 1 to 65535 behind the host: stratum2+tcp://HOST:PORT (spec 4.7)")]
    Port,
    /// Missing, or with characters that no host has.
    #[error("expected a host name, an IPv4 address or an IPv6 address in brackets (spec 4.7)")]
    Host,
    /// Not a key.
    #[error("the path must be the authority's public key: {0}")]
    Authority(AuthorityKeyError),
}

const SCHEME: &str = "stratum2+tcp://";

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";

    #[test]
    fn the_specifications_example_reads_and_prints() {
        let text = format!("stratum2+tcp://thepool.com:34254/{KEY}");

        let url: StratumUrl = text.parse().unwrap();

        assert_eq!((url.host.as_str(), url.port), ("thepool.com", 34254));
        assert_eq!(url.authority, Some(KEY.parse().unwrap()));
        assert_eq!(url.to_string(), text);
    }

    #[test]
    fn what_was_read_prints_as_it_was_written() {
        for text in [
            "stratum2+tcp://127.0.0.1:34254",
            "stratum2+tcp://[2001:db8::1]:34254",
            &format!("stratum2+tcp://[::1]:1/{KEY}"),
        ] {
            assert_eq!(text.parse::<StratumUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_empty_path_is_no_key() {
        let url: StratumUrl = "stratum2+tcp://pool:1/".parse().unwrap();

        assert_eq!(url.authority, None);
    }

    #[test]
    fn every_mistake_has_its_own_answer() {
        #[track_caller]
        fn check(text: &str, expected: UrlError) {
            assert_eq!(text.parse::<StratumUrl>(), Err(expected));
        }

        check("pool:34254", UrlError::Scheme);
        check("stratum+tcp://pool:34254", UrlError::Scheme);
        check("stratum2+tcp://pool", UrlError::Port);
        check("stratum2+tcp://pool:", UrlError::Port);
        check("stratum2+tcp://pool:0", UrlError::Port);
        check("stratum2+tcp://pool:+1", UrlError::Port);
        check("stratum2+tcp://pool:65536", UrlError::Port);
        check("stratum2+tcp://[::1]34254", UrlError::Port);
        check("stratum2+tcp://:34254", UrlError::Host);
        check("stratum2+tcp://::1:34254", UrlError::Host);
        check("stratum2+tcp://[::1", UrlError::Host);
        check("stratum2+tcp://user@pool:34254", UrlError::Host);
        check(
            "stratum2+tcp://pool:34254/password",
            UrlError::Authority(AuthorityKeyError::Checksum),
        );
    }
}

//! What roles that listen have in common: an address, and an authority to show.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sv2::job_declaration::token::TokenKey;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, CipherSuite};
use sv2_net::clock::Clock;
use sv2_net::host::{ListenerConfig, ListenerSecurity};
use sv2_net::identity::{Certifier, KeyFileError, read_secret_key};

use super::arguments::NodeServer;
use crate::outcome::Outcome;

/// The secret that the reference implementation's example configurations publish, so that roles
/// without a key of their own understand each other. Anyone can pretend to be its owner.
const EXAMPLE_SECRET_KEY: &str = "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n";

/// The public key of the example secret.
pub(super) fn example_authority() -> AuthorityPublicKey {
    example_secret().public_key()
}

fn example_secret() -> AuthoritySecretKey {
    EXAMPLE_SECRET_KEY.parse().expect("a constant that a test of sv2 parses")
}

/// A listener, and whom clients must trust.
pub(super) fn listener(
    arguments: &NodeServer,
    listen: Option<SocketAddr>,
    authority_key: Option<PathBuf>,
    default_port: u16,
) -> Result<(ListenerConfig, AuthorityPublicKey), Outcome> {
    let address = arguments
        .listen
        .or(listen)
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], default_port)));
    let file = arguments.authority_key.clone().or(authority_key);
    let secret = secret_key(file.as_deref(), address)?;
    let authority = secret.public_key();
    let now = Clock::of_process().now().unix;
    let entropy = sv2_net::entropy::from_system();
    let certifier = Arc::new(Certifier::renewing(secret, VALIDITY, now, entropy));
    let security = ListenerSecurity::Noise { suite: CipherSuite::default(), certifier };
    Ok((ListenerConfig { address: address.to_string(), security }, authority))
}

/// What a pool and its job declarator server have in common, from their authority's key.
pub(super) fn token_key(
    arguments: &NodeServer,
    authority_key: Option<&Path>,
) -> Result<TokenKey, Outcome> {
    let secret = match arguments.authority_key.as_deref().or(authority_key) {
        Some(file) => read_secret_key(file).map_err(unusable)?,
        // The listener has seen to it that this is not for everybody.
        None => example_secret(),
    };
    Ok(TokenKey::new(secret.derive(TokenKey::PURPOSE)))
}

fn secret_key(file: Option<&Path>, listen: SocketAddr) -> Result<AuthoritySecretKey, Outcome> {
    match file {
        Some(file) => read_secret_key(file).map_err(unusable),
        None if listen.ip().is_loopback() => Ok(example_secret()),
        None => Err(Outcome::usage(format!(
            "{listen} can be reached from outside and the example key is public: make one with \
             `assay key new FILE` and name it with --authority-key FILE"
        ))),
    }
}

fn unusable(error: KeyFileError) -> Outcome {
    Outcome::Usage(error.to_string())
}

const VALIDITY: Duration = Duration::from_secs(3600);

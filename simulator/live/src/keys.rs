//! The authority keys of a network's servers: from files, or from the scenario's seed.

use simulator::scenario::{RoleId, Scenario};
use sv2::entropy::Entropy;
use sv2::job_declaration::token::TokenKey;
use sv2::noise::AuthoritySecretKey;
use sv2_net::identity::{KeyFileError, read_secret_key};

/// The secret key that a role's certificates are signed with. A pool and its job declarator
/// server share one (spec 6.4.2).
///
/// A key from the seed is the same in every run, so that a foreign device's configuration stays
/// good; anyone can make it, and the scenario has seen to it that such a role listens on
/// loopback alone.
///
/// # Errors
/// If the file is not there or holds something else.
pub(crate) fn authority(
    scenario: &Scenario,
    id: RoleId,
) -> Result<AuthoritySecretKey, KeyFileError> {
    let owner = scenario.role(scenario.key_owner(id));
    match &owner.key_file {
        Some(path) => read_secret_key(path),
        None => {
            let mut entropy = Entropy::from_seed(scenario.seed).fork(&owner.name, AUTHORITY);
            Ok(AuthoritySecretKey::generate(&mut entropy))
        }
    }
}

/// What makes a job declarator server's tokens good at its pool.
///
/// # Errors
/// As [`authority`].
pub(crate) fn token_key(scenario: &Scenario, id: RoleId) -> Result<TokenKey, KeyFileError> {
    Ok(TokenKey::new(authority(scenario, id)?.derive(TokenKey::PURPOSE)))
}

/// Of the streams that a role's name gives.
const AUTHORITY: u64 = 0;

//! The authority keys of a network's servers: from files, or from the scenario's seed.

use simulator::build::authority_from_seed;
use simulator::scenario::{RoleId, Scenario};
use sv2::job_declaration::token::TokenKey;
use sv2::noise::AuthoritySecretKey;
use sv2_net::identity::{KeyFileError, read_secret_key};

/// The secret key that a role's certificates are signed with. A pool and its job declarator
/// server share one (spec 6.4.2).
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
        None => Ok(authority_from_seed(scenario, id)),
    }
}

/// What makes a job declarator server's tokens good at its pool.
///
/// # Errors
/// As [`authority`].
pub(crate) fn token_key(scenario: &Scenario, id: RoleId) -> Result<TokenKey, KeyFileError> {
    Ok(TokenKey::new(authority(scenario, id)?.derive(TokenKey::PURPOSE)))
}

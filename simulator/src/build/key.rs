//! Keys that a scenario's seed gives.

use sv2::entropy::Entropy;
use sv2::noise::AuthoritySecretKey;

use crate::scenario::{RoleId, Scenario};

/// The secret key that a role's certificates are signed with, where no file holds one. A pool and
/// its job declarator server share one (spec 6.4.2).
///
/// It is the same in every run, so that a foreign device's configuration stays good; anyone can
/// make it, and the scenario has seen to it that such a role listens on loopback alone.
pub fn authority_from_seed(scenario: &Scenario, id: RoleId) -> AuthoritySecretKey {
    let owner = scenario.role(scenario.key_owner(id));
    let mut entropy = Entropy::from_seed(scenario.seed).fork(&owner.name, AUTHORITY);
    AuthoritySecretKey::generate(&mut entropy)
}

/// Of the streams that a role's name gives.
const AUTHORITY: u64 = 0;

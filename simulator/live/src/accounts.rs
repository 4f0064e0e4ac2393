//! The accounts of a network's pools: opened once, whatever becomes of the pools.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use simulator::scenario::{RoleId, RoleKind, Scenario};
use sv2_net::accounts::{Accounts, AccountsError};

/// By pool; filled as pools start.
#[derive(Default)]
pub(crate) struct OpenAccounts(Mutex<BTreeMap<RoleId, Arc<Accounts>>>);

impl OpenAccounts {
    /// `None`: the role keeps none.
    pub(crate) fn of(
        &self,
        scenario: &Scenario,
        id: RoleId,
    ) -> Result<Option<Arc<Accounts>>, AccountsError> {
        let RoleKind::Pool(pool) = &scenario.role(id).kind else { return Ok(None) };
        let Some(directory) = &pool.accounts else { return Ok(None) };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(accounts) = open.get(&id) {
            return Ok(Some(Arc::clone(accounts)));
        }
        let accounts = Arc::new(Accounts::open(directory)?);
        match Arc::clone(&accounts).serve(directory) {
            Ok(serving) => drop(tokio::spawn(serving)),
            Err(error) => tracing::warn!(%error, "nobody can read the accounts while we run"),
        }
        open.insert(id, Arc::clone(&accounts));
        Ok(Some(accounts))
    }
}

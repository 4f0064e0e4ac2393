//! Where the roles of a running network can be reached.

use std::sync::{Mutex, MutexGuard, PoisonError};

use simulator::scenario::{HeldBy, RoleId, Scenario};
use sv2::noise::StratumUrl;
use sv2::role::PeerAddress;
use sv2_net::recipe::Endpoint;

/// By role; filled as roles start.
#[derive(Debug)]
pub(crate) struct Addresses(Mutex<Vec<Option<PeerAddress>>>);

impl Addresses {
    /// Those that the scenario itself names.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let named = scenario.roles.iter().map(|role| match &role.held_by {
            HeldBy::Address(StratumUrl { host, port, authority }) => {
                Some(PeerAddress { host: host.clone(), port: *port, authority: *authority })
            }
            HeldBy::Us | HeldBy::Recipe(_) => None,
        });
        Addresses(Mutex::new(named.collect()))
    }

    pub(crate) fn set(&self, RoleId(index): RoleId, address: PeerAddress) {
        self.lock()[index] = Some(address);
    }

    /// # Panics
    /// If the role has not been started, or listens nowhere: the scenario's order and kinds
    /// exclude both.
    pub(crate) fn of(&self, id: RoleId) -> PeerAddress {
        self.known(id).expect("a role starts behind those that it dials")
    }

    pub(crate) fn known(&self, RoleId(index): RoleId) -> Option<PeerAddress> {
        self.lock()[index].clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<PeerAddress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As recipes need it.
pub(crate) fn endpoint(address: PeerAddress) -> Endpoint {
    let PeerAddress { host, port, authority } = address;
    Endpoint { host, port, authority, cookie: None }
}

/// As clients need it.
pub(crate) fn url(address: &PeerAddress) -> StratumUrl {
    let PeerAddress { host, port, authority } = address.clone();
    StratumUrl { host, port, authority }
}

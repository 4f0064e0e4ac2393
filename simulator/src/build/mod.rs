//! From a scenario to the roles that it names: in one place, for sockets and for virtual time.
//!
//! Where roles can be reached, and which keys they have, is for whoever runs them to say.

mod key;
mod proofs;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use sv2::entropy::Entropy;
use sv2::job_declaration::token::TokenKey;
use sv2::role::{PeerAddress, Role};
use sv2::roles::job_declarator_client::{JobDeclaratorClient, JobDeclaratorUpstream};
use sv2::roles::job_declarator_server::JobDeclaratorServer;
use sv2::roles::mining_device::{MiningDevice, MiningDeviceConfig};
use sv2::roles::mining_proxy::MiningProxy;
use sv2::roles::pool::Pool;
use sv2::roles::sv1_device::Sv1Device;
use sv2::roles::sv1_pool::Sv1Pool;
use sv2::roles::template_provider::TemplateProvider;
use sv2::roles::translator::Translator;

use crate::scenario::{RoleId, RoleKind, Scenario};

pub use key::authority_from_seed;
pub use proofs::Proofs;
pub(crate) use proofs::shares_per_minute;

/// What the roles of a scenario need to know of the place where they run.
pub struct Builder<'a> {
    /// Who runs, and how.
    pub scenario: &'a Scenario,
    /// Where a role can be reached; asked for those alone that others dial.
    pub address: &'a dyn Fn(RoleId) -> PeerAddress,
    /// How devices come by their proofs.
    pub proofs: Proofs,
}

/// Settings of fleets, of which devices that differ in nothing but their names keep one copy.
#[derive(Debug, Default)]
pub struct FleetSettings(BTreeMap<RoleId, Arc<MiningDeviceConfig>>);

impl Builder<'_> {
    /// Whether [`Builder::build`] needs a token key: of a job declarator server, and of a pool that
    /// has one (spec 6.4.2).
    pub fn needs_token_key(scenario: &Scenario, id: RoleId) -> bool {
        match &scenario.role(id).kind {
            RoleKind::JobDeclaratorServer(_) => true,
            RoleKind::Pool(_) => scenario.declarator_of(id).is_some(),
            _ => false,
        }
    }

    /// A role that has not been woken yet; of a fleet, the member with this number from 0.
    ///
    /// # Panics
    /// If a token key is needed and not given, or the role is not one of ours and so lacks what
    /// it would dial.
    pub fn build(
        &self,
        id: RoleId,
        member: u32,
        token_key: Option<TokenKey>,
        entropy: Entropy,
    ) -> Box<dyn Role + Send> {
        self.build_member(&mut FleetSettings::default(), id, member, token_key, entropy)
    }

    /// The same as [`Builder::build`], for one of many.
    ///
    /// # Panics
    /// As [`Builder::build`].
    pub fn build_member(
        &self,
        fleets: &mut FleetSettings,
        id: RoleId,
        member: u32,
        token_key: Option<TokenKey>,
        entropy: Entropy,
    ) -> Box<dyn Role + Send> {
        let proofs = self.proofs;
        let of = |id: Option<RoleId>| (self.address)(id.expect("a role of ours has whom it dials"));
        let all = |ids: &[RoleId]| ids.iter().map(|id| (self.address)(*id)).collect();
        match &self.scenario.role(id).kind {
            RoleKind::TemplateProvider(role) => {
                Box::new(TemplateProvider::new(settings::template_provider(role, proofs)))
            }
            RoleKind::Pool(role) => {
                let settings = settings::pool(role, of(role.template_provider), token_key, proofs);
                Box::new(Pool::new(settings, entropy))
            }
            RoleKind::JobDeclaratorServer(role) => {
                let pool = role.pool.and_then(|pool| match &self.scenario.role(pool).kind {
                    RoleKind::Pool(pool) => Some(pool),
                    _ => None,
                });
                let token_key = token_key.expect("a job declarator server is given its token key");
                let settings = settings::job_declarator_server(pool, token_key, proofs);
                Box::new(JobDeclaratorServer::new(settings, entropy))
            }
            RoleKind::JobDeclaratorClient(role) => {
                let upstreams = role.upstream.iter().map(|pool| JobDeclaratorUpstream {
                    pool: (self.address)(*pool),
                    job_declarator: of(self.scenario.declarator_of(*pool)),
                });
                let upstreams = upstreams.collect();
                let provider = of(role.template_provider);
                let settings = settings::job_declarator_client(role, provider, upstreams, proofs);
                Box::new(JobDeclaratorClient::new(settings, entropy))
            }
            RoleKind::MiningProxy(role) => {
                let settings = settings::mining_proxy(role, all(&role.upstream), proofs);
                Box::new(MiningProxy::new(settings, entropy))
            }
            RoleKind::Translator(role) => {
                let settings = settings::translator(role, all(&role.upstream), proofs);
                Box::new(Translator::new(settings, entropy))
            }
            RoleKind::MiningDevice(role) => {
                let shared = fleets.0.entry(id).or_insert_with(|| {
                    Arc::new(settings::mining_device(role, of(role.upstream), proofs))
                });
                let user = settings::user_of(role, member);
                Box::new(MiningDevice::member(shared.clone(), user, entropy))
            }
            RoleKind::Sv1Pool(role) => {
                let settings = settings::sv1_pool(role, of(role.template_provider), proofs);
                Box::new(Sv1Pool::new(settings, entropy))
            }
            RoleKind::Sv1Device(role) => {
                let settings = settings::sv1_device(role, member, of(role.upstream), proofs);
                Box::new(Sv1Device::new(settings, entropy))
            }
        }
    }
}

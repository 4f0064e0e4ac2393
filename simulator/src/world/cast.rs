//! Who plays what in a world: roles of a scenario, made at the start and again after a fault.

use sv2::entropy::Entropy;
use sv2::job_declaration::token::TokenKey;
use sv2::role::{PeerAddress, Role};
use sv2::time::Instant;

use super::World;
use super::event::Planned;
use super::host::Host;
use crate::build::{Builder, authority_from_seed};
use crate::checkers::Card;
use crate::engine::{Purpose, Stream};
use crate::scenario::{
    Fidelity, HeldBy, Kind, Role as RoleOfScenario, RoleId, RoleKind, Scenario, Target,
};

/// A role, whichever it is.
pub type Player = Box<dyn Role + Send>;

/// What stands around a role, by its kind and member: nothing, unless somebody wants to see what
/// comes of a role that does wrong.
pub type Casting = Box<dyn Fn(Kind, u32, Player) -> Player>;

/// The scenario with its fleets as roles, those apart that are models of fleets.
pub(super) fn with_fleets(scenario: &Scenario) -> Scenario {
    let mut whole = scenario.clone();
    let count = whole.roles.len();
    let world = &mut whole.virtual_time;
    world.network.roles.resize(count, <_>::default());
    let mut turned = Vec::new();
    for (index, fleet) in world.fleets.iter().enumerate() {
        if fleet.fidelity == Fidelity::Model {
            continue;
        }
        turned.push((Target::Fleet(index), Target::Role(RoleId(whole.roles.len()))));
        world.network.roles.push(fleet.standing);
        whole.roles.push(RoleOfScenario {
            name: fleet.name.clone(),
            held_by: HeldBy::Us,
            listen: None,
            key_file: None,
            kind: RoleKind::MiningDevice(fleet.device()),
        });
    }
    for fault in &mut world.faults {
        for (fleet, role) in &turned {
            fault.kind.targets_mut().filter(|target| *target == fleet).for_each(|of| *of = *role);
        }
    }
    world.fleets.retain(|fleet| fleet.fidelity == Fidelity::Model);
    whole
}

impl World {
    pub(super) fn add_hosts(&mut self) {
        let roles = self.scenario.roles.iter();
        let count = roles.map(|role| role.kind.member_count() as usize).sum();
        self.hosts.reserve_exact(count);
        for (place, id) in (0_u32..).zip(self.scenario.start_order()) {
            let kind = self.scenario.role(id).kind.kind();
            let mut starts = Stream::new(self.seed, id.0 as u64, Purpose::Start);
            for member in 0..self.scenario.role(id).kind.member_count() {
                let index = u32::try_from(self.hosts.len()).expect("fewer than 2^32 hosts");
                let role = self.play(id, member, 0);
                let node = match kind {
                    Kind::TemplateProvider | Kind::JobDeclaratorServer => self.scenario.node_of(id),
                    _ => None,
                };
                if let Some(node) = node {
                    self.nodes.all[node.0].followers.push(index);
                }
                if self.scenario.role(id).listen.is_some() {
                    let PeerAddress { host, port, .. } = address(&self.scenario, id);
                    self.listeners.insert((host, port), index);
                }
                if let Some(checkers) = &mut self.checkers {
                    checkers.add_host(Card::new(self.scenario.role(id)));
                }
                self.hosts.push(Host::new(role, (id, member), node.map(|node| node.0)));
                // Whoever is dialled is there before those who dial; a fleet does not start as one.
                let own = if kind.is_device() { starts.below(FLEET_START_NS) } else { 0 };
                self.start(index, Instant(u64::from(place) * START_STEP_NS + own));
            }
        }
    }

    /// From a moment on, a host takes part.
    fn start(&mut self, index: u32, at: Instant) {
        self.hosts[index as usize].planned_at = Some(at).into();
        self.queue.push(at, Planned::Wake { host: index });
    }

    /// A host is there again, and has forgotten everything.
    pub(super) fn start_anew(&mut self, index: u32) {
        let host = &mut self.hosts[index as usize];
        host.generation += 1;
        let (id, member, generation) = (host.id, host.member, host.generation);
        self.hosts[index as usize].role = self.play(id, member, generation);
        let is_device = self.scenario.role(id).kind.kind().is_device();
        let entity = u64::from(generation) << 32 | u64::from(index);
        let mut starts = Stream::new(self.seed ^ AGAIN, entity, Purpose::Start);
        let own = if is_device { starts.below(FLEET_START_NS) } else { 0 };
        self.start(index, Instant(self.now.instant.0 + own));
    }

    /// A role that has not been woken yet; `generation` counts how often it has ended before.
    fn play(&mut self, id: RoleId, member: u32, generation: u32) -> Player {
        let scenario = &*self.scenario;
        let address = |id| address(scenario, id);
        let builder = Builder { scenario, address: &address, proofs: self.proofs };
        let token_key = Builder::needs_token_key(scenario, id)
            .then(|| TokenKey::new(authority_from_seed(scenario, id).derive(TokenKey::PURPOSE)));
        let entropy = Entropy::from_seed(scenario.seed)
            .fork(&scenario.role(id).name, 1 + (u64::from(generation) << 32 | u64::from(member)));
        let role = builder.build_member(&mut self.fleet_settings, id, member, token_key, entropy);
        match &self.casting {
            Some(casting) => casting(scenario.role(id).kind.kind(), member, role),
            None => role,
        }
    }
}

/// As on sockets: where the scenario lets the role listen, and with the key that its seed gives.
fn address(scenario: &Scenario, id: RoleId) -> PeerAddress {
    let listen = scenario.role(id).listen.expect("whoever is dialled listens");
    PeerAddress { host: listen.ip().to_string(), port: listen.port(), authority: None }
}

/// Between the starts of two roles, in nanoseconds.
const START_STEP_NS: u64 = 100_000_000;
/// Within which a fleet starts, in nanoseconds.
const FLEET_START_NS: u64 = 1_000_000_000;
/// Tells later starts from the first.
const AGAIN: u64 = 0x5851_f42d_4c95_7f2d;

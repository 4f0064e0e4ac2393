//! A scenario in virtual time: the roles that also run on sockets, with typed messages between
//! them whose sizes are those of the wire.
//!
//! A world is one queue of planned events. Handling one lets roles act, which plans others;
//! whatever needs no time (what a role asks of its own node, and the answer) happens at once and
//! in order. Left out at this level of fidelity: encryption, decoding, and the time that roles
//! themselves take; the first two are there at L3. Fleets that are models (L1) run beside the roles, and share with them the
//! times of blocks.

mod act;
mod breakage;
mod bytes;
mod cast;
mod difference;
mod event;
mod host;
mod measures;
mod node;
mod sealed;
mod tally;
mod tips;
mod traffic;
mod under_way;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use sv2::event::Event;
use sv2::role::{Input, Outbox};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::Target;
use thiserror::Error;

use self::event::Planned;
use self::host::Host;
use self::node::Nodes;
use self::sealed::Sealing;
use self::tips::Tips;
use self::under_way::Parcels;
use self::wire::{Sent, Wires};
use crate::build::{FleetSettings, Proofs};
use crate::checkers::{Checkers, Violation};
use crate::engine::{Digest, EventQueue, HeapQueue, RadixQueue};
use crate::faults::{Occurrence, timeline};
use crate::fleet::Stars;
use crate::link::{Latency, Topology};
use crate::scenario::{ChainKind, HeldBy, Kind, LatencyText, RoleId, Scenario};

pub use bytes::Carried;
pub use cast::{Casting, Player};
pub use difference::Difference;
pub use measures::{Measures, Traffic};
pub use sealed::{Segment, SegmentKind};
pub use tally::Tally;

/// Why a scenario has no world.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum WorldError {
    /// Programs of others take no virtual time.
    #[error("role \"{0}\" is held by a program of others, which cannot run in virtual time")]
    HeldByOthers(String),
    /// Nor do nodes.
    #[error("[chain] kind = \"{0}\": in virtual time there is the embedded chain alone")]
    ForeignChain(&'static str),
    /// A file of delays cannot be used.
    #[error("{0}")]
    Delays(String),
    /// A fleet stands where it cannot be a model.
    #[error("{0}")]
    Model(String),
    /// Nothing but blocks would happen.
    #[error(
        "[chain] nbits: its devices would find {0:.0} blocks a second, {MAX} are allowed: give it \
         harder bits, such as 0x{1:08x} for one in ten minutes",
        MAX = BLOCKS_PER_SECOND_MAX
    )]
    TooEasy(f64, u32),
    /// A checker is named that there is not.
    #[error("{0}")]
    UnknownCheck(String),
}

/// How a scenario is run.
pub struct WorldSettings<'a> {
    /// What keeps that which is planned.
    pub queue: QueueKind,
    /// Gives the text of a file of delays, or says why not: this crate reads no files.
    pub read: &'a mut dyn FnMut(&Path) -> Result<String, String>,
    /// What stands around roles.
    pub casting: Option<Casting>,
    /// Whether checkers look on: those that the scenario names, or all.
    pub has_checks: bool,
}

/// What keeps that which is planned. The order is the same; the second is there to show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueKind {
    /// [`RadixQueue`].
    #[default]
    Radix,
    /// [`HeapQueue`].
    Heap,
}

/// A network that runs in virtual time.
pub struct World {
    /// With fleets as roles.
    scenario: Box<Scenario>,
    proofs: Proofs,
    casting: Option<Casting>,
    queue: Box<dyn EventQueue<Planned>>,
    /// Taken out of the queue, and beyond the end of the last run.
    next: Option<(Instant, Planned)>,
    now: Now,
    start: Now,
    hosts: Vec<Host>,
    nodes: Nodes,
    wires: Wires,
    parcels: Parcels<Sent>,
    /// What parcels are on the wire, at L3.
    sealed_parcels: Parcels<Vec<u8>>,
    tips: Tips,
    topology: Topology,
    /// What breaks, and what of that was planned already.
    timeline: Vec<Occurrence>,
    planned_fault_count: usize,
    /// Settings that devices of a fleet share.
    fleet_settings: FleetSettings,
    /// Who listens where.
    listeners: BTreeMap<(String, u16), u32>,
    kinds: Vec<Kind>,
    /// What needs no time.
    inputs: VecDeque<(u32, Input)>,
    outbox: Outbox,
    seed: u64,
    wire_count: u64,
    digest: Digest,
    tally: Tally,
    /// Whether the share that is being judged was sent before its sender knew of the tip.
    is_share_excused: bool,
    happenings: Option<Vec<Happening>>,
    checkers: Option<Box<Checkers>>,
    measures: Option<Box<Measures>>,
    stars: Stars,
    sealing: Sealing,
    /// Events of the present moment.
    moment_count: u64,
    stuck: Option<Violation>,
}

/// Something that a role has told.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// Since the start.
    pub at: Instant,
    /// Who.
    pub role: RoleId,
    /// Of a fleet, from 0.
    pub member: u32,
    /// What.
    pub event: Event,
}

/// A step of a world, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// From 1.
    pub number: u64,
    /// Since the start.
    pub at: Instant,
    /// What was handled.
    pub what: String,
}

impl World {
    /// Everything is there and nothing has happened yet; delays are not in files.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn new(scenario: &Scenario, queue: QueueKind) -> Result<Self, WorldError> {
        let mut read = |path: &Path| Err(format!("{} was not read", path.display()));
        World::with(
            scenario,
            WorldSettings { queue, read: &mut read, casting: None, has_checks: false },
        )
    }

    /// Everything is there and nothing has happened yet. Faults that are drawn are so for the
    /// length of the scenario's run.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn with(scenario: &Scenario, settings: WorldSettings<'_>) -> Result<Self, WorldError> {
        if scenario.chain.kind != ChainKind::Embedded {
            return Err(WorldError::ForeignChain(scenario.chain.kind.name()));
        }
        if let Some(role) = scenario.roles.iter().find(|role| role.held_by != HeldBy::Us) {
            return Err(WorldError::HeldByOthers(role.name.clone()));
        }
        let WorldSettings { queue, read, casting, has_checks } = settings;
        let checks = &scenario.virtual_time.run.checks;
        let checkers = has_checks.then(|| Checkers::new(checks)).transpose();
        let checkers = checkers.map_err(WorldError::UnknownCheck)?.map(Box::new);
        let stars = Stars::new(scenario, &mut *read).map_err(WorldError::Model)?;
        let given = scenario;
        let scenario = Box::new(cast::with_fleets(given));
        let sealing = Sealing::new(&scenario, given);
        check_difficulty(&scenario)?;
        let proofs = Proofs::in_virtual_time(&scenario);
        let start = Now { instant: Instant::ZERO, unix: START };
        let virtual_time = &scenario.virtual_time;
        let timeline = timeline(&virtual_time.faults, scenario.seed, virtual_time.run.length);
        let topology =
            Topology::new(&scenario, &timeline, &mut *read).map_err(WorldError::Delays)?;
        let propagation = match &virtual_time.propagation {
            None => Latency::Constant(std::time::Duration::ZERO),
            Some(LatencyText::Distribution(latency)) => latency.clone(),
            Some(LatencyText::File(path)) => read(path)
                .and_then(|text| Latency::empirical(&text))
                .map_err(|error| WorldError::Delays(format!("{}: {error}", path.display())))?,
        };
        let mut world = World {
            queue: match queue {
                QueueKind::Radix => Box::<RadixQueue<_>>::default(),
                QueueKind::Heap => Box::<HeapQueue<_>>::default(),
            },
            next: None,
            now: start,
            start,
            hosts: Vec::new(),
            nodes: Nodes::new(&scenario, proofs, start, propagation),
            wires: Wires::default(),
            parcels: Parcels::default(),
            sealed_parcels: Parcels::default(),
            tips: Tips::default(),
            topology,
            timeline,
            planned_fault_count: 0,
            fleet_settings: FleetSettings::default(),
            listeners: BTreeMap::new(),
            kinds: scenario.roles.iter().map(|role| role.kind.kind()).collect(),
            inputs: VecDeque::new(),
            outbox: Outbox::new(),
            seed: scenario.seed,
            wire_count: 0,
            digest: Digest::default(),
            tally: Tally::new(&scenario),
            is_share_excused: false,
            happenings: None,
            checkers,
            measures: None,
            stars,
            sealing,
            moment_count: 0,
            stuck: None,
            scenario,
            proofs,
            casting,
        };
        world.add_hosts();
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.all.len() {
            self.plan_transaction(node);
        }
        self.plan_block();
        self.plan_fault();
    }

    /// What runs: the scenario, with fleets as roles behind those that it names.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Lets happen what comes next; `None` if nothing does until `end`.
    pub fn step(&mut self, end: Instant) -> Option<Step> {
        let Some((at, planned)) = self.pop(end) else {
            self.stars.run_until(end);
            return None;
        };
        let what = self.describe(planned);
        self.handle(at, planned);
        let number = self.tally.event_count;
        Some(Step { number, at, what })
    }

    /// Lets up to `count` events happen; whether there are more before `end`. Nothing happens
    /// after a [violation](World::violation).
    pub fn run(&mut self, end: Instant, count: u64) -> bool {
        for _ in 0..count {
            if self.violation().is_some() {
                return false;
            }
            let Some((at, planned)) = self.pop(end) else {
                self.stars.run_until(end);
                return false;
            };
            self.handle(at, planned);
        }
        self.stars.run_until(self.now.instant);
        true
    }

    /// Fleets at fidelity L1, which run beside the roles: name, devices, and what has come of
    /// them.
    pub fn models(&self) -> impl Iterator<Item = (&str, u32, &crate::fleet::Tally)> {
        self.stars.tallies()
    }

    /// The first rule of the checkers that does not hold; or, also without checkers, that time
    /// does not pass.
    pub fn violation(&self) -> Option<&Violation> {
        self.stuck.as_ref().or_else(|| self.checkers.as_ref()?.violation())
    }

    /// The virtual present.
    pub fn now(&self) -> Instant {
        self.now.instant
    }

    /// Of everything so far: two runs with the same one went through the same events.
    pub fn digest(&self) -> u64 {
        let mut digest = self.digest;
        self.stars.digest(&mut digest);
        digest.value()
    }

    /// How many events were handled.
    pub fn event_count(&self) -> u64 {
        self.tally.event_count
    }

    /// What has come of it so far.
    pub fn tally(&self) -> Tally {
        let mut tally = self.tally.clone();
        for end in self.wires.iter().flat_map(|wire| &wire.ends) {
            tally.payload_bytes += end.pipe.payload_bytes;
            tally.packet_bytes += end.pipe.packet_bytes;
        }
        tally
    }

    /// Heights of all nodes' chains.
    pub fn heights(&self) -> Vec<u32> {
        self.nodes.all.iter().map(|node| node.chain.chain().height()).collect()
    }

    /// Roles that run.
    pub fn host_count(&self) -> usize {
        self.hosts.len()
    }

    /// From now on, keeps what roles tell for [`World::take_happenings`].
    pub fn keep_happenings(&mut self) {
        self.happenings.get_or_insert_default();
    }

    /// What roles have told since the last call.
    pub fn take_happenings(&mut self) -> Vec<Happening> {
        self.happenings.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// From now on, measures what is carried and how long devices wait; a run that is measured is
    /// the same run.
    pub fn measure(&mut self) {
        self.measures.get_or_insert_default();
    }

    /// What was measured; `None` if nothing was to be.
    pub fn measures(&self) -> Option<&Measures> {
        self.measures.as_deref()
    }

    fn pop(&mut self, end: Instant) -> Option<(Instant, Planned)> {
        let (at, planned) = self.next.take().or_else(|| self.queue.pop())?;
        if at > end {
            // Put back, it would come behind others of the same moment.
            self.next = Some((at, planned));
            return None;
        }
        Some((at, planned))
    }
}

/// Whether blocks are as hard as the devices of a scenario need them to be.
fn check_difficulty(scenario: &Scenario) -> Result<(), WorldError> {
    let Some(target) = Target::from_compact(scenario.chain.nbits) else { return Ok(()) };
    let rate = scenario.hash_rate() / target.expected_hashes();
    if rate <= BLOCKS_PER_SECOND_MAX {
        return Ok(());
    }
    let wanted = Target::from_expected_hashes(scenario.hash_rate() * 600.0);
    Err(WorldError::TooEasy(rate, wanted.to_compact()))
}

/// Networks of tests have one in some seconds.
const BLOCKS_PER_SECOND_MAX: f64 = 100.0;
/// Of one moment, beside some for each host: a role that wants to be woken at once, again and
/// again, is at fault.
const MOMENT_EVENTS_MAX: u64 = 100_000;
/// When every world begins: a Wednesday in 2023, above the times of the first blocks.
pub const START: UnixTime = UnixTime(1_700_000_000);

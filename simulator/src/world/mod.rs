//! A scenario in virtual time: the roles that also run on sockets, with typed messages between
//! them whose sizes are those of the wire.
//!
//! A world is one queue of planned events. Handling one lets roles act, which plans others;
//! whatever needs no time (what a role asks of its own node, and the answer) happens at once and
//! in order. Left out at this level of fidelity: encryption, decoding, and the time that roles
//! themselves take.

mod event;
mod host;
mod node;
mod paths;
mod tally;
mod traffic;
mod wire;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::job_declaration::token::TokenKey;
use sv2::role::{Answer, Input, Outbox, Output, PeerAddress, Request};
use sv2::time::{Instant, Now, UnixTime};
use thiserror::Error;

use self::event::Planned;
use self::host::Host;
use self::node::Nodes;
use self::paths::Paths;
use self::wire::Wires;
use crate::build::{Builder, Proofs, authority_from_seed};
use crate::engine::{Digest, EventQueue, HeapQueue, Purpose, RadixQueue, Stream};
use crate::scenario::{ChainKind, HeldBy, Kind, RoleId, Scenario};

pub use tally::Tally;

/// Why a scenario has no world.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WorldError {
    /// Programs of others take no virtual time.
    #[error("role \"{0}\" is held by a program of others, which cannot run in virtual time")]
    HeldByOthers(String),
    /// Nor do nodes.
    #[error("[chain] kind = \"{0}\": in virtual time there is the embedded chain alone")]
    ForeignChain(&'static str),
    /// This crate reads no files.
    #[error("the latencies of {} have not been read", .0.display())]
    UnreadLatency(PathBuf),
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
    queue: Box<dyn EventQueue<Planned>>,
    /// Taken out of the queue, and beyond the end of the last run.
    next: Option<(Instant, Planned)>,
    now: Now,
    start: Now,
    hosts: Vec<Host>,
    nodes: Nodes,
    wires: Wires,
    paths: Paths,
    /// Who listens where.
    listeners: BTreeMap<(String, u16), u32>,
    kinds: Vec<Kind>,
    /// By host: the node that it asks.
    homes: Vec<Option<usize>>,
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
    /// Everything is there and nothing has happened yet.
    ///
    /// # Errors
    /// [`WorldError`].
    pub fn new(scenario: &Scenario, queue: QueueKind) -> Result<Self, WorldError> {
        if scenario.chain.kind != ChainKind::Embedded {
            return Err(WorldError::ForeignChain(scenario.chain.kind.name()));
        }
        if let Some(role) = scenario.roles.iter().find(|role| role.held_by != HeldBy::Us) {
            return Err(WorldError::HeldByOthers(role.name.clone()));
        }
        let proofs = Proofs::drawn_for(scenario);
        let start = Now { instant: Instant::ZERO, unix: START };
        let propagation = paths::latency(scenario.virtual_time.propagation.as_ref())?;
        let mut world = World {
            queue: match queue {
                QueueKind::Radix => Box::<RadixQueue<_>>::default(),
                QueueKind::Heap => Box::<HeapQueue<_>>::default(),
            },
            next: None,
            now: start,
            start,
            hosts: Vec::new(),
            nodes: Nodes::new(scenario, proofs.nbits(scenario.chain.nbits), start, propagation),
            wires: Wires::default(),
            paths: Paths::new(&scenario.virtual_time.network)?,
            listeners: BTreeMap::new(),
            kinds: scenario.roles.iter().map(|role| role.kind.kind()).collect(),
            homes: Vec::new(),
            inputs: VecDeque::new(),
            outbox: Outbox::new(),
            seed: scenario.seed,
            wire_count: 0,
            digest: Digest::default(),
            tally: Tally::new(scenario),
            is_share_excused: false,
            happenings: None,
        };
        world.add_hosts(scenario, proofs);
        world.begin();
        Ok(world)
    }

    fn add_hosts(&mut self, scenario: &Scenario, proofs: Proofs) {
        let address = |id| address(scenario, id);
        let builder = Builder { scenario, address: &address, proofs };
        let entropy = Entropy::from_seed(scenario.seed);
        for (place, id) in (0_u32..).zip(scenario.start_order()) {
            let kind = scenario.role(id).kind.kind();
            let mut starts = Stream::new(scenario.seed, id.0 as u64, Purpose::Start);
            for member in 0..scenario.role(id).kind.member_count() {
                let index = u32::try_from(self.hosts.len()).expect("fewer than 2^32 hosts");
                let token_key = Builder::needs_token_key(scenario, id).then(|| {
                    TokenKey::new(authority_from_seed(scenario, id).derive(TokenKey::PURPOSE))
                });
                let entropy = entropy.fork(&scenario.role(id).name, 1 + u64::from(member));
                let role = builder.build(id, member, token_key, entropy);
                let node = match kind {
                    Kind::TemplateProvider | Kind::JobDeclaratorServer => scenario.node_of(id),
                    _ => None,
                };
                if let Some(node) = node {
                    self.nodes.all[node.0].followers.push(index);
                }
                if scenario.role(id).listen.is_some() {
                    let PeerAddress { host, port, .. } = address(id);
                    self.listeners.insert((host, port), index);
                }
                self.homes.push(node.map(|node| node.0));
                self.hosts.push(Host::new(role, id, member));
                // Whoever is dialled is there before those who dial; a fleet does not start as one.
                let own = if kind.is_device() { starts.below(FLEET_START_NS) } else { 0 };
                let at = Instant(u64::from(place) * START_STEP_NS + own);
                self.hosts[index as usize].planned_at = Some(at);
                self.queue.push(at, Planned::Wake { host: index });
            }
        }
    }

    fn begin(&mut self) {
        for node in 0..self.nodes.all.len() {
            self.plan_transaction(node);
        }
        self.plan_block();
    }

    /// Lets happen what comes next; `None` if nothing does until `end`, which is then the present.
    pub fn step(&mut self, end: Instant) -> Option<Step> {
        let (at, planned) = self.pop(end)?;
        self.handle(at, planned);
        let number = self.tally.event_count;
        Some(Step { number, at, what: format!("{planned:?}") })
    }

    /// Lets up to `count` events happen; whether there are more before `end`.
    pub fn run(&mut self, end: Instant, count: u64) -> bool {
        for _ in 0..count {
            let Some((at, planned)) = self.pop(end) else { return false };
            self.handle(at, planned);
        }
        true
    }

    /// The virtual present.
    pub fn now(&self) -> Instant {
        self.now.instant
    }

    /// Of everything so far: two runs with the same one went through the same events.
    pub fn digest(&self) -> u64 {
        self.digest.value()
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

    fn pop(&mut self, end: Instant) -> Option<(Instant, Planned)> {
        let (at, planned) = self.next.take().or_else(|| self.queue.pop())?;
        if at > end {
            // Put back, it would come behind others of the same moment.
            self.next = Some((at, planned));
            return None;
        }
        Some((at, planned))
    }

    fn handle(&mut self, at: Instant, planned: Planned) {
        self.now = self.start.after(at - self.start.instant);
        self.tally.event_count += 1;
        self.digest.word(at.0);
        planned.words().into_iter().for_each(|word| self.digest.word(word));
        match planned {
            Planned::Wake { host } => self.wake(at, host),
            Planned::Transaction { node } => {
                let node = node as usize;
                // Without a free coin there is no transaction this time; a block will bring some.
                let _ = self.nodes.all[node].chain.chain_mut().generate_transaction(<_>::default());
                self.tell_news(node);
                self.plan_transaction(node);
            }
            Planned::Block => {
                let now = self.now;
                self.nodes.all[0].chain.chain_mut().extend_tip_unproven(now);
                self.tally.foreign_block_count += 1;
                self.tell_news(0);
                self.plan_block();
            }
            Planned::Branch { number } => self.adopt(number),
            Planned::Opened { wire } => self.opened(wire),
            Planned::Accepted { wire } => self.accepted(wire),
            Planned::Refused { wire } => self.refused(wire),
            Planned::Arrival { wire, from } => self.arrive(wire, from),
            Planned::GivenUp { wire, from } => self.give_up(wire, from),
        }
        self.settle();
    }

    fn wake(&mut self, at: Instant, index: u32) {
        let host = &mut self.hosts[index as usize];
        if host.planned_at != Some(at) {
            return;
        }
        host.planned_at = None;
        if let Some(home) = self.homes[index as usize]
            && !host.is_started
        {
            let news = self.nodes.all[home].chain.current(self.now);
            self.inputs.push_back((index, Input::Chain(news)));
        }
        let host = &mut self.hosts[index as usize];
        host.is_started = true;
        if host.role.wake_at().is_some_and(|wake_at| wake_at <= at) {
            self.inputs.push_back((index, Input::Woken));
        } else {
            self.plan_wake(index);
        }
    }

    /// One event is planned for each host, and none anew where the host wants it later: when it
    /// comes, it is planned again.
    fn plan_wake(&mut self, index: u32) {
        let host = &mut self.hosts[index as usize];
        let Some(wake_at) = host.role.wake_at().filter(|_| host.is_started) else { return };
        let at = wake_at.max(self.now.instant);
        if host.planned_at.is_none_or(|planned| planned > at) {
            host.planned_at = Some(at);
            self.queue.push(at, Planned::Wake { host: index });
        }
    }

    /// Until nobody has anything to say at this moment.
    fn settle(&mut self) {
        while let Some((index, input)) = self.inputs.pop_front() {
            let mut outbox = std::mem::take(&mut self.outbox);
            self.hosts[index as usize].role.handle(self.now, input, &mut outbox);
            for output in outbox.drain() {
                self.carry_out(index, output);
            }
            self.outbox = outbox;
            self.plan_wake(index);
        }
        self.is_share_excused = false;
    }

    fn carry_out(&mut self, index: u32, output: Output) {
        match output {
            Output::Event(event) => self.told(index, event),
            Output::Request { request, what } => self.answer(index, request, &what),
            Output::Send { connection, message, tlvs } => {
                self.send(index, connection, wire::Parcel::Message(message, tlvs));
            }
            Output::Forward { connection, frame } => {
                self.send(index, connection, wire::Parcel::Frame(frame));
            }
            Output::Line { connection, line } => {
                self.send(index, connection, wire::Parcel::Line(line));
            }
            Output::Close { connection, reason } => self.close(index, connection, reason),
            Output::Dial { dial, peer } => self.dial(index, dial, peer),
        }
    }

    fn told(&mut self, index: u32, event: Event) {
        let (role, member) = (self.hosts[index as usize].id, self.hosts[index as usize].member);
        if tally::is_stale(&event) {
            match self.is_share_excused {
                true => self.tally.stale_explained_count += 1,
                false => self.tally.stale_unexplained_count += 1,
            }
        }
        if let Event::ShareSubmitted { hash, .. } | Event::BlockFound { hash } = &event {
            self.digest.word(hash.to_limbs()[0]);
        }
        self.tally.count(self.now.instant, role.0, member, &event);
        if let Some(happenings) = &mut self.happenings {
            happenings.push(Happening { at: self.now.instant, role, member, event });
        }
    }

    fn answer(&mut self, index: u32, request: sv2::role::RequestId, what: &Request) {
        let home = self.homes[index as usize];
        let asked = home.and_then(|home| self.nodes.all[home].chain.answer(self.now, what));
        let answer = asked.unwrap_or(match what {
            Request::Persist { .. } => Answer::Persisted,
            _ => Answer::Failed("this role has no node".to_owned()),
        });
        // Before the news: who has found a block hears that first.
        self.inputs.push_back((index, Input::Answer { request, answer }));
        if let Some(home) = home {
            self.tell_news(home);
        }
    }

    fn tell_news(&mut self, node: usize) {
        let Some(news) = self.nodes.all[node].chain.news(self.now) else { return };
        for follower in &self.nodes.all[node].followers {
            if self.hosts[*follower as usize].is_started {
                self.inputs.push_back((*follower, Input::Chain(news.clone())));
            }
        }
        for (number, delay) in self.nodes.relay(node) {
            self.queue.push(self.now.instant + delay, Planned::Branch { number });
        }
    }

    fn adopt(&mut self, number: u64) {
        let Some(branch) = self.nodes.arrived(number) else { return };
        let chain = self.nodes.all[branch.to].chain.chain_mut();
        if chain.block(&branch.tip).is_none() {
            // A branch that is no longer the best one by now is left alone, as nodes do.
            let _ = chain.adopt(self.now, &branch.blocks);
            self.tell_news(branch.to);
        }
    }

    fn plan_transaction(&mut self, node: usize) {
        if let Some(wait) = self.nodes.transaction_wait(node) {
            let node = u32::try_from(node).expect("nodes are few");
            self.queue.push(self.now.instant + wait, Planned::Transaction { node });
        }
    }

    fn plan_block(&mut self) {
        if let Some(wait) = self.nodes.block_wait() {
            self.queue.push(self.now.instant + wait, Planned::Block);
        }
    }
}

/// As on sockets: where the scenario lets the role listen, and with the key that its seed gives.
fn address(scenario: &Scenario, id: RoleId) -> PeerAddress {
    let listen = scenario.role(id).listen.expect("whoever is dialled listens");
    PeerAddress { host: listen.ip().to_string(), port: listen.port(), authority: None }
}

/// When every world begins: a Wednesday in 2023, above the times of the first blocks.
const START: UnixTime = UnixTime(1_700_000_000);
/// Between the starts of two roles, in nanoseconds.
const START_STEP_NS: u64 = 100_000_000;
/// Within which a fleet starts, in nanoseconds.
const FLEET_START_NS: u64 = 1_000_000_000;

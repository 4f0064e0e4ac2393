//! Roles, a chain, and the wires between them, in virtual time and without latency.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::{NonZeroU8, NonZeroU32, NonZeroU64};
use std::time::Duration;

use sv2::chain::{Chain, ChainConfig, ChainHost};
use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::message::{Decoded, Message};
use sv2::role::{
    CloseReason, Command, ConnectionId, DialFailure, DialId, Input, Outbox, Output, PeerAddress,
    Role, Via,
};
use sv2::roles::job_declarator_client::{
    JobDeclaratorClient, JobDeclaratorClientConfig, JobDeclaratorUpstream,
};
use sv2::roles::job_declarator_server::{JobDeclaratorServer, JobDeclaratorServerConfig};
use sv2::roles::mining_device::{
    ChannelKind, MiningDevice, MiningDeviceConfig, ShareAccounts, VersionRolling,
};
use sv2::roles::mining_proxy::{MiningProxy, MiningProxyConfig};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::{Pool, PoolConfig};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{Frame, Str255, Target, Tlvs};

/// Hashes per second of a device.
const HASH_RATE: u32 = 1_000;

/// A part of a network.
enum Node {
    Provider(Box<TemplateProvider>),
    Pool(Box<Pool>),
    Proxy(MiningProxy),
    JobDeclarator(Box<JobDeclaratorServer>),
    JobClient(Box<JobDeclaratorClient>),
    Hand(Hand),
    Device(Box<MiningDevice>),
}

impl Node {
    fn role(&mut self) -> &mut dyn Role {
        match self {
            Node::Provider(role) => &mut **role,
            Node::Pool(role) => &mut **role,
            Node::Proxy(role) => role,
            Node::JobDeclarator(role) => role.as_mut(),
            Node::JobClient(role) => role.as_mut(),
            Node::Hand(role) => role,
            Node::Device(role) => role.as_mut(),
        }
    }
}

impl Node {
    fn follows_a_chain(&self) -> bool {
        matches!(self, Node::Provider(_) | Node::JobDeclarator(_))
    }
}

/// A peer whose part is played by the test.
#[derive(Debug, Default)]
pub(crate) struct Hand {
    connected: Vec<ConnectionId>,
    received: Vec<Message>,
    frames: Vec<Frame>,
}

impl Role for Hand {
    fn handle(&mut self, _now: Now, input: Input, _out: &mut Outbox) {
        match input {
            Input::Connected { connection, via: _ } => self.connected.push(connection),
            Input::Received { message, .. } => self.received.push(message),
            Input::Undecodable { frame, .. } => self.frames.push(frame),
            _ => {}
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        None
    }
}

/// Nodes are named by their number; a port is one as well.
pub(crate) struct Network {
    pub(crate) now: Now,
    /// With the same first blocks and coins, and nothing else in common: blocks do not travel.
    pub(crate) chains: Vec<ChainHost>,
    nodes: Vec<Node>,
    /// Whose requests go to another chain than the first.
    homes: BTreeMap<usize, usize>,
    chain_config: ChainConfig,
    /// What was sent from one node to another, in order, if it is recorded.
    pub(crate) exchange: Vec<(usize, usize, Message)>,
    pub(crate) is_recorded: bool,
    /// Who takes no connections.
    pub(crate) absent: BTreeSet<usize>,
    /// Both ends of each connection: node, and the id that it knows the connection by.
    wires: Vec<[usize; 2]>,
    inputs: VecDeque<(usize, Input)>,
    pub(crate) events: Vec<(usize, Event)>,
    /// What nodes have closed, and why.
    pub(crate) closed: Vec<(usize, CloseReason)>,
    entropy: Entropy,
}

impl Network {
    pub(crate) fn new(nbits: u32) -> Self {
        let unix = UnixTime(1_700_000_000);
        let entropy = Entropy::from_seed(7);
        let chain_config = ChainConfig::new(nbits, unix);
        let chain = Chain::new(chain_config.clone(), entropy.fork("chain", 0));
        Network {
            now: Now { instant: Instant(1), unix },
            chains: vec![ChainHost::new(chain)],
            nodes: Vec::new(),
            homes: BTreeMap::new(),
            chain_config,
            exchange: Vec::new(),
            is_recorded: false,
            absent: BTreeSet::new(),
            wires: Vec::new(),
            inputs: VecDeque::new(),
            events: Vec::new(),
            closed: Vec::new(),
            entropy,
        }
    }

    fn add(&mut self, node: impl FnOnce(Entropy) -> Node) -> usize {
        let number = self.nodes.len();
        self.nodes.push(node(self.entropy.fork("node", number as u64)));
        number
    }

    /// A pool with a template provider of its own.
    pub(crate) fn add_pool(&mut self, config: PoolConfig) -> usize {
        let provider = TemplateProvider::new(TemplateProviderConfig::default());
        let provider = self.add(|_| Node::Provider(Box::new(provider)));
        let config = PoolConfig { template_provider: address(provider), ..config };
        self.add(|entropy| Node::Pool(Box::new(Pool::new(config, entropy))))
    }

    /// A job declarator server whose node is that of the pools.
    pub(crate) fn add_job_declarator(&mut self, config: JobDeclaratorServerConfig) -> usize {
        self.add(|entropy| Node::JobDeclarator(Box::new(JobDeclaratorServer::new(config, entropy))))
    }

    /// A miner who brings their own jobs, with a node of their own on another chain. Each upstream
    /// is a pool and its job declarator server.
    pub(crate) fn add_job_client(
        &mut self,
        home: usize,
        upstreams: &[[usize; 2]],
        config: JobDeclaratorClientConfig,
    ) -> usize {
        let provider = TemplateProvider::new(TemplateProviderConfig::default());
        let provider = self.add(|_| Node::Provider(Box::new(provider)));
        self.homes.insert(provider, home);
        let upstreams = upstreams.iter().map(|[pool, declarator]| JobDeclaratorUpstream {
            pool: address(*pool),
            job_declarator: address(*declarator),
        });
        let config = JobDeclaratorClientConfig {
            template_provider: address(provider),
            upstreams: upstreams.collect(),
            ..config
        };
        self.add(|entropy| Node::JobClient(Box::new(JobDeclaratorClient::new(config, entropy))))
    }

    /// Another chain, with the same first blocks and coins; returns its number.
    pub(crate) fn add_chain(&mut self) -> usize {
        let chain = Chain::new(self.chain_config.clone(), self.entropy.fork("chain", 0));
        self.chains.push(ChainHost::new(chain));
        self.chains.len() - 1
    }

    pub(crate) fn add_hand(&mut self) -> usize {
        self.add(|_| Node::Hand(Hand::default()))
    }

    /// A hand dials somebody; what its connection is called.
    pub(crate) fn dial(&mut self, hand: usize, peer: usize) -> ConnectionId {
        self.carry_out(hand, Output::Dial { dial: DialId(0), peer: address(peer) });
        self.settle();
        self.latest(hand).expect("somebody is there")
    }

    /// What the latest connection of a hand is called, whoever dialled.
    pub(crate) fn latest(&self, hand: usize) -> Option<ConnectionId> {
        match &self.nodes[hand] {
            Node::Hand(Hand { connected, .. }) => connected.last().copied(),
            _ => panic!("node {hand} is no hand"),
        }
    }

    /// A hand says something; what it hears until all is silent.
    pub(crate) fn say(
        &mut self,
        hand: usize,
        connection: ConnectionId,
        message: impl Into<Message>,
    ) -> Vec<Message> {
        self.hear(hand);
        let (message, tlvs) = (message.into(), Tlvs::NONE);
        self.carry_out(hand, Output::Send { connection, message, tlvs });
        self.settle();
        self.hear(hand)
    }

    /// A hand sends a frame.
    pub(crate) fn forward(&mut self, hand: usize, connection: ConnectionId, frame: Frame) {
        self.carry_out(hand, Output::Forward { connection, frame });
        self.settle();
    }

    /// Frames that a hand could not read, since the last time.
    pub(crate) fn frames(&mut self, hand: usize) -> Vec<Frame> {
        match &mut self.nodes[hand] {
            Node::Hand(hand) => std::mem::take(&mut hand.frames),
            _ => panic!("node {hand} is no hand"),
        }
    }

    /// What a hand has heard since the last time.
    pub(crate) fn hear(&mut self, hand: usize) -> Vec<Message> {
        match &mut self.nodes[hand] {
            Node::Hand(hand) => std::mem::take(&mut hand.received),
            _ => panic!("node {hand} is no hand"),
        }
    }

    pub(crate) fn add_proxy(&mut self, upstreams: &[usize], config: MiningProxyConfig) -> usize {
        let upstreams = upstreams.iter().map(|upstream| address(*upstream)).collect();
        let config = MiningProxyConfig { upstreams, ..config };
        self.add(|entropy| Node::Proxy(MiningProxy::new(config, entropy)))
    }

    pub(crate) fn add_device(&mut self, upstream: usize, config: MiningDeviceConfig) -> usize {
        let config = MiningDeviceConfig { pool: address(upstream), ..config };
        self.add(|entropy| Node::Device(Box::new(MiningDevice::new(config, entropy))))
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.instant + time;
        loop {
            self.settle();
            let due = (0..self.nodes.len())
                .filter_map(|node| Some((self.nodes[node].role().wake_at()?, node)))
                .min();
            let Some((at, node)) = due.filter(|(at, _)| *at <= end) else { break };
            self.now = self.now.after(at.since(self.now.instant));
            self.inputs.push_back((node, Input::Woken));
        }
        self.now = self.now.after(end.since(self.now.instant));
    }

    /// What an operator wants of a node.
    pub(crate) fn command(&mut self, node: usize, command: Command) {
        self.inputs.push_back((node, Input::Command(command)));
        self.settle();
    }

    /// A new block on the first chain, which nobody has mined.
    pub(crate) fn new_block(&mut self) {
        let now = self.now;
        self.chains[0].chain_mut().extend_tip_unproven(now);
    }

    /// Ends all connections between two nodes, as a broken line does.
    pub(crate) fn cut(&mut self, one: usize, other: usize) {
        for (wire, ends) in self.wires.iter_mut().enumerate() {
            if *ends == [one, other] || *ends == [other, one] {
                let connection = ConnectionId(u32::try_from(wire).expect("a few wires"));
                let reason = CloseReason::ByPeer;
                for node in std::mem::replace(ends, [GONE, GONE]) {
                    let closed = Input::Closed { connection, reason: reason.clone() };
                    self.inputs.push_back((node, closed));
                }
            }
        }
    }

    /// Until nobody has anything to say.
    pub(crate) fn settle(&mut self) {
        loop {
            for (at, chain) in self.chains.iter_mut().enumerate() {
                let Some(news) = chain.news(self.now) else { continue };
                for (number, node) in self.nodes.iter().enumerate() {
                    let home = self.homes.get(&number).copied().unwrap_or_default();
                    if node.follows_a_chain() && home == at {
                        self.inputs.push_back((number, Input::Chain(news.clone())));
                    }
                }
            }
            let Some((node, input)) = self.inputs.pop_front() else { break };
            let mut out = Outbox::new();
            self.nodes[node].role().handle(self.now, input, &mut out);
            out.take().into_iter().for_each(|output| self.carry_out(node, output));
        }
    }

    fn carry_out(&mut self, node: usize, output: Output) {
        match output {
            Output::Send { connection, message, tlvs } => {
                if let Some(peer) = self.other_end(node, connection) {
                    if self.is_recorded {
                        self.exchange.push((node, peer, message.clone()));
                    }
                    let received = Input::Received { connection, message, tlvs, original: None };
                    self.inputs.push_back((peer, received));
                }
            }
            Output::Dial { dial, peer } => {
                let peer = usize::from(peer.port);
                if self.absent.contains(&peer) {
                    let reason = DialFailure::Unreachable("nobody is there".to_owned());
                    return self.inputs.push_back((node, Input::DialFailed { dial, reason }));
                }
                let id = ConnectionId(u32::try_from(self.wires.len()).expect("a few wires"));
                self.wires.push([node, peer]);
                for (node, via) in [(peer, Via::Listener(0)), (node, Via::Dial(dial))] {
                    self.inputs.push_back((node, Input::Connected { connection: id, via }));
                }
            }
            Output::Request { request, what } => {
                let home = self.homes.get(&node).copied().unwrap_or_default();
                let answer = self.chains[home].answer(self.now, &what);
                let answer = answer.expect("only blocks are asked for");
                self.inputs.push_back((node, Input::Answer { request, answer }));
            }
            Output::Event(event) => self.events.push((node, event)),
            Output::Close { connection, reason } => {
                self.closed.push((node, reason.clone()));
                let Some(peer) = self.other_end(node, connection) else { return };
                self.wires[connection.0 as usize] = [GONE, GONE];
                self.inputs.push_back((node, Input::Closed { connection, reason }));
                let reason = CloseReason::ByPeer;
                self.inputs.push_back((peer, Input::Closed { connection, reason }));
            }
            Output::Line { connection, line } => {
                if let Some(peer) = self.other_end(node, connection) {
                    self.inputs.push_back((peer, Input::Line { connection, line }));
                }
            }
            Output::Forward { connection, frame } => {
                if let Some(peer) = self.other_end(node, connection) {
                    self.inputs.push_back((peer, arrived(connection, frame)));
                }
            }
        }
    }

    /// `None`: the connection has ended.
    fn other_end(&self, node: usize, connection: ConnectionId) -> Option<usize> {
        let ends = self.wires[connection.0 as usize];
        ends.into_iter().find(|end| *end != node && *end != GONE)
    }

    /// Of all devices, in order.
    pub(crate) fn accounts(&self) -> Vec<&ShareAccounts> {
        let devices = self.nodes.iter().filter_map(|node| match node {
            Node::Device(device) => Some(device.accounts()),
            _ => None,
        });
        devices.collect()
    }

    /// What devices found worth a note: nothing, on a network of our own.
    pub(crate) fn notes(&self) -> Vec<&Event> {
        let devices =
            self.events.iter().filter(|(node, _)| matches!(self.nodes[*node], Node::Device(_)));
        devices
            .map(|(_, event)| event)
            .filter(|event| matches!(event, Event::Noted { .. }))
            .collect()
    }

    /// How many events of a node are like this.
    pub(crate) fn count(&self, node: usize, is_wanted: impl Fn(&Event) -> bool) -> u64 {
        let events = self.events.iter().filter(|(of, event)| *of == node && is_wanted(event));
        events.count() as u64
    }
}

/// What a frame is to whom it reaches.
fn arrived(connection: ConnectionId, frame: Frame) -> Input {
    match Message::decode(&frame) {
        Ok(Decoded { message, tlvs, is_canonical }) => {
            let original = (!is_canonical).then(|| Box::new(frame));
            Input::Received { connection, message, tlvs, original }
        }
        Err(error) => Input::Undecodable { connection, frame, error },
    }
}

fn address(node: usize) -> PeerAddress {
    PeerAddress { host: "node".to_owned(), port: port(node), authority: None }
}

/// The number of a node, as peers say it.
pub(crate) fn port(node: usize) -> u16 {
    u16::try_from(node).expect("a few nodes")
}

/// The end of a wire that is no more.
const GONE: usize = usize::MAX;

pub(crate) fn device(channel_kind: ChannelKind) -> MiningDeviceConfig {
    #[expect(clippy::cast_precision_loss, reason = "1000 is exact")]
    let nominal_hash_rate = HASH_RATE as f32;
    MiningDeviceConfig {
        channel_kind,
        nominal_hash_rate,
        hash_rate_limit: NonZeroU64::new(u64::from(HASH_RATE)),
        nonces_per_call: NonZeroU32::new(100).expect("not zero"),
        ..MiningDeviceConfig::new(address(0), Str255::from_static("worker"))
    }
}

/// One of each kind of device, the last with three channels.
pub(crate) fn all_kinds() -> Vec<MiningDeviceConfig> {
    vec![
        device(ChannelKind::Standard { requires_standard_jobs: true }),
        device(ChannelKind::Standard { requires_standard_jobs: false }),
        MiningDeviceConfig {
            version_rolling: VersionRolling::Required(VersionRolling::BIP_320),
            ..device(ChannelKind::Extended { min_extranonce_size: 4 })
        },
        MiningDeviceConfig {
            channel_count: NonZeroU8::new(3).expect("not zero"),
            ..device(ChannelKind::Standard { requires_standard_jobs: false })
        },
    ]
}

/// Shares that these devices find several times a second.
pub(crate) fn server() -> MiningServerConfig {
    MiningServerConfig {
        shares_per_minute: 60.0,
        easiest_target: Target::from_expected_hashes(16.0),
        ..MiningServerConfig::default()
    }
}

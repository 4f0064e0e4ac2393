//! Devices, a pool and a template provider on one embedded chain, in virtual time and without
//! latency: what one role says another one must understand.

use std::collections::VecDeque;
use std::num::{NonZeroU8, NonZeroU32, NonZeroU64};
use std::time::Duration;

use sv2::chain::{Chain, ChainConfig, ChainHost};
use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::role::{ConnectionId, Input, Outbox, Output, PeerAddress, Role, Via};
use sv2::roles::mining_device::{
    ChannelKind, MiningDevice, MiningDeviceConfig, ShareAccounts, VersionRolling,
};
use sv2::roles::pool::{Pool, PoolConfig};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{Str255, Target};

const PROVIDER: usize = 0;
const POOL: usize = 1;
/// Hashes per second of a device.
const HASH_RATE: u32 = 1_000;

struct Network {
    now: Now,
    chain: ChainHost,
    provider: TemplateProvider,
    pool: Pool,
    devices: Vec<MiningDevice>,
    /// Both ends of each connection: node, and the id that it knows the connection by.
    wires: Vec<[(usize, ConnectionId); 2]>,
    inputs: VecDeque<(usize, Input)>,
    events: Vec<(usize, Event)>,
}

impl Network {
    fn new(nbits: u32, pool: PoolConfig, devices: Vec<MiningDeviceConfig>) -> Self {
        let unix = UnixTime(1_700_000_000);
        let entropy = Entropy::from_seed(7);
        let chain = Chain::new(ChainConfig::new(nbits, unix), entropy.fork("chain", 0));
        let pool = PoolConfig { template_provider: address(PROVIDER), ..pool };
        let devices = devices
            .into_iter()
            .zip(0..)
            .map(|(config, number)| MiningDevice::new(config, entropy.fork("device", number)));
        Network {
            now: Now { instant: Instant(1), unix },
            chain: ChainHost::new(chain),
            provider: TemplateProvider::new(TemplateProviderConfig::default()),
            pool: Pool::new(pool, entropy.fork("pool", 0)),
            devices: devices.collect(),
            wires: Vec::new(),
            inputs: VecDeque::new(),
            events: Vec::new(),
        }
    }

    fn role(&mut self, node: usize) -> &mut dyn Role {
        match node {
            PROVIDER => &mut self.provider,
            POOL => &mut self.pool,
            _ => &mut self.devices[node - 2],
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now.instant + time;
        loop {
            self.settle();
            let nodes = 0..self.devices.len() + 2;
            let due = nodes.filter_map(|node| Some((self.role(node).wake_at()?, node))).min();
            let Some((at, node)) = due.filter(|(at, _)| *at <= end) else { break };
            self.now = self.now.after(at.since(self.now.instant));
            self.inputs.push_back((node, Input::Woken));
        }
        self.now = self.now.after(end.since(self.now.instant));
    }

    /// Until nobody has anything to say.
    fn settle(&mut self) {
        loop {
            if let Some(news) = self.chain.news(self.now) {
                self.inputs.push_back((PROVIDER, Input::Chain(news)));
            }
            let Some((node, input)) = self.inputs.pop_front() else { break };
            let mut out = Outbox::new();
            let now = self.now;
            self.role(node).handle(now, input, &mut out);
            out.take().into_iter().for_each(|output| self.carry_out(node, output));
        }
    }

    fn carry_out(&mut self, node: usize, output: Output) {
        match output {
            Output::Send { connection, message, tlvs } => {
                let (peer, connection) = self.other_end(node, connection);
                let received = Input::Received { connection, message, tlvs, original: None };
                self.inputs.push_back((peer, received));
            }
            Output::Dial { dial, peer } => {
                let peer = usize::from(peer.port);
                let id = ConnectionId(u32::try_from(self.wires.len()).expect("a few wires"));
                self.wires.push([(node, id), (peer, id)]);
                for (node, via) in [(peer, Via::Listener(0)), (node, Via::Dial(dial))] {
                    self.inputs.push_back((node, Input::Connected { connection: id, via }));
                }
            }
            Output::Request { request, what } => {
                let answer = self.chain.answer(self.now, &what).expect("only blocks are asked for");
                self.inputs.push_back((node, Input::Answer { request, answer }));
            }
            Output::Event(event) => self.events.push((node, event)),
            Output::Close { connection, reason } => {
                panic!("node {node} closes {connection:?}: {reason}")
            }
            Output::Forward { .. } => panic!("nobody here forwards"),
        }
    }

    fn other_end(&self, node: usize, connection: ConnectionId) -> (usize, ConnectionId) {
        let ends = self.wires[connection.0 as usize];
        ends.into_iter().find(|(end, _)| *end != node).expect("a connection has two ends")
    }

    fn accounts(&self) -> Vec<&ShareAccounts> {
        self.devices.iter().map(MiningDevice::accounts).collect()
    }

    /// What devices found worth a note: nothing, on a network of our own.
    fn notes(&self) -> Vec<&Event> {
        let devices = self.events.iter().filter(|(node, _)| *node >= 2);
        devices
            .map(|(_, event)| event)
            .filter(|event| matches!(event, Event::Noted { .. }))
            .collect()
    }
}

/// Nodes are found by their number.
fn address(node: usize) -> PeerAddress {
    let port = u16::try_from(node).expect("a few nodes");
    PeerAddress { host: "node".to_owned(), port, authority: None }
}

fn device(channel_kind: ChannelKind) -> MiningDeviceConfig {
    #[expect(clippy::cast_precision_loss, reason = "1000 is exact")]
    let nominal_hash_rate = HASH_RATE as f32;
    MiningDeviceConfig {
        channel_kind,
        nominal_hash_rate,
        hash_rate_limit: NonZeroU64::new(u64::from(HASH_RATE)),
        nonces_per_call: NonZeroU32::new(100).expect("not zero"),
        ..MiningDeviceConfig::new(address(POOL), Str255::from_static("worker"))
    }
}

/// One of each kind of device, the last with three channels.
fn all_kinds() -> Vec<MiningDeviceConfig> {
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

fn pool() -> PoolConfig {
    PoolConfig {
        shares_per_minute: 60.0,
        easiest_target: Target::from_expected_hashes(16.0),
        ..PoolConfig::default()
    }
}

#[test]
fn every_share_of_every_kind_of_device_is_accepted_over_several_tips_and_targets() {
    let mut network = Network::new(ChainConfig::HARD, pool(), all_kinds());

    for _ in 0..6 {
        network.run(Duration::from_secs(30));
        let now = network.now;
        network.chain.chain_mut().extend_tip_unproven(now);
    }
    network.run(Duration::from_secs(30));

    assert_eq!(network.notes(), Vec::<&Event>::new());
    for accounts in network.accounts() {
        assert!(accounts.accepted_count > 100, "{accounts:?}");
        assert_eq!(accounts.accepted_count, accounts.submitted_count, "{accounts:?}");
        assert_eq!(accounts.rejected_count(), 0, "{accounts:?}");
    }
}

#[test]
fn a_pool_that_fixes_the_version_accepts_every_share_of_devices_that_can_do_without() {
    let fixed = PoolConfig { requires_fixed_version: true, ..pool() };
    let devices = vec![
        device(ChannelKind::Standard { requires_standard_jobs: true }),
        device(ChannelKind::Extended { min_extranonce_size: 4 }),
    ];
    let mut network = Network::new(ChainConfig::HARD, fixed, devices);

    network.run(Duration::from_secs(60));

    for accounts in network.accounts() {
        assert!(accounts.accepted_count > 20, "{accounts:?}");
        assert_eq!(accounts.rejected_count(), 0, "{accounts:?}");
    }
}

#[test]
fn blocks_that_devices_find_reach_the_chain() {
    // 2^12 hashes a block: one in four seconds per device.
    let nbits = Target::from_expected_hashes(4_096.0).to_compact();
    for kind in all_kinds() {
        let mut network = Network::new(nbits, pool(), vec![kind.clone()]);
        let height = network.chain.chain().height();

        network.run(Duration::from_secs(60));

        let found = network.chain.chain().height() - height;
        assert!(found >= 3, "{found} blocks of {:?}", kind.channel_kind);
    }
}

#[test]
fn the_same_seeds_repeat_every_event() {
    let run = || {
        let mut network = Network::new(ChainConfig::HARD, pool(), all_kinds());
        network.run(Duration::from_secs(20));
        network.events
    };

    let events = run();

    assert!(events.len() > 20);
    assert_eq!(events, run());
}

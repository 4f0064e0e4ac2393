//! Devices behind a proxy that makes each of their channels a channel of the pool.

use std::time::Duration;

use bytes::Bytes;
use sv2::chain::ChainConfig;
use sv2::common::{SetupConnection, SetupConnectionSuccess};
use sv2::event::Event;
use sv2::extensions::RequestExtensionsError;
use sv2::message::Message;
use sv2::mining::setup_flag::REQUIRES_STANDARD_JOBS;
use sv2::mining::{CloseChannel, OpenStandardMiningChannel, OpenStandardMiningChannelSuccess};
use sv2::role::CloseReason;
use sv2::roles::mining_device::MiningDeviceConfig;
use sv2::roles::mining_proxy::{MiningProxyConfig, MiningProxyMode};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::PoolConfig;
use sv2::wire::{B32, Frame, Seq64K, Str255, Target};

use crate::driver::{Network, all_kinds, server};

struct Behind {
    network: Network,
    pools: Vec<usize>,
    proxy: usize,
}

fn pool_config() -> PoolConfig {
    PoolConfig { server: server(), ..PoolConfig::default() }
}

fn proxy_config() -> MiningProxyConfig {
    MiningProxyConfig {
        mode: MiningProxyMode::Transparent,
        server: server(),
        ..MiningProxyConfig::default()
    }
}

fn behind(nbits: u32, pools: Vec<PoolConfig>, devices: Vec<MiningDeviceConfig>) -> Behind {
    let mut network = Network::new(nbits);
    let pools: Vec<usize> = pools.into_iter().map(|config| network.add_pool(config)).collect();
    let proxy = network.add_proxy(&pools, proxy_config());
    for device in devices {
        network.add_device(proxy, device);
    }
    Behind { network, pools, proxy }
}

fn is_share(event: &Event) -> bool {
    matches!(event, Event::ShareAccepted { .. })
}

fn is_opened(event: &Event) -> bool {
    matches!(event, Event::ChannelOpened { .. })
}

fn is_closed(event: &Event) -> bool {
    matches!(event, Event::ChannelClosed { .. })
}

#[test]
fn shares_of_every_kind_of_device_are_paid_by_the_pool_itself() {
    let Behind { mut network, pools, proxy } =
        behind(ChainConfig::HARD, vec![pool_config()], all_kinds());

    for _ in 0..6 {
        network.run(Duration::from_secs(30));
        let now = network.now;
        network.chains[0].chain_mut().extend_tip_unproven(now);
    }
    network.run(Duration::from_secs(30));

    assert_eq!((network.notes(), &network.closed[..]), (vec![], &[][..]));
    let submitted: u64 = network.accounts().iter().map(|accounts| accounts.submitted_count).sum();
    for accounts in network.accounts() {
        assert!(accounts.accepted_count > 100, "{accounts:?}");
        assert_eq!(accounts.accepted_count, accounts.submitted_count, "{accounts:?}");
    }
    assert_eq!(network.count(pools[0], is_share), submitted);
    assert_eq!(network.count(pools[0], is_opened), 6, "one channel for each of a device");
    let set_up = |event: &Event| matches!(event, Event::SetupDone { .. });
    assert_eq!(network.count(proxy, set_up), 4);
    assert_eq!(network.count(pools[0], set_up), 2, "one for each set of flags");
}

#[test]
fn blocks_that_devices_find_reach_the_chain() {
    // 2^12 hashes a block: one in four seconds per device.
    let nbits = Target::from_expected_hashes(4_096.0).to_compact();
    for kind in all_kinds() {
        let Behind { mut network, .. } = behind(nbits, vec![pool_config()], vec![kind.clone()]);
        let height = network.chains[0].chain().height();

        network.run(Duration::from_secs(60));

        let found = network.chains[0].chain().height() - height;
        assert!(found >= 3, "{found} blocks of {:?}", kind.channel_kind);
    }
}

#[test]
fn a_transparent_proxy_in_front_of_an_aggregating_one_serves_every_kind_of_device() {
    let mut network = Network::new(ChainConfig::HARD);
    let pool = network.add_pool(pool_config());
    let faster = MiningServerConfig { shares_per_minute: 240.0, ..server() };
    let aggregated = MiningProxyConfig { server: faster, ..MiningProxyConfig::default() };
    let aggregated = network.add_proxy(&[pool], aggregated);
    let transparent = network.add_proxy(&[aggregated], proxy_config());
    for device in all_kinds() {
        network.add_device(transparent, device);
    }

    for _ in 0..3 {
        network.run(Duration::from_secs(30));
        let now = network.now;
        network.chains[0].chain_mut().extend_tip_unproven(now);
    }
    network.run(Duration::from_secs(30));

    assert_eq!((network.notes(), &network.closed[..]), (vec![], &[][..]));
    for accounts in network.accounts() {
        assert!(accounts.accepted_count > 100, "{accounts:?}");
        assert_eq!(accounts.accepted_count, accounts.submitted_count, "{accounts:?}");
    }
    assert_eq!(network.count(pool, is_opened), 1);
    assert_eq!(network.count(aggregated, is_opened), 6);
    assert!(network.count(pool, is_share) > 50);
}

#[test]
fn where_an_upstream_is_lost_clients_set_up_again_and_mine_for_the_next() {
    let Behind { mut network, pools, proxy } =
        behind(ChainConfig::HARD, vec![pool_config(), pool_config()], all_kinds());
    network.run(Duration::from_secs(60));
    let first = network.count(pools[0], is_share);

    network.absent.insert(pools[0]);
    network.cut(proxy, pools[0]);
    network.run(Duration::from_secs(120));

    let lost = CloseReason::ServiceChanged("the upstream is lost");
    assert_eq!(network.closed, vec![(proxy, lost); 4]);
    assert_eq!(network.count(pools[0], is_share), first);
    let second = network.count(pools[1], is_share);
    assert!(first > 50 && second > 50, "{first} and {second}");
}

#[test]
fn a_pool_that_takes_no_standard_channels_serves_those_who_need_none() {
    let extended = MiningServerConfig { requires_extended_channels: true, ..server() };
    let extended = PoolConfig { server: extended, ..PoolConfig::default() };
    // The first cannot read extended jobs; the second asks for a standard channel and gets none.
    let Behind { mut network, proxy, .. } =
        behind(ChainConfig::HARD, vec![extended], all_kinds().into_iter().take(3).collect());

    network.run(Duration::from_secs(20));

    let refused = CloseReason::SetupRefused("by the proxy or its upstream");
    assert!(network.closed.contains(&(proxy, refused)), "{:?}", network.closed);
    let accepted: Vec<bool> =
        network.accounts().iter().map(|accounts| accounts.accepted_count > 0).collect();
    assert_eq!(accepted, [false, false, true]);
}

#[test]
fn the_end_of_a_channel_or_of_its_connection_reaches_the_pool() {
    let Behind { mut network, pools, proxy } =
        behind(ChainConfig::HARD, vec![pool_config()], vec![]);
    let hand = network.add_hand();
    let connection = network.dial(hand, proxy);
    network.say(hand, connection, SetupConnection { flags: REQUIRES_STANDARD_JOBS, ..setup() });
    let mut channel_ids = vec![];
    for request_id in 0..3 {
        let heard = network.say(hand, connection, open(request_id));
        let Message::OpenStandardMiningChannelSuccess(success) = &heard[0] else {
            panic!("{heard:?}");
        };
        channel_ids.push(success.channel_id);
    }

    let reason_code = Str255::from_static("done");
    network.say(hand, connection, CloseChannel { channel_id: channel_ids[1], reason_code });
    let after_one = network.count(pools[0], is_closed);
    network.cut(hand, proxy);
    network.settle();

    assert_eq!((after_one, network.count(pools[0], is_closed)), (1, 3));
}

#[test]
fn unknown_messages_of_a_channel_travel_between_its_ends_and_no_one_else_hears_them() {
    let mut network = Network::new(ChainConfig::HARD);
    let upstream = network.add_hand();
    let proxy = network.add_proxy(&[upstream], proxy_config());
    let clients = [network.add_hand(), network.add_hand()];
    let connections = clients.map(|client| network.dial(client, proxy));
    for (client, connection) in clients.into_iter().zip(connections) {
        network.say(client, connection, setup());
    }
    let up = network.latest(upstream).unwrap();
    let mut heard = network.say(upstream, up, SetupConnectionSuccess { used_version: 2, flags: 0 });
    // An upstream without extensions: asked what it requires, then what it supports.
    for _ in 0..2 {
        let Message::RequestExtensions(asked) = heard.remove(0) else { panic!("{heard:?}") };
        let answer = RequestExtensionsError {
            request_id: asked.request_id,
            unsupported_extensions: asked.requested_extensions,
            required_extensions: Seq64K::default(),
        };
        heard = network.say(upstream, up, answer);
    }
    for (at, channel_id) in [(0, 11), (1, 12)] {
        network.say(clients[at], connections[at], open(5));
        let request_id = u32::try_from(at).unwrap() + 1;
        network.say(upstream, up, opened(request_id, channel_id));
    }

    let (down, from_client) = (unknown(11, 0xc042), unknown(12, 0x8042));
    network.forward(upstream, up, down.clone());
    network.forward(clients[1], connections[1], from_client.clone());
    network.forward(clients[0], connections[0], unknown(12, 0x8042));

    assert_eq!(network.frames(clients[0]), [down]);
    assert_eq!(network.frames(clients[1]), []);
    assert_eq!(network.frames(upstream), [from_client]);
    let heard = network.hear(clients[0]);
    assert!(heard.contains(&opened(5, 11).into()), "{heard:?}");
    assert!(!heard.contains(&opened(5, 12).into()), "{heard:?}");
}

fn setup() -> SetupConnection {
    SetupConnection { min_version: 2, max_version: 2, ..SetupConnection::default() }
}

fn open(request_id: u32) -> OpenStandardMiningChannel {
    OpenStandardMiningChannel {
        request_id,
        nominal_hash_rate: 1e3,
        max_target: Target::MAX,
        ..OpenStandardMiningChannel::default()
    }
}

fn opened(request_id: u32, channel_id: u32) -> OpenStandardMiningChannelSuccess {
    OpenStandardMiningChannelSuccess {
        request_id,
        channel_id,
        target: Target::MAX,
        extranonce_prefix: B32::new(&[7; 20]).unwrap(),
        group_channel_id: 10,
    }
}

/// A frame of an extension that nobody knows.
fn unknown(channel_id: u32, extension_type: u16) -> Frame {
    let payload = [&channel_id.to_le_bytes()[..], &[0xde, 0xad, 0xbe, 0xef]].concat();
    Frame { extension_type, message_type: 0x42, payload: Bytes::from(payload) }
}

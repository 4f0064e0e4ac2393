//! Devices behind a proxy, which has all of them on one channel of a pool.

use std::time::Duration;

use sv2::chain::ChainConfig;
use sv2::event::Event;
use sv2::mining::extranonce::ExtranonceLayout;
use sv2::role::CloseReason;
use sv2::roles::mining_device::MiningDeviceConfig;
use sv2::roles::mining_proxy::MiningProxyConfig;
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::PoolConfig;
use sv2::wire::Target;

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
    // Clients find shares four times as often as the pool wants to see them.
    let server = MiningServerConfig { shares_per_minute: 240.0, ..server() };
    MiningProxyConfig { server, ..MiningProxyConfig::default() }
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

/// What became of the shares that a proxy has accepted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fate {
    accepted: u64,
    filtered: u64,
    sent: u64,
    paid: u64,
    refused: u64,
    lost: u64,
}

fn fate(network: &Network, proxy: usize) -> Fate {
    let mut fate = Fate::default();
    for (_, event) in network.events.iter().filter(|(node, _)| *node == proxy) {
        match event {
            Event::ShareAccepted { .. } => fate.accepted += 1,
            Event::ShareFiltered { .. } => fate.filtered += 1,
            Event::ShareSubmitted { .. } => fate.sent += 1,
            Event::SharesAcknowledged { accepted_count, .. } => {
                fate.paid += u64::from(*accepted_count);
            }
            Event::ShareRefused { .. } => fate.refused += 1,
            Event::SharesLost { count } => fate.lost += *count as u64,
            _ => {}
        }
    }
    fate
}

fn is_share(event: &Event) -> bool {
    matches!(event, Event::ShareAccepted { .. })
}

#[test]
fn shares_of_every_kind_of_device_are_paid_and_all_are_accounted_for() {
    let Behind { mut network, pools, proxy } =
        behind(ChainConfig::HARD, vec![pool_config()], all_kinds());

    for _ in 0..6 {
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
    let fate = fate(&network, proxy);
    assert_eq!(fate.accepted, fate.filtered + fate.sent, "{fate:?}");
    assert_eq!(fate.sent, fate.paid, "{fate:?}");
    assert!(fate.filtered > fate.sent && fate.sent > 100, "{fate:?}");
    assert_eq!(network.count(pools[0], is_share), fate.paid);
    let opened = |event: &Event| matches!(event, Event::ChannelOpened { .. });
    assert_eq!(network.count(pools[0], opened), 1, "one channel for all");
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
fn a_pool_that_fixes_the_version_is_obeyed_by_all_clients() {
    let fixed = MiningServerConfig { requires_fixed_version: true, ..server() };
    let fixed = PoolConfig { server: fixed, ..PoolConfig::default() };
    // The third needs to roll.
    let devices = all_kinds().into_iter().take(2).collect();
    let Behind { mut network, proxy, .. } = behind(ChainConfig::HARD, vec![fixed], devices);

    network.run(Duration::from_secs(60));

    let fate = fate(&network, proxy);
    assert!(fate.paid > 20 && fate.refused == 0, "{fate:?}");
}

#[test]
fn where_an_upstream_is_lost_the_next_one_is_mined_for_and_nothing_is_counted_twice() {
    // Another prefix, another length: clients are told of both.
    let layout = ExtranonceLayout::new(vec![7, 7], 3, 24).unwrap();
    let other = MiningServerConfig { extranonce: layout, ..server() };
    let other = PoolConfig { server: other, ..PoolConfig::default() };
    let Behind { mut network, pools, proxy } =
        behind(ChainConfig::HARD, vec![pool_config(), other], all_kinds());
    network.run(Duration::from_secs(60));
    let first = network.count(pools[0], is_share);

    network.absent.insert(pools[0]);
    network.cut(proxy, pools[0]);
    network.run(Duration::from_secs(120));

    let fate = fate(&network, proxy);
    assert_eq!(network.count(pools[0], is_share), first);
    let second = network.count(pools[1], is_share);
    assert!(first > 50 && second > 50, "{first} and {second}");
    assert_eq!(fate.paid, first + second, "{fate:?}");
    assert_eq!(fate.accepted + fate.refused, fate.filtered + fate.sent + fate.lost, "{fate:?}");
}

#[test]
fn an_upstream_that_has_less_room_than_we_need_is_left_for_the_next() {
    // Nine bytes behind the prefix at most; two for our channels and eight for theirs are needed.
    let layout = ExtranonceLayout::new(vec![7; 20], 3, 32).unwrap();
    let crowded = MiningServerConfig { extranonce: layout, ..server() };
    let crowded = PoolConfig { server: crowded, ..PoolConfig::default() };
    let Behind { mut network, pools, proxy } =
        behind(ChainConfig::HARD, vec![crowded, pool_config()], all_kinds());

    network.run(Duration::from_secs(60));

    let reason = CloseReason::RefusedByPeer("min-extranonce-size-too-large".to_owned());
    assert_eq!(network.closed, [(proxy, reason)]);
    assert!(network.count(pools[1], is_share) > 20);
}

#[test]
fn the_upstream_hears_of_the_hash_rate_and_sets_a_target_for_it() {
    let Behind { mut network, pools, .. } =
        behind(ChainConfig::HARD, vec![pool_config()], all_kinds());

    network.run(Duration::from_secs(30));
    let early = network.count(pools[0], is_share);
    let now = network.now;
    network.chains[0].chain_mut().extend_tip_unproven(now);
    network.run(Duration::from_secs(120));

    // Four devices of 1,000 hashes a second, and one share a second is wanted. The first channel
    // was opened for the first client alone, and its first job keeps that target.
    let late = network.count(pools[0], is_share) - early;
    assert!(early > 90, "{early} shares in half a minute");
    assert!((50..150).contains(&late), "{late} shares in two minutes");
}

#[test]
fn the_same_seeds_repeat_every_event() {
    let run = || {
        let Behind { mut network, .. } =
            behind(ChainConfig::HARD, vec![pool_config()], all_kinds());
        network.run(Duration::from_secs(20));
        network.events
    };

    let events = run();

    assert!(events.len() > 20);
    assert_eq!(events, run());
}

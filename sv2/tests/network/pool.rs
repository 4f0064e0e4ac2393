//! Devices, a pool and a template provider.

use std::time::Duration;

use sv2::chain::ChainConfig;
use sv2::event::Event;
use sv2::roles::mining_device::{ChannelKind, MiningDeviceConfig};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::PoolConfig;
use sv2::wire::Target;

use crate::driver::{Network, all_kinds, device, server};

fn network(nbits: u32, server: MiningServerConfig, devices: Vec<MiningDeviceConfig>) -> Network {
    let mut network = Network::new(nbits);
    let pool = network.add_pool(PoolConfig { server, ..PoolConfig::default() });
    for device in devices {
        network.add_device(pool, device);
    }
    network
}

#[test]
fn every_share_of_every_kind_of_device_is_accepted_over_several_tips_and_targets() {
    let mut network = network(ChainConfig::HARD, server(), all_kinds());

    for _ in 0..6 {
        network.run(Duration::from_secs(30));
        let now = network.now;
        network.chains[0].chain_mut().extend_tip_unproven(now);
    }
    network.run(Duration::from_secs(30));

    assert_eq!(network.notes(), Vec::<&Event>::new());
    assert_eq!(network.closed, []);
    for accounts in network.accounts() {
        assert!(accounts.accepted_count > 100, "{accounts:?}");
        assert_eq!(accounts.accepted_count, accounts.submitted_count, "{accounts:?}");
        assert_eq!(accounts.rejected_count(), 0, "{accounts:?}");
    }
}

#[test]
fn a_pool_that_fixes_the_version_accepts_every_share_of_devices_that_can_do_without() {
    let fixed = MiningServerConfig { requires_fixed_version: true, ..server() };
    let devices = vec![
        device(ChannelKind::Standard { requires_standard_jobs: true }),
        device(ChannelKind::Extended { min_extranonce_size: 4 }),
    ];
    let mut network = network(ChainConfig::HARD, fixed, devices);

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
        let mut network = network(nbits, server(), vec![kind.clone()]);
        let height = network.chains[0].chain().height();

        network.run(Duration::from_secs(60));

        let found = network.chains[0].chain().height() - height;
        assert!(found >= 3, "{found} blocks of {:?}", kind.channel_kind);
    }
}

#[test]
fn the_same_seeds_repeat_every_event() {
    let run = || {
        let mut network = network(ChainConfig::HARD, server(), all_kinds());
        network.run(Duration::from_secs(20));
        network.events
    };

    let events = run();

    assert!(events.len() > 20);
    assert_eq!(events, run());
}

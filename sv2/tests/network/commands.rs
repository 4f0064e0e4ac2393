//! Operators who change what is open: devices and proxies follow, and lose no share.

use std::time::Duration;

use sv2::chain::ChainConfig;
use sv2::event::Event;
use sv2::role::{Channels, Command};
use sv2::roles::mining_proxy::MiningProxyConfig;
use sv2::roles::pool::PoolConfig;
use sv2::wire::Str255;

use crate::driver::{Network, all_kinds, port, server};

const RENEW: Command = Command::RenewExtranoncePrefix { channels: Channels::All };
const MOVE: Command = Command::MoveToGroup { channels: Channels::All, group_channel_id: None };

/// Two pools, a device of each kind at the first, and as many behind a proxy there.
struct World {
    network: Network,
    pools: [usize; 2],
    proxy: usize,
}

fn world() -> World {
    let mut network = Network::new(ChainConfig::HARD);
    let config = || PoolConfig { server: server(), ..PoolConfig::default() };
    let pools = [network.add_pool(config()), network.add_pool(config())];
    let config = MiningProxyConfig { server: server(), ..MiningProxyConfig::default() };
    let proxy = network.add_proxy(&pools[..1], config);
    for upstream in [pools[0], proxy] {
        for device in all_kinds() {
            network.add_device(upstream, device);
        }
    }
    network.run(Duration::from_secs(20));
    World { network, pools, proxy }
}

impl World {
    fn done(&self, node: usize) -> usize {
        let done = self.network.events.iter().filter_map(|(at, event)| match event {
            Event::CommandDone { count, .. } if *at == node => Some(*count),
            _ => None,
        });
        done.sum()
    }

    fn paid(&self, node: usize) -> u64 {
        self.network.count(node, |event| matches!(event, Event::ShareAccepted { .. }))
    }

    /// Shares that a pool or a proxy has refused, to whomever.
    fn refused(&self) -> u64 {
        let refused = |event: &Event| matches!(event, Event::ShareRejected { .. });
        [self.pools[0], self.pools[1], self.proxy]
            .iter()
            .map(|node| self.network.count(*node, refused))
            .sum()
    }

    /// Through a job for the same tip, a future one, and a new tip.
    fn go_on(&mut self) {
        for _ in 0..2 {
            self.network.run(Duration::from_secs(20));
            self.network.new_block();
        }
        self.network.run(Duration::from_secs(20));
    }
}

#[test]
fn new_prefixes_in_the_middle_of_everything_cost_no_share() {
    let mut world = world();
    let [pool, _] = world.pools;
    let opened = 6 + 1;

    world.network.command(pool, RENEW);
    assert_eq!(world.done(pool), opened);
    world.go_on();
    world.network.command(world.proxy, RENEW);
    world.network.command(pool, RENEW);
    world.go_on();

    assert_eq!((world.refused(), world.network.notes()), (0, vec![]));
    assert_eq!((world.done(world.proxy), world.done(pool)), (6, 2 * opened));
    assert!(world.paid(pool) > 500, "{}", world.paid(pool));
}

#[test]
fn channels_that_are_moved_to_other_groups_go_on_there() {
    let mut world = world();
    let [pool, _] = world.pools;

    for node in [pool, world.proxy] {
        world.network.command(node, MOVE);
        world.go_on();
        world.network.command(node, MOVE);
        world.go_on();
    }

    assert_eq!((world.refused(), world.network.notes()), (0, vec![]));
    // All but the one channel that reads standard jobs only.
    assert_eq!((world.done(pool), world.done(world.proxy)), (2 * 6, 2 * 5));
    for accounts in world.network.accounts() {
        assert!(accounts.accepted_count > 200, "{accounts:?}");
    }
}

#[test]
fn who_is_sent_elsewhere_mines_there_and_clients_of_a_proxy_hear_nothing_of_it() {
    let mut world = world();
    let [first, second] = world.pools;
    let opened = |event: &Event| matches!(event, Event::ChannelOpened { .. });
    let behind = world.network.count(world.proxy, opened);
    let new_host = Str255::from_static("node");
    let elsewhere = Command::Reconnect { new_host, new_port: port(second) };

    world.network.command(first, elsewhere);
    let before = world.paid(first);
    world.go_on();

    assert_eq!(world.done(first), 5, "four devices and a proxy");
    assert_eq!(world.paid(first), before, "nobody is left there");
    assert_eq!(world.network.count(second, opened), 7);
    assert!(world.paid(second) > 200, "{}", world.paid(second));
    assert_eq!(world.network.count(world.proxy, opened), behind);
    assert_eq!(world.refused(), 0);
}

#[test]
fn who_is_sent_where_nobody_is_comes_back() {
    let mut world = world();
    let [first, second] = world.pools;
    world.network.absent.insert(second);
    let new_port = port(second);

    world.network.command(first, Command::Reconnect { new_host: Str255::default(), new_port });
    let before = world.paid(first);
    world.go_on();

    assert_eq!(world.paid(second), 0);
    assert!(world.paid(first) > before + 200, "{} after {before}", world.paid(first));
}

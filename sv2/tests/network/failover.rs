//! Upstreams that fail a proxy, each in its own way, played by the test; a pool stands behind
//! them in the list.

use std::time::Duration;

use sv2::chain::ChainConfig;
use sv2::common::{SetupConnection, SetupConnectionError, SetupConnectionSuccess};
use sv2::event::Event;
use sv2::message::Message;
use sv2::mining::coinbase::Coinbase;
use sv2::mining::extranonce::ExtranonceLayout;
use sv2::mining::job::Work;
use sv2::mining::setup_flag::REQUIRES_VERSION_ROLLING;
use sv2::mining::{
    CloseChannel, OpenExtendedMiningChannelSuccess, OpenMiningChannelError,
    OpenStandardMiningChannel, SetNewPrevHash,
};
use sv2::role::{CloseReason, ConnectionId};
use sv2::roles::mining_device::{ChannelKind, MiningDeviceConfig};
use sv2::roles::mining_proxy::MiningProxyConfig;
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::PoolConfig;
use sv2::template_distribution::NewTemplate;
use sv2::wire::{B32, B64K, B255, Seq255, Str255, Target, U256};

use crate::driver::{Network, all_kinds, device, server};

/// A proxy whose first upstream is a hand and whose second is a pool.
struct Failing {
    network: Network,
    upstream: usize,
    pool: usize,
    proxy: usize,
}

fn failing(devices: Vec<MiningDeviceConfig>) -> Failing {
    let mut network = Network::new(ChainConfig::HARD);
    let upstream = network.add_hand();
    let pool = network.add_pool(PoolConfig { server: server(), ..PoolConfig::default() });
    let config = MiningProxyConfig { server: server(), ..MiningProxyConfig::default() };
    let proxy = network.add_proxy(&[upstream, pool], config);
    for device in devices {
        network.add_device(proxy, device);
    }
    network.run(Duration::from_millis(10));
    Failing { network, upstream, pool, proxy }
}

impl Failing {
    fn up(&self) -> ConnectionId {
        self.network.latest(self.upstream).unwrap()
    }

    fn say(&mut self, message: impl Into<Message>) -> Vec<Message> {
        let up = self.up();
        self.network.say(self.upstream, up, message)
    }

    fn set_up(&mut self, flags: u32) -> Vec<Message> {
        self.say(SetupConnectionSuccess { used_version: 2, flags })
    }

    /// What the proxy has closed, and shares that the pool behind has been sent.
    fn outcome(&self) -> (Vec<CloseReason>, u64) {
        let of_proxy = |(node, _): &&(usize, CloseReason)| *node == self.proxy;
        let closed = self.network.closed.iter().filter(of_proxy);
        let is_share = |event: &Event| matches!(event, Event::ShareAccepted { .. });
        (
            closed.map(|(_, reason)| reason.clone()).collect(),
            self.network.count(self.pool, is_share),
        )
    }
}

fn opened(extranonce_size: u16) -> OpenExtendedMiningChannelSuccess {
    OpenExtendedMiningChannelSuccess {
        request_id: 0,
        channel_id: 3,
        target: Target::from_expected_hashes(64.0),
        extranonce_size,
        extranonce_prefix: B32::new(&[9; 4]).unwrap(),
        group_channel_id: 2,
    }
}

/// For extranonces of 14 bytes.
fn work(version_rolling_allowed: bool) -> Work {
    let template = NewTemplate {
        template_id: 1,
        future_template: true,
        version: 0x2000_0000,
        coinbase_tx_version: 2,
        coinbase_prefix: B255::new(vec![3, 0x40, 0x0d, 0x03]).unwrap(),
        coinbase_tx_input_sequence: 0xffff_fffe,
        coinbase_tx_value_remaining: 312_500_000,
        coinbase_tx_outputs_count: 0,
        coinbase_tx_outputs: B64K::default(),
        coinbase_tx_locktime: 0,
        merkle_path: Seq255::default(),
    };
    Work {
        template_id: None,
        min_ntime: None,
        version: template.version,
        version_rolling_allowed,
        merkle_path: Seq255::default(),
        coinbase: Coinbase::new(&template, b"", &[], 14).unwrap(),
    }
}

fn tip() -> SetNewPrevHash {
    SetNewPrevHash {
        channel_id: 3,
        job_id: 1,
        prev_hash: U256::from_le_bytes([4; 32]),
        min_ntime: 1_700_000_000,
        nbits: ChainConfig::HARD,
    }
}

fn text(code: &'static str) -> Str255 {
    Str255::from_static(code)
}

/// What the first upstream does, how long the proxy takes to see it, and what it says then.
type Failure = (fn(&mut Failing), u64, CloseReason);

#[test]
fn an_upstream_that_fails_in_any_way_is_left_for_the_next() {
    let refused = |code: &str| CloseReason::RefusedByPeer(code.to_owned());
    let rows: Vec<Failure> = vec![
        (
            |failing| drop(failing.say(SetupConnectionError { flags: 0, error_code: text("no") })),
            0,
            refused("no"),
        ),
        (|_| {}, 10, CloseReason::SetupTimedOut),
        (|failing| drop(failing.set_up(0)), 30, CloseReason::Unanswered("a request")),
        (
            |failing| {
                failing.set_up(0);
                failing.say(OpenMiningChannelError { request_id: 0, error_code: text("full") });
            },
            0,
            refused("full"),
        ),
        (
            |failing| {
                failing.set_up(0);
                failing.say(opened(9));
            },
            0,
            CloseReason::Limit("extranonce of the upstream"),
        ),
        (
            |failing| {
                failing.set_up(0);
                failing.say(opened(40));
            },
            0,
            CloseReason::Limit("extranonce of the upstream"),
        ),
        (
            |failing| {
                failing.set_up(0);
                failing.say(opened(10));
                failing.say(CloseChannel { channel_id: 2, reason_code: text("over") });
            },
            0,
            refused("over"),
        ),
    ];
    for (fail, seconds, reason) in rows {
        let mut failing = failing(all_kinds());

        fail(&mut failing);
        failing.network.run(Duration::from_secs(seconds));
        let closed = failing.outcome().0;
        failing.network.run(Duration::from_secs(60));

        assert_eq!(closed, std::slice::from_ref(&reason));
        let (closed, share_count) = failing.outcome();
        assert_eq!(closed, [reason]);
        assert!(share_count > 20, "{share_count} shares");
    }
}

#[test]
fn an_upstream_that_falls_silent_over_shares_is_left_and_they_are_lost() {
    let mut failing = failing(all_kinds());
    failing.set_up(0);
    failing.say(opened(10));
    failing.say(work(true).extended_job(3, 1, None));
    failing.say(tip());

    failing.network.run(Duration::from_secs(599));
    let early = failing.outcome().0;
    failing.network.run(Duration::from_secs(61));

    assert_eq!(early, []);
    let (closed, share_count) = failing.outcome();
    assert_eq!(closed, [CloseReason::Unanswered("a request")]);
    assert!(share_count > 20, "{share_count} shares");
    let lost = |event: &Event| matches!(event, Event::SharesLost { count } if *count > 500);
    assert_eq!(failing.network.count(failing.proxy, lost), 1);
}

#[test]
fn where_the_next_upstream_has_a_harder_target_shares_are_filtered_by_it_and_none_is_refused() {
    let mut network = Network::new(ChainConfig::HARD);
    let easy = network.add_pool(PoolConfig { server: server(), ..PoolConfig::default() });
    let hard = MiningServerConfig { shares_per_minute: 6.0, ..server() };
    let hard = network.add_pool(PoolConfig { server: hard, ..PoolConfig::default() });
    let faster = MiningServerConfig { shares_per_minute: 240.0, ..server() };
    let config = MiningProxyConfig { server: faster, ..MiningProxyConfig::default() };
    let proxy = network.add_proxy(&[easy, hard], config);
    for device in all_kinds() {
        network.add_device(proxy, device);
    }
    network.run(Duration::from_secs(30));

    network.absent.insert(easy);
    network.cut(proxy, easy);
    network.run(Duration::from_secs(300));

    let refused = |event: &Event| matches!(event, Event::ShareRejected { .. });
    let accepted = |event: &Event| matches!(event, Event::ShareAccepted { .. });
    assert_eq!(network.count(hard, refused), 0);
    let at_pool = network.count(hard, accepted);
    let at_proxy = network.count(proxy, accepted);
    assert!(at_pool >= 10 && at_proxy > 20 * at_pool, "{at_pool} of {at_proxy}");
}

#[test]
fn a_client_that_wants_more_extranonce_than_is_left_is_refused_at_the_layer_that_has_less() {
    for (min_extranonce_size, is_served) in [(6, true), (7, false)] {
        // The pool leaves 10 bytes, the first proxy 8 of them, the second 6 of these.
        let layout = ExtranonceLayout::new(vec![7; 4], 3, 17).unwrap();
        let mut network = Network::new(ChainConfig::HARD);
        let pool = MiningServerConfig { extranonce: layout, ..server() };
        let pool = network.add_pool(PoolConfig { server: pool, ..PoolConfig::default() });
        let first = MiningProxyConfig { server: server(), ..MiningProxyConfig::default() };
        let second = MiningProxyConfig { rollable_extranonce_len: 6, ..first.clone() };
        let first = network.add_proxy(&[pool], first);
        let second = network.add_proxy(&[first], second);
        for (proxy, min_extranonce_size) in [(second, min_extranonce_size), (first, 8)] {
            network.add_device(proxy, device(ChannelKind::Extended { min_extranonce_size }));
        }

        network.run(Duration::from_secs(20));

        let counts: Vec<u64> =
            network.accounts().iter().map(|accounts| accounts.accepted_count).collect();
        assert!(counts[1] > 5, "{counts:?}");
        assert_eq!(counts[0] > 5, is_served, "{counts:?}");
    }
}

#[test]
fn hash_rates_that_are_finite_each_are_told_as_a_finite_sum() {
    let mut failing = failing(vec![]);
    failing.set_up(0);
    let client = failing.network.add_hand();
    let connection = failing.network.dial(client, failing.proxy);
    failing.network.say(client, connection, setup(0));
    for request_id in 0..3 {
        let request = OpenStandardMiningChannel {
            request_id,
            nominal_hash_rate: f32::MAX,
            max_target: Target::MAX,
            ..OpenStandardMiningChannel::default()
        };
        failing.network.say(client, connection, request);
    }
    failing.say(opened(10));
    failing.network.run(Duration::from_secs(2));

    let heard = failing.network.hear(failing.upstream);
    let told = heard.iter().find_map(|message| match message {
        Message::UpdateChannel(update) => Some(update.nominal_hash_rate),
        _ => None,
    });

    assert_eq!(told, Some(f32::MAX), "{heard:?}");
}

#[test]
fn a_job_whose_version_is_fixed_ends_those_who_were_promised_to_roll_it() {
    for (is_allowed, closed) in [(true, 0), (false, 1)] {
        let mut failing = failing(vec![]);
        failing.set_up(0);
        let client = failing.network.add_hand();
        let connection = failing.network.dial(client, failing.proxy);
        failing.network.say(client, connection, setup(REQUIRES_VERSION_ROLLING));
        failing.network.say(
            client,
            connection,
            OpenStandardMiningChannel {
                nominal_hash_rate: 1e3,
                max_target: Target::MAX,
                ..OpenStandardMiningChannel::default()
            },
        );
        failing.say(opened(10));

        failing.say(work(is_allowed).extended_job(3, 1, None));

        let reason = CloseReason::ServiceChanged("the version is fixed now");
        assert_eq!(failing.outcome().0, vec![reason; closed]);
    }
}

fn setup(flags: u32) -> SetupConnection {
    SetupConnection { min_version: 2, max_version: 2, flags, ..SetupConnection::default() }
}

//! Hosts on real sockets, with a small role that does what its peers ask for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod echo;
mod lines;
mod peer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use echo::{ANSWER_AND_CLOSE, Echo, FLOOD, PERSIST, SUBMIT, WAKE};
use peer::Peer;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sv2::chain::{Chain, ChainConfig, ChainHost};
use sv2::connection::ConnectionError;
use sv2::entropy::Entropy;
use sv2::event::Event;
use sv2::noise::{AuthoritySecretKey, CertificateError, CipherSuite, SessionSecrets};
use sv2::role::{CloseReason, ConnectionId, DialId, Input, PeerAddress, Via};
use sv2::time::Now;
use sv2::wire::U256;
use sv2_net::accounts::Accounts;
use sv2_net::clock::Clock;
use sv2_net::embedded::EmbeddedChain;
use sv2_net::entropy;
use sv2_net::host::{Handle, Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::identity::Certifier;
use sv2_net::limits::Limits;
use sv2_net::tap::{Direction, KeyLog, Link, Tap};
use sv2_net::world::Worlds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_peers_are_served_at_once() {
    let (host, _) = start(noise(), Limits::default()).await;
    let mut peers = Vec::new();
    for _ in 0..100 {
        peers.push(Peer::noise(host.addresses()[0]).await);
    }

    for round in 0..3 {
        for (peer, number) in peers.iter_mut().zip(round * 1000..) {
            peer.send(number).await;
        }
        for (peer, number) in peers.iter_mut().zip(round * 1000..) {
            assert_eq!(peer.receive().await, Some(number));
        }
    }

    assert_eq!(host.counters().open_count, 100);
    assert_eq!(host.counters().frames_received_count, 300);
}

/// Nobody accepts: the system's queue is all the room there is.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_fleet_that_dials_all_at_once_finds_room_in_the_queue_of_a_listener() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let host = bind(plain(), Limits::default()).await;

    let mut fleet = Vec::new();
    for _ in 0..1_500 {
        let dial = timeout(Duration::from_secs(60), TcpStream::connect(host.addresses()[0]));
        fleet.push(dial.await.expect("there is room").unwrap());
    }

    assert_eq!(fleet.len(), 1_500);
}

#[tokio::test]
async fn a_silent_peer_is_closed_at_the_handshake_deadline_and_the_log_says_why() {
    let limits = Limits { handshake_timeout: Duration::from_millis(20), ..Limits::default() };
    let (host, mut events) = start(noise(), limits).await;
    let mut silent = TcpStream::connect(host.addresses()[0]).await.unwrap();

    silent.write_all(&[7; 10]).await.unwrap();

    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    let Event::Noted { connection: None, what } = events.recv().await.unwrap() else { panic!() };
    assert!(what.contains("10 of 64 bytes have come (spec 4.5)"), "{what}");
    assert_eq!(host.counters().handshake_failed_count, 1);
}

#[tokio::test]
async fn a_peer_that_never_reads_is_too_slow_while_another_is_served() {
    let limits = Limits { unsent_bytes_max: 100_000, ..Limits::default() };
    let (host, mut events) = start(plain(), limits).await;
    let mut deaf = Peer::plain(host.addresses()[0]).await;
    let mut other = Peer::plain(host.addresses()[0]).await;

    deaf.send(FLOOD).await;

    let reason = closed(&mut events, ConnectionId(0)).await;
    assert!(matches!(reason, CloseReason::TooSlow { unsent_len: 100_001.., limit: 100_000 }));
    other.send(5).await;
    assert_eq!(other.receive().await, Some(5));
}

#[tokio::test]
async fn one_address_gets_no_more_connections_than_its_limit() {
    let limits = Limits { connections_per_address_max: 2, ..Limits::default() };
    let (host, mut events) = start(plain(), limits).await;
    let address = host.addresses()[0];
    let mut held = [Peer::plain(address).await, Peer::plain(address).await];
    for peer in &mut held {
        peer.send(1).await;
        assert_eq!(peer.receive().await, Some(1));
    }

    let mut third = TcpStream::connect(address).await.unwrap();

    assert!(matches!(third.read(&mut [0]).await, Ok(0) | Err(_)));
    let Event::Noted { what, .. } = events.recv().await.unwrap() else { panic!() };
    assert!(what.ends_with("127.0.0.1 has 2 connections, which is the limit for one address"));
    assert_eq!(host.counters().refused_count, 1);
    held[0].send(2).await;
    assert_eq!(held[0].receive().await, Some(2));
}

#[tokio::test]
async fn a_peer_that_disappears_is_reported_and_its_id_given_to_the_next() {
    let (host, mut events) = start(noise(), Limits::default()).await;
    let peer = Peer::noise(host.addresses()[0]).await;

    peer.reset();

    let reason = closed(&mut events, ConnectionId(0)).await;
    assert!(matches!(reason, CloseReason::Broken(_)), "{reason}");
    let peer = Peer::noise(host.addresses()[0]).await;
    drop(peer);
    assert_eq!(closed(&mut events, ConnectionId(0)).await, CloseReason::ByPeer);
}

#[tokio::test]
async fn closing_delivers_what_is_queued() {
    let (host, mut events) = start(noise(), Limits::default()).await;
    let mut peer = Peer::noise(host.addresses()[0]).await;

    peer.send(ANSWER_AND_CLOSE).await;
    // Arrives after the role has closed: not for the role any more.
    peer.send(8).await;

    assert_eq!(closed(&mut events, ConnectionId(0)).await, CloseReason::Idle);
    for number in 0..echo::ANSWERS {
        assert_eq!(peer.receive().await, Some(number));
    }
    assert_eq!(peer.receive().await, None);
}

#[tokio::test]
async fn garbage_ends_its_own_connection_and_no_other() {
    let (host, mut events) = start(noise(), Limits::default()).await;
    let mut good = Peer::noise(host.addresses()[0]).await;
    let mut bad = TcpStream::connect(host.addresses()[0]).await.unwrap();

    bad.write_all(&[0x47; 200]).await.unwrap();

    let reason = closed(&mut events, ConnectionId(1)).await;
    assert!(matches!(&reason, CloseReason::Connection(ConnectionError::Transport(_))), "{reason}");
    assert!(reason.to_string().contains("(spec 4"), "{reason}");
    good.send(3).await;
    assert_eq!(good.receive().await, Some(3));
}

#[tokio::test]
async fn an_overlong_frame_is_refused_by_its_header() {
    let limits = Limits { accepted_payload_len_max: 1_000, ..Limits::default() };
    let (host, mut events) = start(plain(), limits).await;
    let mut liar = TcpStream::connect(host.addresses()[0]).await.unwrap();

    liar.write_all(&[0, 0, 1, 0xff, 0xff, 0xff]).await.unwrap();

    let reason = closed(&mut events, ConnectionId(0)).await;
    assert_eq!(
        reason.to_string(),
        "a frame of 16777215 bytes is announced, the limit is 1000 (spec 3.2)"
    );
}

#[tokio::test]
async fn a_role_is_woken_when_it_asked_to_be() {
    let (host, _) = start(plain(), Limits::default()).await;
    let mut peer = Peer::plain(host.addresses()[0]).await;

    peer.send(WAKE).await;

    assert_eq!(peer.receive().await, Some(WAKE));
}

#[tokio::test]
async fn a_record_is_answered_once_it_is_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let accounts = Arc::new(Accounts::open(directory.path()).unwrap());
    let world = Worlds { accounts: Some(accounts.clone()), ..Worlds::default() };
    let host = bind(plain(), Limits::default()).await.start(Echo::new(), world);
    let mut peer = Peer::plain(host.addresses()[0]).await;

    peer.send(PERSIST).await;

    assert_eq!(peer.receive().await, Some(PERSIST));
    let statement = accounts.statement().unwrap();
    assert_eq!(statement.rejected_of_others, [(echo::ERROR_CODE.to_owned(), 1)].into());
}

#[tokio::test]
async fn the_embedded_chain_tells_a_role_its_tips_and_judges_its_blocks() {
    let config = ChainConfig::new(ChainConfig::HARD, Clock::of_process().now().unix);
    let chain = EmbeddedChain::new(ChainHost::new(Chain::new(config, Entropy::from_seed(7))));
    let host = bind(plain(), Limits::default()).await;
    let mut events = host.events();
    let world = Worlds { chain: Some(Arc::new(chain.clone())), ..Worlds::default() };
    let host = host.start(Echo::new(), world);

    let _follower = chain.follow(host.injector());
    let first = tip(&mut events).await;
    let mined = chain.new_block();
    let second = tip(&mut events).await;
    let reorganised = chain.reorganise(1).unwrap();
    let third = tip(&mut events).await;

    assert_eq!([second, third], [mined, reorganised]);
    assert_ne!(first, second);
    Peer::plain(host.addresses()[0]).await.send(SUBMIT).await;
    let reason = noted(&mut events).await;
    assert!(reason.starts_with("decode-failed"), "{reason}");
}

#[tokio::test]
async fn a_dial_accepts_the_right_authority_and_no_other() {
    let authority = authority();
    let right = authority.public_key();
    let wrong = AuthoritySecretKey::generate(&mut entropy::from_system()).public_key();
    let (server, _) = start(certified_by(authority), Limits::default()).await;
    let address = server.addresses()[0];
    let peer = |authority| PeerAddress {
        host: address.ip().to_string(),
        port: address.port(),
        authority: Some(authority),
    };
    let dialing = |authority| async move {
        let host = Host::bind(HostConfig::new("client")).await.unwrap();
        let mut events = host.events();
        let _host = host.start(Echo::dialing(peer(authority)), Worlds::default());
        noted(&mut events).await
    };

    assert_eq!(dialing(right).await, "dialled");
    let failure = CertificateError::Signature.to_string();
    assert_eq!(dialing(wrong).await, format!("dial failed: {failure}"));
}

#[tokio::test]
async fn a_dial_to_a_closed_port_names_the_address() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let peer = PeerAddress { host: "127.0.0.1".into(), port, authority: None };
    let host = Host::bind(HostConfig::new("client")).await.unwrap();
    let mut events = host.events();

    let _host = host.start(Echo::dialing(peer), Worlds::default());

    let what = noted(&mut events).await;
    let expected = format!("dial failed: cannot connect: 127.0.0.1:{port}: Connection refused");
    assert!(what.starts_with(&expected), "{what}");
}

#[tokio::test]
async fn shutting_down_delivers_what_is_queued_and_frees_the_port() {
    let (host, mut events) = start(noise(), Limits::default()).await;
    let address = host.addresses()[0];
    let mut peer = Peer::noise(address).await;
    peer.send(4).await;
    assert_eq!(peer.receive().await, Some(4));

    host.shutdown().await;

    assert_eq!(peer.receive().await, None);
    assert_eq!(closed(&mut events, ConnectionId(0)).await, CloseReason::ByUs);
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_host_can_listen_where_one_was_shut_down() {
    let (mut host, _) = start(plain(), Limits::default()).await;
    for _ in 0..200 {
        let mut config = config(plain(), Limits::default());
        config.listeners[0].address = host.addresses()[0].to_string();

        host.shutdown().await;

        host = Host::bind(config).await.unwrap().start(Echo::new(), Worlds::default());
    }
}

#[tokio::test]
async fn a_tap_and_a_key_log_have_all_that_reading_a_connection_takes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    let tap = Arc::new(Recorder::default());
    let mut config = config(noise(), Limits::default());
    config.key_log = Some(Arc::new(KeyLog::open(&path).unwrap()));
    config.tap = Some(Arc::clone(&tap) as _);
    let host = Host::bind(config).await.unwrap().start(Echo::new(), Worlds::default());
    let mut peer = Peer::noise(host.addresses()[0]).await;
    peer.send(5).await;
    assert_eq!(peer.receive().await, Some(5));

    host.shutdown().await;

    let frame = 22 + (4 + 16);
    assert_eq!(*tap.received_len.lock().unwrap(), 64 + frame);
    assert_eq!(*tap.sent_len.lock().unwrap(), 234 + frame);
    let keys = std::fs::read_to_string(&path).unwrap();
    let labels: Vec<&str> = keys.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(labels, ["SV2_I2R", "SV2_R2I", "SV2_HS_EE", "SV2_HS_ES"]);
    assert_eq!(*tap.secrets.lock().unwrap(), keys);
}

#[tokio::test]
async fn a_role_that_fails_takes_its_connections_with_it() {
    let (mut host, _) = start(plain(), Limits::default()).await;
    let mut peer = Peer::plain(host.addresses()[0]).await;
    peer.send(1).await;
    assert_eq!(peer.receive().await, Some(1));

    let unexpected = Input::Connected { connection: ConnectionId(0), via: Via::Dial(DialId(9)) };
    host.injector().inject(unexpected).await.unwrap();

    assert!(host.ended().await.unwrap_err().is_panic());
    assert_eq!(peer.receive().await, None);
}

#[tokio::test]
async fn a_role_can_be_told_what_comes_from_no_socket() {
    let (host, mut events) = start(plain(), Limits::default()).await;

    let injected = host.injector().inject(Input::Woken).await;

    assert_eq!(injected, Ok(()));
    assert_eq!(noted(&mut events).await, "woken");
    host.injector();
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_named() {
    let mut config = HostConfig::new("test");
    let address = "256.0.0.1:1".to_owned();
    config.listeners = vec![ListenerConfig { address, security: plain() }];

    let error = Host::bind(config).await.unwrap_err();

    assert!(error.to_string().starts_with("cannot listen on 256.0.0.1:1: "), "{error}");
}

async fn start(security: ListenerSecurity, limits: Limits) -> (Handle, broadcast::Receiver<Event>) {
    let host = bind(security, limits).await;
    let events = host.events();
    (host.start(Echo::new(), Worlds::default()), events)
}

async fn bind(security: ListenerSecurity, limits: Limits) -> Host {
    Host::bind(config(security, limits)).await.unwrap()
}

fn config(security: ListenerSecurity, limits: Limits) -> HostConfig {
    let mut config = HostConfig::new("test");
    config.limits = limits;
    config.listeners = vec![ListenerConfig { address: "127.0.0.1:0".into(), security }];
    config
}

#[derive(Default)]
struct Recorder {
    received_len: Mutex<usize>,
    sent_len: Mutex<usize>,
    secrets: Mutex<String>,
}

impl Tap for Recorder {
    fn opened(&self, _: Now, _: Link, _: Via) {}

    fn bytes(&self, _: Now, _: Link, direction: Direction, bytes: &[u8]) {
        let len = match direction {
            Direction::Received => &self.received_len,
            Direction::Sent => &self.sent_len,
        };
        *len.lock().unwrap() += bytes.len();
    }

    fn secrets(&self, _: Now, _: Link, secrets: &SessionSecrets) {
        self.secrets.lock().unwrap().push_str(&secrets.to_key_log());
    }

    fn closed(&self, _: Now, _: Link) {}
}

fn plain() -> ListenerSecurity {
    ListenerSecurity::Plain
}

fn noise() -> ListenerSecurity {
    certified_by(authority())
}

fn authority() -> AuthoritySecretKey {
    AuthoritySecretKey::generate(&mut entropy::from_system())
}

fn certified_by(authority: AuthoritySecretKey) -> ListenerSecurity {
    let hour = Duration::from_secs(3600);
    let now = Clock::of_process().now().unix;
    let certifier = Certifier::renewing(authority, hour, now, entropy::from_system());
    ListenerSecurity::Noise { suite: CipherSuite::default(), certifier: Arc::new(certifier) }
}

/// Waits until the role has said that a connection is closed.
async fn closed(events: &mut broadcast::Receiver<Event>, which: ConnectionId) -> CloseReason {
    loop {
        if let Event::ConnectionClosed { connection, reason } = events.recv().await.unwrap() {
            assert_eq!(connection, which);
            return reason;
        }
    }
}

async fn tip(events: &mut broadcast::Receiver<Event>) -> U256 {
    loop {
        if let Event::TipChanged { prev_hash } = events.recv().await.unwrap() {
            return prev_hash;
        }
    }
}

async fn noted(events: &mut broadcast::Receiver<Event>) -> String {
    loop {
        if let Event::Noted { what, .. } = events.recv().await.unwrap() {
            return what;
        }
    }
}

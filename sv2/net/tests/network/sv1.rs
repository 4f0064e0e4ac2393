//! Stratum V1 over real sockets: our device finds a block on our pool, and what is no line ends
//! its own connection alone.

use std::io;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use bitcoin::{Block, consensus};
use libtest_mimic::{Failed, Trial};
use sv2::chain::{ChainConfig, TransactionShape};
use sv2::event::Event;
use sv2::role::{CloseReason, PeerAddress};
use sv2::roles::sv1_device::{Dialect, Sv1Device, Sv1DeviceConfig};
use sv2::roles::sv1_pool::{Sv1Pool, Sv1PoolConfig};
use sv2::sv1::{Difficulty, Sv1Error};
use sv2::wire::Target;
use sv2_net::entropy;
use sv2_net::host::{DialSecurity, Handle, Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::limits::Limits;
use sv2_net::world::Worlds;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::blocks::{assert_pays, block_found, embedded};
use crate::events::Events;
use crate::hosted::{self, PAYOUT_SCRIPT};
use crate::run;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("a_block_of_an_sv1_device_pays_the_sv1_pool_on_the_embedded_chain", || {
            run(block)
        }),
        Trial::test("what_is_no_line_ends_its_own_connection_alone", || run(no_lines)),
        Trial::test("a_wrong_line_over_tcp_is_answered_and_disturbs_nobody", || run(wrong_lines)),
    ]
}

async fn block() -> Result<(), Failed> {
    let chain = embedded(ChainConfig::EASY);
    chain.change(|chain, _| chain.generate_transaction(TransactionShape::default())).unwrap();
    let template = chain.change(|chain, now| chain.template(now));
    let mut provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
    let mut pool = pool(&provider.address, Limits::default()).await?;
    let crlf = Dialect { crlf: true, ..Dialect::default() };
    let mut device = device(&pool.address, crlf).await?;

    let hash = provider.events.wait("a block", block_found).await?;

    let found = |event: &Event| block_found(event).filter(|found| *found == hash);
    pool.events.wait("the block", found).await?;
    let acknowledged =
        |event: &Event| matches!(event, Event::SharesAcknowledged { .. }).then_some(());
    device.events.wait("the acknowledgement of a share", acknowledged).await?;
    let raw = chain.change(|chain, _| chain.block(&hash).cloned());
    let block: Block = consensus::deserialize(&raw.ok_or("the chain does not know the block")?)?;
    assert_pays(&block, template.height, template.coinbase_value, &PAYOUT_SCRIPT);
    device.handle.shutdown().await;
    pool.handle.shutdown().await;
    provider.handle.shutdown().await;
    Ok(())
}

async fn no_lines() -> Result<(), Failed> {
    let chain = embedded(ChainConfig::EASY);
    let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
    let limits = Limits { line_timeout: Duration::from_millis(300), ..Limits::default() };
    let mut pool = pool(&provider.address, limits).await?;
    let mut good = TcpStream::connect(pool.socket()).await?;

    let mebibyte = vec![b'x'; 1 << 20];
    for (sent, reason) in [
        (&mebibyte[..], Sv1Error::LineTooLong { limit: 16 << 10 }),
        (b"{\"id\":1,\0}\n", Sv1Error::Nul),
        (b"{\"id\":1", Sv1Error::HalfLine { seconds: 0 }),
    ] {
        let mut stream = TcpStream::connect(pool.socket()).await?;
        // The rest of a mebibyte may meet a closed door.
        let _ = stream.write_all(sent).await;

        let closed = pool.events.wait("the end of a connection", closed).await?;

        assert_eq!(closed, CloseReason::Sv1(reason));
    }
    let mut half = TcpStream::connect(pool.socket()).await?;
    half.write_all(b"{\"id\":1").await?;
    half.shutdown().await?;
    let ended = pool.events.wait("the end of a connection", closed).await?;
    assert_eq!(ended, CloseReason::Sv1(Sv1Error::EndedInLine { len: 7 }));

    good.write_all(b"{\"id\":1,\"method\":\"mining.ping\"}\r\n").await?;
    assert_eq!(answer(&mut good).await?, "{\"id\":1,\"result\":\"pong\",\"error\":null}\n");
    Ok(())
}

async fn wrong_lines() -> Result<(), Failed> {
    let chain = embedded(ChainConfig::EASY);
    let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
    let mut pool = pool(&provider.address, Limits::default()).await?;
    let mut device = device(&pool.address, Dialect::default()).await?;
    let mut stream = TcpStream::connect(pool.socket()).await?;

    // Several in one segment, and one in two.
    stream.write_all(b"hello\n\n{}\n{\"id\":7,\"method\":\"mining.sub").await?;
    let first = answer(&mut stream).await?;
    stream.write_all(b"mit\",\"params\":[]}\n").await?;

    assert!(first.contains("no JSON from byte 1 on"), "{first}");
    let third = loop {
        let line = answer(&mut stream).await?;
        if line.contains("\"id\":7") {
            break line;
        }
    };
    assert!(third.contains("parameter 0 should be a user"), "{third}");
    let accepted = |event: &Event| matches!(event, Event::ShareAccepted { .. }).then_some(());
    pool.events.wait("a share of the other connection", accepted).await?;
    let acknowledged =
        |event: &Event| matches!(event, Event::SharesAcknowledged { .. }).then_some(());
    device.events.wait("its acknowledgement", acknowledged).await?;
    Ok(())
}

/// One line at a time: what comes behind it stays in the socket.
async fn answer(stream: &mut TcpStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::with_capacity(1, stream).read_line(&mut line).await?;
    Ok(line)
}

fn closed(event: &Event) -> Option<CloseReason> {
    match event {
        Event::ConnectionClosed { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

struct Hosted {
    handle: Handle,
    events: Events,
    address: PeerAddress,
}

impl Hosted {
    fn socket(&self) -> (&str, u16) {
        (&self.address.host, self.address.port)
    }
}

/// A pool whose shares a slow device finds several times a second.
async fn pool(template_provider: &PeerAddress, limits: Limits) -> Result<Hosted, Failed> {
    let mut config = HostConfig::new("sv1 pool");
    config.limits = limits;
    config.listeners =
        vec![ListenerConfig { address: "127.0.0.1:0".to_owned(), security: ListenerSecurity::Sv1 }];
    let role = Sv1PoolConfig {
        template_provider: template_provider.clone(),
        payout_script: PAYOUT_SCRIPT.to_vec(),
        shares_per_minute: 600.0,
        assumed_hash_rate: 20_000.0,
        easiest_target: Target::from_expected_hashes(256.0),
        ..Sv1PoolConfig::default()
    };
    let host = Host::bind(config).await?;
    let events = Events::new("sv1 pool", host.events());
    let handle = host.start(Sv1Pool::new(role, entropy::from_system()), Worlds::default());
    let port = handle.addresses()[0].port();
    let address = PeerAddress { host: "127.0.0.1".to_owned(), port, authority: None };
    Ok(Hosted { handle, events, address })
}

async fn device(pool: &PeerAddress, dialect: Dialect) -> Result<Hosted, Failed> {
    let mut config = HostConfig::new("sv1 device");
    config.dial_security = DialSecurity::Sv1;
    let role = Sv1DeviceConfig {
        hash_rate_limit: NonZeroU64::new(20_000),
        nonces_per_call: NonZeroU32::new(1_000).unwrap(),
        suggested_difficulty: Difficulty::new(5e-7),
        dialect,
        ..Sv1DeviceConfig::new(pool.clone(), "assay.device".to_owned())
    };
    let host = Host::bind(config).await?;
    let events = Events::new("sv1 device", host.events());
    let handle = host.start(Sv1Device::new(role, entropy::from_system()), Worlds::default());
    Ok(Hosted { handle, events, address: pool.clone() })
}

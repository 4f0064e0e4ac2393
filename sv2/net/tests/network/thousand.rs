//! A thousand live connections to one pool, each with a channel and accepted shares; what they
//! cost the pool in memory, and how fast it serves them.
//!
//! The pool, with its template provider, is a process of its own, so that its memory is its own;
//! all clients are in this one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sv2::chain::ChainConfig;
use sv2::event::Event;
use sv2::role::PeerAddress;
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::PoolConfig;
use sv2::wire::Target;
use sv2_net::limits::Limits;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::blocks::embedded;
use crate::client::Client;
use crate::hosted::{self, Hosted};
use crate::pool_process::{self, PoolProcess};
use crate::{run, runtime};

/// The argument that makes this program the pool.
pub(crate) const POOL: &str = "soak-pool";

pub(crate) fn trials() -> Vec<Trial> {
    let name = "a_thousand_connections_each_have_a_channel_and_accepted_shares";
    let trial = Trial::test(name, || run(a_thousand_connections));
    vec![trial.with_kind("soak: ci/thousand").with_ignored_flag(true)]
}

async fn a_thousand_connections() -> Result<(), Failed> {
    allow_descriptors()?;
    let mut pool = PoolProcess::start([POOL])?;
    // Code, tables and threads that all connections share are there after the first.
    drop(opened(pool.address.clone()).await?);
    pool.all_gone(1)?;
    let before = pool.memory()?;

    let first = round(&mut pool).await?;
    let second = round(&mut pool).await?;

    let each = |after: u64| after.saturating_sub(before) as f64 / CONNECTIONS as f64;
    println!("{CONNECTIONS} connections over Noise, each with one standard channel:");
    println!("  handshakes              {:9.0} a second", first.handshakes);
    println!("  set-ups with a channel  {:9.0} a second", first.channels);
    println!("  shares, all accepted    {:9.0} a second", first.shares);
    println!("memory of the pool's process:");
    println!("  with no connection      {before:9} KiB");
    let (channels, shares) = (first.with_channels, first.with_shares);
    println!("  with all channels       {channels:9} KiB, {:.1} a connection", each(channels));
    println!("  after {SHARES} shares each    {shares:9} KiB, {:.1} a connection", each(shares));
    println!("  all closed              {:9} KiB", first.closed);
    let again = second.with_shares;
    println!("  a second thousand       {again:9} KiB, {:.1} a connection", each(again));
    Ok(())
}

/// Counts per second, and the pool's memory in KiB.
struct Round {
    handshakes: f64,
    channels: f64,
    shares: f64,
    with_channels: u64,
    with_shares: u64,
    closed: u64,
}

/// A thousand connections from their first byte to their last.
async fn round(pool: &mut PoolProcess) -> Result<Round, Failed> {
    let address = pool.address.clone();
    let started = Instant::now();
    let clients = at_once((0..CONNECTIONS).map(|_| {
        let address = address.clone();
        async move { Client::connect(&address).await }
    }));
    let clients = clients.await?;
    let handshakes = per_second(CONNECTIONS, started);

    let started = Instant::now();
    let clients = at_once(clients.into_iter().map(|mut client| {
        let address = address.clone();
        async move {
            client.open_channel(&address).await?;
            Ok(client)
        }
    }));
    let clients = clients.await?;
    let channels = per_second(CONNECTIONS, started);
    let with_channels = pool.memory()?;

    let mut submissions = Vec::new();
    for mut client in clients {
        let shares = client.mine(SHARES)?;
        submissions.push(async move {
            client.submit(shares).await?;
            Ok(client)
        });
    }
    let started = Instant::now();
    let clients = at_once(submissions).await?;
    let shares = per_second(CONNECTIONS * SHARES, started);
    let with_shares = pool.memory()?;

    let report = pool.ask("report")?;
    drop(clients);
    pool.all_gone(CONNECTIONS)?;
    // All of ours, and the template provider.
    let expected = format!("open {} refused 0 failed 0 slow 0", CONNECTIONS + 1);
    assert_eq!(report, expected);
    Ok(Round { handshakes, channels, shares, with_channels, with_shares, closed: pool.memory()? })
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn per_second(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

async fn opened(address: PeerAddress) -> Result<Client, Failed> {
    let mut client = Client::connect(&address).await?;
    client.open_channel(&address).await?;
    let shares = client.mine(SHARES)?;
    client.submit(shares).await?;
    Ok(client)
}

/// Runs all side by side; the first failure is the outcome.
async fn at_once<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = Result<T, Failed>> + Send + 'static>,
) -> Result<Vec<T>, Failed> {
    let mut running: JoinSet<_> = tasks.into_iter().collect();
    let mut done = Vec::with_capacity(running.len());
    let work = async {
        while let Some(outcome) = running.join_next().await {
            done.push(outcome??);
        }
        Ok::<_, Failed>(())
    };
    timeout(PATIENCE, work).await.map_err(|_| "the pool is stuck")??;
    Ok(done)
}

/// Raises our own limit, which the pool inherits, as far as the system lets us.
fn allow_descriptors() -> Result<(), Failed> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < DESCRIPTORS) {
        if maximum.is_some_and(|maximum| maximum < DESCRIPTORS) {
            let most = maximum.unwrap_or_default();
            return Err(format!(
                "{DESCRIPTORS} open files are needed and the system allows {most}: raise the hard \
                 limit (`ulimit -Hn`, or nofile in /etc/security/limits.conf)"
            )
            .into());
        }
        setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum })?;
    }
    Ok(())
}

impl PoolProcess {
    /// Waits until so many connections have ended; no share of theirs was refused.
    fn all_gone(&mut self, count: usize) -> Result<(), Failed> {
        let report = self.ask(&format!("gone {count}"))?;
        assert_eq!(report, "open 1 refused 0 failed 0 slow 0");
        Ok(())
    }
}

/// The process of the pool: says where it listens, then what it is asked.
pub(crate) fn serve() -> Result<(), Failed> {
    let runtime = runtime()?;
    let (_provider, mut pool) = runtime.block_on(start())?;
    pool_process::tell_address(&pool.address)?;
    for order in std::io::stdin().lines() {
        if let Some(count) = order?.strip_prefix("gone ") {
            runtime.block_on(all_gone(&mut pool, count.parse()?))?;
        }
        let counters = pool.handle.counters();
        println!(
            "open {} refused {} failed {} slow {}",
            counters.open_count,
            counters.refused_count,
            counters.handshake_failed_count,
            counters.too_slow_count,
        );
    }
    Ok(())
}

async fn start() -> Result<(Hosted, Hosted), Failed> {
    // So hard that no share is a block, so easy a share that hashing costs next to nothing.
    let chain = embedded(ChainConfig::HARD);
    let world = Arc::new(chain.clone());
    let provider = hosted::provider(world, |role| chain.follow(role)).await?;
    let config = PoolConfig {
        server: MiningServerConfig {
            easiest_target: Target::from_expected_hashes(HASHES_PER_SHARE),
            vardiff: None,
            ..MiningServerConfig::default()
        },
        ..PoolConfig::default()
    };
    let limits = Limits {
        // The places of one round may still be taken for a moment when the next one comes.
        connections_per_address_max: 2 * CONNECTIONS,
        events_kept: EVENTS_KEPT,
        ..Limits::default()
    };
    let pool = hosted::pool(&provider, config, limits).await?;
    Ok((provider, pool))
}

/// Waits for the end of so many connections.
async fn all_gone(pool: &mut Hosted, mut count: usize) -> Result<(), Failed> {
    let closed = |event: &Event| {
        match event {
            Event::ShareRejected { .. } => return Some(Err(event.to_string())),
            Event::ConnectionClosed { .. } => count -= 1,
            _ => {}
        }
        (count == 0).then_some(Ok(()))
    };
    Ok(pool.events.wait("the end of all connections", closed).await??)
}

const CONNECTIONS: usize = 1_000;
/// Of each connection.
const SHARES: usize = 20;
const HASHES_PER_SHARE: f64 = 256.0;
/// Of either process: one for each connection, and some for itself.
const DESCRIPTORS: u64 = CONNECTIONS as u64 + 200;
/// All events of a run: a few for each connection, and one for each share.
const EVENTS_KEPT: usize = CONNECTIONS * (SHARES + 10);
const PATIENCE: Duration = Duration::from_secs(300);

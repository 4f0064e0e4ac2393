//! A thousand live connections to one pool, each with a channel and accepted shares; what they
//! cost the pool in memory, and how fast it serves them.
//!
//! The pool, with its template provider, is a process of its own, so that its memory is its own;
//! all clients are in this one.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sv2::chain::ChainConfig;
use sv2::event::Event;
use sv2::role::PeerAddress;
use sv2::roles::pool::PoolConfig;
use sv2::wire::Target;
use sv2_net::limits::Limits;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::blocks::embedded;
use crate::client::Client;
use crate::hosted::{self, Hosted};
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
    let mut pool = PoolProcess::start()?;
    // Code, tables and threads that all connections share are there after the first.
    let first = opened(pool.address.clone()).await?;
    let before = pool.memory()?;

    let started = Instant::now();
    let address = pool.address.clone();
    let clients = at_once((0..CONNECTIONS).map(|_| {
        let address = address.clone();
        async move { Client::connect(&address).await }
    }));
    let clients = within(clients).await?;
    let handshakes = started.elapsed();

    let started = Instant::now();
    let clients = within(at_once(clients.into_iter().map(|mut client| {
        let address = address.clone();
        async move {
            client.open_channel(&address).await?;
            Ok(client)
        }
    })))
    .await?;
    let channels = started.elapsed();
    let opened = pool.memory()?;

    let mut hash_count = 0;
    let mut submissions = Vec::new();
    for mut client in clients {
        let (shares, hashes) = client.mine(SHARES)?;
        hash_count += hashes;
        submissions.push(async move {
            client.submit(shares).await?;
            Ok(client)
        });
    }
    let started = Instant::now();
    let clients = within(at_once(submissions)).await?;
    let shares = started.elapsed();
    let after = pool.memory()?;

    let report = pool.ask("report")?;
    drop((first, clients));
    let closed = pool.ask("wait until all are gone")?;
    let left = pool.memory()?;
    let count = CONNECTIONS as f64;
    println!("connections          {CONNECTIONS}, each with one standard channel, over Noise");
    println!("handshakes           {:.0} per second", count / handshakes.as_secs_f64());
    println!("set-up and channel   {:.0} per second", count / channels.as_secs_f64());
    println!(
        "shares               {} accepted of {} sent, {:.0} per second ({:.0} hashes each)",
        CONNECTIONS * SHARES,
        CONNECTIONS * SHARES,
        count * SHARES as f64 / shares.as_secs_f64(),
        hash_count as f64 / count / SHARES as f64,
    );
    println!("memory of the pool   {} KiB with one connection", before);
    let each = |now: u64| now.saturating_sub(before) as f64 / count;
    println!("  with channels      {opened} KiB: {:.1} KiB for each connection", each(opened));
    println!("  after the shares   {after} KiB: {:.1} KiB for each connection", each(after));
    println!("  all closed         {left} KiB");
    // The clients, the first of them, and the pool's template provider.
    let expected = format!("open {} refused 0 failed 0 slow 0 rejected 0", CONNECTIONS + 2);
    assert_eq!(report, expected);
    assert_eq!(closed, "open 1 refused 0 failed 0 slow 0 rejected 0");
    Ok(())
}

async fn opened(address: PeerAddress) -> Result<Client, Failed> {
    let mut client = Client::connect(&address).await?;
    client.open_channel(&address).await?;
    let (shares, _) = client.mine(SHARES)?;
    client.submit(shares).await?;
    Ok(client)
}

/// Runs all side by side; the first failure is the outcome.
async fn at_once<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = Result<T, Failed>> + Send + 'static>,
) -> Result<Vec<T>, Failed> {
    let mut running: JoinSet<_> = tasks.into_iter().collect();
    let mut done = Vec::with_capacity(running.len());
    while let Some(outcome) = running.join_next().await {
        done.push(outcome??);
    }
    Ok(done)
}

async fn within<T>(work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    timeout(PATIENCE, work).await.map_err(|_| "the pool is stuck")?
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

/// The pool, seen from outside.
struct PoolProcess {
    process: Child,
    /// Closing it ends the process, also when we are killed.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    address: PeerAddress,
}

impl PoolProcess {
    fn start() -> Result<PoolProcess, Failed> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(POOL)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().ok_or("no pipe")?);
        let address = PeerAddress { host: "127.0.0.1".into(), port: 0, authority: None };
        let mut pool = PoolProcess { process, orders, answers, address };
        let line = pool.answer()?;
        let (port, authority) = line.split_once(' ').ok_or("no address")?;
        pool.address.port = port.parse()?;
        pool.address.authority = Some(authority.parse()?);
        Ok(pool)
    }

    fn ask(&mut self, order: &str) -> Result<String, Failed> {
        writeln!(self.orders.as_mut().ok_or("no pipe")?, "{order}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String, Failed> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("the pool's process has ended".into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Resident, in KiB.
    fn memory(&self) -> Result<u64, Failed> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path)?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("no VmRSS")?.parse()?)
    }
}

impl Drop for PoolProcess {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.process.wait();
    }
}

/// The process of the pool: says where it listens, then what it is asked.
pub(crate) fn pool_main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("the pool: {}", failed.message().unwrap_or("failed"));
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Failed> {
    let runtime = runtime()?;
    let (_provider, mut pool) = runtime.block_on(start())?;
    let authority = pool.address.authority.ok_or("a pool over Noise has a key")?;
    println!("{} {authority}", pool.address.port);
    let mut rejected_count = 0;
    for order in std::io::stdin().lines() {
        if order? != "report" {
            runtime.block_on(all_gone(&mut pool, &mut rejected_count))?;
        }
        let counters = pool.handle.counters();
        println!(
            "open {} refused {} failed {} slow {} rejected {rejected_count}",
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
    let world = std::sync::Arc::new(chain.clone());
    let provider = hosted::provider(world, |role| chain.follow(role)).await?;
    let config = PoolConfig {
        easiest_target: Target::from_expected_hashes(HASHES_PER_SHARE),
        vardiff: None,
        ..PoolConfig::default()
    };
    let limits = Limits {
        connections_per_address_max: CONNECTIONS + 1,
        events_kept: EVENTS_KEPT,
        ..Limits::default()
    };
    let pool = hosted::pool(&provider, config, limits).await?;
    Ok((provider, pool))
}

/// Until only the template provider is connected.
async fn all_gone(pool: &mut Hosted, rejected_count: &mut u64) -> Result<(), Failed> {
    let mut left = CONNECTIONS + 1;
    let count = |event: &Event| {
        match event {
            Event::ShareRejected { .. } => *rejected_count += 1,
            Event::ConnectionClosed { .. } => left -= 1,
            _ => {}
        }
        (left == 0).then_some(())
    };
    pool.events.wait("the end of all connections", count).await
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

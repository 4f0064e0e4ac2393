//! A pool of ours to be loaded: with its template provider and an embedded chain in a process of
//! its own, so that its memory and its share of the processors are its own.
//!
//! The process dials its starter, says where it listens, and answers each line with its counters;
//! it ends when the connection does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sv2::chain::{Chain, ChainConfig, ChainHost, ChainPace};
use sv2::entropy::Entropy;
use sv2::noise::{AuthorityPublicKey, AuthoritySecretKey, CipherSuite, StratumUrl};
use sv2::role::{PeerAddress, Role};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::{Pool, PoolConfig};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2::wire::Target;
use sv2_net::child::{Child, ChildCommand, Helper};
use sv2_net::clock::Clock;
use sv2_net::embedded::EmbeddedChain;
use sv2_net::host::{Handle, Host, HostConfig, ListenerConfig, ListenerSecurity};
use sv2_net::identity::Certifier;
use sv2_net::limits::Limits;
use sv2_net::world::Worlds;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// A pool of ours in another process. Dropping it ends the process.
pub struct OwnPool {
    child: Child,
    control: BufStream<TcpStream>,
    /// Where it listens.
    pub address: PeerAddress,
    /// Its process.
    pub process_id: u32,
    _log: tempfile::TempDir,
}

/// Why there is no pool of ours.
#[derive(Debug, Error)]
pub enum OwnPoolError {
    /// Files, sockets, processes.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The process has ended, or says something else than it should.
    #[error("our own pool does not start: {0}")]
    Failed(String),
}

/// What the pool itself has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnPoolCounters {
    /// Connections that it has refused at a limit.
    pub refused_count: u64,
    /// Handshakes that failed.
    pub handshake_failed_count: u64,
    /// Connections that it has closed because they did not read.
    pub too_slow_count: u64,
    /// Connections open now, the one to its template provider included.
    pub open_count: u64,
}

impl OwnPool {
    /// Starts the process: `arguments` make our program call [`serve_own_pool`] with the address
    /// that follows them.
    ///
    /// # Errors
    /// [`OwnPoolError`].
    pub async fn start(arguments: &[&str]) -> Result<OwnPool, OwnPoolError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let folder = tempfile::tempdir()?;
        let helper = Helper::of_this_program()?;
        let mut command = ChildCommand::new(helper.program.clone(), folder.path().join("log"));
        command.arguments = arguments.iter().map(Into::into).collect();
        command.arguments.push(listener.local_addr()?.to_string().into());
        let mut child = Child::spawn(&helper, &command)?;
        let accepted = tokio::select! {
            accepted = timeout(START_TIMEOUT, listener.accept()) => accepted,
            ended = child.wait() => {
                let what = format!("{}: {}", ended?, child.log_tail());
                return Err(OwnPoolError::Failed(what));
            }
        };
        let Ok(accepted) = accepted else {
            return Err(OwnPoolError::Failed(format!("no word of it: {}", child.log_tail())));
        };
        let mut control = BufStream::new(accepted?.0);
        let line = read_line(&mut control).await?;
        let (process_id, url) = line.split_once(' ').unwrap_or_default();
        let url: Option<StratumUrl> = url.parse().ok();
        let (Ok(process_id), Some(StratumUrl { host, port, authority })) =
            (process_id.parse(), url)
        else {
            return Err(OwnPoolError::Failed(format!("\"{line}\" instead of an address")));
        };
        let address = PeerAddress { host, port, authority };
        Ok(OwnPool { child, control, address, process_id, _log: folder })
    }

    /// What it has counted so far.
    ///
    /// # Errors
    /// If it has ended.
    pub async fn counters(&mut self) -> Result<OwnPoolCounters, OwnPoolError> {
        self.control.write_all(b"counters\n").await?;
        self.control.flush().await?;
        let line = read_line(&mut self.control).await?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let &[refused_count, handshake_failed_count, too_slow_count, open_count] = &*numbers else {
            return Err(OwnPoolError::Failed(format!("\"{line}\": {}", self.child.log_tail())));
        };
        Ok(OwnPoolCounters { refused_count, handshake_failed_count, too_slow_count, open_count })
    }
}

async fn read_line(control: &mut BufStream<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    let reading = control.read_line(&mut line);
    timeout(START_TIMEOUT, reading).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(line.trim_end().to_owned())
}

/// The process of the pool: tells `starter` where it listens, then what it is asked.
///
/// # Errors
/// If it cannot start, or its starter is not there.
pub async fn serve_own_pool(starter: SocketAddr) -> io::Result<()> {
    let now = Clock::of_process().now().unix;
    let chain = Chain::new(ChainConfig::new(ChainConfig::HARD, now), Entropy::from_seed(7));
    let pace = ChainPace { block_interval: Some(BLOCK_INTERVAL), ..ChainPace::default() };
    let chain = EmbeddedChain::new(ChainHost::with_pace(chain, pace, Entropy::from_seed(7)));
    let worlds = Worlds { chain: Some(Arc::new(chain.clone())), accounts: None };
    let provider = TemplateProvider::new(TemplateProviderConfig::default());
    let (provider, template_provider) = listening("template provider", provider, worlds).await?;
    let _follower = chain.follow(provider.injector());
    let config = PoolConfig {
        template_provider,
        server: MiningServerConfig {
            easiest_target: Target::from_expected_hashes(HASHES_PER_SHARE),
            // What is loaded is the pool: a share shall cost it what it costs, and us little.
            vardiff: None,
            ..MiningServerConfig::default()
        },
        ..PoolConfig::default()
    };
    let pool = Pool::new(config, sv2_net::entropy::from_system());
    let (pool, address) = listening("pool", pool, Worlds::default()).await?;

    let mut control = BufStream::new(TcpStream::connect(starter).await?);
    let PeerAddress { host, port, authority } = address;
    let url = StratumUrl { host, port, authority };
    control.write_all(format!("{} {url}\n", std::process::id()).as_bytes()).await?;
    control.flush().await?;
    let mut line = String::new();
    while control.read_line(&mut line).await? > 0 {
        line.clear();
        let counters = pool.counters();
        let answer = format!(
            "{} {} {} {}\n",
            counters.refused_count,
            counters.handshake_failed_count,
            counters.too_slow_count,
            counters.open_count
        );
        control.write_all(answer.as_bytes()).await?;
        control.flush().await?;
    }
    Ok(())
}

async fn listening(
    name: &str,
    role: impl Role + Send + 'static,
    worlds: Worlds,
) -> io::Result<(Handle, PeerAddress)> {
    let mut entropy = sv2_net::entropy::from_system();
    let secret = AuthoritySecretKey::generate(&mut entropy);
    let authority: AuthorityPublicKey = secret.public_key();
    let now = Clock::of_process().now().unix;
    let certifier = Arc::new(Certifier::renewing(secret, VALIDITY, now, entropy));
    let mut config = HostConfig::new(name);
    config.limits = Limits {
        connections_max: CONNECTIONS_MAX,
        connections_per_address_max: CONNECTIONS_MAX,
        // Nobody listens to them.
        events_kept: 1,
        ..Limits::default()
    };
    config.listeners = vec![ListenerConfig {
        address: "127.0.0.1:0".to_owned(),
        security: ListenerSecurity::Noise { suite: CipherSuite::default(), certifier },
    }];
    let host = Host::bind(config).await.map_err(io::Error::other)?;
    let address = host.addresses()[0];
    let handle = host.start(role, worlds);
    let (host, port) = (address.ip().to_string(), address.port());
    Ok((handle, PeerAddress { host, port, authority: Some(authority) }))
}

/// Of the cheapest share.
const HASHES_PER_SHARE: f64 = 16.0;
/// Mean time between blocks by others: more than a pool ever sees, so that short runs show what
/// a new tip costs.
const BLOCK_INTERVAL: Duration = Duration::from_secs(20);
/// More than there are ports.
const CONNECTIONS_MAX: usize = 1 << 17;
const VALIDITY: Duration = Duration::from_secs(3600);
const START_TIMEOUT: Duration = Duration::from_secs(30);

//! Starts one role: ours behind sockets, or a program as its recipe says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use simulator::build::{Builder, Proofs};
use simulator::scenario::{HeldBy, Kind, RoleId, RoleKind, Scenario};
use sv2::common::Protocol;
use sv2::job_declaration::token::TokenKey;
use sv2::message::Message;
use sv2::noise::CipherSuite;
use sv2::role::{PeerAddress, Role};
use sv2::roles::job_declarator_server::JobDeclaratorServer;
use sv2::time::Now;
use sv2::wire::Tlvs;
use sv2_net::accounts::AccountsError;
use sv2_net::child::Helper;
use sv2_net::clock::Clock;
use sv2_net::entropy::from_system;
use sv2_net::feed::Follower;
use sv2_net::host::{
    BindError, DialSecurity, Handle, Host, HostConfig, ListenerConfig, ListenerSecurity,
};
use sv2_net::identity::{Certifier, KeyFileError};
use sv2_net::recipe::{
    Need, NotReady, Program, Readiness, Recipe, RecipeError, StartError as ProgramError,
    Surroundings, probe,
};
use sv2_net::tap::{Direction, KeyLog, Link, Trace};
use sv2_net::world::Worlds;
use thiserror::Error;

use crate::accounts::OpenAccounts;
use crate::address::{self, Addresses};
use crate::keys;
use crate::network::NetworkTrace;
use crate::nodes::{LiveNode, Nodes};
use crate::part::Subject;
use crate::recording::NetworkRecording;

/// A role that runs.
#[derive(Debug)]
pub(crate) enum Running {
    /// Ours.
    Ours {
        /// Drops the role's sockets with it.
        handle: Handle,
        /// Its subscription to a chain.
        _follower: Option<Follower>,
    },
    /// A program of others.
    Program(Box<Program>),
}

/// Why a role does not run.
#[derive(Debug, Error)]
pub enum RoleStartError {
    /// The key of its authority.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Its accounts.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// Its port.
    #[error("{0}; another network may be running: `--port-offset` moves all ports of this one")]
    Bind(#[from] BindError),
    /// How a program is started.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A program that is not ready.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// What listens does not answer.
    #[error("{url} does not answer {readiness}: {source}")]
    NotReady {
        /// Where.
        url: String,
        /// What was asked for.
        readiness: Readiness,
        /// The last time.
        source: NotReady,
    },
    /// A program's recipe says nothing of a place where others could reach it.
    #[error("{}: a role that others dial needs one endpoint in [listens.…], or [ready]", .0.display())]
    NoEndpoint(PathBuf),
}

/// Starts the roles of one network, the first time and again.
pub(crate) struct Starter {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) nodes: Nodes,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) accounts: OpenAccounts,
    pub(crate) helper: Helper,
    pub(crate) key_log: Option<Arc<KeyLog>>,
    pub(crate) trace: Option<Arc<dyn NetworkTrace>>,
    pub(crate) recording: Option<Arc<NetworkRecording>>,
}

/// The trace of one role.
struct RoleTrace {
    subject: Subject,
    network: Arc<dyn NetworkTrace>,
}

impl Trace for RoleTrace {
    fn message(&self, at: Now, link: Link, direction: Direction, message: &Message, tlvs: &Tlvs) {
        self.network.message(self.subject, at, link, direction, message, tlvs);
    }

    fn line(&self, at: Now, link: Link, direction: Direction, line: &[u8]) {
        self.network.line(self.subject, at, link, direction, line);
    }
}

impl Starter {
    /// Starts a role that the network itself runs, and waits until it answers.
    pub(crate) async fn start(&self, id: RoleId, member: u32) -> Result<Running, RoleStartError> {
        match &self.scenario.role(id).held_by {
            HeldBy::Recipe(path) => self.program(id, path).await,
            HeldBy::Us | HeldBy::Address(_) => {
                let running = self.host(id, member).await?;
                self.wait_until_ready(id).await?;
                Ok(running)
            }
        }
    }

    /// Asks once whether a role that listens answers.
    pub(crate) async fn wait_until_ready(&self, id: RoleId) -> Result<(), RoleStartError> {
        let Some(address) = self.addresses.known(id) else { return Ok(()) };
        let Some(protocol) = protocol(self.scenario.role(id).kind.kind()) else { return Ok(()) };
        let readiness = Readiness::Setup(protocol);
        let PeerAddress { host, port, authority } = &address;
        probe(host, *port, *authority, readiness, PROBE_TIMEOUT).await.map_err(|source| {
            let url = address::url(&address).to_string();
            RoleStartError::NotReady { url, readiness, source }
        })
    }

    async fn program(&self, id: RoleId, path: &Path) -> Result<Running, RoleStartError> {
        let recipe = Recipe::read(path)?;
        let program = recipe.start(&self.helper, self.surroundings(id)).await?;
        if self.scenario.role(id).kind.kind().default_port().is_some() {
            let endpoint = program.main_endpoint();
            let endpoint = endpoint.ok_or_else(|| RoleStartError::NoEndpoint(path.into()))?;
            let (host, port) = (endpoint.host.clone(), endpoint.port);
            let authority = endpoint.authority;
            self.addresses.set(id, PeerAddress { host, port, authority });
        }
        Ok(Running::Program(Box::new(program)))
    }

    /// What the scenario connects the role to, as recipes name it. Whatever a device or a proxy
    /// dials is a pool to it.
    fn surroundings(&self, id: RoleId) -> Surroundings {
        let mut surroundings = BTreeMap::new();
        for needed in self.scenario.depends_on(id) {
            let Some(address) = self.addresses.known(needed) else { continue };
            let need = match self.scenario.role(needed).kind.kind() {
                Kind::TemplateProvider => Need::TemplateProvider,
                Kind::JobDeclaratorServer => Need::JobDeclaratorServer,
                Kind::Pool
                | Kind::MiningProxy
                | Kind::JobDeclaratorClient
                | Kind::Sv1Pool
                | Kind::Translator => Need::Pool,
                Kind::MiningDevice | Kind::Sv1Device => continue,
            };
            // Of several, the first is the one that is preferred.
            surroundings.entry(need).or_insert_with(|| address::endpoint(address));
        }
        let node = self.scenario.node_of(id).map(|node| self.nodes.node(node));
        if let Some(LiveNode::Bitcoind { node, .. }) = node {
            surroundings.insert(Need::Bitcoind, node.endpoint());
        }
        surroundings
    }

    async fn host(&self, id: RoleId, member: u32) -> Result<Running, RoleStartError> {
        let token_key = match Builder::needs_token_key(&self.scenario, id) {
            true => Some(keys::token_key(&self.scenario, id)?),
            false => None,
        };
        let role = self.build(id, member, token_key);
        let kind = self.scenario.role(id).kind.kind();
        let adjust = |host: &mut HostConfig| match kind {
            Kind::JobDeclaratorServer => {
                host.limits.accepted_payload_len_max = JobDeclaratorServer::PAYLOAD_LEN_MAX;
            }
            Kind::Sv1Device => host.dial_security = DialSecurity::Sv1,
            _ => {}
        };
        self.run(Subject::Role(id, member), adjust, role).await
    }

    fn build(&self, id: RoleId, member: u32, token_key: Option<TokenKey>) -> Box<dyn Role + Send> {
        let address = |id| self.addresses.of(id);
        let builder =
            Builder { scenario: &self.scenario, address: &address, proofs: Proofs::Hashed };
        builder.build(id, member, token_key, from_system())
    }

    async fn run(
        &self,
        subject: Subject,
        adjust: impl FnOnce(&mut HostConfig),
        role: impl Role + Send + 'static,
    ) -> Result<Running, RoleStartError> {
        let Subject::Role(id, _) = subject else { unreachable!("nodes are no roles") };
        let of_scenario = self.scenario.role(id);
        let mut config = HostConfig::new(of_scenario.name.clone());
        config.key_log.clone_from(&self.key_log);
        config.tap = self.recording.clone().map(|recording| recording as _);
        let traced = self.trace.clone();
        config.trace = traced.map(|network| Arc::new(RoleTrace { subject, network }) as _);
        let mut authority = None;
        if let Some(listen) = of_scenario.listen {
            // Started again, it listens where it did, also where the system chose.
            let port = self.addresses.known(id).map_or(listen.port(), |known| known.port);
            let security = if of_scenario.kind.kind().has_key() {
                let secret = keys::authority(&self.scenario, id)?;
                authority = Some(secret.public_key());
                let now = Clock::of_process().now().unix;
                let certifier = Certifier::renewing(secret, VALIDITY, now, from_system());
                let certifier = Arc::new(certifier);
                ListenerSecurity::Noise { suite: CipherSuite::default(), certifier }
            } else {
                ListenerSecurity::Sv1
            };
            let address = format!("{}:{port}", bracketed(listen.ip()));
            config.listeners.push(ListenerConfig { address, security });
        }
        adjust(&mut config);
        let host = Host::bind(config).await?;
        if let Some(bound) = host.addresses().first() {
            // What listens everywhere is dialled from here.
            let host = match bound.ip() {
                ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
                ip => ip.to_string(),
            };
            self.addresses.set(id, PeerAddress { host, port: bound.port(), authority });
        }
        let node = match &of_scenario.kind {
            RoleKind::TemplateProvider(_) | RoleKind::JobDeclaratorServer(_) => {
                self.scenario.node_of(id).map(|node| self.nodes.node(node))
            }
            _ => None,
        };
        let accounts = self.accounts.of(&self.scenario, id)?;
        let world = Worlds {
            chain: node.map(LiveNode::world),
            accounts: accounts.map(|accounts| accounts as _),
        };
        let handle = host.start(role, world);
        let follower = node.map(|node| node.follow(handle.injector()));
        Ok(Running::Ours { handle, _follower: follower })
    }
}

fn protocol(kind: Kind) -> Option<Protocol> {
    match kind {
        Kind::TemplateProvider => Some(Protocol::TemplateDistribution),
        Kind::JobDeclaratorServer => Some(Protocol::JobDeclaration),
        Kind::Pool | Kind::MiningProxy | Kind::JobDeclaratorClient => Some(Protocol::Mining),
        // Stratum V1 has no set-up to ask for: what listens is ready.
        Kind::MiningDevice | Kind::Sv1Pool | Kind::Sv1Device | Kind::Translator => None,
    }
}

fn bracketed(ip: std::net::IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

/// Of certificates.
const VALIDITY: Duration = Duration::from_secs(3600);
/// Of the answer to a role's first question.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

//! All parts of a network together.

use std::fmt;
use std::sync::Arc;

use simulator::scenario::{HeldBy, NodeId, RoleId, Scenario};
use sv2::message::Message;
use sv2::noise::StratumUrl;
use sv2::time::Now;
use sv2::wire::Tlvs;
use sv2_net::child::Helper;
use sv2_net::relay::Recorder;
use sv2_net::tap::{Direction, KeyLog, Link};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::accounts::OpenAccounts;
use crate::address::{self, Addresses};
use crate::host::{RoleStartError, Starter};
use crate::nodes::{LiveNode, NodeStartError, Nodes};
use crate::part::{Happening, Subject};
use crate::recording::NetworkRecording;
use crate::supervisor::{Reporter, Supervisor};

/// What a run decides beside the scenario.
#[derive(Clone)]
pub struct Settings {
    /// Who sees to it that nodes and programs end with us.
    pub helper: Helper,
    /// Takes the secrets of all sessions of our roles, if given.
    pub key_log: Option<Arc<KeyLog>>,
    /// Sees the messages of all roles of ours, if given.
    pub trace: Option<Arc<dyn NetworkTrace>>,
    /// Takes the bytes of all connections of roles of ours, if given, each of them once. Streams
    /// have even numbers, and what it refuses is left out.
    pub recorder: Option<Arc<dyn Recorder>>,
}

/// Sees the messages of a network's roles. Each message is seen by both of its ends, where both
/// are ours. Called from the roles' own tasks: must not block for long.
pub trait NetworkTrace: Send + Sync {
    /// A message that a role takes or sends.
    fn message(
        &self,
        subject: Subject,
        at: Now,
        link: Link,
        direction: Direction,
        message: &Message,
        tlvs: &Tlvs,
    );
    /// A line of Stratum V1 that a role takes or sends.
    fn line(&self, subject: Subject, at: Now, link: Link, direction: Direction, line: &[u8]);
}

/// How far the start has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartStep {
    /// The nodes are being started.
    Nodes,
    /// A role is being started.
    Role(RoleId),
}

/// A part that does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// No nodes.
    #[error("the node: {0}")]
    Nodes(#[from] NodeStartError),
    /// A role.
    #[error("{name}: {source}")]
    Role {
        /// Of the role.
        name: String,
        /// Why.
        source: Box<RoleStartError>,
    },
}

/// A network that runs. Dropping it ends everything at once.
pub struct Network {
    starter: Arc<Starter>,
    /// In the order of start.
    roles: Vec<(RoleId, u32, Supervisor)>,
    nodes: Vec<Supervisor>,
    happenings: mpsc::Receiver<Happening>,
}

impl Network {
    /// Starts all parts, each behind those that it needs, and waits until each answers. Must be
    /// called within a tokio runtime; `at` is told what comes next.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(
        scenario: Scenario,
        settings: Settings,
        mut at: impl FnMut(StartStep),
    ) -> Result<Network, StartError> {
        at(StartStep::Nodes);
        let nodes = Nodes::start(&scenario, &settings.helper).await?;
        let (reports, happenings) = mpsc::channel(HAPPENINGS_MAX);
        let reporter = Reporter(reports);
        let watched = nodes.all.iter().enumerate().map(|(index, node)| {
            Supervisor::of_node(NodeId(index), node.clone(), reporter.clone())
        });
        let watched = watched.collect();
        let addresses = Arc::new(Addresses::new(&scenario));
        let scenario = Arc::new(scenario);
        let Settings { helper, key_log, trace, recorder } = settings;
        let recording = recorder.map(|recorder| {
            NetworkRecording::new(recorder, Arc::clone(&scenario), Arc::clone(&addresses))
        });
        let starter = Arc::new(Starter {
            scenario: Arc::clone(&scenario),
            nodes,
            addresses,
            accounts: OpenAccounts::default(),
            helper,
            key_log,
            trace,
            recording: recording.map(Arc::new),
        });
        let mut network = Network { starter, roles: Vec::new(), nodes: watched, happenings };
        for id in scenario.start_order() {
            at(StartStep::Role(id));
            network.start_role(id, &reporter).await.map_err(|source| StartError::Role {
                name: scenario.role(id).name.clone(),
                source: Box::new(source),
            })?;
        }
        Ok(network)
    }

    async fn start_role(&mut self, id: RoleId, reporter: &Reporter) -> Result<(), RoleStartError> {
        let starter = &self.starter;
        let role = starter.scenario.role(id);
        if let HeldBy::Address(_) = role.held_by {
            return starter.wait_until_ready(id).await;
        }
        for member in 0..role.kind.member_count() {
            let running = starter.start(id, member).await?;
            let supervisor =
                Supervisor::of_role(Arc::clone(starter), id, member, running, reporter.clone());
            self.roles.push((id, member, supervisor));
        }
        Ok(())
    }

    /// What runs.
    pub fn scenario(&self) -> &Scenario {
        &self.starter.scenario
    }

    /// Where a role can be reached; `None` for one that only dials.
    pub fn url(&self, id: RoleId) -> Option<StratumUrl> {
        self.starter.addresses.known(id).map(|address| address::url(&address))
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &LiveNode {
        self.starter.nodes.node(id)
    }

    /// What happens next. Cancel-safe. Parts wait for whoever does not call this.
    pub async fn next(&mut self) -> Happening {
        self.happenings.recv().await.expect("a network keeps its supervisors, who report")
    }

    /// Ends a role, or one member of a fleet, as if it had been killed, until
    /// [`Network::resume`]. A node is not halted.
    pub async fn halt(&self, subject: Subject) {
        if let Some(part) = self.part(subject) {
            part.halt().await;
        }
    }

    /// Starts again what was halted.
    pub async fn resume(&self, subject: Subject) {
        if let Some(part) = self.part(subject) {
            part.resume().await;
        }
    }

    /// Ends everything gently: those who dial before those whom they dial, nodes last.
    pub async fn shutdown(self) {
        let Network { mut roles, nodes, happenings, .. } = self;
        // Nobody waits for room in the queue any more.
        drop(happenings);
        while let Some((_, _, supervisor)) = roles.pop() {
            supervisor.stop().await;
        }
        for supervisor in nodes {
            supervisor.stop().await;
        }
    }

    fn part(&self, subject: Subject) -> Option<&Supervisor> {
        match subject {
            Subject::Node(NodeId(index)) => self.nodes.get(index),
            Subject::Role(id, member) => self
                .roles
                .iter()
                .find(|(role, of, _)| (*role, *of) == (id, member))
                .map(|(_, _, supervisor)| supervisor),
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("title", &self.scenario().title).finish_non_exhaustive()
    }
}

/// That nobody has looked at.
const HAPPENINGS_MAX: usize = 4_096;

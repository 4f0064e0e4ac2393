//! What is known of a network that runs, and the table that shows it.

use std::collections::BTreeSet;
use std::time::Duration;

use simulator::figures::{Figures, Side};
use simulator::goal::Goal;
use simulator::scenario::{HeldBy, Kind, NodeId, ProxyMode, Role, RoleId, RoleKind, Scenario};
use simulator_live::{Happening, Network, Subject, What};
use sv2::event::Event;
use sv2::time::Instant;
use sv2_net::clock::Clock;

/// All that is known.
pub(super) struct Board {
    pub(super) scenario: Scenario,
    urls: Vec<Option<String>>,
    figures: Vec<Figures>,
    /// Members of each role that are down.
    down: Vec<BTreeSet<u32>>,
    /// Height of each node's tip once it is known, and whether it is down.
    nodes: Vec<(Option<u32>, bool)>,
    /// Tips that nodes have had since the start.
    tips: BTreeSet<[u8; 32]>,
    /// Blocks that roles of ours have found.
    found: BTreeSet<[u8; 32]>,
    goal: Option<Goal>,
    started_at: Instant,
    now: Instant,
}

/// A line of the table, in the order of [`COLUMNS`].
pub(super) type Row = [String; COLUMNS.len()];

/// How many of the columns are words; the others are numbers.
pub(super) const WORD_COLUMNS: usize = 2;

/// What the table shows of each role.
pub(super) const COLUMNS: [&str; 10] = [
    "role",
    "state",
    "connections",
    "channels",
    "hash rate",
    "accepted",
    "rejected",
    "stale",
    "jobs",
    "blocks",
];

impl Board {
    pub(super) fn new(network: &Network, goal: Option<Goal>) -> Self {
        let scenario = network.scenario().clone();
        let now = Clock::of_process().now().instant;
        Board {
            urls: scenario.role_ids().map(|id| endpoint(network, id)).collect(),
            figures: scenario.roles.iter().map(|role| Figures::new(side(role))).collect(),
            down: vec![BTreeSet::new(); scenario.roles.len()],
            nodes: vec![(None, false); scenario.nodes.len()],
            tips: BTreeSet::new(),
            found: BTreeSet::new(),
            goal,
            started_at: now,
            now,
            scenario,
        }
    }

    /// Counts what has happened. False for a block that another role has told of before.
    pub(super) fn take(&mut self, happening: &Happening) -> bool {
        self.now = happening.at;
        let mut is_news = true;
        match (happening.subject, &happening.what) {
            (Subject::Node(NodeId(index)), What::Tip { height, hash }) => {
                // The first is the one that was there before us.
                if self.nodes[index].0.replace(*height).is_some() {
                    self.tips.insert(*hash.as_le_bytes());
                }
            }
            (Subject::Node(NodeId(index)), What::Down(_)) => self.nodes[index].1 = true,
            (Subject::Node(NodeId(index)), What::Up) => self.nodes[index].1 = false,
            (Subject::Node(_), What::Event(_) | What::Missed(_)) => {}
            (Subject::Role(RoleId(index), member), what) => match what {
                What::Event(event) => {
                    if let Event::BlockFound { hash } | Event::BlockPushed { hash, .. } = event {
                        is_news = self.found.insert(*hash.as_le_bytes());
                    }
                    self.figures[index].count(happening.at, member, event);
                }
                What::Down(why) => {
                    self.down[index].insert(member);
                    self.figures[index].member_ended(member);
                    self.figures[index].last_error = why.lines().next().map(str::to_owned);
                }
                What::Up => {
                    self.down[index].remove(&member);
                }
                What::Missed(_) | What::Tip { .. } => {}
            },
        }
        is_news
    }

    pub(super) fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now.since(self.started_at)
    }

    /// When something happened, from the moment at which all parts were ready.
    pub(super) fn since_start(&self, at: Instant) -> Duration {
        at.since(self.started_at)
    }

    pub(super) fn has_goal(&self) -> bool {
        self.goal.is_some()
    }

    pub(super) fn goal(&self) -> Option<Goal> {
        self.goal
    }

    pub(super) fn is_goal_reached(&self) -> bool {
        self.goal.is_some_and(|goal| goal.is_reached(self.block_count(), self.share_count()))
    }

    /// Blocks of the network that a node has taken. Where nobody else finds blocks these are
    /// all, also those of programs of others, which tell us nothing.
    pub(super) fn block_count(&self) -> u64 {
        let count = match self.scenario.chain.block_interval {
            None => self.tips.len(),
            Some(_) => self.tips.intersection(&self.found).count(),
        };
        count as u64
    }

    /// Shares that are accepted: as devices know it or, for devices of others, those whom they
    /// mine for.
    pub(super) fn share_count(&self) -> u64 {
        let counted = self.scenario.role_ids().filter(|id| self.counts_shares(*id));
        counted.map(|RoleId(index)| self.figures[index].accepted_count).sum()
    }

    fn counts_shares(&self, id: RoleId) -> bool {
        let is_ours = |id: RoleId| self.scenario.role(id).held_by == HeldBy::Us;
        let mines_here = |device: &RoleId| {
            self.scenario.role(*device).kind.mines_for() == Some(id) && !is_ours(*device)
        };
        is_ours(id) && (self.is_device(id) || self.scenario.role_ids().any(|id| mines_here(&id)))
    }

    /// Where others can join.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = (&str, &str)> {
        let urls = self.scenario.roles.iter().zip(&self.urls);
        urls.filter_map(|(role, url)| Some((role.name.as_str(), url.as_deref()?)))
    }

    /// Nodes with the heights of their tips; `None` for one that is down.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&str, Option<u32>)> {
        let nodes = self.scenario.nodes.iter().zip(&self.nodes);
        nodes.map(|(node, (height, is_down))| (node.name.as_str(), height.filter(|_| !is_down)))
    }

    pub(super) fn figures(&self, RoleId(index): RoleId) -> &Figures {
        &self.figures[index]
    }

    /// What went wrong last, by role.
    pub(super) fn last_errors(&self) -> impl Iterator<Item = (&str, &str)> {
        let roles = self.scenario.roles.iter().zip(&self.figures);
        roles.filter_map(|(role, figures)| {
            Some((role.name.as_str(), figures.last_error.as_deref()?))
        })
    }

    pub(super) fn state(&self, id: RoleId) -> String {
        let role = self.scenario.role(id);
        match (&role.held_by, self.down[id.0].len(), role.kind.member_count()) {
            (HeldBy::Address(_), ..) => "elsewhere".to_owned(),
            (HeldBy::Recipe(_), 0, _) => "program".to_owned(),
            (_, 0, 1) => "up".to_owned(),
            (_, 0, count) => format!("{count} up"),
            (_, _, 1) => "down".to_owned(),
            (_, down, count) => format!("{down} of {count} down"),
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        self.scenario.role_ids().map(|id| self.row(id))
    }

    /// What a role cannot have is left empty; a program of others tells nothing.
    fn row(&self, id: RoleId) -> Row {
        let (role, figures) = (self.scenario.role(id), self.figures(id));
        let is_ours = role.held_by == HeldBy::Us;
        let cell = |is_shown: bool, count: u64| match is_shown && is_ours {
            true => count.to_string(),
            false => String::new(),
        };
        let (serves, mines) = (role.kind.kind().default_port().is_some(), self.is_device(id));
        let shares = mines || self.serves_devices(id);
        [
            role.name.clone(),
            self.state(id),
            cell(serves, figures.connection_count() as u64),
            cell(self.serves_devices(id), figures.channel_count()),
            if mines && is_ours { figures.hash_rate(self.now).to_string() } else { String::new() },
            cell(shares, figures.accepted_count),
            cell(shares, figures.rejected_count),
            cell(shares, figures.stale_count),
            cell(figures.job_count > 0 || mines, figures.job_count),
            cell(figures.block_count > 0, figures.block_count),
        ]
    }

    pub(super) fn is_device(&self, id: RoleId) -> bool {
        self.scenario.role(id).kind.kind().is_device()
    }

    fn serves_devices(&self, id: RoleId) -> bool {
        let kind = self.scenario.role(id).kind.kind();
        matches!(
            kind,
            Kind::Pool
                | Kind::MiningProxy
                | Kind::JobDeclaratorClient
                | Kind::Sv1Pool
                | Kind::Translator
        )
    }
}

/// As devices write it: Stratum V1 has no keys, and a scheme of its own.
fn endpoint(network: &Network, id: RoleId) -> Option<String> {
    let url = network.url(id)?.to_string();
    match network.scenario().role(id).kind.kind().has_key() {
        true => Some(url),
        false => Some(url.replacen("stratum2+", "stratum+", 1)),
    }
}

fn side(role: &Role) -> Side {
    match &role.kind {
        RoleKind::MiningDevice(_) | RoleKind::Sv1Device(_) => Side::Client,
        RoleKind::MiningProxy(proxy) if proxy.mode == ProxyMode::Transparent => Side::Client,
        _ => Side::Server,
    }
}

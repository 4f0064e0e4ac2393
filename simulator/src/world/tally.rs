//! What has come of a world so far.

use sv2::event::Event;
use sv2::time::Instant;

use crate::figures::{Figures, Side};
use crate::scenario::{ProxyMode, Role, RoleKind, Scenario};

/// Counts of a whole world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Events of the queue that were handled.
    pub event_count: u64,
    /// Messages and lines that have arrived.
    pub message_count: u64,
    /// What connections have carried, above TCP, in bytes.
    pub payload_bytes: u64,
    /// The same with headers, acknowledgements and what was sent again.
    pub packet_bytes: u64,
    /// Connections that came about.
    pub connection_count: u64,
    /// Blocks that somebody found who is no role.
    pub foreign_block_count: u64,
    /// Faults that have begun.
    pub fault_count: u64,
    /// Late shares whose tip was under way to the sender when they were sent, or still is.
    pub stale_explained_count: u64,
    /// Late shares of a sender who knew better.
    pub stale_unexplained_count: u64,
    /// By role, in the order of the scenario.
    pub roles: Vec<Figures>,
}

impl Tally {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let roles =
            scenario.roles.iter().map(|role| Figures::without_hash_rate(side(role))).collect();
        Tally { roles, ..Tally::default() }
    }

    pub(super) fn count(&mut self, now: Instant, role: usize, member: u32, event: &Event) {
        self.roles[role].count(now, member, event);
    }
}

/// Which end of shares a role counts.
fn side(role: &Role) -> Side {
    match &role.kind {
        RoleKind::MiningDevice(_) | RoleKind::Sv1Device(_) => Side::Client,
        RoleKind::MiningProxy(proxy) if proxy.mode == ProxyMode::Transparent => Side::Client,
        _ => Side::Server,
    }
}

//! What happens to the parts of a network.

use std::fmt;

use simulator::scenario::{NodeId, RoleId, Scenario};
use sv2::event::Event;
use sv2::time::Instant;
use sv2::wire::U256;

/// Whom it happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A role; of a fleet, one of its members, counted from 0.
    Role(RoleId, u32),
    /// A node.
    Node(NodeId),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// When, by the clock of this process.
    pub at: Instant,
    /// To whom.
    pub subject: Subject,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Told by a role of ours.
    Event(Event),
    /// So many events of a role came faster than they were looked at, and are lost.
    Missed(u64),
    /// A node has another tip.
    Tip {
        /// Of the tip.
        height: u32,
        /// Of its header.
        hash: U256,
    },
    /// A part has ended by itself, or cannot be started again; why, in words.
    Down(String),
    /// A part runs again.
    Up,
}

impl Subject {
    /// As people see it: `pool`, or `miners.3` for the fourth of several.
    pub fn name(self, scenario: &Scenario) -> String {
        match self {
            Subject::Node(NodeId(index)) => scenario.nodes[index].name.clone(),
            Subject::Role(id, member) => {
                let role = scenario.role(id);
                match role.kind.member_count() {
                    1 => role.name.clone(),
                    _ => format!("{}.{member}", role.name),
                }
            }
        }
    }
}

impl What {
    /// What kind of happening it is, for machines.
    pub fn name(&self) -> &'static str {
        match self {
            What::Event(event) => event.name(),
            What::Missed(_) => "missed",
            What::Tip { .. } => "tip",
            What::Down(_) => "down",
            What::Up => "up",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Event(event) => event.fmt(f),
            What::Missed(count) => write!(f, "{count} events left out"),
            What::Tip { height, hash } => write!(f, "tip {hash} at height {height}"),
            What::Down(why) => write!(f, "down: {why}"),
            What::Up => f.write_str("up again"),
        }
    }
}

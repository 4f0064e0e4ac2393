//! What must hold in every world, whoever runs in it and whatever breaks.
//!
//! Checkers look on from outside: at what hosts say to each other, at the moment when a server
//! says it or is about to hear it, and at what roles tell. They trust no role's own accounts,
//! and change nothing: a run with them is the same run.

mod accounts;
mod channels;
mod credited_once;
mod job_ids;
mod late_shares;
mod recovery;
mod search_space;
mod tables;
mod work;

pub(crate) use late_shares::is_stale;

use std::fmt;

use sv2::event::Event;
use sv2::message::Message;
use sv2::sv1;
use sv2::time::Instant;

use crate::scenario::{Kind, ProxyMode, Role, RoleKind};

/// A host, as checkers know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    /// What it is.
    pub kind: Kind,
    /// Whether it judges shares itself, and does not only pass them on.
    pub is_judge: bool,
}

impl Card {
    /// Of a role.
    pub fn new(role: &Role) -> Self {
        let is_judge = match &role.kind {
            RoleKind::Pool(_)
            | RoleKind::JobDeclaratorClient(_)
            | RoleKind::Translator(_)
            | RoleKind::Sv1Pool(_) => true,
            RoleKind::MiningProxy(proxy) => proxy.mode == ProxyMode::Aggregated,
            RoleKind::TemplateProvider(_)
            | RoleKind::JobDeclaratorServer(_)
            | RoleKind::MiningDevice(_)
            | RoleKind::Sv1Device(_) => false,
        };
        Card { kind: role.kind.kind(), is_judge }
    }
}

/// A connection at its server, by a number that no other one of the run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wire {
    /// See the type.
    pub number: u64,
    /// The host that listens.
    pub server: u32,
    /// One that no other connection has at the time, and that others have had before: tables of
    /// connections are no larger than there are connections at a time.
    pub place: u32,
}

/// Something to look at.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// A server says something.
    Said {
        /// To whom.
        wire: Wire,
        /// What.
        message: &'a Message,
    },
    /// A server is about to hear something.
    Heard {
        /// From whom.
        wire: Wire,
        /// What.
        message: &'a Message,
    },
    /// As [`Sight::Said`], in Stratum V1.
    SaidLine {
        /// To whom.
        wire: Wire,
        /// What.
        message: &'a sv1::Message,
    },
    /// As [`Sight::Heard`], in Stratum V1.
    HeardLine {
        /// From whom.
        wire: Wire,
        /// What.
        message: &'a sv1::Message,
    },
    /// A client sends a share up.
    Submitted {
        /// Who.
        host: u32,
    },
    /// A role tells something.
    Told {
        /// Who.
        host: u32,
        /// What.
        event: &'a Event,
        /// The connection that it is about, if this host is its server.
        wire: Option<Wire>,
        /// Whether the share that is judged was sent before its sender knew of the tip.
        is_excused: bool,
    },
    /// A connection is closed at its server.
    Closed {
        /// Which.
        wire: Wire,
    },
    /// A connection is closed at its client.
    Left {
        /// Which.
        host: u32,
    },
    /// A host ends; its connections are closed.
    Ended {
        /// Which.
        host: u32,
    },
    /// A host begins, or begins anew.
    Began {
        /// Which.
        host: u32,
    },
    /// A host does nothing for a while.
    Paused {
        /// Which.
        host: u32,
    },
    /// A host that was paused goes on.
    WentOn {
        /// Which.
        host: u32,
    },
    /// Something breaks.
    FaultBegan {
        /// In words.
        what: &'static str,
        /// When it is over; `None`: never.
        until: Option<Instant>,
    },
    /// A node has another tip.
    Tip,
    /// Nobody has anything more to say at this moment.
    Settled,
}

/// What a [`Sight`] is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SightKind {
    /// [`Sight::Said`].
    Said,
    /// [`Sight::Heard`].
    Heard,
    /// [`Sight::SaidLine`] or [`Sight::HeardLine`].
    Line,
    /// [`Sight::Submitted`].
    Submitted,
    /// [`Sight::Told`], of a share that is accepted or refused.
    Judged,
    /// [`Sight::Told`], of anything else.
    Told,
    /// Connections and hosts begin, end, or stand still.
    Life,
    /// [`Sight::FaultBegan`] or [`Sight::Tip`].
    World,
    /// [`Sight::Settled`].
    Settled,
}

impl Sight<'_> {
    /// See there.
    pub fn kind(&self) -> SightKind {
        match self {
            Sight::Said { .. } => SightKind::Said,
            Sight::Heard { .. } => SightKind::Heard,
            Sight::SaidLine { .. } | Sight::HeardLine { .. } => SightKind::Line,
            Sight::Submitted { .. } => SightKind::Submitted,
            Sight::Told {
                event: Event::ShareAccepted { .. } | Event::ShareRejected { .. },
                ..
            } => SightKind::Judged,
            Sight::Told { .. } => SightKind::Told,
            Sight::Closed { .. }
            | Sight::Left { .. }
            | Sight::Ended { .. }
            | Sight::Began { .. }
            | Sight::Paused { .. }
            | Sight::WentOn { .. } => SightKind::Life,
            Sight::FaultBegan { .. } | Sight::Tip => SightKind::World,
            Sight::Settled => SightKind::Settled,
        }
    }
}

/// A rule, and what it must remember of what it has seen.
pub trait Checker {
    /// As scenarios name it.
    fn name(&self) -> &'static str;

    /// What it looks at; it is shown nothing else.
    fn looks_at(&self) -> &'static [SightKind];

    /// Looks at one thing.
    ///
    /// # Errors
    /// What is wrong, in words, with the numbers.
    fn see(&mut self, now: Instant, hosts: &[Card], sight: &Sight<'_>) -> Result<(), String>;
}

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Whose rule.
    pub checker: &'static str,
    /// What is wrong.
    pub what: String,
    /// When it was seen.
    pub at: Instant,
    /// The event of the world that has brought it about, from 1.
    pub event_number: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at.since(Instant::ZERO).as_secs_f64();
        let Violation { checker, what, event_number, .. } = self;
        write!(f, "{checker}: {what} (event {event_number}, at {seconds} s)")
    }
}

/// The checkers of a world.
pub(crate) struct Checkers {
    /// With a bit for each [`SightKind`] that they look at: most look at few, and there are many.
    all: Vec<(u16, Box<dyn Checker>)>,
    hosts: Vec<Card>,
    violation: Option<Violation>,
}

impl Checkers {
    /// Those of these names; all if there are none.
    ///
    /// # Errors
    /// A name that is none.
    pub(crate) fn new(names: &[String]) -> Result<Self, String> {
        let mut all = all();
        if let Some(name) = names.iter().find(|name| !NAMES.contains(&name.as_str())) {
            let hint = sv2_document::did_you_mean(name, NAMES.iter().copied());
            return Err(format!(
                "[simulate] checks: there is no checker \"{name}\" among {}{hint}",
                NAMES.join(", ")
            ));
        }
        all.retain(|checker| names.is_empty() || names.iter().any(|name| name == checker.name()));
        let with_bits = |checker: Box<dyn Checker>| {
            let bits = checker.looks_at().iter().map(|kind| 1 << *kind as u16);
            (bits.fold(0, |bits, bit| bits | bit), checker)
        };
        let all = all.into_iter().map(with_bits).collect();
        Ok(Checkers { all, hosts: Vec::new(), violation: None })
    }

    pub(crate) fn add_host(&mut self, card: Card) {
        self.hosts.push(card);
    }

    pub(crate) fn see(&mut self, now: Instant, event_number: u64, sight: &Sight<'_>) {
        if self.violation.is_some() {
            return;
        }
        let bit = 1 << sight.kind() as u16;
        for (_, checker) in self.all.iter_mut().filter(|(bits, _)| bits & bit != 0) {
            if let Err(what) = checker.see(now, &self.hosts, sight) {
                let checker = checker.name();
                self.violation = Some(Violation { checker, what, at: now, event_number });
                return;
            }
        }
    }

    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }
}

/// Names of all checkers, in their order.
pub const NAMES: &[&str] = &[
    "search-space",
    "credited-once",
    "accounts",
    "late-shares",
    "job-ids",
    "channels",
    "work",
    "recovery",
];

fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::<search_space::SearchSpace>::default(),
        Box::<credited_once::CreditedOnce>::default(),
        Box::<accounts::Accounts>::default(),
        Box::<late_shares::LateShares>::default(),
        Box::<job_ids::JobIds>::default(),
        Box::<channels::Channels>::default(),
        Box::<work::Work>::default(),
        Box::<recovery::Recovery>::default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_checker_has_its_name_and_unknown_names_are_answered_with_these() {
        let names: Vec<&str> = all().iter().map(|checker| checker.name()).collect();
        assert_eq!(names, NAMES);

        let error = Checkers::new(&["job-id".to_owned()]).err().unwrap();

        assert!(error.ends_with("did you mean \"job-ids\"?"), "{error}");
    }
}

//! Who takes part in a capture: a lane each on the ladder.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use sv2_capture::Direction;

use super::describe::{address, cut};
use super::entry::Entry;
use super::session::Session;

/// Lanes from left to right. Whoever listens has one, and so has whoever dials from one host (with
/// port 0): a proxy has two, which stand side by side.
pub(crate) struct Lanes {
    pub(crate) ends: Vec<SocketAddr>,
}

/// Where an arrow goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrow {
    /// The lane of who sends.
    pub(crate) from: usize,
    /// The lane of who hears.
    pub(crate) to: usize,
}

impl Lanes {
    /// Of those who speak on these connections, at most so many ends; further ones have no lane.
    pub(crate) fn of(
        session: &Session,
        connections: impl Iterator<Item = u32>,
        max: usize,
    ) -> Self {
        let connections: BTreeSet<u32> = connections.collect();
        let mut ends: Vec<SocketAddr> = Vec::new();
        for row in session.connections().filter(|row| connections.contains(&row.id)) {
            for end in [SocketAddr::new(row.client.ip(), 0), row.server] {
                if !ends.contains(&end) && ends.len() < max {
                    ends.push(end);
                }
            }
        }
        Lanes { ends }
    }

    /// From whom to whom; what both do goes from the client to the server. `None` without lanes.
    pub(crate) fn arrow(&self, session: &Session, entry: &Entry) -> Option<Arrow> {
        let row = session.connection(entry.connection)?;
        let lane = |end: SocketAddr| self.ends.iter().position(|known| *known == end);
        let client = lane(SocketAddr::new(row.client.ip(), 0))?;
        let server = lane(row.server)?;
        let arrow = match entry.direction {
            Some(Direction::ServerToClient) => Arrow { from: server, to: client },
            Some(Direction::ClientToServer) | None => Arrow { from: client, to: server },
        };
        (client != server).then_some(arrow)
    }

    /// The names above the lanes, each `width` characters wide.
    pub(crate) fn heading(&self, width: usize, is_private: bool) -> String {
        let names = self.ends.iter().map(|end| {
            let name = cut(&name(*end, is_private), width.saturating_sub(1));
            format!("{name:^width$}")
        });
        names.collect()
    }

    /// An arrow among lanes of `width` characters with as much of its label as fits: what stands
    /// before it, itself, and what stands behind it.
    pub(crate) fn row(&self, arrow: Arrow, width: usize, bar: &str, label: &str) -> [String; 3] {
        let (left, right) = (arrow.from.min(arrow.to), arrow.from.max(arrow.to));
        let half = width / 2;
        let mut before = String::new();
        for _ in 0..left {
            before.push_str(&format!("{:half$}{bar}{:rest$}", "", "", rest = width - half - 1));
        }
        before.push_str(&format!("{:half$}{bar}", ""));
        let len = (right - left) * width - 1;
        let label = cut(label, len.saturating_sub(3));
        let fill = len.saturating_sub(2);
        let line = match arrow.from < arrow.to {
            true => format!("-{label:-<fill$}>"),
            false => format!("<{label:-<fill$}-"),
        };
        let mut after = String::from(bar);
        for _ in right + 1..self.ends.len() {
            after.push_str(&format!("{:rest$}{bar}", "", rest = width - 1));
        }
        [before, line, after]
    }
}

/// Of an end, above its lane.
pub(crate) fn name(end: SocketAddr, is_private: bool) -> String {
    match end.port() {
        0 if is_private => "clients".into(),
        0 => end.ip().to_string(),
        _ => address(end, is_private),
    }
}

//! What can happen in a world next.

use super::World;
use super::wire::{End, WireId};

/// Planned for a moment. Small: there is one for each message under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planned {
    /// A host wanted to be woken.
    Wake { host: u32 },
    /// A connection is there, at its client: Noise can begin, or lines.
    Opened { wire: WireId },
    /// At its server: lines can begin.
    Accepted { wire: WireId },
    /// A connection has not come about.
    Refused { wire: WireId },
    /// The next parcel arrives that was sent from this end.
    Arrival { wire: WireId, from: End },
    /// A handshake should be over at this end.
    Overdue { wire: WireId, end: End },
    /// What was sent from this end is never acknowledged.
    GivenUp { wire: WireId, from: End },
    /// A node hears of another transaction.
    Transaction { node: u32 },
    /// Somebody else finds a block.
    Block,
    /// A block of another node arrives.
    Branch { number: u64 },
    /// Something breaks, by its place in the timeline.
    FaultBegins { index: u32 },
    /// And is mended.
    FaultEnds { index: u32 },
}

impl Planned {
    /// Two words that tell it from others, for the digest.
    pub(super) fn words(self) -> [u64; 2] {
        let of_wire = |wire: WireId, from: u64| from << 32 | u64::from(wire.index);
        match self {
            Planned::Wake { host } => [1, u64::from(host)],
            Planned::Opened { wire } => [2, of_wire(wire, 0)],
            Planned::Accepted { wire } => [3, of_wire(wire, 0)],
            Planned::Refused { wire } => [4, of_wire(wire, 0)],
            Planned::Arrival { wire, from } => [5, of_wire(wire, from as u64)],
            Planned::GivenUp { wire, from } => [6, of_wire(wire, from as u64)],
            Planned::Transaction { node } => [7, u64::from(node)],
            Planned::Block => [8, 0],
            Planned::Branch { number } => [9, number],
            Planned::Overdue { wire, end } => [10, of_wire(wire, end as u64)],
            Planned::FaultBegins { index } => [11, u64::from(index)],
            Planned::FaultEnds { index } => [12, u64::from(index)],
        }
    }
}

impl World {
    /// What will happen, in words.
    pub(super) fn describe(&self, planned: Planned) -> String {
        let ends = |id: WireId, from: End| {
            let wire = self.wires.get(id);
            let name = |end| wire.map_or_else(String::new, |wire| self.name(wire.end(end).host));
            (name(from), name(from.other()))
        };
        match planned {
            Planned::Wake { host } => format!("{} wakes", self.name(host)),
            Planned::Opened { wire } => {
                let (client, server) = ends(wire, End::Client);
                format!("{client} has reached {server}")
            }
            Planned::Accepted { wire } => {
                let (client, server) = ends(wire, End::Client);
                format!("{server} is reached by {client}")
            }
            Planned::Refused { wire } => {
                let (client, server) = ends(wire, End::Client);
                format!("{client} has not reached {server}")
            }
            Planned::Arrival { wire, from } => {
                let list = self.wires.get(wire).map(|wire| wire.end(from).under_way);
                let parcel = list.and_then(|list| self.parcels.front(list));
                let (what, len) = parcel
                    .map_or(("nothing", 0), |sent| (sent.parcel.name(), sent.parcel.wire_len()));
                let (from, to) = ends(wire, from);
                format!("{from} to {to}: {what} ({len} bytes)")
            }
            Planned::Overdue { wire, end } => {
                format!("the handshake of {} should be over", ends(wire, end).0)
            }
            Planned::GivenUp { wire, from } => {
                let (from, to) = ends(wire, from);
                format!("{from} would give up {to}")
            }
            Planned::Transaction { node } => format!("a transaction reaches node {node}"),
            Planned::Block => "somebody else finds a block".to_owned(),
            Planned::Branch { number } => format!("blocks arrive (message {number} of nodes)"),
            Planned::FaultBegins { index } => {
                format!("fault {index} begins: {}", self.fault(index as usize).name())
            }
            Planned::FaultEnds { index } => {
                format!("fault {index} ends: {}", self.fault(index as usize).name())
            }
        }
    }

    /// Of a host: its role's, with a number in a fleet.
    fn name(&self, host: u32) -> String {
        let host = &self.hosts[host as usize];
        let role = self.scenario.role(host.id);
        match role.kind.member_count() {
            1 => role.name.clone(),
            _ => format!("{}.{}", role.name, host.member),
        }
    }
}

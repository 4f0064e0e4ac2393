//! What the connections of a role have carried.

use super::World;
use super::wire::End;
use crate::scenario::RoleId;

/// Bytes of the connections that one role has dialled and that are still there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// From it, above TCP.
    pub up_bytes: u64,
    /// To it, above TCP.
    pub down_bytes: u64,
    /// Both, with headers, acknowledgements and what was sent again.
    pub packet_bytes: u64,
}

impl World {
    /// Of all members of a role.
    pub fn carried_by(&self, role: RoleId) -> Carried {
        let mut carried = Carried::default();
        for wire in self.wires.iter() {
            let (client, server) = (wire.end(End::Client), wire.end(End::Server));
            if self.hosts[client.host as usize].id == role {
                carried.up_bytes += client.pipe.payload_bytes;
                carried.down_bytes += server.pipe.payload_bytes;
                carried.packet_bytes += client.pipe.packet_bytes + server.pipe.packet_bytes;
            }
        }
        carried
    }
}

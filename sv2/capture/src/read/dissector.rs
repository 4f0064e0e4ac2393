//! From packets to observations: the table of connections.

use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use indexmap::IndexMap;
use sv2::noise::AuthorityPublicKey;

use super::connection::Connection;
use super::context::{ARENA_LEN, Context, Shared, Sink};
use super::file::Packet;
use super::key_log::KeyRing;
use super::link_layer::{NotTcp, Segment, segment};
use super::reassembly::{Data, Place};
use super::stream::HELD_LEN_MAX;
use crate::pcapng::Making;

/// Connections that are followed at once; the one that was silent longest makes room.
pub const CONNECTIONS_MAX: usize = 1 << 17;
/// Headers that are tried, in the whole capture, for sessions whose beginning is missing.
const ATTACH_TRIALS_MAX: u32 = 1 << 23;

/// Packets by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All.
    pub packets: u64,
    /// Without a TCP segment.
    pub not_tcp: u64,
    /// Of a link layer that is not known.
    pub unknown_link: u64,
    /// Fragments of IP, which are not put together.
    pub fragments: u64,
    /// Cut off within their headers.
    pub cut_off: u64,
    /// Captured only in part: whoever captured has kept the beginnings of packets.
    pub shortened: u64,
    /// Connections that made room for others.
    pub forgotten: u64,
    /// Bytes captured.
    pub bytes: u64,
}

/// Reads packets, in the order of the capture, and says what was found.
#[derive(Debug)]
pub struct Dissector {
    connections: IndexMap<Ends, Connection, foldhash::fast::FixedState>,
    shared: Shared,
    opened: u32,
    held_len: usize,
    tally: Tally,
}

impl Dissector {
    /// `seed` orders the table of connections, so that nobody can prepare a file for it; what is
    /// found does not depend on it.
    pub fn new(seed: u64, authority: Option<AuthorityPublicKey>) -> Self {
        Dissector {
            connections: IndexMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)),
            shared: Shared {
                keys: KeyRing::default(),
                authority,
                at: 0,
                arena: BytesMut::with_capacity(ARENA_LEN),
                found: 0,
                attach_trials: ATTACH_TRIALS_MAX,
                leaves_payloads: false,
            },
            opened: 0,
            held_len: 0,
            tally: Tally::default(),
        }
    }

    /// The same, but that sealed payloads are shown as they were sent: whoever keeps them opens them
    /// ([`Kept::open`](super::Kept::open)), perhaps on another thread.
    pub fn leaving_payloads(mut self) -> Self {
        self.shared.leaves_payloads = true;
        self
    }

    /// Takes the text of a key log.
    pub fn key_log(&mut self, text: &[u8]) {
        self.shared.keys.read(text);
    }

    /// The keys that were taken.
    pub fn keys(&self) -> &KeyRing {
        &self.shared.keys
    }

    /// What became of the packets so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Bytes that are held: of segments behind holes, and of messages that have not fully come.
    pub fn held_len(&self) -> usize {
        self.held_len
    }

    /// The next packet, of a file with a number.
    pub fn packet(&mut self, file: u32, packet: &Packet<'_>, sink: &mut Sink<'_>) {
        self.tally.packets += 1;
        self.tally.bytes += packet.data.len() as u64;
        let segment = match segment(packet.link_type, packet.data) {
            Ok(segment) => segment,
            Err(why) => {
                let count = match why {
                    NotTcp::LinkType => &mut self.tally.unknown_link,
                    NotTcp::Other => &mut self.tally.not_tcp,
                    NotTcp::Fragment => &mut self.tally.fragments,
                    NotTcp::CutOff => &mut self.tally.cut_off,
                };
                *count += 1;
                return;
            }
        };
        self.tally.shortened += u64::from(segment.payload_len > segment.payload.len());
        // Stamps of some captures go back; those of observations do not.
        self.shared.at = self.shared.at.max(packet.at);
        let place = Place { packet: packet.number, position: packet.position, file };
        // The payload is a part of the packet's data.
        let offset = segment.payload.as_ptr().addr().saturating_sub(packet.data.as_ptr().addr());
        let at = packet.data_at + offset as u64;
        let (bytes, len) = (segment.payload, segment.payload_len);
        self.segment(&segment, Data { bytes, len, place, at }, packet.making, sink);
    }

    /// The capture has ended.
    pub fn finish(&mut self, sink: &mut Sink<'_>) {
        let mut connections = std::mem::take(&mut self.connections);
        connections.sort_unstable_by(|_, one, _, other| one.number.cmp(&other.number));
        for connection in connections.values_mut() {
            if !connection.is_over() {
                let mut context = Context { shared: &mut self.shared, sink: &mut *sink };
                connection.finish(&mut context);
            }
        }
        self.held_len = 0;
    }

    fn segment(
        &mut self,
        segment: &Segment<'_>,
        data: Data<'_>,
        making: Making,
        sink: &mut Sink<'_>,
    ) {
        let place = data.place;
        let key = Ends::of(segment.from, segment.to);
        let mut known = self.connections.get_index_of(&key);
        if let Some(index) = known {
            let connection = &mut self.connections[index];
            let is_first = segment.is_syn && segment.acknowledged.is_none();
            let sender = connection.sender(segment.from);
            if is_first && connection.is_another(sender, segment.sequence) {
                // A pair of addresses that is used again is another connection.
                self.held_len -= connection.held_len();
                if !connection.is_over() {
                    let mut context = Context { shared: &mut self.shared, sink: &mut *sink };
                    connection.finish(&mut context);
                }
                self.connections.swap_remove_index(index);
                known = None;
            } else if connection.is_over() {
                return;
            }
        }
        let index = match known {
            Some(index) => index,
            None if segment.is_reset && segment.payload_len == 0 => return,
            None => self.open(key, segment, making, sink),
        };
        let connection = &mut self.connections[index];
        connection.last_packet = self.tally.packets;
        let held_before = connection.held_len();
        let held_len = self.held_len;
        let sender = connection.sender(segment.from);
        let mut context = Context { shared: &mut self.shared, sink };
        if segment.is_syn {
            connection.begin(sender, segment.sequence);
        }
        if let Some(acknowledged) = segment.acknowledged {
            connection.acknowledged(sender, acknowledged, &mut context);
        }
        if segment.payload_len > 0 || segment.is_fin {
            connection.segment(sender, segment, data, &mut context);
            if making != Making::Captured {
                // Nothing will fill the hole in front of it.
                connection.flush(sender, &mut context);
            }
            if held_len - held_before + connection.held_len() > HELD_LEN_MAX {
                connection.give_up(sender, place, &mut context);
            }
        }
        if segment.is_reset {
            connection.reset(sender, place, &mut context);
        }
        self.held_len = held_len - held_before + connection.held_len();
    }

    fn open(
        &mut self,
        key: Ends,
        segment: &Segment<'_>,
        making: Making,
        sink: &mut Sink<'_>,
    ) -> usize {
        if self.connections.len() >= CONNECTIONS_MAX {
            self.make_room(sink);
        }
        let syn = segment.is_syn.then_some(segment.acknowledged.is_some());
        let connection = Connection::new(self.opened, segment.from, segment.to, syn, making);
        self.opened += 1;
        self.connections.insert_full(key, connection).0
    }

    /// The half that was silent longest is forgotten, what it holds is shown.
    fn make_room(&mut self, sink: &mut Sink<'_>) {
        let mut last: Vec<u64> = self.connections.values().map(|it| it.last_packet).collect();
        let middle = last.len() / 2;
        let (_, median, _) = last.select_nth_unstable(middle);
        let median = *median;
        let mut connections = std::mem::take(&mut self.connections);
        connections.retain(|_, connection| {
            if connection.last_packet > median {
                return true;
            }
            self.held_len -= connection.held_len();
            if !connection.is_over() {
                self.tally.forgotten += 1;
                let mut context = Context { shared: &mut self.shared, sink: &mut *sink };
                connection.finish(&mut context);
            }
            false
        });
        self.connections = connections;
    }
}

/// Two addresses, in either order: in the form that is hashed and compared fastest.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Ends {
    lower: u128,
    upper: u128,
    ports: u64,
}

impl Ends {
    fn of(one: SocketAddr, other: SocketAddr) -> Self {
        let (one, other) = if one <= other { (one, other) } else { (other, one) };
        let address = |end: SocketAddr| match end.ip() {
            IpAddr::V4(address) => (0, u128::from(address.to_bits())),
            IpAddr::V6(address) => (1, address.to_bits()),
        };
        // Both are of the same family.
        let (family, lower) = address(one);
        let ports = family << 32 | u64::from(one.port()) << 16 | u64::from(other.port());
        Ends { lower, upper: address(other).1, ports }
    }
}

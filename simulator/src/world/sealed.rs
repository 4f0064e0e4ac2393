//! Connections at fidelity L3: what travels are the bytes of real Noise sessions, and what a role
//! hears is what the other end has decrypted and decoded from them.
//!
//! Everything else is as at L2, whose messages have the sizes of these bytes: a run is the same
//! run at both levels, which is what shows that L2 reckons right.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use sv2::entropy::Entropy;
use sv2::noise::{Identity, SessionSecrets};
use sv2::time::{Instant, Now};
use sv2::wire::Tlvs;

use super::World;
use super::under_way::UnderWay;
use super::wire::{End, Parcel};
use crate::build::authority_from_seed;
use crate::noise::{News, NoiseEnd, identity};
use crate::scenario::{Fidelity, RoleId, Scenario};

/// Both ends of a Noise session, and the bytes under way between them.
pub(super) struct Sealed {
    ends: [NoiseEnd; 2],
    /// By the end that has sent it, like the parcels of each.
    pub(super) under_way: [UnderWay; 2],
}

impl Sealed {
    fn new(identity: &Arc<Identity>, clocks: [Now; 2], entropy: &mut Entropy) -> Self {
        let [client, server] = clocks;
        let ends = [
            NoiseEnd::client(None, client, entropy),
            NoiseEnd::server(Arc::clone(identity), server, entropy),
        ];
        Sealed { ends, under_way: Default::default() }
    }

    /// What a parcel is on the wire. The acts of the handshake were made when it came to them.
    pub(super) fn seal(&mut self, from: End, parcel: &Parcel) -> Vec<u8> {
        let end = &mut self.ends[from as usize];
        match parcel {
            Parcel::Message(message, None) => end.send(message, &Tlvs::default()),
            Parcel::Message(message, Some(tlvs)) => end.send(message, tlvs),
            Parcel::Frame(frame) => end.forward(frame),
            Parcel::FirstAct | Parcel::SecondAct | Parcel::Line(_) | Parcel::End => {}
        }
        std::mem::take(&mut end.output)
    }

    /// Bytes of one end arrive at the other.
    pub(super) fn arrive(&mut self, from: End, bytes: Vec<u8>, now: Now) -> Option<News> {
        self.ends[from.other() as usize].arrive(bytes, now)
    }

    /// What only a session has that has just begun: of one end, with memory for what it needs
    /// from here on.
    pub(super) fn settle(&mut self, end: End) -> Option<SessionSecrets> {
        self.ends[end as usize].settle()
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed")
    }
}

/// Which connections are at L3, and what their servers show.
#[derive(Default)]
pub(super) struct Sealing {
    is_everywhere: bool,
    roles: Vec<RoleId>,
    identities: BTreeMap<RoleId, Arc<Identity>>,
    /// What was sent, if somebody wants to keep it.
    segments: Option<Vec<Segment>>,
}

/// What a capture of all links would have in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Since the start.
    pub at: Instant,
    /// The connection, by a number that no other one of the run has.
    pub connection: u64,
    /// What.
    pub what: SegmentKind,
}

/// See [`Segment`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// The connection is there.
    Opened {
        /// Who has dialled.
        client: SocketAddr,
        /// Who was dialled.
        server: SocketAddr,
    },
    /// What its bytes can be read with from here on.
    Secrets(Box<SessionSecrets>),
    /// Bytes are sent.
    Bytes {
        /// By whom.
        is_client: bool,
        /// As many as one message takes.
        bytes: Vec<u8>,
    },
    /// One side has ended it.
    Closed {
        /// Which.
        is_client: bool,
    },
}

impl Sealing {
    /// `scenario` has its fleets as roles; `fleets` are those that it had before.
    pub(super) fn new(scenario: &Scenario, before: &Scenario) -> Self {
        let is_bytes = |role: &str| {
            let mut fleets = before.virtual_time.fleets.iter();
            fleets.any(|fleet| fleet.name == role && fleet.fidelity == Fidelity::Bytes)
        };
        Sealing {
            is_everywhere: before.virtual_time.run.fidelity == Fidelity::Bytes,
            roles: scenario.role_ids().filter(|id| is_bytes(&scenario.role(*id).name)).collect(),
            ..Sealing::default()
        }
    }

    /// Keeps something for a capture, if there is to be one.
    pub(super) fn keep(
        &mut self,
        at: Instant,
        connection: u64,
        what: impl FnOnce() -> SegmentKind,
    ) {
        if let Some(segments) = &mut self.segments {
            segments.push(Segment { at, connection, what: what() });
        }
    }
}

impl World {
    /// From now on, every connection is at fidelity L3, and what it carries is kept for
    /// [`World::take_segments`]. To be called before anything has happened.
    pub fn keep_segments(&mut self) {
        self.sealing.is_everywhere = true;
        self.sealing.segments.get_or_insert_default();
    }

    /// What was sent since the last call.
    pub fn take_segments(&mut self) -> Vec<Segment> {
        self.sealing.segments.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// How many connections have a Noise session, with keys at both ends (L3).
    pub fn sealed_count(&self) -> usize {
        let sealed = self.wires.iter().filter_map(|wire| wire.sealed.as_ref());
        sealed.filter(|sealed| sealed.ends.iter().all(NoiseEnd::is_established)).count()
    }

    /// Both ends of a new connection, if it is at L3.
    pub(super) fn sealed(&mut self, client: u32, server: u32, number: u64) -> Option<Box<Sealed>> {
        let ids = [client, server].map(|host| self.hosts[host as usize].id);
        let sealing = &mut self.sealing;
        if !sealing.is_everywhere && !ids.iter().any(|id| sealing.roles.contains(id)) {
            return None;
        }
        let (scenario, start) = (&*self.scenario, self.start);
        let entropy = Entropy::from_seed(scenario.seed);
        let identity = sealing.identities.entry(ids[1]).or_insert_with(|| {
            let mut own = entropy.fork(&scenario.role(ids[1]).name, IDENTITY);
            identity(&authority_from_seed(scenario, ids[1]), start, &mut own)
        });
        let identity = Arc::clone(identity);
        let clocks = [client, server].map(|host| self.clocks_of(host));
        let mut own = entropy.fork("connection", number);
        Some(Box::new(Sealed::new(&identity, clocks, &mut own)))
    }

    pub(super) fn keep_opened(&mut self, connection: u64, [client, server]: [u32; 2]) {
        let port =
            self.scenario.role(self.hosts[server as usize].id).listen.map_or(0, |of| of.port());
        // Of a fleet's devices, as of one that dials again, no two look alike.
        let own = FIRST_PORT + u16::try_from(connection % PORTS).expect("below 2^14");
        let client = SocketAddr::new(address(client), own);
        let server = SocketAddr::new(address(server), port);
        self.sealing.keep(self.now.instant, connection, || SegmentKind::Opened { client, server });
    }
}

/// Every host has its own, from 10.0.0.1 on.
fn address(host: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits((10 << 24 | 1) + host % (1 << 24)))
}

/// Of the streams that a role's name gives: beside those of its members.
const IDENTITY: u64 = u64::MAX;
const FIRST_PORT: u16 = 49_152;
const PORTS: u64 = 16_384;

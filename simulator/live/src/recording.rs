//! What passes between the parts of a network, told to a recorder: each connection once, by the
//! part of ours that has accepted it, or else by the one that has dialled.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use simulator::scenario::{HeldBy, Scenario};
use sv2::noise::SessionSecrets;
use sv2::role::Via;
use sv2::time::Now;
use sv2_net::clock::civil_nanoseconds;
use sv2_net::relay::{Leg, Record, Recorder, Side};
use sv2_net::tap::{Direction, Link, Tap};

use crate::address::Addresses;

/// Sees the bytes of all roles of a network.
pub(crate) struct NetworkRecording {
    recorder: Arc<dyn Recorder>,
    scenario: Arc<Scenario>,
    addresses: Arc<Addresses>,
    /// Streams so far. They have even numbers: all stand for the one leg that they have.
    stream_count: AtomicU64,
    /// Of connections that are open, by their two ends.
    streams: Mutex<BTreeMap<(SocketAddr, SocketAddr), Stream>>,
}

#[derive(Clone, Copy)]
struct Stream {
    number: u64,
    /// Whether the end that tells of it is the client's.
    is_client: bool,
    /// Bytes that were sent and received so far, from this end.
    offsets: [u64; 2],
}

impl NetworkRecording {
    pub(crate) fn new(
        recorder: Arc<dyn Recorder>,
        scenario: Arc<Scenario>,
        addresses: Arc<Addresses>,
    ) -> Self {
        NetworkRecording {
            recorder,
            scenario,
            addresses,
            stream_count: AtomicU64::new(0),
            streams: Mutex::default(),
        }
    }

    /// Whether a role of ours listens at this port: it tells of what it accepts.
    fn is_told_by_its_server(&self, port: u16) -> bool {
        self.scenario.roles.iter().zip(0..).any(|(role, index)| {
            let id = simulator::scenario::RoleId(index);
            matches!(role.held_by, HeldBy::Us)
                && self.addresses.known(id).is_some_and(|known| known.port == port)
        })
    }

    fn tell(&self, stream: u64, record: Record) {
        // Networks go on where nothing can be recorded: the recorder counts what it leaves out.
        let _ = self.recorder.record(civil_nanoseconds(), stream, record);
    }

    fn with_stream<T>(&self, link: Link, change: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.get_mut(&(link.local, link.peer)).map(change)
    }
}

impl Tap for NetworkRecording {
    fn opened(&self, _: Now, link: Link, via: Via) {
        let is_client = matches!(via, Via::Dial(_));
        if is_client && self.is_told_by_its_server(link.peer.port()) {
            return;
        }
        let number = 2 * self.stream_count.fetch_add(1, Ordering::Relaxed);
        let stream = Stream { number, is_client, offsets: [0; 2] };
        let (client, server) =
            if is_client { (link.local, link.peer) } else { (link.peer, link.local) };
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.insert((link.local, link.peer), stream);
        drop(streams);
        self.tell(number, Record::Opened { leg: Leg::Down, client, server });
    }

    fn bytes(&self, _: Now, link: Link, direction: Direction, bytes: &[u8]) {
        let is_sent = direction == Direction::Sent;
        let place = self.with_stream(link, |stream| {
            let offset = &mut stream.offsets[usize::from(!is_sent)];
            let begin = *offset;
            *offset += bytes.len() as u64;
            (stream.number, stream.is_client, begin)
        });
        let Some((number, is_client, offset)) = place else { return };
        let from = if is_sent == is_client { Side::Client } else { Side::Server };
        let (comment, bytes) = (String::new(), bytes.to_vec());
        self.tell(number, Record::Bytes { from, offset, comment, bytes });
    }

    fn secrets(&self, _: Now, link: Link, secrets: &SessionSecrets) {
        let Some(number) = self.with_stream(link, |stream| stream.number) else { return };
        self.tell(number, Record::Secrets(secrets.clone()));
    }

    fn closed(&self, _: Now, link: Link) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stream) = streams.remove(&(link.local, link.peer)) else { return };
        drop(streams);
        for from in [Side::Client, Side::Server] {
            self.tell(stream.number, Record::Closed { from, is_reset: false });
        }
    }
}

impl fmt::Debug for NetworkRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkRecording").finish_non_exhaustive()
    }
}

//! `-w`: what was chosen as another capture.
//!
//! As it was captured: the packets that brought the chosen messages, and of each of their
//! connections everything until its first message, so that the copy can be decrypted. Or in
//! clear, in packets made for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use sv2::time::{Instant, Now, UnixTime};
use sv2_capture::observed::{Observed, What};
use sv2_capture::read::{Found, Item, segment};
use sv2_capture::{Capture, StreamId};

use super::source;

/// Packets with chosen messages that a copy has at most.
const PACKETS_MAX: usize = 1 << 22;

/// Which packets are to be copied.
#[derive(Debug)]
pub(crate) struct Wanted {
    packets: BTreeSet<u64>,
    connections: BTreeMap<u32, OfConnection>,
}

#[derive(Debug)]
struct OfConnection {
    ends: [SocketAddr; 2],
    is_chosen: bool,
    /// Packet of the first message: what stands before it is the handshake.
    first_message: Option<u64>,
}

impl Wanted {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Wanted { packets: BTreeSet::new(), connections: BTreeMap::new() }
    }

    /// Takes note of an observation, chosen or not.
    pub(crate) fn note(&mut self, found: &Found<'_>, is_chosen: bool) -> Result<(), String> {
        let Observed { connection, what, .. } = &found.observed;
        if let What::Opened { client, server, .. } = what {
            let ends = [*client, *server];
            let row = OfConnection { ends, is_chosen: false, first_message: None };
            self.connections.insert(*connection, row);
        }
        let Some(row) = self.connections.get_mut(connection) else { return Ok(()) };
        if let What::Frame { .. } | What::Line { .. } | What::Opaque { .. } = what
            && row.first_message.is_none()
        {
            row.first_message = found.places.first().map(|place| place.packet);
        }
        if is_chosen {
            row.is_chosen = true;
            self.packets.extend(found.places.iter().map(|place| place.packet));
        }
        if self.packets.len() > PACKETS_MAX {
            return Err(format!("-w: more than {PACKETS_MAX} packets were chosen one by one"));
        }
        Ok(())
    }

    /// Copies the blocks of a capture: all but packets that were not chosen, and keys that are
    /// to be left out.
    pub(crate) fn copy(&self, from: &Path, to: &Path, strip_keys: bool) -> Result<(), String> {
        let mut until: BTreeMap<[SocketAddr; 2], u64> = BTreeMap::new();
        for row in self.connections.values().filter(|row| row.is_chosen) {
            let last = row.first_message.unwrap_or(u64::MAX);
            let [client, server] = row.ends;
            for ends in [[client, server], [server, client]] {
                let entry = until.entry(ends).or_default();
                *entry = last.max(*entry);
            }
        }
        let is_wanted = |item: &Item<'_>| match item {
            Item::Packet(packet) => {
                let Ok(segment) = segment(packet.link_type, packet.data) else { return false };
                let is_bare = segment.is_syn || segment.is_fin || segment.is_reset;
                until.get(&[segment.from, segment.to]).is_some_and(|until| {
                    packet.number < *until || is_bare || self.packets.contains(&packet.number)
                })
            }
            Item::Secrets(_) => !strip_keys,
            Item::Other | Item::Skipped(_) => true,
        };
        let said = |error: io::Error| format!("{}: {error}", to.display());
        let mut out = BufWriter::new(File::create(to).map_err(said)?);
        source::copy_blocks(from, &is_wanted, &mut out)?;
        out.flush().map_err(said)
    }
}

/// A capture in clear.
pub(crate) struct Plain {
    out: BufWriter<File>,
    capture: Capture,
    streams: BTreeMap<u32, StreamId>,
}

impl Plain {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let out = BufWriter::new(File::create(path)?);
        Ok(Plain { out, capture: Capture::new("assay"), streams: BTreeMap::new() })
    }

    /// Writes an observation, if there is a packet for it.
    pub(crate) fn write(&mut self, observed: &Observed<'_>) -> io::Result<()> {
        let now =
            Now { instant: Instant(observed.at), unix: UnixTime(observed.at / 1_000_000_000) };
        if let What::Opened { client, server, .. } = observed.what {
            let stream = self.capture.open(now, client, server);
            self.streams.insert(observed.connection, stream);
        }
        if let Some(stream) = self.streams.get(&observed.connection).copied() {
            match &observed.what {
                What::Frame { direction, frame, .. } => {
                    let mut bytes = Vec::new();
                    frame.write(&mut bytes);
                    self.capture.bytes(now, stream, *direction, "", &bytes);
                }
                What::Line { direction, line } => {
                    let bytes = [line, &b"\n"[..]].concat();
                    self.capture.bytes(now, stream, *direction, "", &bytes);
                }
                What::Closed { by, reset } => self.capture.close(now, stream, *by, *reset),
                What::Opened { .. }
                | What::Handshake(_)
                | What::Opaque { .. }
                | What::Gap { .. } => {}
            }
        }
        self.out.write_all(&self.capture.take())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

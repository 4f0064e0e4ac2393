//! `-w`: what was chosen as another capture.
//!
//! As it was captured: the packets that brought the chosen messages, and of each of their
//! connections everything until its first message, its keys, its set-up and its channels, so that
//! the copy can be decrypted and understood. Or in clear, in packets made for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sv2::message::descriptor;
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::Frame;
use sv2_capture::observed::{Observed, What};
use sv2_capture::read::{Found, Item, segment};
use sv2_capture::{Capture, StreamId};

use super::copied_keys::CopiedKeys;
use super::options::Input;
use super::source::{self, Flow};

/// Packets with chosen messages that a copy has at most.
const PACKETS_MAX: usize = 1 << 22;

/// Packets of the set-up of one connection: channels that a proxy has for its devices.
const SET_UP_MAX: usize = 1 << 14;

/// A copy of one file, which is read once to know what is wanted, and again to write it.
#[derive(Debug)]
pub(crate) struct Copy {
    from: PathBuf,
    to: PathBuf,
    /// Outside of the file.
    key_logs: Vec<PathBuf>,
    packets: BTreeSet<u64>,
    connections: BTreeMap<u32, OfConnection>,
    failure: Option<String>,
}

#[derive(Debug)]
struct OfConnection {
    ends: [SocketAddr; 2],
    is_whole: bool,
    is_chosen: bool,
    /// Packet of the first message: what stands before it is the handshake.
    first_message: Option<u64>,
    /// Packets without which the others would have no meaning.
    set_up: BTreeSet<u64>,
}

/// Whether a message says what others on its connection mean: what it speaks, and which channels
/// there are.
pub(crate) fn is_set_up(frame: &Frame) -> bool {
    let row = descriptor(frame.header().extension(), frame.message_type);
    row.is_some_and(|row| SET_UP.iter().any(|start| row.name.starts_with(start)))
}

const SET_UP: [&str; 3] =
    ["SetupConnection", "OpenStandardMiningChannel", "OpenExtendedMiningChannel"];

impl Copy {
    /// Of what is read, unless that cannot be read again or is what would be written.
    ///
    /// # Errors
    /// In words, with the way out.
    pub(crate) fn new(input: &Input, to: &Path) -> Result<Self, String> {
        let [from] = input.files.as_slice() else {
            return Err(
                "only one file can be copied; `assay decode --plain -w` merges several".into()
            );
        };
        if !from.is_file() {
            return Err(format!(
                "{}: a copy needs a file that can be read twice; `assay decode --plain -w` does not",
                from.display()
            ));
        }
        if to.canonicalize().is_ok_and(|to| from.canonicalize().is_ok_and(|from| from == to)) {
            return Err(format!("{}: this is what is read", to.display()));
        }
        Ok(Copy {
            from: from.clone(),
            to: to.to_owned(),
            key_logs: key_logs(input),
            packets: BTreeSet::new(),
            connections: BTreeMap::new(),
            failure: None,
        })
    }

    /// Takes note of an observation, chosen or not.
    pub(crate) fn note(&mut self, found: &Found<'_>, is_chosen: bool) -> Flow {
        let Observed { connection, what, .. } = &found.observed;
        if let What::Opened { client, server, from_the_start } = what {
            let row = OfConnection {
                ends: [*client, *server],
                is_whole: *from_the_start,
                is_chosen: false,
                first_message: None,
                set_up: BTreeSet::new(),
            };
            self.connections.insert(*connection, row);
        }
        let Some(row) = self.connections.get_mut(connection) else { return Flow::GoOn };
        if let What::Frame { .. } | What::Line { .. } | What::Opaque { .. } = what
            && row.first_message.is_none()
        {
            row.first_message = found.places.first().map(|place| place.packet);
        }
        if let What::Frame { frame, .. } = what
            && is_set_up(frame)
            && row.set_up.len() < SET_UP_MAX
        {
            row.set_up.extend(found.places.iter().map(|place| place.packet));
        }
        if is_chosen {
            row.is_chosen = true;
            self.packets.extend(found.places.iter().map(|place| place.packet));
        }
        if self.packets.len() > PACKETS_MAX {
            let most = format!("more than {PACKETS_MAX} packets were chosen one by one");
            self.failure = Some(most);
            return Flow::Stop;
        }
        Flow::GoOn
    }

    /// Writes the copy: all blocks but packets that were not chosen, and of the keys those of the
    /// sessions that were, from wherever they came; or none.
    ///
    /// # Errors
    /// In words; what was written so far stays.
    pub(crate) fn write(self, strip_keys: bool) -> Result<(), String> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let chosen = || self.connections.values().filter(|row| row.is_chosen);
        let mut until: BTreeMap<[SocketAddr; 2], u64> = BTreeMap::new();
        for row in chosen() {
            let last = row.first_message.unwrap_or(u64::MAX);
            let [client, server] = row.ends;
            for ends in [[client, server], [server, client]] {
                let entry = until.entry(ends).or_default();
                *entry = last.max(*entry);
            }
        }
        let set_up = chosen().flat_map(|row| &row.set_up);
        let packets: BTreeSet<u64> = self.packets.iter().chain(set_up).copied().collect();
        let keys = match strip_keys {
            true => CopiedKeys::None,
            false => {
                let clients = chosen().map(|row| row.ends);
                let is_all = chosen().any(|row| !row.is_whole);
                CopiedKeys::of(&self.from, &self.key_logs, clients.collect(), is_all)?
            }
        };
        let is_wanted = |item: &Item<'_>| match item {
            Item::Packet(packet) => {
                let Ok(segment) = segment(packet.link_type, packet.data) else { return false };
                let is_bare = segment.is_syn || segment.is_fin || segment.is_reset;
                until.get(&[segment.from, segment.to]).is_some_and(|until| {
                    packet.number < *until || is_bare || packets.contains(&packet.number)
                })
            }
            Item::Secrets(_) => matches!(keys, CopiedKeys::AsTheyAre),
            Item::Other | Item::Skipped(_) => true,
        };
        let said = |error: io::Error| format!("{}: {error}", self.to.display());
        let mut out = BufWriter::new(File::create(&self.to).map_err(said)?);
        source::copy_blocks(&self.from, &is_wanted, keys.blocks(), &mut out)?;
        out.flush().map_err(said)
    }
}

/// Files that keys were taken from.
fn key_logs(input: &Input) -> Vec<PathBuf> {
    let named = std::env::var_os("SV2KEYLOGFILE").map(PathBuf::from);
    input.key_logs.iter().cloned().chain(named).collect()
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

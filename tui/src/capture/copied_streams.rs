//! The streams of a copy, written while the captures are read again.
//!
//! Messages are written in the order in which they were found, each at its time: whoever reads the
//! copy finds the same. Where sealed messages are left out, the stream has a hole of their length,
//! by which a reader finds the next nonce; where that would take long, a checkpoint in front of the
//! packet names it. A stream in clear needs no holes, unless for what the capture itself has lost.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;

use sv2::noise::{ACT_1_LEN, ACT_2_LEN, MAC_LEN, SEALED_HEADER_LEN, payload_chunks};
use sv2::time::{Instant, Now, UnixTime};
use sv2_capture::observed::What;
use sv2_capture::read::{Found, Packet, Seal, Segment, segment};
use sv2_capture::{Capture, Direction, Integrity, StreamId};

use super::again::Again;
use super::copy::{Copy, OfConnection, read_again};
use super::options::Input;
use super::source::Flow;
use crate::inspect::describe::hex;

/// Writes the streams of a [`Copy`].
pub(super) struct CopiedStreams<'a> {
    copy: &'a Copy,
    again: Again,
    capture: Capture,
    out: &'a mut dyn Write,
    pairs: BTreeMap<[SocketAddr; 2], Pair>,
    streams: BTreeMap<u32, Stream>,
    /// What stands beside packets that are not written yet, by file and number.
    comments: BTreeMap<(u32, u64), String>,
    /// Time does not go back, though stamps may.
    at: u64,
    failure: Option<String>,
}

/// A pair of addresses, and its connections in time.
#[derive(Default)]
struct Pair {
    connections: Vec<u32>,
    begun: usize,
    now: Option<Beginning>,
}

/// The connection that a pair of addresses has at present.
struct Beginning {
    connection: u32,
    syn: Option<u32>,
    is_over: bool,
    acts: BTreeMap<SocketAddr, Act>,
}

/// What one side says of the handshake, put in order.
#[derive(Default)]
struct Act {
    /// Sequence number of its first byte.
    first: Option<u32>,
    written_len: usize,
    waiting: BTreeMap<usize, Vec<u8>>,
}

/// A stream that is written.
struct Stream {
    id: StreamId,
    /// Who has opened it, as TCP says.
    opener: SocketAddr,
    /// By sender, the client first: bytes that were left out since the last message.
    left_out: [u64; 2],
    /// The nonce that would come next, once it is known.
    nonces: [Option<u64>; 2],
}

impl<'a> CopiedStreams<'a> {
    pub(super) fn new(copy: &'a Copy, again: Again, out: &'a mut dyn Write) -> Self {
        let mut pairs: BTreeMap<[SocketAddr; 2], Pair> = BTreeMap::new();
        for row in copy.connections.values().filter(|row| row.is_chosen) {
            pairs.entry(ordered(row.ends)).or_default();
        }
        for (number, row) in &copy.connections {
            if let Some(pair) = pairs.get_mut(&ordered(row.ends)) {
                pair.connections.push(*number);
            }
        }
        let capture = Capture::copy("assay");
        let (streams, comments) = (BTreeMap::new(), BTreeMap::new());
        CopiedStreams { copy, again, capture, out, pairs, streams, comments, at: 0, failure: None }
    }

    /// Lines of a key log, in front of everything.
    pub(super) fn key_log(&mut self, lines: &[u8]) {
        self.capture.key_log(lines);
    }

    /// Reads the captures again, and writes what is wanted.
    pub(super) fn read(self, input: &Input) -> Result<(), String> {
        let this = RefCell::new(self);
        let look = &mut |file, packet: &Packet<'_>| this.borrow_mut().look(file, packet);
        read_again(input, look, &mut |found| {
            let mut this = this.borrow_mut();
            this.take(found);
            this.flush();
            let goes_on = this.failure.is_none() && this.copy.knows(found.observed.number);
            if goes_on { Flow::GoOn } else { Flow::Stop }
        })?;
        let mut this = this.into_inner();
        this.flush();
        this.failure.map_or(Ok(()), Err)
    }

    fn flush(&mut self) {
        if let Err(error) = self.out.write_all(&self.capture.take()) {
            self.failure.get_or_insert(format!("cannot write: {error}"));
        }
    }

    fn now(&self) -> Now {
        Now { instant: Instant(self.at), unix: UnixTime(self.at / 1_000_000_000) }
    }

    /// Opens streams as their SYN comes, and writes what no message leads to: the handshake.
    fn look(&mut self, file: u32, packet: &Packet<'_>) {
        let Ok(segment) = segment(packet.link_type, packet.data) else { return };
        let Some(pair) = self.pairs.get_mut(&ordered([segment.from, segment.to])) else { return };
        self.at = self.at.max(packet.at);
        let is_new = pair.is_another(&segment);
        let Some(begun) = pair.beginning(&segment) else { return };
        let connection = begun.connection;
        let Some(row) = self.copy.connections.get(&connection) else { return };
        if !row.is_chosen {
            return;
        }
        if let Some(comment) = packet.options.comment() {
            self.comments.insert((file, packet.number), comment.to_owned());
            if self.comments.len() > COMMENTS_MAX {
                self.comments.pop_first();
            }
        }
        let act_len = match (row.has_handshake, segment.from == row.ends[0]) {
            (true, true) => ACT_1_LEN,
            (true, false) => ACT_2_LEN,
            (false, _) => 0,
        };
        let act = begun.acts.entry(segment.from).or_default().take(&segment, act_len);
        if is_new && segment.is_syn {
            self.open(connection, row, &segment);
        }
        if let Some(stream) = self.streams.get(&connection)
            && !act.is_empty()
        {
            let (id, direction) = (stream.id, stream.direction(segment.from));
            let comment = self.comments.remove(&(file, packet.number)).unwrap_or_default();
            self.capture.bytes(self.now(), id, direction, &comment, &act);
        }
    }

    fn open(&mut self, connection: u32, row: &OfConnection, segment: &Segment<'_>) {
        let has_ack = segment.acknowledged.is_some();
        let ends = [segment.from, segment.to];
        let [client, server] = if has_ack { [ends[1], ends[0]] } else { ends };
        let id = self.capture.open_copied(self.now(), client, server, row.making());
        let nonces = [Some(0); 2];
        self.streams.insert(connection, Stream { id, opener: client, left_out: [0; 2], nonces });
    }

    fn take(&mut self, found: &Found<'_>) {
        let observed = &found.observed;
        let connection = observed.connection;
        let Some(row) = self.copy.connections.get(&connection) else { return };
        if let What::Closed { .. } = observed.what
            && let Some(pair) = self.pairs.get_mut(&ordered(row.ends))
        {
            pair.end(connection);
        }
        if !row.is_chosen || !self.copy.knows(observed.number) {
            return;
        }
        self.at = self.at.max(observed.at);
        let [client, server] = row.ends;
        match &observed.what {
            What::Opened { .. } => {
                self.streams.entry(connection).or_insert_with(|| {
                    let id = self.capture.join(client, server, row.making());
                    Stream { id, opener: client, left_out: [0; 2], nonces: [None; 2] }
                });
            }
            What::Handshake(_) => {}
            What::Frame { direction, .. }
            | What::Line { direction, .. }
            | What::Opaque { direction, .. }
            | What::Gap { direction, .. } => self.content(found, row, *direction),
            What::Closed { by, reset } => {
                let Some(stream) = self.streams.get(&connection) else { return };
                let ends = if *by == Direction::ClientToServer {
                    [client, server]
                } else {
                    [server, client]
                };
                // Both sides have ended, or one has broken it off.
                for end in &ends[..if *reset { 1 } else { 2 }] {
                    let (id, direction) = (stream.id, stream.direction(*end));
                    self.capture.close(self.now(), id, direction, *reset);
                }
            }
        }
    }

    /// Writes what was said, or counts what is left out of it.
    fn content(&mut self, found: &Found<'_>, row: &OfConnection, direction: Direction) {
        let Found { observed, pieces, seal, .. } = found;
        let now = self.now();
        let Some(stream) = self.streams.get_mut(&observed.connection) else { return };
        let side = usize::from(direction == Direction::ServerToClient);
        let is_kept = self.copy.keeps(observed.number, &observed.what) && !pieces.is_empty();
        if !is_kept {
            stream.left_out[side] += match observed.what {
                What::Gap { len, .. } => len,
                What::Opaque { len, .. } => len as u64,
                _ => pieces.iter().map(|piece| piece.len as u64).sum(),
            };
            return;
        }
        let Some(mut bytes) = self.again.read(pieces) else {
            self.failure = Some("the capture has changed since it was opened".into());
            return;
        };
        let is_clear = seal.is_none() && !matches!(observed.what, What::Opaque { .. });
        let mut hole = std::mem::take(&mut stream.left_out[side]);
        if row.is_selection && is_clear {
            hole = 0;
        }
        if let What::Line { .. } = observed.what
            && hole > 0
        {
            // The end of the line before: a reader looks for it behind a gap.
            bytes.insert(0, b'\n');
            hole -= 1;
        }
        if let (Some(seal), What::Frame { frame, integrity, .. }) = (seal, &observed.what) {
            let expected = stream.nonces[side];
            let step = seal.nonce.saturating_sub(expected.unwrap_or_default());
            if step > 0 {
                hole = hole.max(LEN_PER_NONCE * step);
            }
            let is_far = step > NEAR || *integrity == Integrity::Bad && step > 0;
            if let Some(header) = bytes.first_chunk()
                && (expected.is_none() || is_far)
            {
                self.capture.key_log(checkpoint(seal, direction, header).as_bytes());
            }
            let used = 1 + payload_chunks(frame.payload.len()) as u64;
            stream.nonces[side] = Some(seal.nonce + used);
        }
        let places = found.places.iter();
        let beside = places.filter_map(|it| self.comments.remove(&(it.file, it.packet)));
        let own = self.copy.comment_on(observed.number).map(str::to_owned);
        let comment = beside.chain(own).collect::<Vec<_>>().join("\n");
        let from = stream.direction(row.ends[side]);
        self.capture.skip(stream.id, from, hole);
        self.capture.bytes(now, stream.id, from, &comment, &bytes);
    }
}

impl Pair {
    /// Whether a packet begins another connection.
    fn is_another(&self, segment: &Segment<'_>) -> bool {
        let Some(now) = &self.now else { return !(segment.is_reset && segment.payload_len == 0) };
        let is_first = segment.is_syn && segment.acknowledged.is_none();
        is_first && (now.is_over || now.syn != Some(segment.sequence))
    }

    /// The connection of a packet.
    fn beginning(&mut self, segment: &Segment<'_>) -> Option<&mut Beginning> {
        if self.is_another(segment) {
            let connection = *self.connections.get(self.begun)?;
            self.begun += 1;
            let is_first = segment.is_syn && segment.acknowledged.is_none();
            let syn = is_first.then_some(segment.sequence);
            let acts = BTreeMap::new();
            self.now = Some(Beginning { connection, syn, is_over: false, acts });
        }
        self.now.as_mut()
    }

    fn end(&mut self, connection: u32) {
        if let Some(now) = self.now.as_mut().filter(|now| now.connection == connection) {
            now.is_over = true;
        }
    }
}

impl Act {
    /// What is new and next in a segment, up to a length in all.
    fn take(&mut self, segment: &Segment<'_>, len: usize) -> Vec<u8> {
        let sequence = segment.sequence.wrapping_add(u32::from(segment.is_syn));
        let first = *self.first.get_or_insert(sequence);
        let mut fresh = Vec::new();
        let Ok(offset) = usize::try_from(sequence.wrapping_sub(first).cast_signed()) else {
            return fresh;
        };
        if segment.payload.is_empty() || offset >= len || self.written_len >= len {
            return fresh;
        }
        let end = segment.payload.len().min(len - offset);
        self.waiting.insert(offset, segment.payload[..end].to_vec());
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() <= self.written_len
        {
            let (offset, bytes) = entry.remove_entry();
            let next = bytes.get(self.written_len - offset..).unwrap_or_default();
            self.written_len += next.len();
            fresh.extend_from_slice(next);
        }
        fresh
    }
}

impl Stream {
    fn direction(&self, from: SocketAddr) -> Direction {
        match from == self.opener {
            true => Direction::ClientToServer,
            false => Direction::ServerToClient,
        }
    }
}

/// A line of a key log that leads to a sealed header.
fn checkpoint(seal: &Seal<'_>, direction: Direction, header: &[u8; SEALED_HEADER_LEN]) -> String {
    let label = match direction {
        Direction::ClientToServer => "SV2_CKPT_I2R",
        Direction::ServerToClient => "SV2_CKPT_R2I",
    };
    let mac = &header[SEALED_HEADER_LEN - MAC_LEN..];
    format!("{label} {} {} {}\n", hex(seal.session), seal.nonce, hex(mac))
}

fn ordered([one, other]: [SocketAddr; 2]) -> [SocketAddr; 2] {
    if one <= other { [one, other] } else { [other, one] }
}

/// Comments that wait for what they are about.
const COMMENTS_MAX: usize = 4_096;
/// Nonces that a reader soon has tried.
const NEAR: u64 = 256;
/// Bytes that a frame has at least for each nonce, by which readers know how many to try.
const LEN_PER_NONCE: u64 = 19;

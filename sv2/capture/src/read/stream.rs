//! One direction of a connection: bytes in order in, frames and lines out.

use std::collections::VecDeque;

use bytes::BytesMut;
use sv2::noise::{SEALED_HEADER_LEN, sealed_payload_len};
use sv2::wire::{Frame, FrameHeader};

use super::context::Origin;
use super::key_log::Checkpoint;
use super::reassembly::{Piece, Place};
use super::sealed::{Sealed, Step, is_plausible};
use crate::observed::Integrity;

/// Bytes in which the start of a frame is searched for behind a gap.
const SEARCH_LEN_MAX: u64 = 256 << 10;
/// Headers that are tried behind one gap, at about 0.3 us each.
const SEARCH_TRIALS_MAX: u32 = 1 << 18;
/// A line of Stratum V1 that is longer is cut here.
const LINE_LEN_MAX: usize = 64 << 10;
/// Bytes that all frames of a capture which have not fully arrived may hold together.
pub const HELD_LEN_MAX: usize = 96 << 20;

/// What a direction speaks.
#[derive(Debug, Default)]
pub(super) enum Speech {
    /// Not known yet: bytes are held.
    #[default]
    Unknown,
    /// Frames in clear.
    Plain,
    /// Frames in Noise, with a key.
    Sealed(Box<Sealed>),
    /// Stratum V1.
    Lines,
    /// Nothing that can be read.
    Opaque,
}

/// What is found in a direction.
pub(super) enum Heard<'a> {
    Frame {
        frame: &'a Frame,
        integrity: Integrity,
    },
    Line(&'a [u8]),
    Opaque(usize),
    Gap {
        len: u64,
        resynced: bool,
    },
    /// The key does not open the first header.
    DoesNotFit,
    /// The key has opened the first header.
    Fits,
}

/// Takes what was heard, and where it comes from.
pub(super) type Ear<'a> = dyn FnMut(Heard<'_>, Origin<'_>) + 'a;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) speech: Speech,
    buffer: Vec<u8>,
    /// Which packets brought the bytes of the buffer, and of a header that was taken off it.
    runs: VecDeque<Run>,
    /// Of the bytes that were taken off and belong to what comes next.
    places: Vec<Place>,
    pieces: Vec<Piece>,
    /// Bytes to come that belong to a frame which is damaged.
    skip: u64,
    lost: Option<Lost>,
}

/// Bytes that one packet has brought.
#[derive(Clone, Copy, Debug)]
struct Run {
    len: usize,
    place: Place,
    /// Where the first of them lies in the file.
    at: u64,
}

#[derive(Clone, Copy, Debug)]
struct Lost {
    /// Bytes that were not captured, or not understood.
    len: u64,
    /// Of them, not captured.
    missing: u64,
    /// Bytes that were searched.
    searched: u64,
    trials: u32,
    place: Place,
}

impl Stream {
    /// Bytes that are held.
    pub(super) fn held_len(&self) -> usize {
        self.buffer.len()
    }

    /// What has come and was not understood yet.
    pub(super) fn held(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes `len` bytes off what has come.
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        self.use_up(len);
        self.clear_origin();
        self.buffer.drain(..len).collect()
    }

    /// Takes everything that has come, and says how much it was.
    pub(super) fn take_all(&mut self) -> usize {
        let len = self.buffer.len();
        self.forget();
        len
    }

    /// Keeps bytes until it is known what they are.
    pub(super) fn hold(&mut self, bytes: &[u8], place: Place, at: u64) {
        self.runs.push_back(Run { len: bytes.len(), place, at });
        self.buffer.extend_from_slice(bytes);
    }

    /// The place in the stream is not known: it must be searched for, `nonces` further on at
    /// most.
    pub(super) fn attach(&mut self, nonces: u64) {
        let missing = nonces.saturating_mul(20);
        let trials = SEARCH_TRIALS_MAX;
        self.lost = Some(Lost { len: 0, missing, searched: 0, trials, place: Place::default() });
    }

    /// Whether the start of a frame is searched for.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// What comes next is the header that a key log knows.
    pub(super) fn seek(&mut self, point: &Checkpoint, ear: &mut Ear<'_>) {
        let Speech::Sealed(sealed) = &mut self.speech else { return };
        if !sealed.seek(point) {
            return;
        }
        let held = self.buffer.len() as u64;
        self.forget();
        if let Some(lost) = self.lost.take() {
            let len = lost.len + held;
            if len > 0 {
                ear(Heard::Gap { len, resynced: true }, brought_by(&[lost.place]));
            }
        }
    }

    /// It is known now what they are.
    pub(super) fn understand(&mut self, arena: &mut BytesMut, ear: &mut Ear<'_>) {
        let held = std::mem::take(&mut self.buffer);
        let used = self.listen(&held, 0, arena, ear);
        self.put_back(held, used);
    }

    /// The next bytes, and where the first of them lies in the file.
    pub(super) fn bytes(
        &mut self,
        mut bytes: &[u8],
        place: Place,
        mut at: u64,
        arena: &mut BytesMut,
        ear: &mut Ear<'_>,
    ) {
        if self.skip > 0 {
            let skipped = bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.skip -= skipped as u64;
            bytes = &bytes[skipped..];
            at += skipped as u64;
        }
        let used = self.whole_frames(bytes, place, at, arena, ear);
        bytes = &bytes[used..];
        at += used as u64;
        if bytes.is_empty() {
            return;
        }
        self.runs.push_back(Run { len: bytes.len(), place, at });
        if self.buffer.is_empty() {
            let used = self.listen(bytes, 0, arena, ear);
            self.buffer.extend_from_slice(&bytes[used..]);
        } else {
            let fresh_at = self.buffer.len();
            let mut held = std::mem::take(&mut self.buffer);
            held.extend_from_slice(bytes);
            let used = self.listen(&held, fresh_at, arena, ear);
            self.put_back(held, used);
        }
    }

    /// Frames in clear that one packet brought as a whole, as nearly all are: where they come from
    /// need not be remembered. Returns how long they are.
    fn whole_frames(
        &mut self,
        bytes: &[u8],
        place: Place,
        at: u64,
        arena: &mut BytesMut,
        ear: &mut Ear<'_>,
    ) -> usize {
        let is_between_frames = self.runs.is_empty() && self.lost.is_none();
        if !is_between_frames || !matches!(self.speech, Speech::Plain) {
            return 0;
        }
        let (mut used, integrity, places) = (0, Integrity::Plain, [place]);
        while let Some((len, frame)) = plain_frame(&bytes[used..], arena) {
            let pieces = [Piece { file: place.file, at: at + used as u64, len }];
            let origin = Origin { pieces: &pieces, ..brought_by(&places) };
            ear(Heard::Frame { frame: &frame, integrity }, origin);
            used += len;
        }
        used
    }

    /// The frame that is arriving is too much to hold: it is given up.
    pub(super) fn give_up(&mut self, place: Place, ear: &mut Ear<'_>) {
        self.gap(0, place, ear);
    }

    /// Bytes that were not captured.
    pub(super) fn gap(&mut self, len: u64, place: Place, ear: &mut Ear<'_>) {
        if let Some(lost) = &mut self.lost {
            lost.len += len + self.buffer.len() as u64;
            lost.missing += len + self.buffer.len() as u64;
            self.forget();
            return;
        }
        let len_in_skip = len.min(self.skip);
        self.skip -= len_in_skip;
        if len_in_skip == len && len > 0 {
            ear(Heard::Gap { len, resynced: true }, brought_by(&[place]));
            return;
        }
        let held = self.buffer.len();
        let left = match &mut self.speech {
            Speech::Unknown | Speech::Opaque => {
                self.forget();
                self.speech = Speech::Opaque;
                ear(Heard::Gap { len, resynced: false }, brought_by(&[place]));
                return;
            }
            Speech::Plain => self.buffer.first_chunk().and_then(|bytes| {
                let header = FrameHeader::from_bytes(*bytes);
                let left = FrameHeader::LEN + header.payload_len as usize - held;
                (left as u64).checked_sub(len)
            }),
            Speech::Sealed(sealed) => sealed.gap(held, len),
            Speech::Lines => None,
        };
        self.forget();
        match left {
            Some(left) => {
                self.skip = left;
                ear(Heard::Gap { len, resynced: true }, brought_by(&[place]));
            }
            None => {
                let trials = SEARCH_TRIALS_MAX;
                let missing = len + held as u64;
                self.lost = Some(Lost { len, missing, searched: 0, trials, place });
            }
        }
    }

    /// Nothing comes any more.
    pub(super) fn end(&mut self, ear: &mut Ear<'_>) {
        if let Some(lost) = self.lost.take() {
            let len = lost.len + self.buffer.len() as u64;
            // Who never spoke was not lost.
            if len > 0 {
                ear(Heard::Gap { len, resynced: false }, brought_by(&[lost.place]));
            }
        } else if !self.buffer.is_empty() {
            self.clear_origin();
            let held = std::mem::take(&mut self.buffer);
            self.use_up(held.len());
            match self.speech {
                Speech::Lines => ear(Heard::Line(&held), self.origin(None)),
                Speech::Unknown | Speech::Plain | Speech::Sealed(_) | Speech::Opaque => {
                    ear(Heard::Opaque(held.len()), self.origin(None));
                }
            }
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.buffer = Vec::new();
        self.runs.clear();
        self.clear_origin();
    }

    fn clear_origin(&mut self) {
        self.places.clear();
        self.pieces.clear();
    }

    fn origin(&self, nonce: Option<u64>) -> Origin<'_> {
        let (seal, is_left_sealed) = match (&self.speech, nonce) {
            (Speech::Sealed(sealed), Some(nonce)) => {
                (Some(sealed.seal(nonce)), sealed.leaves_payloads())
            }
            _ => (None, false),
        };
        Origin { places: &self.places, pieces: &self.pieces, seal, is_left_sealed }
    }

    fn put_back(&mut self, mut held: Vec<u8>, used: usize) {
        if used == held.len() {
            held.clear();
        } else if used > 0 {
            held.drain(..used);
        }
        // A long frame shall not hold its room for ever.
        if held.is_empty() && held.capacity() > 64 << 10 {
            held = Vec::new();
        }
        self.buffer = held;
    }

    /// Understands what it can of `input`, of which the bytes from `fresh_at` are new, and
    /// returns how much that was.
    fn listen(
        &mut self,
        input: &[u8],
        fresh_at: usize,
        arena: &mut BytesMut,
        ear: &mut Ear<'_>,
    ) -> usize {
        let mut used = 0;
        if self.lost.is_some() {
            used = self.search(input, fresh_at, ear);
            if self.lost.is_some() {
                return used;
            }
        }
        loop {
            let rest = &input[used..];
            let (len, heard) = match &mut self.speech {
                Speech::Unknown => return used,
                Speech::Opaque => {
                    if !rest.is_empty() {
                        self.use_up(rest.len());
                        ear(Heard::Opaque(rest.len()), self.origin(None));
                        self.clear_origin();
                    }
                    return input.len();
                }
                Speech::Plain => match plain_frame(rest, arena) {
                    Some((len, frame)) => (len, Some((frame, Integrity::Plain, None))),
                    None => return used,
                },
                Speech::Lines => {
                    let Some(len) = line_len(rest) else { return used };
                    self.use_up(len);
                    ear(Heard::Line(without_end(&rest[..len])), self.origin(None));
                    self.clear_origin();
                    used += len;
                    continue;
                }
                Speech::Sealed(sealed) => {
                    let had_fit = sealed.has_fit();
                    let step = sealed.step(rest, arena);
                    if !had_fit && sealed.has_fit() {
                        ear(Heard::Fits, Origin::default());
                    }
                    match step {
                        Step::More => return used,
                        Step::Header(len) => (len, None),
                        Step::Frame { len, frame, integrity, nonce } => {
                            (len, Some((frame, integrity, Some(nonce))))
                        }
                        Step::Lost if !had_fit => {
                            ear(Heard::DoesNotFit, Origin::default());
                            self.speech = Speech::Opaque;
                            continue;
                        }
                        Step::Lost => {
                            let place = self.runs.front().map_or(Place::default(), |run| run.place);
                            let trials = SEARCH_TRIALS_MAX;
                            let lost = Lost { len: 0, missing: 0, searched: 0, trials, place };
                            self.lost = Some(lost);
                            let found = self.search(rest, 0, ear);
                            used += found;
                            if self.lost.is_some() {
                                return used;
                            }
                            continue;
                        }
                    }
                }
            };
            self.use_up(len);
            used += len;
            if let Some((frame, integrity, nonce)) = heard {
                ear(Heard::Frame { frame: &frame, integrity }, self.origin(nonce));
                self.clear_origin();
            }
        }
    }

    /// Looks for the start of a frame or of a line behind a gap: where packets start first,
    /// for that is where most frames do.
    fn search(&mut self, input: &[u8], fresh_at: usize, ear: &mut Ear<'_>) -> usize {
        let Some(mut lost) = self.lost else { return 0 };
        let offsets = std::iter::once(fresh_at).chain(0..input.len());
        let found = match &mut self.speech {
            Speech::Unknown | Speech::Opaque => None,
            Speech::Lines => input.iter().position(|byte| *byte == b'\n').map(|at| at + 1),
            Speech::Plain => offsets.clone().find(|offset| starts_frames(&input[*offset..])),
            Speech::Sealed(sealed) => offsets.clone().find(|offset| {
                let skipped = lost.missing + lost.searched + *offset as u64;
                sealed.search(&input[*offset..], skipped, &mut lost.trials)
            }),
        };
        if let Some(offset) = found {
            self.lost = None;
            if matches!(self.speech, Speech::Sealed(_)) {
                ear(Heard::Fits, Origin::default());
            }
            self.use_up(offset);
            self.clear_origin();
            let len = lost.len + offset as u64;
            if len > 0 {
                ear(Heard::Gap { len, resynced: true }, brought_by(&[lost.place]));
            }
            return offset;
        }
        // What may be the beginning of a header stays.
        let used = input.len().saturating_sub(SEALED_HEADER_LEN - 1);
        self.use_up(used);
        self.clear_origin();
        lost.len += used as u64;
        lost.searched += used as u64;
        self.lost = Some(lost);
        if lost.trials == 0 || lost.searched > SEARCH_LEN_MAX {
            self.lost = None;
            self.speech = Speech::Opaque;
            ear(Heard::Gap { len: lost.len, resynced: false }, brought_by(&[lost.place]));
        }
        used
    }

    /// Bytes of the buffer have been understood: their packets are those of what comes next.
    fn use_up(&mut self, mut len: usize) {
        while len > 0 {
            let Some(run) = self.runs.front_mut() else { return };
            if self.places.last() != Some(&run.place) {
                self.places.push(run.place);
            }
            let taken = run.len.min(len);
            let (file, at) = (run.place.file, run.at);
            match self.pieces.last_mut() {
                Some(last) if last.file == file && last.at + last.len as u64 == at => {
                    last.len += taken;
                }
                _ => self.pieces.push(Piece { file, at, len: taken }),
            }
            if run.len > taken {
                run.len -= taken;
                run.at += taken as u64;
                return;
            }
            len -= taken;
            self.runs.pop_front();
        }
    }
}

fn brought_by(places: &[Place]) -> Origin<'_> {
    Origin { places, ..Origin::default() }
}

fn plain_frame(input: &[u8], arena: &mut BytesMut) -> Option<(usize, Frame)> {
    let header = FrameHeader::from_bytes(*input.first_chunk()?);
    let len = FrameHeader::LEN + header.payload_len as usize;
    arena.extend_from_slice(input.get(FrameHeader::LEN..len)?);
    let payload = arena.split().freeze();
    let FrameHeader { extension_type, message_type, .. } = header;
    Some((len, Frame { extension_type, message_type, payload }))
}

/// Whether whole frames that make sense, and nothing else, stand at the start of `input`; the
/// last may be cut off.
pub(super) fn starts_frames(mut input: &[u8]) -> bool {
    let mut is_first = true;
    // So many in a row are no accident, and hostile bytes shall not be walked again and again.
    for _ in 0..64 {
        let Some(bytes) = input.first_chunk() else {
            return !is_first && input.len() < FrameHeader::LEN;
        };
        let header = FrameHeader::from_bytes(*bytes);
        if !is_plausible(header) {
            return false;
        }
        match input.get(FrameHeader::LEN + header.payload_len as usize..) {
            Some(rest) => input = rest,
            None => return !is_first || (header.payload_len as usize) < 64 << 10,
        }
        is_first = false;
    }
    true
}

fn line_len(input: &[u8]) -> Option<usize> {
    match input.iter().take(LINE_LEN_MAX).position(|byte| *byte == b'\n') {
        Some(at) => Some(at + 1),
        None if input.len() >= LINE_LEN_MAX => Some(LINE_LEN_MAX),
        None => None,
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

const _: () = assert!(
    sealed_payload_len(FrameHeader::PAYLOAD_LEN_MAX) < HELD_LEN_MAX,
    "every frame can be held"
);

//! Rows that are held together: column by column, with a heap for what few of them have.

use std::collections::BTreeMap;
use std::ops::Range;

use super::row::{Kind, Outcome, Position, Row, Sealed};
use super::{Extra, Reader, Writer};
use crate::Direction;
use crate::filter::{CHUNK, Column, Dense, Numbers};
use crate::observed::Integrity;

/// A heap that is longer takes no further row, in bytes.
pub const HEAP_LEN_MAX: usize = 16 << 20;

/// Rows from some row of the capture on.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    at: Vec<u64>,
    /// Zero: none.
    position: Vec<u64>,
    flags: Vec<u16>,
    /// Where the extra stands in the heap.
    extra: Vec<u32>,
    /// By [`Narrow`].
    narrow: [Vec<u32>; NARROW_COUNT],
    /// What does not fit its column, by row and column.
    long: BTreeMap<(u32, u8), u64>,
    heap: Vec<u8>,
}

/// What a row learns later.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// The other half of a request and its answer, by its number.
    Pair(u64),
    /// What became of a share.
    Outcome(Outcome),
}

/// Columns of four bytes; [`MISSING`] where a row has no value, [`LONG`] where it is not so short.
#[derive(Clone, Copy, Debug)]
enum Narrow {
    Connection,
    Channel,
    Job,
    Pair,
    Latency,
    SinceLast,
    Nonce,
    /// Of a payload or a line.
    Len,
    Type,
    Extension,
}

impl Chunk {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Whether another row belongs into another chunk.
    pub fn is_full(&self) -> bool {
        self.len() >= CHUNK || self.heap.len() >= HEAP_LEN_MAX
    }

    /// Without its rows, but with its room.
    pub fn emptied(mut self) -> Self {
        self.at.clear();
        self.position.clear();
        self.flags.clear();
        self.extra.clear();
        self.narrow.iter_mut().for_each(Vec::clear);
        self.long.clear();
        self.heap.clear();
        self
    }

    /// About how much memory it takes, in bytes.
    pub fn held_len(&self) -> usize {
        self.len() * ROW_LEN + self.heap.len() + self.long.len() * LONG_LEN
    }

    /// Takes a row with its extra.
    ///
    /// # Panics
    /// If the chunk is full.
    pub fn push(&mut self, row: &Row, extra: &Extra) {
        assert!(!self.is_full(), "whoever pushes looks first");
        let heap_at = match extra.is_empty() {
            true => MISSING,
            false => u32::try_from(self.heap.len()).expect("a heap is short"),
        };
        if !extra.is_empty() {
            let mut out = Writer::after(std::mem::take(&mut self.heap));
            extra.write(&mut out);
            self.heap = out.into_bytes();
        }
        let (extension_type, message_type, len) = match row.kind {
            Kind::Frame { extension_type, message_type, payload_len } => {
                (Some(extension_type), Some(message_type), Some(payload_len))
            }
            Kind::Line { len } => (None, None, Some(len)),
            Kind::Opened | Kind::Handshake | Kind::Opaque | Kind::Gap | Kind::Closed => {
                (None, None, None)
            }
        };
        if self.len() == FEW {
            self.make_room();
        }
        self.at.push(row.at);
        self.position.push(row.position.map_or(0, Position::bits));
        self.extra.push(heap_at);
        self.flags.push(flags(row));
        self.add(Narrow::Connection, Some(row.connection.into()));
        self.add(Narrow::Channel, row.channel.map(u64::from));
        self.add(Narrow::Job, row.job.map(u64::from));
        self.add(Narrow::Pair, row.pair);
        self.add(Narrow::Latency, row.latency);
        self.add(Narrow::SinceLast, row.since_last);
        self.add(Narrow::Nonce, row.sealed.map(|sealed| sealed.nonce));
        self.add(Narrow::Len, len.map(u64::from));
        self.add(Narrow::Type, message_type.map(u64::from));
        let extension = extension_type.map(|extension| u64::from(extension & !CHANNEL_BIT));
        self.add(Narrow::Extension, extension);
    }

    /// A row lets itself be told.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn change(&mut self, index: usize, change: Change) {
        match change {
            Change::Pair(pair) => self.set(Narrow::Pair, index, Some(pair)),
            Change::Outcome(outcome) => {
                let flags = &mut self.flags[index];
                *flags = *flags & !(3 << OUTCOME_AT) | outcome_bits(Some(outcome));
            }
        }
    }

    /// A row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, index: usize) -> Row {
        let flags = self.flags[index];
        let narrow = |column| self.value(column, index);
        let short = |column| narrow(column).and_then(|value| u32::try_from(value).ok());
        let len = short(Narrow::Len).unwrap_or(0);
        let kind = match flags & 7 {
            0 => Kind::Opened,
            1 => Kind::Handshake,
            2 => {
                let extension = short(Narrow::Extension).and_then(|it| u16::try_from(it).ok());
                let message_type = short(Narrow::Type).and_then(|it| u8::try_from(it).ok());
                let bit = if flags & 1 << CHANNEL_BIT_AT == 0 { 0 } else { CHANNEL_BIT };
                Kind::Frame {
                    extension_type: extension.unwrap_or(0) | bit,
                    message_type: message_type.unwrap_or(0),
                    payload_len: len,
                }
            }
            3 => Kind::Opaque,
            4 => Kind::Line { len },
            5 => Kind::Gap,
            _ => Kind::Closed,
        };
        let is_aes = flags & 1 << AES_AT != 0;
        Row {
            at: self.at[index],
            connection: short(Narrow::Connection).unwrap_or(0),
            kind,
            direction: match flags >> DIRECTION_AT & 3 {
                1 => Some(Direction::ClientToServer),
                2 => Some(Direction::ServerToClient),
                _ => None,
            },
            integrity: match flags >> INTEGRITY_AT & 7 {
                1 => Some(Integrity::Verified),
                2 => Some(Integrity::Unverified),
                3 => Some(Integrity::Bad),
                4 => Some(Integrity::Plain),
                _ => None,
            },
            is_request: flags & 1 << REQUEST_AT != 0,
            outcome: match flags >> OUTCOME_AT & 3 {
                1 => Some(Outcome::Accepted),
                2 => Some(Outcome::Rejected),
                _ => None,
            },
            channel: short(Narrow::Channel),
            job: short(Narrow::Job),
            pair: narrow(Narrow::Pair),
            latency: narrow(Narrow::Latency),
            since_last: narrow(Narrow::SinceLast),
            has_findings: flags & 1 << FINDINGS_AT != 0,
            position: Position::from_bits(self.position[index]),
            sealed: narrow(Narrow::Nonce).map(|nonce| Sealed { nonce, is_aes }),
        }
    }

    /// What a row has beyond that; nothing where its bytes make no sense.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn extra(&self, index: usize) -> Extra {
        let at = usize::try_from(self.extra[index]).unwrap_or(usize::MAX);
        let bytes = self.heap.get(at..);
        bytes.and_then(|bytes| Extra::read(&mut Reader::new(bytes))).unwrap_or_default()
    }

    /// Numbers of a column from a row on, where all of them are held as such.
    pub fn dense(&self, column: Column, first: usize) -> Option<Dense<'_>> {
        if column == Column::T {
            return Some(Dense { numbers: Numbers::U64(self.at.get(first..)?), missing: None });
        }
        let narrow = Narrow::of(column)?;
        if self.long_columns() & 1 << narrow as u16 != 0 {
            return None;
        }
        dense_narrow(&self.narrow[narrow as usize], first)
    }

    /// Columns with numbers that do not fit, a bit each: those are not dense.
    pub fn long_columns(&self) -> u16 {
        self.long.keys().fold(0, |bits, (_, column)| bits | 1 << (column % 16))
    }

    /// As bytes, which are as long after any [`Change`] that fits.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_bytes(&mut out);
        out
    }

    /// Appends them.
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        out.reserve(HEAD_LEN + self.held_len());
        let counts = [self.len(), self.heap.len(), self.long.len()];
        for count in counts {
            let count = u32::try_from(count).expect("a chunk is short");
            out.extend_from_slice(&count.to_le_bytes());
        }
        self.at.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        self.position.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        self.flags.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        for column in std::iter::once(&self.extra).chain(&self.narrow) {
            column.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
        }
        for ((row, column), value) in &self.long {
            out.extend_from_slice(&row.to_le_bytes());
            out.push(*column);
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&self.heap);
    }

    /// From such bytes, all of them; `None` if they are others.
    pub fn from_bytes(bytes: &[u8]) -> Option<Chunk> {
        let mut from = Reader::new(bytes);
        let mut count = || Some(u32::from_le_bytes(from.array()?) as usize);
        let (rows, heap_len, long_count) = (count()?, count()?, count()?);
        if rows > CHUNK || bytes.len() < rows.checked_mul(ROW_LEN)? {
            return None;
        }
        let at = wide(from.raw(rows * 8)?);
        let position = wide(from.raw(rows * 8)?);
        let flags: Vec<u16> = from
            .raw(rows * 2)?
            .chunks_exact(2)
            .map(|it| u16::from_le_bytes([it[0], it[1]]))
            .collect();
        let extra = short(from.raw(rows * 4)?);
        let mut narrow: [Vec<u32>; NARROW_COUNT] = Default::default();
        for column in &mut narrow {
            *column = short(from.raw(rows * 4)?);
        }
        let mut long = BTreeMap::new();
        for _ in 0..long_count {
            let row = u32::from_le_bytes(from.array()?);
            let column = from.u8()?;
            long.insert((row, column), u64::from_le_bytes(from.array()?));
        }
        let heap = from.raw(heap_len)?.to_vec();
        let chunk = Chunk { at, position, flags, extra, narrow, long, heap };
        from.is_at_end().then_some(chunk)
    }

    /// Whether [`Chunk::long_columns`] leaves a column dense, and then where its numbers stand in the
    /// [bytes](Chunk::to_bytes) of a chunk of so many rows. Lengths are also those of lines:
    /// [`Loose::of_frames`] leaves them out.
    pub fn place_of(column: Column, rows: usize, long_columns: u16) -> Option<Range<usize>> {
        let narrow = match column {
            Column::T => return Some(HEAD_LEN..HEAD_LEN + rows * 8),
            Column::Len => Narrow::Len,
            _ => Narrow::of(column)?,
        };
        let before = HEAD_LEN + rows * (8 + 8 + 2 + 4 + 4 * narrow as usize);
        (long_columns & 1 << narrow as u16 == 0).then_some(before..before + rows * 4)
    }

    /// For all rows that it can have: whoever has some will have the others.
    fn make_room(&mut self) {
        let more = CHUNK - self.len();
        self.at.reserve_exact(more);
        self.position.reserve_exact(more);
        self.flags.reserve_exact(more);
        self.extra.reserve_exact(more);
        self.narrow.iter_mut().for_each(|column| column.reserve_exact(more));
    }

    fn add(&mut self, column: Narrow, value: Option<u64>) {
        self.narrow[column as usize].push(MISSING);
        self.set(column, self.narrow[column as usize].len() - 1, value);
    }

    fn set(&mut self, column: Narrow, index: usize, value: Option<u64>) {
        let row = u32::try_from(index).expect("a chunk is short");
        let short = match value {
            None => MISSING,
            Some(value) => match u32::try_from(value) {
                Ok(short) if short < LONG => short,
                _ => {
                    self.long.insert((row, column as u8), value);
                    LONG
                }
            },
        };
        self.narrow[column as usize][index] = short;
    }

    fn value(&self, column: Narrow, index: usize) -> Option<u64> {
        match self.narrow[column as usize][index] {
            MISSING => None,
            LONG => {
                let row = u32::try_from(index).ok()?;
                self.long.get(&(row, column as u8)).copied()
            }
            short => Some(short.into()),
        }
    }
}

/// A column by itself, from the bytes at its [place](Chunk::place_of).
#[derive(Clone, Debug)]
pub enum Loose {
    /// Of four bytes each.
    Narrow(Vec<u32>),
    /// Of eight.
    Wide(Vec<u64>),
}

impl Loose {
    /// Takes the bytes of a column.
    pub fn new(column: Column, bytes: &[u8]) -> Loose {
        match column {
            Column::T => Loose::Wide(wide(bytes)),
            _ => Loose::Narrow(short(bytes)),
        }
    }

    /// Without the numbers of rows that are no frames, which have no message type.
    #[must_use]
    pub fn of_frames(mut self, types: &Loose) -> Loose {
        if let (Loose::Narrow(numbers), Loose::Narrow(types)) = (&mut self, types) {
            let no_frames = numbers.iter_mut().zip(types).filter(|(_, of)| **of == MISSING);
            no_frames.for_each(|(number, _)| *number = MISSING);
        }
        self
    }

    /// Its numbers from a row on.
    pub fn dense(&self, first: usize) -> Option<Dense<'_>> {
        match self {
            Loose::Narrow(numbers) => dense_narrow(numbers, first),
            Loose::Wide(numbers) => {
                Some(Dense { numbers: Numbers::U64(numbers.get(first..)?), missing: None })
            }
        }
    }
}

impl Narrow {
    /// The one that filters know as this.
    fn of(column: Column) -> Option<Narrow> {
        Some(match column {
            Column::Conn => Narrow::Connection,
            Column::Ch => Narrow::Channel,
            Column::Job => Narrow::Job,
            Column::Pair => Narrow::Pair,
            Column::Latency => Narrow::Latency,
            Column::Dt => Narrow::SinceLast,
            Column::Type => Narrow::Type,
            Column::Ext => Narrow::Extension,
            _ => return None,
        })
    }
}

fn dense_narrow(numbers: &[u32], first: usize) -> Option<Dense<'_>> {
    let numbers = Numbers::U32(numbers.get(first..)?);
    Some(Dense { numbers, missing: Some(MISSING.into()) })
}

fn flags(row: &Row) -> u16 {
    let (kind, channel_bit) = match row.kind {
        Kind::Opened => (0, 0),
        Kind::Handshake => (1, 0),
        Kind::Frame { extension_type, .. } => (2, extension_type >> 15),
        Kind::Opaque => (3, 0),
        Kind::Line { .. } => (4, 0),
        Kind::Gap => (5, 0),
        Kind::Closed => (6, 0),
    };
    let direction = match row.direction {
        None => 0,
        Some(Direction::ClientToServer) => 1,
        Some(Direction::ServerToClient) => 2,
    };
    let integrity = match row.integrity {
        None => 0,
        Some(Integrity::Verified) => 1,
        Some(Integrity::Unverified) => 2,
        Some(Integrity::Bad) => 3,
        Some(Integrity::Plain) => 4,
    };
    kind | direction << DIRECTION_AT
        | integrity << INTEGRITY_AT
        | u16::from(row.is_request) << REQUEST_AT
        | outcome_bits(row.outcome)
        | u16::from(row.has_findings) << FINDINGS_AT
        | u16::from(row.sealed.is_some_and(|sealed| sealed.is_aes)) << AES_AT
        | channel_bit << CHANNEL_BIT_AT
}

fn outcome_bits(outcome: Option<Outcome>) -> u16 {
    match outcome {
        None => 0,
        Some(Outcome::Accepted) => 1 << OUTCOME_AT,
        Some(Outcome::Rejected) => 2 << OUTCOME_AT,
    }
}

fn wide(bytes: &[u8]) -> Vec<u64> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect()
}

fn short(bytes: &[u8]) -> Vec<u32> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect()
}

/// Rows of a chunk that may have no others.
const FEW: usize = 4096;
const NARROW_COUNT: usize = Narrow::Extension as usize + 1;
const MISSING: u32 = u32::MAX;
const LONG: u32 = u32::MAX - 1;
/// Of a row in all columns, in bytes.
const ROW_LEN: usize = 8 + 8 + 2 + 4 + 4 * NARROW_COUNT;
/// Of a value that does not fit its column, in bytes.
const LONG_LEN: usize = 4 + 1 + 8;
/// Of the three counts, in bytes.
const HEAD_LEN: usize = 12;
/// Of an extension type (spec 3.2.1).
const CHANNEL_BIT: u16 = 0x8000;
const DIRECTION_AT: u16 = 3;
const INTEGRITY_AT: u16 = 5;
const REQUEST_AT: u16 = 8;
const OUTCOME_AT: u16 = 9;
const FINDINGS_AT: u16 = 11;
const AES_AT: u16 = 12;
const CHANNEL_BIT_AT: u16 = 13;

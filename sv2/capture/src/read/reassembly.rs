//! One direction of a TCP connection, put together again: reordering, retransmission, and gaps
//! where the capture has lost what the peer has received.
//!
//! Bytes are delivered once and in order, each run with the packet that brought it, so that a
//! message leads back to its place in the file.

use std::collections::BTreeMap;

/// Bytes that wait behind a hole, in one direction.
pub const WAITING_LEN_MAX: usize = 1 << 20;
/// Segments that wait behind a hole, in one direction.
pub const WAITING_COUNT_MAX: usize = 256;
/// Segments of the connection after which a hole is a gap, once the peer has acknowledged what
/// would fill it: captures of several queues may be out of order by some.
const PATIENCE: u32 = 64;

/// Where a packet stands in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1, within its file.
    pub packet: u64,
    /// Where its block starts, in bytes of the (unpacked) file.
    pub position: u64,
    /// Of its file, in the order in which they were given.
    pub file: u32,
}

/// Bytes of a stream as they lie in a file: what was found can be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of its file, in the order in which they were given.
    pub file: u32,
    /// Of the first byte, in bytes of the (unpacked) file.
    pub at: u64,
    /// In bytes.
    pub len: usize,
}

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery<'a> {
    /// The next bytes of the stream, and where the first of them lies in the file.
    Bytes(&'a [u8], Place, u64),
    /// Bytes that were not captured, as many.
    Gap(u64, Place),
    /// The direction has ended.
    End(Place),
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    /// Of the first byte.
    first: Option<u32>,
    /// Of the next byte.
    next: Option<u32>,
    /// By distance from the first byte of the stream.
    waiting: BTreeMap<u64, Waiting>,
    waiting_len: usize,
    /// Bytes delivered or lost.
    offset: u64,
    /// Offset of the end, where FIN was seen.
    end: Option<(u64, Place)>,
    is_ended: bool,
    /// Segments that passed while a hole was known to be received.
    patience: u32,
}

#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    /// Of the segment, whose end may not have been captured.
    len: usize,
    place: Place,
    /// Where its first byte lies in the file.
    at: u64,
}

/// The data of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Data<'a> {
    /// What was captured of it.
    pub(super) bytes: &'a [u8],
    /// What it had, in bytes.
    pub(super) len: usize,
    pub(super) place: Place,
    /// Where its first byte lies in the file.
    pub(super) at: u64,
}

impl Reassembly {
    /// The SYN was captured: the stream starts behind it.
    pub(super) fn begin(&mut self, sequence: u32) {
        if self.next.is_none() {
            self.first = Some(sequence.wrapping_add(1));
            self.next = self.first;
        }
    }

    /// Sequence number of the first byte, where the SYN was captured.
    pub(super) fn first(&self) -> Option<u32> {
        self.first
    }

    /// Whether the end was delivered.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Bytes that are held.
    pub(super) fn held_len(&self) -> usize {
        self.waiting_len
    }

    /// A segment.
    pub(super) fn segment(
        &mut self,
        sequence: u32,
        data: Data<'_>,
        is_fin: bool,
        deliver: &mut dyn FnMut(Delivery<'_>),
    ) {
        let len = data.len;
        if self.is_ended {
            return;
        }
        let next = *self.next.get_or_insert(sequence);
        let distance = i64::from(sequence.wrapping_sub(next).cast_signed());
        let Some(start) = self.offset.checked_add_signed(distance) else {
            // Before the first byte: a retransmission of what was not captured.
            return;
        };
        if is_fin && self.end.is_none() {
            self.end = Some((start + len as u64, data.place));
        }
        if len > 0 && start <= self.offset {
            self.in_order(start, data, deliver);
        } else if len > 0 {
            self.keep(start, data);
        }
        self.drain(deliver);
        let is_full = self.waiting_len > WAITING_LEN_MAX || self.waiting.len() > WAITING_COUNT_MAX;
        if is_full {
            self.give_up(deliver);
        }
    }

    /// Whether a segment is simply the next one, as nearly all are: then its bytes are to be
    /// delivered as they are, and [`Reassembly::segment`] need not be asked.
    pub(super) fn takes_next(&mut self, sequence: u32, data: &Data<'_>, is_fin: bool) -> bool {
        let is_next = self.next == Some(sequence)
            && self.waiting.is_empty()
            && self.end.is_none()
            && !is_fin
            && !data.bytes.is_empty()
            && data.bytes.len() == data.len;
        if is_next {
            self.advance(data.len as u64);
        }
        is_next
    }

    /// The peer has received everything before `sequence`: what is missing before it will not
    /// come again, and is a gap unless it comes soon.
    pub(super) fn acknowledged(&mut self, sequence: u32, deliver: &mut dyn FnMut(Delivery<'_>)) {
        let Some(next) = self.next else { return };
        if self.waiting.is_empty() {
            return;
        }
        if sequence.wrapping_sub(next).cast_signed() > 0 {
            self.patience += 1;
            if self.patience > PATIENCE {
                self.give_up(deliver);
            }
        }
    }

    /// Nothing will come any more: whatever waits is delivered behind gaps.
    pub(super) fn flush(&mut self, deliver: &mut dyn FnMut(Delivery<'_>)) {
        while !self.waiting.is_empty() {
            self.give_up(deliver);
        }
    }

    fn in_order(&mut self, start: u64, data: Data<'_>, deliver: &mut dyn FnMut(Delivery<'_>)) {
        let Data { bytes, len, place, at } = data;
        let known = usize::try_from(self.offset - start).unwrap_or(usize::MAX);
        if known >= len {
            return;
        }
        if let Some(fresh) = bytes.get(known..)
            && !fresh.is_empty()
        {
            self.advance(fresh.len() as u64);
            deliver(Delivery::Bytes(fresh, place, at + known as u64));
        }
        let cut_off = len - bytes.len().max(known);
        if cut_off > 0 {
            self.advance(cut_off as u64);
            deliver(Delivery::Gap(cut_off as u64, place));
        }
    }

    fn keep(&mut self, start: u64, data: Data<'_>) {
        let Data { bytes, len, place, at } = data;
        match self.waiting.get(&start) {
            Some(kept) if kept.len >= len => return,
            Some(kept) => self.waiting_len -= kept.bytes.len(),
            None => {}
        }
        self.waiting_len += bytes.len();
        self.waiting.insert(start, Waiting { bytes: bytes.to_vec(), len, place, at });
    }

    /// Delivers what waits and is next.
    fn drain(&mut self, deliver: &mut dyn FnMut(Delivery<'_>)) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > self.offset {
                break;
            }
            let (start, waiting) = entry.remove_entry();
            self.waiting_len -= waiting.bytes.len();
            self.patience = 0;
            let Waiting { bytes, len, place, at } = &waiting;
            let data = Data { bytes, len: *len, place: *place, at: *at };
            self.in_order(start, data, deliver);
        }
        if let Some((end, place)) = self.end
            && self.offset >= end
            && !self.is_ended
        {
            self.is_ended = true;
            self.waiting.clear();
            self.waiting_len = 0;
            deliver(Delivery::End(place));
        }
    }

    /// The first hole is a gap.
    fn give_up(&mut self, deliver: &mut dyn FnMut(Delivery<'_>)) {
        self.patience = 0;
        if let Some((start, waiting)) = self.waiting.first_key_value() {
            let (len, place) = (start - self.offset, waiting.place);
            self.advance(len);
            deliver(Delivery::Gap(len, place));
        }
        self.drain(deliver);
    }

    fn advance(&mut self, len: u64) {
        self.offset += len;
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap around")]
        let step = len as u32;
        self.next = self.next.map(|next| next.wrapping_add(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(bytes: &[u8]) -> Data<'_> {
        Data { bytes, len: bytes.len(), place: Place::default(), at: 0 }
    }

    /// What a text of segments `start..end`, FIN as `start..end!`, comes out as.
    fn delivered(segments: &str) -> String {
        let stream: Vec<u8> = (b'a'..=b'z').collect();
        let isn = u32::MAX - 4;
        let mut reassembly = Reassembly::default();
        reassembly.begin(isn);
        let mut out = String::new();
        let mut deliver = |delivery: Delivery<'_>| match delivery {
            Delivery::Bytes(bytes, ..) => out.push_str(std::str::from_utf8(bytes).unwrap()),
            Delivery::Gap(len, _) => out.push_str(&format!("[{len}]")),
            Delivery::End(_) => out.push('!'),
        };
        for segment in segments.split_whitespace() {
            let is_fin = segment.ends_with('!');
            let (start, end) = segment.trim_end_matches('!').split_once("..").unwrap();
            let [start, end]: [usize; 2] = [start, end].map(|word| word.parse().unwrap());
            let sequence = isn.wrapping_add(1).wrapping_add(u32::try_from(start).unwrap());
            let bytes = &stream[start..end];
            reassembly.segment(sequence, data(bytes), is_fin, &mut deliver);
        }
        reassembly.flush(&mut deliver);
        out
    }

    #[test]
    fn each_byte_is_delivered_once_and_in_order() {
        let rows = [
            ("0..3 3..6 6..9!", "abcdefghi!"),
            ("0..3 0..3 3..6", "abcdef"),
            ("0..3 1..5 3..6", "abcdef"),
            ("3..6 0..3 6..9", "abcdefghi"),
            ("6..9! 3..6 0..3", "abcdefghi!"),
            ("0..2 4..6 5..8 2..4", "abcdefgh"),
            ("0..2 4..6 4..8 2..4", "abcdefgh"),
            ("0..3 6..9 12..15", "abc[3]ghi[3]mno"),
            ("0..3 6..9!", "abc[3]ghi!"),
            ("0..0! 0..3", "!"),
        ];
        for (segments, expected) in rows {
            assert_eq!(delivered(segments), expected, "{segments}");
        }
    }

    #[test]
    fn what_the_peer_has_received_and_the_capture_has_not_becomes_a_gap() {
        let mut reassembly = Reassembly::default();
        let mut gaps = Vec::new();
        let mut deliver = |delivery: Delivery<'_>| {
            if let Delivery::Gap(len, _) = delivery {
                gaps.push(len);
            }
        };
        reassembly.begin(99);
        reassembly.segment(110, data(b"later"), false, &mut deliver);

        for _ in 0..=PATIENCE {
            reassembly.acknowledged(115, &mut deliver);
        }

        assert_eq!(gaps, [10]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut reassembly = Reassembly::default();
        reassembly.begin(0);
        let bytes = [0; 1000];
        for index in 1..100_000_u32 {
            let sequence = 1 + index * 2000;
            reassembly.segment(sequence, data(&bytes), false, &mut |_| {});

            assert!(reassembly.held_len() <= WAITING_LEN_MAX + bytes.len());
        }
    }
}

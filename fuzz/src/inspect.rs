//! What a capture says, followed and judged; and what is asked of it.

use std::net::SocketAddr;

use bytes::{Buf, Bytes};
use sv2::wire::Frame;
use sv2_capture::filter::Filter;
use sv2_capture::index::Chunk;
use sv2_capture::redact::{Categories, Redactor};
use sv2_capture::rules::{Inspector, Policy};
use sv2_capture::{Direction, Integrity, Observed, What};

/// The rules do not panic, whatever is observed, redacted or not; what is redacted is as long as it
/// was.
///
/// Input: for each observation one byte of choices (connection, direction, kind), one that says
/// how much time passes, as a power of two of nanoseconds, and for frames and lines two bytes of
/// length and the bytes; those of a frame begin with extension and number.
pub fn inspect(data: &[u8]) {
    let mut input = Bytes::copy_from_slice(data);
    let mut inspector = Inspector::new(Policy::default());
    let mut covered_inspector = Inspector::new(Policy::default());
    let mut redactor = Redactor::new(Categories::ALL);
    let (client, server) =
        (SocketAddr::from(([1, 1, 1, 1], 1)), SocketAddr::from(([2, 2, 2, 2], 2)));
    for connection in 0..2 {
        let what = What::Opened {
            client,
            server,
            from_the_start: connection == 0,
            // In either way, it is not whole.
            is_selection: connection == 1 && data.len() % 2 == 1,
            is_redacted: data.len() % 3 == 1,
        };
        let number = u64::from(connection) + 1;
        let observed = Observed { number, at: 0, connection, what };
        inspector.observe(&observed);
        redactor.cover(&observed, &mut |covered| {
            covered_inspector.observe(covered);
        });
    }
    let (mut at, mut number) = (0_u64, 2);
    while input.remaining() >= 2 {
        let (choice, pause) = (input.get_u8(), input.get_u8());
        at = at.saturating_add(1 << (pause % 64));
        number += 1;
        let connection = u32::from(choice & 1);
        let direction =
            if choice & 2 == 0 { Direction::ClientToServer } else { Direction::ServerToClient };
        let bytes = if input.remaining() >= 2 {
            let len = usize::from(input.get_u16_le()).min(input.remaining());
            input.split_to(len)
        } else {
            Bytes::new()
        };
        let mut rest = bytes.clone();
        let (extension_type, message_type) = match rest.remaining() {
            0..3 => (0, 0),
            _ => (rest.get_u16_le(), rest.get_u8()),
        };
        let frame = Frame { extension_type, message_type, payload: rest };
        let what = match choice >> 2 {
            0 => What::Line { direction, line: &bytes },
            1 => What::Gap { direction, len: 1, resynced: true },
            2 => What::Closed { by: direction, reset: choice & 1 == 0 },
            _ => What::Frame { direction, frame: &frame, integrity: Integrity::Plain },
        };
        let observed = Observed { number, at, connection, what };
        let report = inspector.observe(&observed);
        let _ = report.facts.derived();
        redactor.cover(&observed, &mut |covered| {
            if let What::Frame { frame: covered, .. } = covered.what {
                assert_eq!(covered.header(), frame.header());
            }
            covered_inspector.observe(covered);
        });
    }
}

/// A text is a filter that reads the same when it is written again, or an error within it; what
/// is suggested stands within it too.
pub fn filter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Filter::parse(&text) {
        Ok(filter) => {
            let written = filter.to_string();
            // Signs that were left out, and durations in nanoseconds, make it longer.
            if written.len() > FILTER_LEN_MAX {
                return;
            }
            let again = Filter::parse(&written).expect("what is written can be read");
            assert_eq!(again.to_string(), written);
        }
        Err(error) => assert!(text.get(error.span).is_some()),
    }
    let cursor = data.first().map_or(0, |byte| usize::from(*byte));
    assert!(text.get(Filter::complete(&text, cursor).span).is_some());
}

/// Bytes are a chunk of rows that says the same when it is written again, or none; whatever its
/// heap holds is read without a panic.
pub fn index_chunk(data: &[u8]) {
    let Some(chunk) = Chunk::from_bytes(data) else { return };
    let again = Chunk::from_bytes(&chunk.to_bytes()).expect("what is written can be read");
    for index in 0..chunk.len() {
        assert_eq!(chunk.row(index), again.row(index));
        let (extra, same) = (chunk.extra(index), again.extra(index));
        assert_eq!(format!("{extra:?}"), format!("{same:?}"));
    }
}

/// Of what the language takes, in bytes.
const FILTER_LEN_MAX: usize = 4096;

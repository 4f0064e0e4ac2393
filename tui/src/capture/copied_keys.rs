//! The keys that a copy of a capture needs: those of the sessions in it, whether they stand in the
//! capture or in key logs, and no others. Whoever is given the copy can read what is in it, and
//! nothing else that was said.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use sv2::noise::ACT_1_LEN;
use sv2_capture::read::{Item, segment};
use zeroize::Zeroizing;

use super::source;
use crate::inspect::describe::hex;

/// Blocks of lines of a key log: of the sessions between these clients and servers, and of those
/// that are named; whoever knows only the middle of a session knows its name once it is decrypted.
pub(super) fn copied_keys<'a>(
    captures: &[PathBuf],
    key_logs: &[PathBuf],
    ends: BTreeSet<[SocketAddr; 2]>,
    sessions: impl Iterator<Item = &'a [u8; ACT_1_LEN]>,
) -> Result<Vec<Zeroizing<Vec<u8>>>, String> {
    let names = sessions.map(|session| hex(session).into_bytes()).collect();
    let mut beginnings = Beginnings { ends, acts: BTreeMap::new(), names };
    let mut texts = Zeroizing::new(Vec::new());
    for capture in captures {
        source::look_through(capture, &mut |item| match item {
            Item::Packet(packet) => {
                if let Ok(segment) = segment(packet.link_type, packet.data) {
                    let ends = [segment.from, segment.to];
                    beginnings.take(ends, segment.is_syn, segment.payload);
                }
            }
            Item::Secrets(text) => append(&mut texts, text),
            Item::Skipped(_) | Item::Other => {}
        })?;
    }
    for path in key_logs {
        // The capture was opened with it, or without.
        if let Ok(text) = std::fs::read(path).map(Zeroizing::new) {
            append(&mut texts, &text);
        }
    }
    let names = beginnings.names();
    let is_wanted = |line: &&[u8]| {
        let name = line.split(|byte| *byte == b' ').nth(1);
        name.is_some_and(|name| names.contains(&name.to_ascii_lowercase()))
    };
    let lines: BTreeSet<&[u8]> = texts.split(|byte| *byte == b'\n').filter(is_wanted).collect();
    let lines: Vec<&[u8]> = lines.into_iter().collect();
    let block = |lines: &[&[u8]]| {
        let mut text = Zeroizing::new(Vec::new());
        lines.iter().for_each(|line| append(&mut text, line));
        text
    };
    Ok(lines.chunks(BLOCK_LINES_MAX).map(block).collect())
}

/// A line has 200 bytes: far below the longest block that readers take.
const BLOCK_LINES_MAX: usize = 4_096;

/// Adds lines, the last one ended as well.
fn append(texts: &mut Vec<u8>, text: &[u8]) {
    texts.extend(text.iter().filter(|byte| **byte != b'\r'));
    texts.push(b'\n');
}

/// What clients have said first: the name of the session in a key log.
struct Beginnings {
    ends: BTreeSet<[SocketAddr; 2]>,
    acts: BTreeMap<[SocketAddr; 2], Vec<u8>>,
    /// Those that are whole, in hexadecimal digits.
    names: BTreeSet<Vec<u8>>,
}

impl Beginnings {
    fn take(&mut self, ends: [SocketAddr; 2], is_syn: bool, payload: &[u8]) {
        if !self.ends.contains(&ends) {
            return;
        }
        if is_syn {
            // A pair of addresses that is used again.
            self.end(ends);
        }
        let act = self.acts.entry(ends).or_default();
        let missing = ACT_1_LEN.saturating_sub(act.len());
        act.extend_from_slice(&payload[..payload.len().min(missing)]);
    }

    fn end(&mut self, ends: [SocketAddr; 2]) {
        let act = self.acts.remove(&ends).filter(|act| act.len() == ACT_1_LEN);
        self.names.extend(act.map(|act| hex(&act).into_bytes()));
    }

    fn names(mut self) -> BTreeSet<Vec<u8>> {
        while let Some(ends) = self.acts.keys().next().copied() {
            self.end(ends);
        }
        self.names
    }
}

//! The first of two readings of a capture: its messages with where they lie, and nothing of what
//! they mean where they stand. That takes a tenth of the time of the second, which follows and
//! judges: until that has come so far, lists show what the first has found.

use std::collections::BTreeMap;
use std::sync::Arc;

use sv2_capture::index::{Chunk, Extra};
use sv2_capture::observed::What;
use sv2_capture::read::Found;
use sv2_capture::state::Facts;

use super::describe;
use super::entry::row_of;
use super::origin::{Key, Lies, lies_at};

/// Rows, and the keys that their messages are opened with, by connection and whether it is the
/// server that sends.
pub(super) struct Part {
    pub(super) chunk: Chunk,
    pub(super) keys: BTreeMap<(u32, bool), Arc<Key>>,
}

/// Makes parts.
#[derive(Default)]
pub(super) struct Quick {
    chunk: Chunk,
    keys: BTreeMap<(u32, bool), Arc<Key>>,
    has_given: bool,
}

impl Quick {
    /// Takes an observation; gives a part where there are enough for one. The first is short: it
    /// is what a screen begins with.
    pub(super) fn take(&mut self, found: &Found<'_>) -> Option<Part> {
        let observed = &found.observed;
        let facts = match &observed.what {
            What::Frame { frame, .. } => Facts { channel: frame.channel_id(), ..Facts::default() },
            _ => Facts::default(),
        };
        let mut row = row_of(observed, &facts);
        let mut extra = Extra::default();
        let lies = Lies::of(found);
        lies_at(observed, lies, &mut row, &mut extra);
        match lies.seal {
            Some(seal) => Key::note(&mut self.keys, &row, seal),
            None if matches!(observed.what, What::Frame { .. } | What::Line { .. }) => {}
            None => extra.info = Some(describe::info(&observed.what, &facts)),
        }
        self.chunk.push(&row, &extra);
        let is_enough = !self.has_given && self.chunk.len() >= FIRST_LEN;
        if is_enough || self.chunk.is_full() { self.rest() } else { None }
    }

    /// What is there, if there is something.
    pub(super) fn rest(&mut self) -> Option<Part> {
        if self.chunk.is_empty() {
            return None;
        }
        self.has_given = true;
        let chunk = std::mem::take(&mut self.chunk);
        Some(Part { chunk, keys: std::mem::take(&mut self.keys) })
    }
}

/// Rows of the first part.
const FIRST_LEN: usize = 2_000;

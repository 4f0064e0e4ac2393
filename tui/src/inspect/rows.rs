//! The rows of a session: the newest in memory, where they still learn what became of them, older
//! ones in a file, a few chunks of which are at hand. Nobody else sees the file, unless it becomes
//! an [index](super::index_file).
//!
//! The file is read, not mapped: a chunk takes a millisecond, a file that somebody cuts off while
//! it is open is an error and no signal, and no line of this program is unsafe.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sv2_capture::filter::Column;
use sv2_capture::index::{Change, Chunk, Extra, Loose, Reader, Row, Writer};

/// All rows of a capture, from 0.
#[derive(Default)]
pub(super) struct Rows {
    /// On the way to the file, the oldest first.
    open: VecDeque<Rc<Chunk>>,
    /// Rows before those.
    first_open: usize,
    closed: Vec<Closed>,
    /// Room for the next chunk, and for the bytes of one.
    spare: Option<Chunk>,
    bytes: Vec<u8>,
    file: Option<File>,
    file_len: u64,
    /// Where the file is made, if not among temporary ones.
    folder: Option<PathBuf>,
    at_hand: RefCell<VecDeque<(usize, Rc<Chunk>)>>,
    /// Why older rows cannot be kept, or not be read.
    failure: RefCell<Option<String>>,
    is_spoilt: Arc<AtomicBool>,
}

/// A chunk in the file.
struct Closed {
    first: usize,
    len: usize,
    position: u64,
    bytes_len: usize,
    checksum: u32,
    /// As [`Chunk::long_columns`].
    long_columns: u16,
}

/// Where the rows of a chunk are.
pub(super) struct Part {
    /// The first of them.
    pub(super) first: usize,
    pub(super) len: usize,
    held: Held,
}

enum Held {
    Open(Rc<Chunk>),
    /// In the file.
    Closed(usize),
}

impl Rows {
    /// Their file is made in a folder, where it can get a name in the end; its first `head_len`
    /// bytes are left free.
    pub(super) fn in_folder(folder: PathBuf, head_len: u64) -> Rows {
        Rows { folder: Some(folder), file_len: head_len, ..Rows::default() }
    }

    /// Puts all rows into the file, and behind them a table: the stamp, where chunks stand, and what
    /// `describe` adds. Returns the file, which has no name, and where the table stands.
    pub(super) fn finish(
        &mut self,
        stamp: &[u8],
        describe: impl FnOnce(&mut Writer),
    ) -> io::Result<(&File, u64, Vec<u8>)> {
        while !self.open.is_empty() {
            self.close_oldest()?;
        }
        self.make_file()?;
        let mut out = Writer::default();
        out.bytes(stamp);
        out.int(self.closed.len() as u64);
        for closed in &self.closed {
            let Closed { len, position, bytes_len, checksum, long_columns, .. } = *closed;
            let values =
                [len as u64, position, bytes_len as u64, checksum.into(), long_columns.into()];
            values.iter().for_each(|value| out.int(*value));
        }
        describe(&mut out);
        let table = out.into_bytes();
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.write_all_at(&table, self.file_len)?;
        Ok((file, self.file_len, table))
    }

    /// The rows of a file whose directory is next in `from`; `None` if it does not fit the file.
    pub(super) fn opened(file: File, from: &mut Reader<'_>) -> Option<Rows> {
        let file_len = file.metadata().ok()?.len();
        let mut rows = Rows { file: Some(file), ..Rows::default() };
        for _ in 0..from.int()? {
            let (len, position, bytes_len): (usize, u64, usize) =
                (from.small()?, from.int()?, from.small()?);
            let (checksum, long_columns) = (from.small()?, from.small()?);
            let first = rows.first_open;
            if len == 0 || position.checked_add(bytes_len as u64)? > file_len {
                return None;
            }
            rows.first_open = first.checked_add(len)?;
            rows.closed.push(Closed { first, len, position, bytes_len, checksum, long_columns });
        }
        Some(rows)
    }

    /// Looks whether all bytes of the file are those that were written.
    pub(super) fn are_whole(&self) -> bool {
        self.file.as_ref().is_some_and(|file| self.checks().iter().all(|check| check.holds(file)))
    }

    /// The same, meanwhile: what fails is said by [`Rows::failure`], and `spoilt` is removed.
    pub(super) fn check_beside(&mut self, spoilt: PathBuf) {
        let Some(file) = self.file.as_ref().and_then(|file| file.try_clone().ok()) else { return };
        let (checks, is_spoilt) = (self.checks(), Arc::clone(&self.is_spoilt));
        std::thread::spawn(move || {
            if !checks.iter().all(|check| check.holds(&file)) {
                is_spoilt.store(true, Ordering::Release);
                // It is of no use to anybody; where it cannot be removed it will be refused again.
                let _ = std::fs::remove_file(spoilt);
            }
        });
    }

    fn checks(&self) -> Vec<Check> {
        let of = |closed: &Closed| {
            let Closed { position, bytes_len, checksum, .. } = *closed;
            Check { position, bytes_len, checksum }
        };
        self.closed.iter().map(of).collect()
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.first_open + self.open.iter().map(|chunk| chunk.len()).sum::<usize>()
    }

    /// Whether further ones can be kept; otherwise, why not.
    pub(super) fn failure(&self) -> Option<String> {
        if self.is_spoilt.load(Ordering::Acquire) {
            return Some("its index is damaged, and was removed: open it again".to_owned());
        }
        self.failure.borrow().clone()
    }

    /// Takes the next row.
    pub(super) fn push(&mut self, row: &Row, extra: &Extra) {
        if self.open.back().is_none_or(|chunk| chunk.is_full()) {
            self.close_old();
            self.open.push_back(Rc::new(self.spare.take().unwrap_or_default()));
        }
        if let Some(chunk) = self.open.back_mut() {
            Rc::make_mut(chunk).push(row, extra);
        }
    }

    /// Takes the rows of a chunk, after all others.
    pub(super) fn take_chunk(&mut self, chunk: Chunk) {
        self.close_old();
        self.open.push_back(Rc::new(chunk));
        // Chunks that come as they are leave none to be filled again.
        self.spare = None;
    }

    /// A row lets itself be told what became of it, unless it is long gone.
    pub(super) fn change(&mut self, index: usize, change: Change) {
        let Some(mut at) = index.checked_sub(self.first_open) else { return };
        for chunk in &mut self.open {
            if at < chunk.len() {
                return Rc::make_mut(chunk).change(at, change);
            }
            at -= chunk.len();
        }
    }

    /// A row.
    pub(super) fn row(&self, index: usize) -> Option<Row> {
        let part = self.part_of(index)?;
        Some(self.chunk(&part)?.row(index - part.first))
    }

    /// A row that may still learn something.
    pub(super) fn open_row(&self, index: usize) -> Option<Row> {
        (index >= self.first_open).then(|| self.row(index))?
    }

    /// What it has beyond that.
    pub(super) fn extra(&self, index: usize) -> Option<Extra> {
        let part = self.part_of(index)?;
        Some(self.chunk(&part)?.extra(index - part.first))
    }

    /// The chunk with a row.
    pub(super) fn part_of(&self, index: usize) -> Option<Part> {
        let Some(mut at) = index.checked_sub(self.first_open) else {
            let place = self.closed.partition_point(|closed| closed.first <= index);
            let place = place.checked_sub(1)?;
            let Closed { first, len, .. } = self.closed[place];
            return Some(Part { first, len, held: Held::Closed(place) });
        };
        for chunk in &self.open {
            if at < chunk.len() {
                let held = Held::Open(Rc::clone(chunk));
                return Some(Part { first: index - at, len: chunk.len(), held });
            }
            at -= chunk.len();
        }
        None
    }

    /// All of it, at hand from now on.
    pub(super) fn chunk(&self, part: &Part) -> Option<Rc<Chunk>> {
        let place = match &part.held {
            Held::Open(chunk) => return Some(Rc::clone(chunk)),
            Held::Closed(place) => *place,
        };
        let mut at_hand = self.at_hand.borrow_mut();
        if let Some(found) = at_hand.iter().position(|(known, _)| *known == place) {
            if found > 0
                && let Some(entry) = at_hand.remove(found)
            {
                at_hand.push_front(entry);
            }
            return at_hand.front().map(|(_, chunk)| Rc::clone(chunk));
        }
        let chunk = match self.load(&self.closed[place]) {
            Ok(chunk) => Rc::new(chunk),
            Err(error) => {
                *self.failure.borrow_mut() = Some(format!("older messages are lost: {error}"));
                return None;
            }
        };
        at_hand.push_front((place, Rc::clone(&chunk)));
        at_hand.truncate(AT_HAND_MAX);
        Some(chunk)
    }

    /// One column of it, without the others.
    pub(super) fn column(&self, part: &Part, column: Column) -> Option<Loose> {
        let Held::Closed(place) = part.held else { return None };
        let Closed { len, position, bytes_len, long_columns, .. } = self.closed[place];
        let range = Chunk::place_of(column, len, long_columns)?;
        if range.end > bytes_len {
            return None;
        }
        let mut bytes = vec![0; range.len()];
        let file = self.file.as_ref()?;
        file.read_exact_at(&mut bytes, position + range.start as u64).ok()?;
        Some(Loose::new(column, &bytes))
    }

    fn close_old(&mut self) {
        if self.open.len() >= OPEN_MAX
            && let Err(error) = self.close_oldest()
        {
            *self.failure.borrow_mut() = Some(format!("older messages are not kept: {error}"));
        }
    }

    fn close_oldest(&mut self) -> io::Result<()> {
        let Some(chunk) = self.open.front() else { return Ok(()) };
        let chunk = Rc::clone(chunk);
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        chunk.write_bytes(&mut bytes);
        let (first, len) = (self.first_open, chunk.len());
        let (position, bytes_len) = (self.file_len, bytes.len());
        let checksum = crc32fast::hash(&bytes);
        self.make_file()?.write_all_at(&bytes, position)?;
        let long_columns = chunk.long_columns();
        self.closed.push(Closed { first, len, position, bytes_len, checksum, long_columns });
        self.file_len += bytes_len as u64;
        self.first_open += len;
        self.open.pop_front();
        // Memory that is given back costs as much as what is written into it.
        self.spare = Rc::try_unwrap(chunk).ok().map(Chunk::emptied);
        self.bytes = bytes;
        Ok(())
    }

    fn make_file(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            self.file = Some(match &self.folder {
                // Without a name: nothing is left of it, however the program ends.
                Some(folder) => tempfile::tempfile_in(folder)?,
                None => tempfile::tempfile()?,
            });
        }
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn load(&self, closed: &Closed) -> io::Result<Chunk> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; closed.bytes_len];
        file.read_exact_at(&mut bytes, closed.position)?;
        Chunk::from_bytes(&bytes)
            .filter(|chunk| chunk.len() == closed.len)
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Bytes of the file, and what must come of them.
struct Check {
    position: u64,
    bytes_len: usize,
    checksum: u32,
}

impl Check {
    fn holds(&self, file: &File) -> bool {
        let mut bytes = vec![0; self.bytes_len];
        file.read_exact_at(&mut bytes, self.position).is_ok()
            && crc32fast::hash(&bytes) == self.checksum
    }
}

/// Chunks whose rows still learn what became of them: an answer to what lies farther back changes
/// nothing there.
const OPEN_MAX: usize = 4;
/// Chunks of the file that are at hand.
const AT_HAND_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use sv2_capture::filter::CHUNK;
    use sv2_capture::index::Outcome;

    use super::*;

    fn rows(count: usize) -> Rows {
        let mut rows = Rows::default();
        for index in 0..count {
            let at = index as u64;
            let info = (index % 1000 == 0).then(|| index.to_string());
            rows.push(&Row { at, ..Row::default() }, &Extra { info, ..Extra::default() });
        }
        rows
    }

    #[test]
    fn rows_that_went_into_the_file_are_as_they_were() {
        let count = (OPEN_MAX + AT_HAND_MAX + 2) * CHUNK + 5;
        let rows = rows(count);

        assert_eq!(rows.len(), count);
        assert!(rows.row(count).is_none());
        for index in (0..count).step_by(1000).chain((0..count).rev().step_by(1000)) {
            assert_eq!(rows.row(index).unwrap().at, index as u64);
            let info = (index % 1000 == 0).then(|| index.to_string());
            assert_eq!(rows.extra(index).unwrap().info, info);
        }
        assert_eq!(rows.failure(), None);
    }

    #[test]
    fn rows_in_memory_learn_what_became_of_them_and_older_ones_stay_as_they_are() {
        let count = (OPEN_MAX + 1) * CHUNK;
        let mut rows = rows(count);

        for index in [0, count - 1] {
            rows.change(index, Change::Outcome(Outcome::Accepted));
        }

        assert_eq!(rows.row(0).unwrap().outcome, None);
        assert_eq!(rows.row(count - 1).unwrap().outcome, Some(Outcome::Accepted));
    }
}

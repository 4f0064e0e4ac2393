//! The index of a capture, kept beside it as `FILE.sv2idx`: what was found once need not be found
//! again.
//!
//! It has the rows of a [`Session`] and the lines of its screens; no key, and no message. It is
//! made for files of some size only, with the file's length, time and ends, and with the program,
//! the keys, rules and authority that it was read with: where any of these has changed, or a single
//! bit of the index, it is not used but made anew. A screen does not wait until all bits are looked
//! at: it says so where one turns out to be wrong. It can be deleted at any time. Where the folder
//! cannot be written to, it is in the user's cache folder; where it would not fit on the disk it is
//! not begun.

use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, linkat, statvfs};
use sha2::{Digest as _, Sha256};
use sv2_capture::index::{Reader, Writer};
use sv2_capture::rules::Policy;
use sv2_capture::text::scaled;
use tempfile::TempPath;

use super::session::Session;
use crate::capture::{End, Input, is_packed, keys_beside};

/// The index that a capture has, or is to have.
#[derive(Debug)]
pub(super) struct IndexFile {
    path: PathBuf,
    /// What it must have been made from.
    stamp: Vec<u8>,
    /// About how long it becomes, in bytes.
    len: u64,
}

impl IndexFile {
    /// Of what is read; `None` of what is not one file that ends, or too short to be worth it.
    pub(super) fn of(input: &Input, policy: &Policy) -> Option<IndexFile> {
        Self::of_long(input, policy, SOURCE_LEN_MIN)
    }

    fn of_long(input: &Input, policy: &Policy, source_len_min: u64) -> Option<IndexFile> {
        let [capture] = input.files.as_slice() else { return None };
        let found = capture.metadata().ok().filter(|found| found.is_file())?;
        if input.follow || found.len() < source_len_min {
            return None;
        }
        let stamp = stamp(capture, &found, input, policy).ok()?;
        let is_packed = File::open(capture).and_then(|file| is_packed(&file)).unwrap_or(false);
        let len = found.len().saturating_mul(if is_packed { PACKED_TIMES } else { 1 });
        // Its folder is compared with those of files that are made, which are absolute.
        Some(IndexFile { path: beside(&std::path::absolute(capture).ok()?), stamp, len })
    }

    /// Why it is not to be made in a folder, if so: a disk that is full in the end would serve
    /// nobody. Without an index its rows are in a file without a name, which needs room as well.
    pub(super) fn lack_of_room(&self, folder: &Path) -> Option<String> {
        let len = self.len;
        let short_of = |folder: &Path| room_left(folder).filter(|left| *left < len).map(in_bytes);
        let left = short_of(folder)?;
        let elsewhere = short_of(&std::env::temp_dir()).map_or_else(String::new, |left| {
            format!("; as much is taken for temporary files, where {left} are left: set TMPDIR")
        });
        let len = in_bytes(len);
        Some(format!("no index is made: it would take about {len}, and {left} are left{elsewhere}"))
    }

    /// The folder that it is made in.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        let beside = self.folder_beside();
        if is_writable(&beside) {
            return Some(beside);
        }
        let cache = cache_folder()?;
        fs::create_dir_all(&cache).ok()?;
        is_writable(&cache).then_some(cache)
    }

    /// Everything that was read once; `None` where it must be read again. `at_once`: a screen shows
    /// it, and is told when it turns out to be damaged; otherwise it is looked through before.
    pub(super) fn open(&self, input: &Input, name: &str, at_once: bool) -> Option<Session> {
        let places = [Some(self.path.clone()), self.in_cache()];
        places.into_iter().flatten().find_map(|path| {
            let file = File::open(&path).ok()?;
            let table = self.table(&file)?;
            let mut from = Reader::new(&table);
            let stamp = from.bytes()?;
            let session = Session::of(input, name.to_owned());
            (stamp == self.stamp).then_some(())?;
            let mut session = session.restored(input, file, &mut from)?;
            if at_once {
                session.check_beside(path);
                return Some(session);
            }
            session.is_whole().then_some(session)
        })
    }

    /// Makes it of a session that was read to its end.
    ///
    /// # Errors
    /// In words.
    pub(super) fn save(&self, session: &mut Session, end: &End) -> Result<(), String> {
        let said = |error: io::Error| format!("the index is not kept: {error}");
        let (file, table_at, table) = session.write_index(&self.stamp, end).map_err(said)?;
        let mut head = Vec::from(MAGIC);
        head.extend_from_slice(&table_at.to_le_bytes());
        head.extend_from_slice(&(table.len() as u64).to_le_bytes());
        head.extend_from_slice(&crc32fast::hash(&table).to_le_bytes());
        file.write_all_at(&head, 0).map_err(said)?;
        let Some(folder) = self.folder() else { return Ok(()) };
        let is_beside = folder == self.folder_beside();
        let path = if is_beside { Some(self.path.clone()) } else { self.in_cache() };
        let Some(path) = path else { return Ok(()) };
        let named = named(file, &folder).map_err(said)?;
        named.persist(path).map_err(|error| said(error.error))
    }

    fn folder_beside(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).to_owned()
    }

    fn in_cache(&self) -> Option<PathBuf> {
        let digest = Sha256::digest(self.path.as_os_str().as_encoded_bytes());
        let name = super::describe::hex(&digest[..16]);
        Some(cache_folder()?.join(format!("{name}.sv2idx")))
    }

    /// What stands behind the rows, if the file is one of ours and whole.
    fn table(&self, file: &File) -> Option<Vec<u8>> {
        let mut head = [0; HEAD_LEN];
        file.read_exact_at(&mut head, 0).ok()?;
        let mut from = Reader::new(&head);
        if from.raw(MAGIC.len())? != MAGIC {
            return None;
        }
        let (at, len) = (u64::from_le_bytes(from.array()?), u64::from_le_bytes(from.array()?));
        let checksum = u32::from_le_bytes(from.array()?);
        if at.checked_add(len)? != file.metadata().ok()?.len() || len > TABLE_LEN_MAX {
            return None;
        }
        let mut table = vec![0; usize::try_from(len).ok()?];
        file.read_exact_at(&mut table, at).ok()?;
        (crc32fast::hash(&table) == checksum).then_some(table)
    }
}

/// A name for a file that has none: for itself, or where the file system cannot do that, for a copy.
fn named(file: &File, folder: &Path) -> io::Result<TempPath> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".assay-").suffix(".sv2idx");
    let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
    let linked = builder.make_in(folder, |path| {
        let flags = AtFlags::SYMLINK_FOLLOW;
        linkat(CWD, &itself, CWD, path, flags).map_err(io::Error::from)
    });
    if let Ok(linked) = linked {
        return Ok(linked.into_temp_path());
    }
    let mut copy = builder.tempfile_in(folder)?;
    let mut from = file.try_clone()?;
    from.rewind()?;
    io::copy(&mut from, &mut copy)?;
    Ok(copy.into_temp_path())
}

/// Everything that an index depends on.
fn stamp(
    capture: &Path,
    found: &fs::Metadata,
    input: &Input,
    policy: &Policy,
) -> Result<Vec<u8>, String> {
    let said = |error: io::Error| error.to_string();
    // Another build of this program may find something else.
    let program = std::env::current_exe().and_then(|path| path.metadata()).map_err(said)?;
    let mut out = Writer::default();
    for file in [&program, found] {
        out.int(file.len());
        out.int(file.mtime().cast_unsigned());
        out.int(file.mtime_nsec().cast_unsigned());
    }
    let file = File::open(capture).map_err(said)?;
    let len = END_LEN.min(found.len());
    let mut hash = Sha256::new();
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    for at in [0, found.len() - len] {
        file.read_exact_at(&mut bytes, at).map_err(said)?;
        hash.update(&bytes);
    }
    // Names of sessions are public; their keys are not looked at.
    for (name, _) in keys_beside(input)?.sessions() {
        hash.update(name);
    }
    let _ = write!(hash, "{:?} {policy:?}", input.authority);
    out.raw(&hash.finalize());
    Ok(out.into_bytes())
}

/// Where it is, if it can be there.
fn beside(capture: &Path) -> PathBuf {
    let mut path = capture.as_os_str().to_owned();
    path.push(".sv2idx");
    path.into()
}

/// What others than the superuser can write there, in bytes; `None` where nobody can say.
fn room_left(folder: &Path) -> Option<u64> {
    let found = statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn in_bytes(len: u64) -> String {
    format!("{}B", scaled(len as f64))
}

fn is_writable(folder: &Path) -> bool {
    tempfile::tempfile_in(folder).is_ok()
}

/// As the XDG Base Directory Specification says.
fn cache_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(folder.join("assay/index"))
}

/// The last byte changes with how it is written.
const MAGIC: [u8; 8] = *b"SV2IDX\0\x01";
/// Of the magic, and where, how long and which the table is, in bytes.
pub(super) const HEAD_LEN: usize = 28;
/// Shorter captures are read again in no time, in bytes.
const SOURCE_LEN_MIN: u64 = 16 << 20;
/// So much longer is a capture of shares unpacked: 2 times of a sealed one, 4 of one in clear.
const PACKED_TIMES: u64 = 4;
/// Of each end of the capture, what is looked at, in bytes.
const END_LEN: u64 = 1 << 20;
/// Longer than any that is written, in bytes.
const TABLE_LEN_MAX: u64 = 256 << 20;

#[cfg(test)]
mod tests;

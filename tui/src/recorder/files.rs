//! The files of a recording: their names, when the next one begins, which are kept.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::DateTime;

use super::RecorderConfig;

/// The file that is being written, and how far whole blocks reach in it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// From 1.
    pub(crate) number: u64,
    /// Where it is, or was.
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<File>,
    /// In bytes.
    pub(crate) len: u64,
}

/// One file after the other.
#[derive(Debug)]
pub(super) struct Files {
    command: &'static str,
    directory: PathBuf,
    file_len_max: Option<u64>,
    file_age_max: Option<Duration>,
    files_kept: Option<usize>,
    /// Ours, the oldest first; only where some will be deleted.
    written: VecDeque<PathBuf>,
    current: Progress,
    begun_at: Instant,
}

impl Files {
    /// Opens the first one. They hold keys: nobody but their owner may read them.
    pub(super) fn open(config: &RecorderConfig) -> io::Result<Files> {
        DirBuilder::new().recursive(true).mode(0o700).create(&config.directory)?;
        let current = create(config.command, &config.directory, 1)?;
        let mut files = Files {
            command: config.command,
            directory: config.directory.clone(),
            file_len_max: config.file_len_max,
            file_age_max: config.file_age_max,
            files_kept: config.files_kept,
            written: VecDeque::new(),
            current,
            begun_at: Instant::now(),
        };
        files.keep_some();
        Ok(files)
    }

    pub(super) fn progress(&self) -> Progress {
        self.current.clone()
    }

    /// Whether the next one is due.
    pub(super) fn is_full(&self) -> bool {
        self.file_len_max.is_some_and(|max| self.current.len >= max)
            || self.file_age_max.is_some_and(|max| self.begun_at.elapsed() >= max)
    }

    /// Begins the next one, and deletes the oldest if there are too many.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.current = create(self.command, &self.directory, self.current.number + 1)?;
        self.begun_at = Instant::now();
        self.keep_some();
        Ok(())
    }

    /// Appends whole blocks. What could be written only in part is cut off again.
    pub(super) fn append(&mut self, blocks: &[u8]) -> io::Result<()> {
        match (&*self.current.file).write_all(blocks) {
            Ok(()) => {
                self.current.len += blocks.len() as u64;
                Ok(())
            }
            Err(error) => {
                if let Err(error) = self.current.file.set_len(self.current.len) {
                    tracing::error!(%error, "the recording ends in half a block");
                }
                Err(error)
            }
        }
    }

    /// Puts another handle in the place of the file's, and returns that one.
    #[cfg(test)]
    pub(super) fn replace_file(&mut self, file: Arc<File>) -> Arc<File> {
        std::mem::replace(&mut self.current.file, file)
    }

    fn keep_some(&mut self) {
        let Some(kept) = self.files_kept else { return };
        self.written.push_back(self.current.path.clone());
        while self.written.len() > kept.max(1)
            && let Some(oldest) = self.written.pop_front()
        {
            if let Err(error) = fs::remove_file(&oldest)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, file = %oldest.display(), "cannot be deleted");
            }
        }
    }
}

fn create(command: &str, directory: &Path, number: u64) -> io::Result<Progress> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let stamp = stamp(now.as_secs());
    for attempt in 0..ATTEMPTS_MAX {
        let again = if attempt == 0 { String::new() } else { format!("-{attempt}") };
        let path = directory.join(format!("{command}-{stamp}-{number:05}{again}.pcapng"));
        let mut options = OpenOptions::new();
        // Appending: a cut-off file goes on where its last whole block has ended.
        options.append(true).read(true).create_new(true).mode(0o600);
        match options.open(&path) {
            Ok(file) => return Ok(Progress { number, path, file: Arc::new(file), len: 0 }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

/// `20261126T103455Z`, from seconds since the Unix epoch.
fn stamp(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|at| DateTime::from_timestamp(at, 0));
    at.unwrap_or_default().format("%Y%m%dT%H%M%SZ").to_string()
}

/// Files of one second with the same number: other taps of the same folder.
const ATTEMPTS_MAX: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_the_civil_time_of_its_second() {
        let stamps = [0, 951_782_399, 951_782_400, 1_709_251_199, 1_795_689_295].map(stamp);

        assert_eq!(
            stamps,
            [
                "19700101T000000Z",
                "20000228T235959Z",
                "20000229T000000Z",
                "20240229T235959Z",
                "20261126T103455Z"
            ]
        );
    }

    #[test]
    fn a_ring_keeps_the_last_files_and_only_deletes_its_own() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("tap-of-others.pcapng"), b"").unwrap();
        let config = RecorderConfig {
            file_len_max: Some(10),
            files_kept: Some(2),
            ..RecorderConfig::small(directory.path())
        };
        let mut files = Files::open(&config).unwrap();

        for _ in 0..3 {
            assert!(!files.is_full());
            files.append(&[0; 10]).unwrap();
            assert!(files.is_full());
            files.begin().unwrap();
        }

        let mut kept: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.split('-').next_back().unwrap().to_owned())
            .collect();
        kept.sort();
        assert_eq!(kept, ["00003.pcapng", "00004.pcapng", "others.pcapng"]);
    }
}

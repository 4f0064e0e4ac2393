//! Records what a relay or a network sees in pcapng files, and never makes it wait.
//!
//! Connections put their records into a queue with a limit in bytes; a thread writes them. What
//! does not fit, or cannot be written, is left out: it is a gap in the stream's sequence numbers,
//! and counted in the file's interface statistics. With `is_fail_closed` such records are refused
//! instead, and the relay closes the connection.

mod files;
mod queue;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use sv2_net::relay::{NotRecorded, Record, Recorder};
use tokio::sync::watch;

use files::Files;
pub(crate) use files::Progress;
use queue::Queue;
use writer::Writer;

/// How to record.
#[derive(Clone, Debug)]
pub(crate) struct RecorderConfig {
    pub(crate) directory: PathBuf,
    /// Which command records: named in the header of the files, and at the beginning of their names.
    pub(crate) command: &'static str,
    /// Of the two legs, in this order; of one alone, where all streams have even numbers.
    pub(crate) interfaces: Vec<&'static str>,
    /// Frames as they are inside of Noise.
    pub(crate) is_plain: bool,
    pub(crate) has_keys: bool,
    pub(crate) is_fail_closed: bool,
    /// A file that has become so long is the last but one, in bytes.
    pub(crate) file_len_max: Option<u64>,
    /// The same by age.
    pub(crate) file_age_max: Option<Duration>,
    /// Older ones are deleted.
    pub(crate) files_kept: Option<usize>,
    /// Records that wait to be written, in bytes.
    pub(crate) queued_len_max: usize,
}

/// The queue of a thread that writes.
pub(crate) struct FileRecorder {
    queue: Arc<Queue>,
    config: RecorderConfig,
}

/// The thread.
pub(crate) struct Recording {
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
    progress: watch::Receiver<Progress>,
}

impl FileRecorder {
    /// Opens the first file.
    pub(crate) fn start(config: RecorderConfig) -> io::Result<(Arc<FileRecorder>, Recording)> {
        let files = Files::open(&config)?;
        let queue = Arc::new(Queue::new(config.queued_len_max));
        let (writer, progress) = Writer::new(files, Arc::clone(&queue), &config)?;
        let thread = std::thread::Builder::new().name("recorder".to_owned());
        let thread = thread.spawn(move || writer.run())?;
        let recorder = FileRecorder { queue: Arc::clone(&queue), config };
        Ok((Arc::new(recorder), Recording { queue, thread, progress }))
    }
}

#[cfg(test)]
impl RecorderConfig {
    /// One file without a limit.
    fn small(directory: &std::path::Path) -> Self {
        RecorderConfig {
            directory: directory.to_owned(),
            command: "tap",
            interfaces: vec!["down", "up"],
            is_plain: false,
            has_keys: true,
            is_fail_closed: false,
            file_len_max: None,
            file_age_max: None,
            files_kept: None,
            queued_len_max: 1 << 20,
        }
    }
}

impl Recorder for FileRecorder {
    fn wants_plain(&self) -> bool {
        self.config.is_plain
    }

    fn is_strict(&self) -> bool {
        self.config.is_fail_closed
    }

    fn record(&self, nanoseconds: u64, stream: u64, record: Record) -> Result<(), NotRecorded> {
        if matches!(record, Record::Secrets(_)) && !self.config.has_keys {
            return Ok(());
        }
        let is_taken = self.queue.push(nanoseconds, stream, record, self.config.is_fail_closed);
        if is_taken || !self.config.is_fail_closed { Ok(()) } else { Err(NotRecorded) }
    }
}

impl Recording {
    /// How far the files have come.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Files that are begun from now on.
    pub(crate) fn files(&self) -> NextFiles {
        let progress = self.progress.clone();
        let number = progress.borrow().number;
        NextFiles { progress, number }
    }

    /// Goes on in another file.
    pub(crate) fn begin_file(&self) {
        self.queue.ask_for_file();
    }

    /// Writes what is queued, and ends.
    pub(crate) fn finish(self) {
        self.queue.end();
        if self.thread.join().is_err() {
            tracing::error!("the recorder has failed");
        }
    }
}

/// Tells of files; of two that were begun in one moment only of the last.
pub(crate) struct NextFiles {
    progress: watch::Receiver<Progress>,
    number: u64,
}

impl NextFiles {
    /// The next one; `None` once the recording has ended.
    pub(crate) async fn next(&mut self) -> Option<PathBuf> {
        let number = self.number;
        let next = self.progress.wait_for(|progress| progress.number != number).await.ok()?;
        self.number = next.number;
        Some(next.path.clone())
    }
}

/// The leg of a stream, by the relay's numbers: its position among the interfaces.
fn interface_of(stream: u64) -> usize {
    usize::from(stream % 2 == 1)
}

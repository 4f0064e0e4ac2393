//! The thread that turns records into blocks and appends them to files.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sv2_capture::Direction;
use sv2_net::relay::{Record, Side};
use tokio::sync::watch;

use super::files::{Files, Progress};
use super::queue::{Batch, Entry, Queue};
use super::{RecorderConfig, interface_of};

/// The thread's own.
pub(super) struct Writer {
    recording: sv2_capture::Recording,
    files: Files,
    queue: Arc<Queue>,
    progress: watch::Sender<Progress>,
    /// Whether something was left out that no statistics tell of.
    has_dropped: bool,
    is_broken: bool,
}

impl Writer {
    pub(super) fn new(
        files: Files,
        queue: Arc<Queue>,
        config: &RecorderConfig,
    ) -> io::Result<(Writer, watch::Receiver<Progress>)> {
        let application = format!("assay {} {}", config.command, env!("CARGO_PKG_VERSION"));
        let (progress, receiver) = watch::channel(files.progress());
        let mut writer = Writer {
            recording: sv2_capture::Recording::new(&application, &config.interfaces),
            files,
            queue,
            progress,
            has_dropped: false,
            is_broken: false,
        };
        writer.files.append(&writer.recording.take())?;
        writer.progress.send_replace(writer.files.progress());
        Ok((writer, receiver))
    }

    /// Writes until the queue ends.
    pub(super) fn run(mut self) {
        loop {
            let batch = self.queue.take(PATIENCE);
            let is_last = batch.is_last;
            self.write(batch);
            if is_last {
                self.recording.statistics(nanoseconds());
                self.append();
                return;
            }
        }
    }

    fn write(&mut self, batch: Batch) {
        let Batch { entries, dropped_counts, begins_file, .. } = batch;
        for (count, interface) in dropped_counts.into_iter().zip(0..) {
            self.drop_some(interface, count);
        }
        let is_idle = entries.is_empty();
        let mut unwritten = [0; 2];
        for entry in entries {
            unwritten[interface_of(entry.stream)] += 1;
            self.take(entry);
            if self.recording.untaken_len() >= APPENDED_LEN {
                self.append_or_drop(&mut unwritten);
            }
        }
        self.append_or_drop(&mut unwritten);
        // Now and then, when there is time; and so that a full disk is tried again.
        if is_idle && (self.has_dropped || self.is_broken) {
            self.recording.statistics(nanoseconds());
            if self.append() {
                self.has_dropped = false;
            }
        }
        if begins_file || self.files.is_full() {
            self.begin_file();
        }
    }

    fn take(&mut self, Entry { nanoseconds, stream, record }: Entry) {
        match record {
            Record::Opened { client, server, .. } => {
                self.recording.open(nanoseconds, stream, interface_of(stream), client, server);
            }
            Record::Secrets(secrets) => self.recording.secrets(stream, secrets),
            Record::Bytes { from, offset, comment, bytes } => {
                let from = direction(from);
                self.recording.bytes(nanoseconds, stream, from, offset, &comment, &bytes);
            }
            Record::Closed { from, is_reset } => {
                self.recording.close(nanoseconds, stream, direction(from), is_reset);
            }
        }
    }

    fn drop_some(&mut self, interface: usize, count: u64) {
        if count > 0 {
            self.recording.dropped(interface, count);
            self.has_dropped = true;
        }
    }

    fn append_or_drop(&mut self, unwritten: &mut [u64; 2]) {
        if !self.append() {
            for (interface, count) in unwritten.iter().enumerate() {
                self.drop_some(interface, *count);
            }
        }
        *unwritten = [0; 2];
    }

    /// Whether everything that was turned into blocks could be appended.
    fn append(&mut self) -> bool {
        let blocks = self.recording.take();
        if blocks.is_empty() {
            return true;
        }
        let outcome = self.files.append(&blocks);
        if let Err(error) = &outcome
            && !self.is_broken
        {
            tracing::error!(%error, "nothing can be recorded");
        }
        self.is_broken = outcome.is_err();
        self.queue.tell(self.is_broken);
        self.progress.send_replace(self.files.progress());
        outcome.is_ok()
    }

    fn begin_file(&mut self) {
        self.recording.statistics(nanoseconds());
        self.append();
        if let Err(error) = self.files.begin() {
            tracing::error!(%error, "no other file can be begun: the recording goes on in the last");
            return;
        }
        self.has_dropped = false;
        self.recording.begin();
        self.append();
    }
}

fn direction(from: Side) -> Direction {
    match from {
        Side::Client => Direction::ClientToServer,
        Side::Server => Direction::ServerToClient,
    }
}

fn nanoseconds() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// What is appended at once, about, in bytes.
const APPENDED_LEN: usize = 1 << 20;
/// Without anything to record: for rotation by time, and for statistics.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use sv2_net::relay::Leg;

    fn bytes(offset: u64) -> Entry {
        let (from, comment, bytes) = (Side::Client, String::new(), vec![7; 10]);
        let record = Record::Bytes { from, offset, comment, bytes };
        Entry { nanoseconds: 1, stream: 0, record }
    }

    fn batch(entries: Vec<Entry>) -> Batch {
        Batch { entries, ..Batch::default() }
    }

    #[test]
    fn a_disk_that_takes_nothing_is_tried_again_and_what_it_cost_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let config = RecorderConfig::small(directory.path());
        let files = Files::open(&config).unwrap();
        let path = files.progress().path;
        let queue = Arc::new(Queue::new(1 << 20));
        let (mut writer, progress) = Writer::new(files, Arc::clone(&queue), &config).unwrap();
        let address = "127.0.0.1:1".parse().unwrap();
        let opened = Record::Opened { leg: Leg::Down, client: address, server: address };
        writer.write(batch(vec![Entry { nanoseconds: 1, stream: 0, record: opened }, bytes(0)]));
        let whole_len = std::fs::metadata(&path).unwrap().len();

        // A handle that cannot write stands for a disk that is full.
        let good = writer.files.replace_file(Arc::new(File::open(&path).unwrap()));
        writer.write(batch(vec![bytes(10), bytes(20)]));

        assert!(!queue.push(2, 0, bytes(30).record, true), "strict recorders are told");
        assert_eq!(progress.borrow().len, whole_len);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), whole_len);

        writer.files.replace_file(good);
        writer.write(batch(Vec::new()));

        assert!(queue.push(3, 0, bytes(30).record, true));
        let file = std::fs::read(&path).unwrap();
        // The last blocks are the statistics: of the first interface, two are missing.
        let dropped = file.windows(12).any(|option| option == [5, 0, 8, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        assert!(dropped, "{file:?}");
    }
}

//! An append-only file for the accounts of a role, with group commit.
//!
//! A record is answered once it is on disk. Whatever arrives while the disk is busy goes down
//! together with the next write, so that one `fsync` serves many shares.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc;

use bytes::Bytes;
use sv2::role::{Answer, Request};

use crate::world::{Reply, World};

/// Appends records to a file. Dropping it ends its thread, after the records that it has taken.
#[derive(Debug)]
pub struct Journal {
    /// Bounded by the open requests of the hosts that it serves.
    records: mpsc::Sender<(Bytes, Reply)>,
}

impl Journal {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// If the file cannot be opened for appending, or no thread can be started.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (records, queue) = mpsc::channel();
        std::thread::Builder::new().name("journal".into()).spawn(move || commit(file, &queue))?;
        Ok(Journal { records })
    }
}

impl World for Journal {
    fn take(&self, request: Request, reply: Reply) {
        match request {
            Request::Persist { record } => {
                // A thread that is gone drops the reply, which answers.
                let _ = self.records.send((record, reply));
            }
            Request::SubmitBlock { .. } | Request::ValidateBlock { .. } => {
                reply.answer(Answer::Failed("a journal takes no blocks".into()));
            }
        }
    }
}

fn commit(mut file: File, queue: &mpsc::Receiver<(Bytes, Reply)>) {
    let (mut bytes, mut replies) = (Vec::new(), Vec::new());
    while let Ok(first) = queue.recv() {
        for (record, reply) in std::iter::once(first).chain(queue.try_iter().take(GROUP_MAX)) {
            bytes.extend_from_slice(&record);
            replies.push(reply);
        }
        let outcome = file.write_all(&bytes).and_then(|()| file.sync_data());
        bytes.clear();
        for reply in replies.drain(..) {
            reply.answer(match &outcome {
                Ok(()) => Answer::Persisted,
                Err(error) => Answer::Failed(format!("journal: {error}")),
            });
        }
    }
}

/// Records in one write.
const GROUP_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use sv2::role::RequestId;

    fn ask(journal: &Journal, request: u64, what: Request) -> Answer {
        let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
        journal.take(what, Reply::new(RequestId(request), answers));
        answered.blocking_recv().expect("every request is answered").1
    }

    fn persist(record: &'static str) -> Request {
        Request::Persist { record: Bytes::from_static(record.as_bytes()) }
    }

    #[test]
    fn an_answered_record_is_in_the_file_behind_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("accounts");
        std::fs::write(&path, "old\n").unwrap();
        let journal = Journal::open(&path).unwrap();

        let answers = ["one\n", "two\n"].map(|record| ask(&journal, 1, persist(record)));

        assert_eq!(answers, [Answer::Persisted, Answer::Persisted]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\none\ntwo\n");
    }

    #[test]
    fn a_full_disk_fails_the_record() {
        let journal = Journal::open(Path::new("/dev/full")).unwrap();

        let answer = ask(&journal, 1, persist("one"));

        assert!(matches!(answer, Answer::Failed(reason) if reason.contains("space")));
    }
}

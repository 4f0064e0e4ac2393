//! Records on their way to the file: a queue that takes or refuses, and never waits.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sv2_net::relay::Record;

use super::interface_of;

/// From the tasks of connections to the thread that writes.
pub(super) struct Queue {
    queued_len_max: usize,
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    batch: Batch,
    queued_len: usize,
    /// Nothing could be written the last time.
    is_broken: bool,
}

/// What the thread has to do.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    /// Records of each interface that were left out.
    pub(super) dropped_counts: [u64; 2],
    /// Whether another file is to begin behind the entries.
    pub(super) begins_file: bool,
    /// Whether nothing will follow.
    pub(super) is_last: bool,
}

/// A record.
pub(super) struct Entry {
    pub(super) nanoseconds: u64,
    pub(super) stream: u64,
    pub(super) record: Record,
}

impl Queue {
    pub(super) fn new(queued_len_max: usize) -> Self {
        Queue { queued_len_max, state: Mutex::default(), ready: Condvar::new() }
    }

    /// Whether the record was taken. `is_strict` refuses also what could not be written now.
    pub(super) fn push(
        &self,
        nanoseconds: u64,
        stream: u64,
        record: Record,
        is_strict: bool,
    ) -> bool {
        let mut state = self.lock();
        let (len, limit) = match &record {
            Record::Bytes { bytes, comment, .. } => {
                (ENTRY_LEN + bytes.len() + comment.len(), self.queued_len_max)
            }
            // Without the beginning and the end of streams the rest has no meaning: they have
            // some room of their own.
            Record::Opened { .. } | Record::Secrets(_) | Record::Closed { .. } => {
                (ENTRY_LEN, self.queued_len_max + RESERVED_LEN)
            }
        };
        if state.queued_len + len > limit || is_strict && state.is_broken {
            state.batch.dropped_counts[interface_of(stream)] += 1;
            return false;
        }
        state.queued_len += len;
        state.batch.entries.push(Entry { nanoseconds, stream, record });
        // The thread sleeps only while there is nothing, or little that is young.
        if state.batch.entries.len() == 1 || state.queued_len > self.queued_len_max / 2 {
            self.ready.notify_one();
        }
        true
    }

    pub(super) fn ask_for_file(&self) {
        self.lock().batch.begins_file = true;
        self.ready.notify_one();
    }

    pub(super) fn end(&self) {
        self.lock().batch.is_last = true;
        self.ready.notify_one();
    }

    /// Whether what was taken last could be written.
    pub(super) fn tell(&self, is_broken: bool) {
        self.lock().is_broken = is_broken;
    }

    /// Takes everything, once there is something or after `patience`. What follows at once is
    /// waited for: waking for each message would take the processor from those that pass it on.
    pub(super) fn take(&self, patience: Duration) -> Batch {
        let state = self.lock();
        let is_idle = |state: &mut State| {
            let Batch { entries, begins_file, is_last, .. } = &state.batch;
            entries.is_empty() && !begins_file && !is_last
        };
        let waited = self.ready.wait_timeout_while(state, patience, is_idle);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let may_wait = |state: &mut State| {
            let Batch { entries, begins_file, is_last, .. } = &state.batch;
            let is_little = state.queued_len <= self.queued_len_max / 2;
            is_little && !entries.is_empty() && !begins_file && !is_last
        };
        let gathered = self.ready.wait_timeout_while(state, GATHERING.min(patience), may_wait);
        let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        state.queued_len = 0;
        mem::take(&mut state.batch)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longest that a record waits for others.
const GATHERING: Duration = Duration::from_millis(2);
/// What a record takes beside its bytes, about.
const ENTRY_LEN: usize = 256;
/// For beginnings and ends of streams, in bytes: sixteen thousand of them.
const RESERVED_LEN: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use super::*;
    use sv2_net::relay::Side;

    fn bytes(len: usize) -> Record {
        let (from, comment, bytes) = (Side::Client, String::new(), vec![0; len]);
        Record::Bytes { from, offset: 0, comment, bytes }
    }

    #[test]
    fn a_full_queue_leaves_bytes_out_and_counts_them_but_takes_the_end_of_a_stream() {
        let queue = Queue::new(10_000);
        let closed = Record::Closed { from: Side::Client, is_reset: false };

        assert!(queue.push(1, 2, bytes(9_000), false));
        assert!(!queue.push(2, 3, bytes(9_000), false));
        assert!(queue.push(3, 2, closed, false));

        let batch = queue.take(Duration::ZERO);
        assert_eq!((batch.entries.len(), batch.dropped_counts), (2, [0, 1]));
        assert!(queue.push(4, 3, bytes(9_000), false));
    }

    #[test]
    fn a_strict_one_refuses_while_nothing_can_be_written() {
        let queue = Queue::new(10_000);

        queue.tell(true);

        assert!(!queue.push(1, 2, bytes(1), true));
        assert!(queue.push(1, 2, bytes(1), false));
    }
}

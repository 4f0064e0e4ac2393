//! What a host has done so far, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that any task may raise.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(crate) refused: Counter,
    pub(crate) handshakes_failed: Counter,
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
    pub(crate) too_slow: Counter,
    pub(crate) bytes_received: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) frames_received: Counter,
    pub(crate) frames_sent: Counter,
}

/// The numbers of a host at one moment; all but the last two since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Accepted by the system and closed at once: a limit was reached.
    pub refused_count: u64,
    /// Handshakes that ended without a session, dials included.
    pub handshake_failed_count: u64,
    /// Connections that the role was told about.
    pub opened_count: u64,
    /// Of these, closed for not reading what was sent.
    pub too_slow_count: u64,
    /// From sockets, in bytes.
    pub received_len: u64,
    /// To sockets, in bytes.
    pub sent_len: u64,
    /// Whole frames, or lines.
    pub frames_received_count: u64,
    /// Whole frames, or lines.
    pub frames_sent_count: u64,
    /// Connections open now.
    pub open_count: u64,
    /// Batches on their way to the role now.
    pub inbound_batch_count: u64,
}

impl Counting {
    pub(crate) fn read(&self, inbound_batch_count: usize) -> Counters {
        // Read first: a connection that closes in between must not make the difference negative.
        let closed = self.closed.get();
        let opened = self.opened.get();
        Counters {
            refused_count: self.refused.get(),
            handshake_failed_count: self.handshakes_failed.get(),
            opened_count: opened,
            too_slow_count: self.too_slow.get(),
            received_len: self.bytes_received.get(),
            sent_len: self.bytes_sent.get(),
            frames_received_count: self.frames_received.get(),
            frames_sent_count: self.frames_sent.get(),
            open_count: opened.saturating_sub(closed),
            inbound_batch_count: inbound_batch_count as u64,
        }
    }
}

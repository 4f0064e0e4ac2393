//! The messages that wait for one peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sv2::message::Message;
use sv2::wire::{Frame, FrameHeader, Tlvs};
use tokio::sync::{mpsc, oneshot};

/// Something to be sent.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Message {
        message: Message,
        tlvs: Tlvs,
    },
    Frame(Frame),
    /// Without its end.
    Line(Bytes),
}

impl Outgoing {
    /// In bytes of memory, roughly, and never less than what goes over the wire in plain.
    fn cost(&self) -> usize {
        let payload_len = match self {
            Outgoing::Message { message, tlvs } => message.wire_len() + tlvs.as_bytes().len(),
            Outgoing::Frame(frame) => frame.payload.len(),
            Outgoing::Line(line) => line.len(),
        };
        size_of::<Outgoing>() + FrameHeader::LEN + payload_len
    }
}

/// The role's end.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// Bounded by `unsent`.
    queue: mpsc::UnboundedSender<Outgoing>,
    unsent: Arc<AtomicUsize>,
    end: oneshot::Sender<Duration>,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Unsent {
    queue: mpsc::UnboundedReceiver<Outgoing>,
    unsent: Arc<AtomicUsize>,
    taken_cost: usize,
}

/// Both ends, and what tells the connection within which time it must have sent everything once
/// it is to be closed.
pub(crate) fn outbound() -> (Outbound, Unsent, oneshot::Receiver<Duration>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (end, told) = oneshot::channel();
    let unsent = Arc::new(AtomicUsize::new(0));
    let outbound = Outbound { queue: sender, unsent: Arc::clone(&unsent), end };
    (outbound, Unsent { queue: receiver, unsent, taken_cost: 0 }, told)
}

impl Outbound {
    /// Queues something, however long it is if nothing else waits.
    ///
    /// # Errors
    /// With the length that would be unsent, if that is above `limit`; both in bytes.
    pub(crate) fn push(&self, outgoing: Outgoing, limit: usize) -> Result<(), usize> {
        let cost = outgoing.cost();
        let before = self.unsent.fetch_add(cost, Ordering::Relaxed);
        if before > 0 && before + cost > limit {
            return Err(before + cost);
        }
        // A connection that has ended is about to say so.
        let _ = self.queue.send(outgoing);
        Ok(())
    }

    /// Nothing more will be queued; what is queued must be sent within `patience`.
    pub(crate) fn close(self, patience: Duration) {
        let _ = self.end.send(patience);
    }
}

impl Unsent {
    /// Waits for something to send and appends at most `max` to `batch`. What was taken before
    /// counts as sent now. Returns `false` when nothing more will come.
    pub(crate) async fn take(&mut self, batch: &mut Vec<Outgoing>, max: usize) -> bool {
        self.unsent.fetch_sub(self.taken_cost, Ordering::Relaxed);
        self.taken_cost = 0;
        let count = self.queue.recv_many(batch, max).await;
        self.taken_cost = batch.iter().map(Outgoing::cost).sum();
        count > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn frame(len: usize) -> Outgoing {
        let payload = Bytes::from(vec![0; len]);
        Outgoing::Frame(Frame { extension_type: 0, message_type: 0, payload })
    }

    #[test]
    fn one_message_is_taken_however_long_and_the_next_is_not() {
        let (outbound, _unsent, _told) = outbound();

        let outcomes = [outbound.push(frame(5_000), 1_000), outbound.push(frame(1), 1_000)];

        let cost = 2 * (size_of::<Outgoing>() + FrameHeader::LEN) + 5_001;
        assert_eq!(outcomes, [Ok(()), Err(cost)]);
    }

    #[tokio::test]
    async fn what_was_taken_counts_until_more_is_asked_for() {
        let (outbound, mut unsent, _told) = outbound();
        outbound.push(frame(500), 1_000).unwrap();
        let mut batch = Vec::new();

        assert!(unsent.take(&mut batch, 10).await);
        assert!(outbound.push(frame(500), 1_000).is_err());
        batch.clear();
        drop(outbound);

        assert!(!unsent.take(&mut batch, 10).await);
    }
}

//! Work that goes from one thread to the next: in batches, in order, and no more of it at once than
//! there is room for. Who takes no more lets the one before learn of it.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::source::Flow;

/// Things that are handed over at once.
const BATCH_COUNT: usize = 256;
/// Bytes that these hold elsewhere, at once, but for those of the last thing.
const BATCH_LEN: usize = 256 << 10;
/// Batches that wait, at most.
const BATCHES_MAX: usize = 4;

/// Things on their way into a batch.
#[derive(Debug)]
pub(super) struct Batch<T> {
    things: Vec<T>,
    held_len: usize,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Batch { things: Vec::new(), held_len: 0 }
    }
}

impl<T> Batch<T> {
    /// Takes a thing that holds so many bytes elsewhere; whether there is no room for another.
    pub(super) fn add(&mut self, thing: T, held_len: usize) -> bool {
        self.held_len += held_len;
        self.things.push(thing);
        self.things.len() >= BATCH_COUNT || self.held_len >= BATCH_LEN
    }

    /// Hands all of them over, if there are any: `give` takes them out.
    pub(super) fn hand_over(&mut self, give: &mut dyn FnMut(&mut Vec<T>) -> Flow) -> Flow {
        self.held_len = 0;
        if self.things.is_empty() { Flow::GoOn } else { give(&mut self.things) }
    }
}

/// The end of a stage that gives.
pub(super) struct Giver<T> {
    full: SyncSender<Vec<T>>,
    empty: Receiver<Vec<T>>,
}

/// The end that takes.
pub(super) struct Taker<T> {
    full: Receiver<Vec<T>>,
    empty: Sender<Vec<T>>,
}

/// Between two threads.
pub(super) fn stage<T>() -> (Giver<T>, Taker<T>) {
    let (full_sender, full) = sync_channel(BATCHES_MAX);
    // There are never more than were made.
    let (empty, empty_receiver) = channel();
    (Giver { full: full_sender, empty: empty_receiver }, Taker { full, empty })
}

impl<T> Giver<T> {
    /// Gives all of a batch, and waits where too many are there already. What is left is empty, and
    /// has the room of an earlier one.
    pub(super) fn give(&self, batch: &mut Vec<T>) -> Flow {
        match self.full.send(std::mem::take(batch)) {
            Ok(()) => {
                *batch = self.empty.try_recv().unwrap_or_default();
                Flow::GoOn
            }
            Err(_) => Flow::Stop,
        }
    }
}

impl<T> Taker<T> {
    /// Shows every batch that comes, until none does or enough was seen; what is left of one is
    /// dropped.
    pub(super) fn each(self, mut take: impl FnMut(&mut Vec<T>) -> Flow) {
        for mut batch in &self.full {
            if take(&mut batch) == Flow::Stop {
                return;
            }
            batch.clear();
            // Nobody wants it back where the end was given.
            let _ = self.empty.send(batch);
        }
    }
}

/// Starts a stage.
pub(super) fn on_a_thread<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    run: impl FnOnce() -> R + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, R>, String> {
    let builder = Builder::new().name(name.to_owned());
    builder
        .spawn_scoped(scope, run)
        .map_err(|error| format!("there is no thread for the {name}: {error}"))
}

/// What a stage has come to; its panic is ours.
pub(super) fn result_of<R>(stage: ScopedJoinHandle<'_, R>) -> R {
    stage.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// Gives numbers until nobody takes them, and counts.
    fn count_up(giver: &Giver<usize>, until: usize, given: &AtomicUsize) {
        let mut batch = Batch::default();
        let mut give = |batch: &mut Vec<usize>| {
            given.fetch_add(batch.len(), Ordering::SeqCst);
            giver.give(batch)
        };
        for number in 0..until {
            if batch.add(number, 0) && batch.hand_over(&mut give) == Flow::Stop {
                return;
            }
        }
        batch.hand_over(&mut give);
    }

    #[test]
    fn everything_comes_in_order_and_the_last_ones_too() {
        let count = 20 * BATCH_COUNT + 3;
        let (giver, taker) = stage();
        let mut seen = Vec::new();
        thread::scope(|scope| {
            scope.spawn(move || count_up(&giver, count, &AtomicUsize::new(0)));
            taker.each(|batch| {
                seen.append(batch);
                Flow::GoOn
            });
        });

        assert!(seen.into_iter().eq(0..count));
    }

    #[test]
    fn who_gives_waits_for_who_takes_and_stops_when_nobody_does() {
        let (giver, taker) = stage();
        let given = AtomicUsize::new(0);
        thread::scope(|scope| {
            let giving = scope.spawn(|| {
                let giver = giver;
                count_up(&giver, usize::MAX, &given);
            });
            taker.each(|batch| {
                // What is taken, what waits, and what waits for its place.
                let room = (BATCHES_MAX + 2) * BATCH_COUNT;
                assert!(given.load(Ordering::SeqCst) <= batch[0] + room);
                if batch[0] == 10 * BATCH_COUNT { Flow::Stop } else { Flow::GoOn }
            });
            giving.join().unwrap();
        });
    }

    #[test]
    fn a_batch_of_long_things_is_a_short_one() {
        let mut batch = Batch::default();

        assert!(!batch.add("short", 10));
        assert!(batch.add("long", BATCH_LEN));

        let mut handed = 0;
        batch.hand_over(&mut |things| {
            handed = things.drain(..).count();
            Flow::GoOn
        });
        assert_eq!(handed, 2);
        assert!(!batch.add("short", 10));
    }
}

//! What is measured on both sides: the rows that a pool spends its time on.
//!
//! A workload runs as often as it is told and returns how long that took, without what it
//! prepares. So the criterion benchmarks and the printed table measure the same.

mod frames;
mod handshakes;
mod messages;
mod shares;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Runs so many times and returns how long it took.
pub type Run = Box<dyn FnMut(u64) -> Duration>;

/// The same work on both sides.
pub struct Workload {
    /// What is done.
    pub name: &'static str,
    /// With what, and how far it goes.
    pub detail: &'static str,
    /// What ours must reach, in nanoseconds.
    pub goal_nanoseconds: f64,
    /// Ours.
    pub ours: Run,
    /// Theirs.
    pub theirs: Run,
}

/// All of them, in the order in which a share meets them.
pub fn all() -> Vec<Workload> {
    [messages::all(), frames::all(), handshakes::all(), shares::all()]
        .into_iter()
        .flatten()
        .collect()
}

/// Repeats what needs no preparation.
fn repeat<T>(mut work: impl FnMut() -> T + 'static) -> Run {
    Box::new(move |count| {
        let start = Instant::now();
        for _ in 0..count {
            black_box(work());
        }
        start.elapsed()
    })
}

/// Repeats what uses up what `prepare` makes, in batches of at most `BATCH`. Dropping the rest
/// is not measured.
fn repeat_prepared<P, T>(
    mut prepare: impl FnMut(u64) -> P + 'static,
    mut work: impl FnMut(&mut P, usize) -> T + 'static,
) -> Run {
    const BATCH: u64 = 2000;
    Box::new(move |count| {
        let (mut left, mut took) = (count, Duration::ZERO);
        while left > 0 {
            let size = left.min(BATCH);
            let mut prepared = prepare(size);
            let start = Instant::now();
            for index in 0..size as usize {
                black_box(work(&mut prepared, index));
            }
            took += start.elapsed();
            left -= size;
        }
        took
    })
}

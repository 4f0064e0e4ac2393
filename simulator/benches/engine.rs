//! What an event costs: both queues in the hold model (take the next, plan another 10 s later on
//! average), and the draws.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use simulator::engine::{EventQueue, HeapQueue, Purpose, RadixQueue, Stream, math};
use sv2::time::Instant;

criterion_group!(benches, hold, draws);
criterion_main!(benches);

fn hold(criterion: &mut Criterion) {
    for pending in [1_000, 100_000, 1_000_000] {
        hold_with(criterion, "radix", RadixQueue::default(), pending);
        hold_with(criterion, "heap", HeapQueue::default(), pending);
    }
}

fn hold_with(criterion: &mut Criterion, name: &str, mut queue: impl EventQueue<u64>, pending: u64) {
    let mut stream = Stream::new(1, 1, Purpose::Share);
    #[expect(clippy::cast_possible_truncation, reason = "some seconds in nanoseconds")]
    let mut wait = move || stream.exponential(10e9) as u64;
    for event in 0..pending {
        queue.push(Instant(wait()), event);
    }
    // The shape of a queue at rest is not that of a full one.
    for _ in 0..pending * 2 {
        let (at, event) = queue.pop().expect("as many come as go");
        queue.push(Instant(at.0 + wait()), event);
    }
    criterion.bench_function(&format!("hold/{name}/{pending}"), |bencher| {
        bencher.iter(|| {
            let (at, event) = queue.pop().expect("as many come as go");
            queue.push(Instant(at.0 + wait()), event);
        });
    });
}

fn draws(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("draw");
    let mut stream = Stream::new(1, 1, Purpose::Share);
    group.bench_function("unit", |bencher| bencher.iter(|| stream.unit()));
    group.bench_function("exponential", |bencher| bencher.iter(|| stream.exponential(1.0)));
    group.bench_function("normal", |bencher| bencher.iter(|| stream.normal()));
    for (name, ln) in [("ours", math::ln as fn(f64) -> f64), ("platform", f64::ln)] {
        group.bench_function(BenchmarkId::new("ln", name), |bencher| {
            bencher.iter(|| ln(black_box(0.3)));
        });
    }
}

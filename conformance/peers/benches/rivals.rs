//! Ours and theirs side by side: `cargo bench`, or `cargo bench -- decode`.

use criterion::{Criterion, criterion_group, criterion_main};
use peers::workloads::all;

fn rivals(criterion: &mut Criterion) {
    for mut workload in all() {
        let mut group =
            criterion.benchmark_group(format!("{}: {}", workload.name, workload.detail));
        group.sample_size(20);
        group.bench_function("ours", |bencher| bencher.iter_custom(&mut workload.ours));
        group.bench_function("theirs", |bencher| bencher.iter_custom(&mut workload.theirs));
        group.finish();
    }
}

criterion_group!(benches, rivals);
criterion_main!(benches);

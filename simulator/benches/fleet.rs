//! Events of a fleet at fidelity L1, and what a device takes of memory.
//!
//! Six shares a minute, a job for every device each 30 s, an answer to ten shares, a lognormal
//! latency on every message, a block each 600 s; with targets that follow shares and without.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use simulator::fleet::{Star, StarSettings};
use simulator::link::Latency;
use sv2::mining::vardiff::VardiffAlgorithm;
use sv2::time::Instant;

criterion_group!(benches, events);
criterion_main!(benches);

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("L1");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for (name, device_count, vardiff) in [
        ("100k", 100_000, None),
        ("100k-vardiff", 100_000, Some(VardiffAlgorithm::Bayes)),
        ("1M", 1_000_000, None),
    ] {
        let before = resident_bytes();
        let away = Latency::Lognormal(Duration::from_millis(50), 0.3);
        let settings = StarSettings {
            vardiff,
            up: away.clone(),
            down: away,
            ..StarSettings::new(device_count)
        };
        let mut star: Star = Star::new(settings);
        let mut now = Instant::ZERO + Duration::from_secs(60);
        star.run_until(now);
        let each = (resident_bytes() - before) / f64::from(device_count);

        // Whole rounds of jobs, so that every iteration is alike.
        let start = star.tally().event_count;
        let busy = processor_seconds();
        for _ in 0..ROUNDS {
            now = now + SLICE;
            star.run_until(now);
        }
        let count = star.tally().event_count - start;
        // The clock on the wall also counts what others do on this machine.
        let rate = count as f64 / (processor_seconds() - busy) / 1e6;
        println!("L1/{name}: {each:.0} B a device, {rate:.2} M events a second of processor time");
        group.throughput(Throughput::Elements(count / ROUNDS));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                now = now + SLICE;
                star.run_until(now);
            });
        });
    }
    group.finish();
}

/// Of this process: what an allocator counts, and what it wastes. Zero where there is no `/proc`.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.and_then(|number| number.trim().parse::<f64>().ok()).unwrap_or_default() * 1_024.0
}

/// Of this process, in steps of a hundredth. Zero where there is no `/proc`.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold blanks: 12 and 13 are ticks as user and in the kernel.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Before anything is measured by the wall.
const ROUNDS: u64 = 5;
const SLICE: Duration = Duration::from_secs(30);

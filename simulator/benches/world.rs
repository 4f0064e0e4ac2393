//! A world of real roles: what a message costs, and a device in memory.
//!
//! `cargo bench -p simulator --bench world`; one core. Memory is what the process has grown by,
//! printed beside.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use simulator::scenario::{Overrides, Scenario};
use simulator::world::{QueueKind, World};
use sv2::time::Instant;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Devices at 6 shares a minute, with new jobs each 30 s: directly on a pool.
const DIRECT: &str = r#"
[chain]
kind = "embedded"
nbits = 0x1b0404cb
block_interval = "10min"
transactions = 20
transaction_interval = "2s"

[network]
latency = "50ms"

[role.template-provider]
kind = "template-provider"
fee_update_interval = "30s"

[role.pool]
kind = "pool"
shares_per_minute = 6

[role.miners]
kind = "mining-device"
upstream = "pool"
count = 10_000
hash_rate = "50kH/s"
"#;

fn scenario(text: &str) -> Scenario {
    Scenario::load("bench.toml", text, &Overrides::default()).expect("it loads")
}

fn minutes(count: u64) -> Instant {
    Instant(count * 60_000_000_000)
}

fn world(criterion: &mut Criterion) {
    let scenario = scenario(DIRECT);
    let before = resident_bytes();
    let mut world = World::new(&scenario, QueueKind::Radix).expect("it has a world");
    world.run(minutes(5), u64::MAX);
    let devices = scenario.device_count();
    println!("{} bytes a device", resident_bytes().saturating_sub(before) / devices);

    let (before, busy) = (world.tally().message_count, processor_seconds());
    world.run(minutes(6), u64::MAX);
    let messages = world.tally().message_count - before;
    // The clock on the wall also counts what others do on this machine.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = messages as f64 / (processor_seconds() - busy) / 1e6;
    println!("{rate:.2} M messages a second of processor time");
    let mut group = criterion.benchmark_group("world");
    group.sample_size(10);
    group.throughput(Throughput::Elements(messages));
    let mut minute = 6;
    group.bench_function("a minute of 10,000 devices on a pool", |bencher| {
        bencher.iter(|| {
            minute += 1;
            world.run(minutes(minute), u64::MAX)
        });
    });
    group.finish();
}

/// Of this process; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * PAGE
}

const PAGE: u64 = 4_096;

/// Of this process, in steps of a hundredth. Zero where there is no `/proc`.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold blanks: 12 and 13 are ticks as user and in the kernel.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

criterion_group!(benches, world);
criterion_main!(benches);

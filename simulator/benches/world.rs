//! A world of real roles: what a message costs, in worlds that fit into a nearby cache and in
//! larger ones.
//!
//! `cargo bench -p simulator --bench world`; one core. What a device takes of memory is counted by
//! `tests/memory.rs`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use simulator::scenario::{Fidelity, Overrides, ProofMode, Scenario};
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
hash_rate = "50kH/s"
"#;

fn minutes(count: u64) -> Instant {
    Instant(count * 60_000_000_000)
}

fn world(criterion: &mut Criterion) {
    for (name, device_count, proofs, fidelity) in [
        ("500 devices, drawn proofs", 500, ProofMode::Oracle, Fidelity::Messages),
        ("2,000 devices, drawn proofs", 2_000, ProofMode::Oracle, Fidelity::Messages),
        ("2,000 devices", 2_000, ProofMode::Hashed, Fidelity::Messages),
        ("2,000 devices, real bytes", 2_000, ProofMode::Hashed, Fidelity::Bytes),
        ("10,000 devices", 10_000, ProofMode::Hashed, Fidelity::Messages),
    ] {
        let mut scenario =
            Scenario::load("bench.toml", DIRECT, &Overrides::default()).expect("it loads");
        scenario.set_device_count(device_count).expect("it has a fleet");
        let run = &mut scenario.virtual_time.run;
        (run.proofs, run.fidelity) = (proofs, fidelity);
        minute_of(criterion, name, &scenario);
    }
}

fn minute_of(criterion: &mut Criterion, name: &str, scenario: &Scenario) {
    let mut world = World::new(scenario, QueueKind::Radix).expect("it has a world");
    world.run(minutes(5), u64::MAX);

    let (before, busy) = (world.tally().message_count, processor_seconds());
    world.run(minutes(5 + ROUNDS), u64::MAX);
    let messages = world.tally().message_count - before;
    // The clock on the wall also counts what others do on this machine.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = messages as f64 / (processor_seconds() - busy) / 1e6;
    println!("{name}: {rate:.2} M messages a second of processor time");
    let mut group = criterion.benchmark_group("world");
    group.sample_size(10);
    group.throughput(Throughput::Elements(messages / ROUNDS));
    let mut minute = 5 + ROUNDS;
    group.bench_function(format!("a minute of {name}"), |bencher| {
        bencher.iter(|| {
            minute += 1;
            world.run(minutes(minute), u64::MAX)
        });
    });
    group.finish();
}

/// Of this thread. Zero where the system does not say.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e9
}

/// Minutes before anything is measured by the wall: several, for there is a block each ten.
const ROUNDS: u64 = 10;

criterion_group!(benches, world);
criterion_main!(benches);

//! What a device takes of memory, in a world of real roles and in a model of a fleet: counted by
//! the allocator, so that it is the same on every machine.
//!
//! Real roles have 2 KiB, both ends of the connection included; with real Noise sessions 4 KiB,
//! of which they need two thirds.

use std::time::Duration;

use peak_alloc::PeakAlloc;
use simulator::fleet::{Star, StarSettings};
use simulator::scenario::{Fidelity, Overrides, Scenario};
use simulator::world::{QueueKind, World};
use sv2::time::Instant;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Devices directly on a pool: a channel, a connection and a device each.
const DIRECT: &str = r#"
[chain]
kind = "embedded"
nbits = 0x1b0404cb
block_interval = "10min"
transactions = 20

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

/// One test, since all that runs at the same time is counted.
#[test]
fn a_device_takes_no_more_memory_than_it_is_said_to() {
    for (fidelity, device_count, limit) in [
        (Fidelity::Messages, 1_000, ROLES_LIMIT + WORLD_LIMIT / 1e3),
        (Fidelity::Messages, 10_000, ROLES_LIMIT),
        (Fidelity::Bytes, 1_000, NOISE_LIMIT + WORLD_LIMIT / 1e3),
    ] {
        let world = |world: &mut Option<World>| {
            let mut scenario = Scenario::load("memory.toml", DIRECT, &Overrides::default());
            let scenario = scenario.as_mut().expect("it loads");
            scenario.set_device_count(device_count).expect("it has a fleet");
            scenario.virtual_time.run.fidelity = fidelity;
            let started = world.insert(World::new(scenario, QueueKind::Radix).expect("it runs"));
            started.run(minutes(5), u64::MAX);
            let channels = started.tally().roles.last().map(|miners| miners.channel_count());
            assert_eq!(channels, Some(device_count.into()), "all devices are at work");
        };

        let bytes = bytes_of(world) / f64::from(device_count);

        println!("{device_count} devices of real roles, {fidelity:?}: {bytes:.0} bytes each");
        assert!(bytes <= limit, "{bytes} bytes for each of {device_count} devices");
    }
    for device_count in [10_000, 100_000] {
        let fleet = |star: &mut Option<Star>| {
            let star = star.insert(Star::new(StarSettings::new(device_count)));
            // Between two jobs: at the moment of one there is one more event for each device.
            star.run_until(Instant::ZERO + Duration::from_secs(290));
        };

        let bytes = bytes_of(fleet) / f64::from(device_count);

        println!("{device_count} devices of a model: {bytes:.0} bytes each");
        assert!(bytes <= MODEL_LIMIT, "{bytes} bytes for each of {device_count} devices");
    }
}

/// What is held after `fill`.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn bytes_of<T>(fill: impl FnOnce(&mut Option<T>)) -> f64 {
    let before = MEMORY.current_usage();
    let mut held = None;
    fill(&mut held);
    let after = MEMORY.current_usage();
    drop(held);
    after.saturating_sub(before) as f64
}

fn minutes(count: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(60 * count)
}

/// In bytes: the device, its channel at the pool, and the connection.
const ROLES_LIMIT: f64 = 2_048.0;
/// In bytes: the same with both ends of a Noise session.
const NOISE_LIMIT: f64 = 2_700.0;
/// In bytes: what a world takes once, which is much for a thousand devices: chains, event queue.
const WORLD_LIMIT: f64 = 700_000.0;
/// In bytes, with the event that is planned for it.
const MODEL_LIMIT: f64 = 128.0;

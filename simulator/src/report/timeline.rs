//! How a run went, over time: samples of its counts, as series of a summary.

use std::time::Duration;

use serde_json::{Value, json};
use sv2::time::Instant;

use crate::figures::Figures;
use crate::fleet;
use crate::world::Tally;

/// Samples of a run, evenly over its simulated time.
#[derive(Clone, Debug)]
pub struct Timeline {
    samples: Vec<Sample>,
    step: Duration,
    next_at: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    seconds: f64,
    accepted: u64,
    rejected: u64,
    stale: u64,
    payload_bytes: u64,
    packet_bytes: u64,
}

impl Timeline {
    /// Of a run of this length.
    pub fn new(length: Duration) -> Self {
        let step = (length / SAMPLE_COUNT).max(Duration::from_nanos(1));
        Timeline { samples: Vec::new(), step, next_at: Instant::ZERO }
    }

    /// When it is time for another sample.
    pub fn next_at(&self) -> Instant {
        self.next_at
    }

    /// Takes in how things stand: of roles, and of fleets that are models.
    pub fn sample(&mut self, now: Instant, tally: &Tally, fleets: &[&fleet::Tally]) {
        let roles = |of: fn(&Figures) -> u64| tally.roles.iter().map(of).sum::<u64>();
        let models = |of: fn(&fleet::Tally) -> u64| fleets.iter().map(|one| of(one)).sum::<u64>();
        self.next_at = now + self.step;
        self.samples.push(Sample {
            seconds: now.since(Instant::ZERO).as_secs_f64(),
            accepted: roles(|role| role.accepted_count) + models(|fleet| fleet.accepted_count),
            rejected: roles(|role| role.rejected_count),
            stale: roles(|role| role.stale_count) + models(|fleet| fleet.stale_count),
            payload_bytes: tally.payload_bytes + models(|fleet| fleet.up_bytes + fleet.down_bytes),
            packet_bytes: tally.packet_bytes + models(|fleet| fleet.packet_bytes),
        });
    }

    /// For `series` of a summary: rates between two samples.
    pub fn json(&self) -> Value {
        let line = |name: &str, of: fn(&Sample) -> u64| {
            let points = self.samples.windows(2).filter_map(|pair| {
                let seconds = pair[1].seconds - pair[0].seconds;
                let rate = of(&pair[1]).saturating_sub(of(&pair[0])) as f64 / seconds;
                (seconds > 0.0).then(|| json!([pair[1].seconds, rate]))
            });
            json!({ "name": name, "points": points.collect::<Vec<_>>() })
        };
        let stale = self.samples.iter().filter_map(|sample| {
            let judged = sample.accepted + sample.stale;
            (judged > 0).then(|| json!([sample.seconds, sample.stale as f64 / judged as f64]))
        });
        let stale = json!({ "name": "stale so far", "points": stale.collect::<Vec<_>>() });
        json!([
            {
                "name": "shares", "title": "Shares over time", "x": "simulated seconds",
                "y": "shares/s, at all roles that judge them",
                "lines": [
                    line("accepted", |sample| sample.accepted),
                    line("rejected", |sample| sample.rejected),
                    line("stale", |sample| sample.stale),
                ],
            },
            {
                "name": "stale", "title": "Stale shares", "x": "simulated seconds",
                "y": "of all that were judged", "lines": [stale],
            },
            {
                "name": "bytes", "title": "Bytes over time", "x": "simulated seconds",
                "y": "B/s, on all connections",
                "lines": [
                    line("payload", |sample| sample.payload_bytes),
                    line("with headers", |sample| sample.packet_bytes),
                ],
            },
        ])
    }
}

/// Of one run, about.
const SAMPLE_COUNT: u32 = 200;

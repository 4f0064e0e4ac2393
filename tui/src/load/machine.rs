//! A run as JSON, one object a line, told apart by `kind`:
//!
//! - `plan`, once before the first connection: what is asked, and what a share costs;
//! - `progress`, each second: counts since the start, and `rates` since the last line;
//! - `summary`, once at the end: everything. `rates` are those between the end of the ramp and
//!   the end of the run, when the whole fleet is there.
//!
//! Times end in `_seconds` or `_us` (microseconds), sizes in `_bytes`, counts have no ending.
//! With Stratum V1 `channel` is `sv1`, and a channel is a connection that has its first job: the
//! shape is the same, and `handshake` stays at 0.
//! `partial` is true when somebody has ended the run. `shares` holds two sums, as
//! [`simulator_live::load::ShareFigures`] says.

use std::time::Duration;

use serde_json::{Map, Value, json};
use simulator_live::load::{Figures, FleetChannel, MessageFigures, ShareFigures, Times, Wait};

use super::View;
use super::report::{Ending, Plan, Rates, Report, Sample, Taken};
use crate::print;

/// The three kinds of lines.
pub(super) struct Machine {
    next_at: Duration,
    before: Option<Sample>,
}

impl Machine {
    pub(super) fn new(plan: &Plan) -> Self {
        print::line(plan_line(plan));
        Machine { next_at: INTERVAL, before: None }
    }
}

impl View for Machine {
    fn tick(&mut self, _: &Plan, sample: &Sample) -> std::io::Result<()> {
        let before = self.before.get_or_insert_with(|| sample.clone());
        if sample.figures.elapsed >= self.next_at {
            self.next_at += INTERVAL;
            print::line(progress(before, sample));
            *before = sample.clone();
        }
        Ok(())
    }

    fn finish(&mut self, plan: &Plan, report: &Report) {
        print::line(summary(plan, report));
    }
}

fn plan_line(plan: &Plan) -> Value {
    let Plan { config, price, hold, target, is_own_pool } = plan;
    json!({
        "kind": "plan",
        "target": target,
        "own_pool": is_own_pool,
        "devices": config.device_count,
        "connections": config.connection_count(),
        "channel": match config.channel {
            FleetChannel::Standard { .. } => "standard",
            FleetChannel::Extended => "extended",
            FleetChannel::Sv1 => "sv1",
        },
        "header_only": config.channel == FleetChannel::Standard { header_only: true },
        "user": config.user_identity,
        "shares_per_minute": config.shares_per_minute,
        "seed": config.seed,
        "ramp_seconds": config.ramp.as_secs_f64(),
        "hold_seconds": hold.as_secs_f64(),
        "nominal_hash_rate": price.nominal_hash_rate,
        "hashes_per_share": price.hashes_per_share,
        "hashes_per_second_needed": price.needed,
        "hash_budget": config.hash_budget,
        "affordable": price.affordable(config.hash_budget),
    })
}

fn progress(before: &Sample, sample: &Sample) -> Value {
    let figures = &sample.figures;
    let rates = Rates::between(before, sample);
    json!({
        "kind": "progress",
        "elapsed_seconds": figures.elapsed.as_secs_f64(),
        "connections": figures.open_connection_count,
        "channels": figures.open_channel_count,
        "shares": shares(&figures.shares),
        "rates": self::rates(&rates),
        "answer": times(&sample.times(Wait::Answer)),
        "error_count": figures.error_count(),
    })
}

fn summary(plan: &Plan, report: &Report) -> Value {
    let figures = &report.last.figures;
    let waits = Wait::ALL.map(|wait| (wait.name().to_owned(), times(&report.last.times(wait))));
    json!({
        "kind": "summary",
        "ending": report.ending.name(),
        "partial": report.ending == Ending::Interrupted,
        "elapsed_seconds": report.held.figures.elapsed.as_secs_f64(),
        "connections": connections(figures, report),
        "channels": {
            "asked": figures.asked_channel_count,
            "opened": figures.opened_channel_count,
            "open_at_end": report.held.figures.open_channel_count,
        },
        "waits": Map::from_iter(waits),
        "shares": shares(&figures.shares),
        "shares_per_second_asked": plan.config.shares_per_second(),
        "rates": rates(&report.rates()),
        "hashes": figures.hash_count,
        "sent_bytes": figures.sent_len,
        "received_bytes": figures.received_len,
        "messages": { "sent": messages(&figures.sent), "received": messages(&figures.received) },
        "closes": figures.closes,
        "rejections": figures.rejections,
        "errors": figures.errors,
        "error_count": report.error_count(),
        "fleet_process": report.taken_by_us().map(taken),
        "pool_process": report.taken_by_pool().map(taken),
        "own_pool": report.own_pool.map(|pool| json!({
            "refused": pool.refused_count,
            "handshakes_failed": pool.handshake_failed_count,
            "too_slow": pool.too_slow_count,
        })),
    })
}

fn connections(figures: &Figures, report: &Report) -> Value {
    json!({
        "dialled": figures.dialled_count,
        "connected": figures.connected_count,
        "established": figures.established_count,
        "set_up": figures.set_up_count,
        "open_at_end": report.held.figures.open_connection_count,
        "per_second_until_last": report.connections_per_second(),
    })
}

fn shares(shares: &ShareFigures) -> Value {
    json!({
        "due": shares.due_count,
        "without_work": shares.without_work_count,
        "over_budget": shares.over_budget_count,
        "over_in_flight": shares.over_in_flight_count,
        "submitted": shares.submitted_count,
        "accepted": shares.accepted_count,
        "stale": shares.stale_count,
        "rejected": shares.rejected_count,
        "in_flight": shares.in_flight_count,
        "lost": shares.lost_count,
        "unaccounted": shares.unaccounted_count,
    })
}

fn rates(rates: &Rates) -> Value {
    json!({
        "over_seconds": rates.seconds,
        "shares_due": rates.due,
        "shares_submitted": rates.submitted,
        "shares_accepted": rates.accepted,
        "messages": rates.messages,
        "sent_bytes": rates.sent_len,
        "received_bytes": rates.received_len,
        "hashes": rates.hashes,
    })
}

fn times(times: &Times) -> Value {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    json!({
        "count": times.count,
        "p50_us": us(times.p50),
        "p90_us": us(times.p90),
        "p99_us": us(times.p99),
        "p999_us": us(times.p999),
        "max_us": us(times.max),
    })
}

fn messages(messages: &[MessageFigures]) -> Value {
    let row = |kind: &MessageFigures| {
        (kind.name.clone(), json!({ "count": kind.count, "wire_bytes": kind.wire_len }))
    };
    Value::Object(Map::from_iter(messages.iter().map(row)))
}

fn taken(taken: Taken) -> Value {
    json!({
        "resident_before_bytes": taken.resident_before,
        "resident_bytes": taken.resident,
        "resident_per_connection_bytes": taken.resident_per_connection,
        "processors_busy": taken.processors,
    })
}

/// Between two lines of progress.
const INTERVAL: Duration = Duration::from_secs(1);

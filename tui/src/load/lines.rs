//! A run as lines of text, and its report as people read it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use simulator_live::load::{FleetChannel, LoadConfig, MessageFigures, Times, Wait};

use super::View;
use super::report::{Ending, Plan, Rates, Report, Sample, Taken};
use crate::print;

/// A line now and then.
pub(super) struct Lines {
    next_at: Duration,
    before: Option<Sample>,
}

impl Lines {
    pub(super) fn new(plan: &Plan) -> Self {
        print_plan(plan);
        Lines { next_at: INTERVAL, before: None }
    }
}

impl View for Lines {
    fn tick(&mut self, plan: &Plan, sample: &Sample) -> std::io::Result<()> {
        let before = self.before.get_or_insert_with(|| sample.clone());
        if sample.figures.elapsed >= self.next_at {
            self.next_at += INTERVAL;
            print::line(progress(plan, before, sample));
            *before = sample.clone();
        }
        Ok(())
    }

    fn finish(&mut self, plan: &Plan, report: &Report) {
        print_report(plan, report);
    }
}

pub(super) fn print_plan(plan: &Plan) {
    plan_lines(plan).into_iter().for_each(print::line);
}

/// What is going to happen, and what it costs.
pub(super) fn plan_lines(plan: &Plan) -> Vec<String> {
    let Plan { config, price, hold, target, .. } = plan;
    let whose = if plan.is_own_pool { "our own pool" } else { "the pool" };
    let mut lines = vec![
        format!("{whose} at {target}"),
        format!(
            "{} over {:.0} s, then {:.0} s; seed {}",
            fleet(config),
            config.ramp.as_secs_f64(),
            hold.as_secs_f64(),
            config.seed
        ),
    ];
    let asked = config.shares_per_second();
    if let Some(before) = price.hashes_per_share_before {
        lines.push(format!(
            "a share would cost {} hashes, more than the budget pays: each device claims {} only",
            rounded(before),
            claim(price.nominal_hash_rate)
        ));
    }
    lines.push(format!(
        "a share costs {} hashes for a device that claims {}: {} shares/s need {} of {} hashes/s",
        rounded(price.hashes_per_share),
        claim(price.nominal_hash_rate),
        rounded(asked),
        rounded(price.needed),
        rounded(config.hash_budget)
    ));
    let affordable = price.affordable(config.hash_budget);
    if affordable < 1.0 {
        lines.push(format!(
            "the pool's easiest target is dearer than the budget permits: about {} of {} shares/s \
             can be had; --hash-budget {:.0} would pay for all",
            rounded(asked * affordable),
            rounded(asked),
            price.needed.ceil()
        ));
    }
    lines
}

fn fleet(config: &LoadConfig) -> String {
    let (devices, rate) = (config.device_count, config.shares_per_minute);
    let kind = match config.channel {
        FleetChannel::Sv1 => {
            return format!("{devices} Stratum V1 devices, {rate} shares a minute each");
        }
        FleetChannel::Standard { header_only: true } => "standard",
        FleetChannel::Standard { header_only: false } => "standard (jobs for groups)",
        FleetChannel::Extended => "extended",
    };
    format!(
        "{devices} {kind} channels on {} connections, {rate} shares a minute each",
        config.connection_count(),
    )
}

fn claim(hash_rate: f32) -> String {
    format!("{} H/s", rounded(hash_rate.into()))
}

/// A line about how far it is.
fn progress(plan: &Plan, before: &Sample, sample: &Sample) -> String {
    let figures = &sample.figures;
    let rates = Rates::between(before, sample);
    let answer = sample.times(Wait::Answer);
    format!(
        "{:>7.1} s  {}/{} connections  {}/{} channels  {} shares/s  answered in {} (p99 {})  {} errors",
        figures.elapsed.as_secs_f64(),
        figures.open_connection_count,
        plan.config.connection_count(),
        figures.open_channel_count,
        plan.config.device_count,
        rounded(rates.accepted),
        time(answer.p50),
        time(answer.p99),
        figures.error_count(),
    )
}

/// The whole report.
pub(super) fn print_report(plan: &Plan, report: &Report) {
    let partial = if report.ending == Ending::Interrupted { ": a partial report" } else { "" };
    print::line(format_args!(
        "{} after {:.1} s{partial}",
        report.ending.name(),
        report.held.figures.elapsed.as_secs_f64()
    ));
    print_times(report);
    print_shares(plan, report);
    print_rates(plan, report);
    print_messages("to the pool", &report.last.figures.sent);
    print_messages("from the pool", &report.last.figures.received);
    let figures = &report.last.figures;
    print_named("closed", &figures.closes);
    print_named("refused shares", &figures.rejections);
    print_named("errors", &figures.errors);
    if let Some(taken) = report.taken_by_pool() {
        print_taken("memory of the pool", taken);
    }
    if let Some(taken) = report.taken_by_us() {
        print_taken("memory of this fleet", taken);
    }
    if let Some(pool) = report.own_pool {
        print::line(format_args!(
            "our pool says: {} connections refused, {} handshakes failed, {} too slow",
            pool.refused_count, pool.handshake_failed_count, pool.too_slow_count
        ));
    }
    print::line(format_args!("{} errors", report.error_count()));
}

fn print_times(report: &Report) {
    let heading = ["waited for", "count", "p50", "p90", "p99", "p99.9", "max"].map(str::to_owned);
    let rows = Wait::ALL.map(|wait| {
        let Times { count, p50, p90, p99, p999, max } = report.last.times(wait);
        let [p50, p90, p99, p999, max] = match count {
            0 => [const { String::new() }; 5],
            _ => [p50, p90, p99, p999, max].map(time),
        };
        [wait.name().to_owned(), count.to_string(), p50, p90, p99, p999, max]
    });
    print::table(&[vec![heading], rows.to_vec()].concat(), 1);
}

fn print_shares(plan: &Plan, report: &Report) {
    let shares = &report.last.figures.shares;
    print::line(format_args!(
        "shares: {} submitted = {} accepted + {} stale + {} rejected + {} in flight + {} lost + {} \
         unaccounted",
        shares.submitted_count,
        shares.accepted_count,
        shares.stale_count,
        shares.rejected_count,
        shares.in_flight_count,
        shares.lost_count,
        shares.unaccounted_count,
    ));
    let left_out =
        shares.without_work_count + shares.over_budget_count + shares.over_in_flight_count;
    if left_out > 0 {
        print::line(format_args!(
            "left out of {} that were due: {} without a job, {} beyond the hash budget, {} with too \
             many unanswered",
            shares.due_count,
            shares.without_work_count,
            shares.over_budget_count,
            shares.over_in_flight_count,
        ));
    }
    if shares.difference() != 0 {
        print::line(format_args!("these do not add up: {} too few", shares.difference()));
    }
    let found = shares.submitted_count.max(1);
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let paid = report.last.figures.found_hash_count as f64 / found as f64;
    print::line(format_args!(
        "a share took {} hashes, expected were {}",
        rounded(paid),
        rounded(plan.price.hashes_per_share)
    ));
}

fn print_rates(plan: &Plan, report: &Report) {
    let rates = report.rates();
    print::line(format_args!(
        "connections: {} a second until the last",
        rounded(report.connections_per_second())
    ));
    print::line(format_args!(
        "a second, over {:.1} s: {} shares asked, {} due, {} sent, {} accepted; {} messages; {} B \
         sent, {} B received; {} hashes",
        rates.seconds,
        rounded(plan.config.shares_per_second()),
        rounded(rates.due),
        rounded(rates.submitted),
        rounded(rates.accepted),
        rounded(rates.messages),
        rounded(rates.sent_len),
        rounded(rates.received_len),
        rounded(rates.hashes),
    ));
}

fn print_messages(heading: &str, messages: &[MessageFigures]) {
    let heading = [heading, "messages", "bytes"].map(str::to_owned);
    let row = |kind: &MessageFigures| {
        [kind.name.clone(), kind.count.to_string(), kind.wire_len.to_string()]
    };
    print::table(&[vec![heading], messages.iter().map(row).collect()].concat(), 1);
}

fn print_named(heading: &str, rows: &BTreeMap<String, u64>) {
    for (name, count) in rows {
        print::line(format_args!("{heading}: {count} x {name}"));
    }
}

fn print_taken(what: &str, taken: Taken) {
    let mebibytes = |len: u64| len >> 20;
    print::line(format_args!(
        "{what}: {} MiB before, {} MiB with the fleet: {:.1} KiB a connection; {:.2} processors busy",
        mebibytes(taken.resident_before),
        mebibytes(taken.resident),
        taken.resident_per_connection / 1024.0,
        taken.processors
    ));
}

/// In a unit that fits.
pub(super) fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 0.00995 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds >= 0.001 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{:.0} us", seconds * 1e6),
    }
}

/// Three digits or so.
pub(super) fn rounded(number: f64) -> impl Display {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 1.0 => format!("{number:.1}"),
        _ => format!("{number:.3}"),
    }
}

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(5);

//! What a run has come to, for all ways of showing it.

use std::time::Duration;

use simulator_live::load::{Figures, Load, LoadConfig, OwnPoolCounters, Price, Times, Usage, Wait};

/// What is known before the first connection of the fleet.
pub(super) struct Plan {
    pub(super) config: LoadConfig,
    pub(super) price: Price,
    pub(super) hold: Duration,
    /// The pool's own URL, or that of ours.
    pub(super) target: String,
    pub(super) is_own_pool: bool,
}

/// Why a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    TimeIsUp,
    Interrupted,
}

impl Ending {
    pub(super) fn name(self) -> &'static str {
        match self {
            Ending::TimeIsUp => "time is up",
            Ending::Interrupted => "interrupted",
        }
    }
}

/// The numbers at one moment.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) figures: Figures,
    pub(super) times: [Times; Wait::ALL.len()],
    /// Our own process.
    pub(super) ours: Option<Usage>,
    /// The pool's.
    pub(super) pool: Option<Usage>,
}

impl Sample {
    pub(super) fn of(load: &Load, pool_process: Option<u32>) -> Self {
        Sample {
            figures: load.figures(),
            times: Wait::ALL.map(|wait| load.times(wait)),
            ours: Usage::of_us(),
            pool: pool_process.and_then(Usage::of),
        }
    }

    pub(super) fn times(&self, wait: Wait) -> Times {
        self.times[wait as usize]
    }
}

/// A run that is over.
pub(super) struct Report {
    pub(super) ending: Ending,
    /// Before the first connection of the fleet.
    pub(super) first: Sample,
    /// When the ramp was over; as `first`, if it never was.
    pub(super) ramped: Sample,
    /// When the run was to end: with all connections open.
    pub(super) held: Sample,
    /// After the last answer; the books are closed.
    pub(super) last: Sample,
    /// What our own pool has counted.
    pub(super) own_pool: Option<OwnPoolCounters>,
}

/// What happens in a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    /// How long was counted, in seconds.
    pub(super) seconds: f64,
    pub(super) due: f64,
    pub(super) submitted: f64,
    pub(super) accepted: f64,
    pub(super) messages: f64,
    pub(super) sent_len: f64,
    pub(super) received_len: f64,
    pub(super) hashes: f64,
}

impl Rates {
    /// Between two samples.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    pub(super) fn between(before: &Sample, after: &Sample) -> Self {
        let (before, after) = (&before.figures, &after.figures);
        let seconds = after.elapsed.saturating_sub(before.elapsed).as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        let rate = |of: fn(&Figures) -> u64| of(after).saturating_sub(of(before)) as f64 / seconds;
        Rates {
            seconds,
            due: rate(|figures| figures.shares.due_count),
            submitted: rate(|figures| figures.shares.submitted_count),
            accepted: rate(|figures| figures.shares.accepted_count),
            messages: rate(Figures::message_count),
            sent_len: rate(|figures| figures.sent_len),
            received_len: rate(|figures| figures.received_len),
            hashes: rate(|figures| figures.hash_count),
        }
    }
}

/// What a process has taken for a fleet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// Memory before, in bytes.
    pub(super) resident_before: u64,
    /// Memory with all connections open, in bytes.
    pub(super) resident: u64,
    /// Of the difference, for each connection, in bytes.
    pub(super) resident_per_connection: f64,
    /// Processors that were busy while the whole fleet was there.
    pub(super) processors: f64,
}

impl Report {
    /// While the whole fleet was there.
    pub(super) fn rates(&self) -> Rates {
        Rates::between(&self.ramped, &self.held)
    }

    /// Handshakes a second, from the start to the last one.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    pub(super) fn connections_per_second(&self) -> f64 {
        let figures = &self.last.figures;
        match figures.established_within.as_secs_f64() {
            0.0 => 0.0,
            seconds => figures.established_count as f64 / seconds,
        }
    }

    pub(super) fn taken_by_us(&self) -> Option<Taken> {
        self.taken(|sample| sample.ours)
    }

    pub(super) fn taken_by_pool(&self) -> Option<Taken> {
        self.taken(|sample| sample.pool)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    fn taken(&self, of: fn(&Sample) -> Option<Usage>) -> Option<Taken> {
        let (before, ramped, held) = (of(&self.first)?, of(&self.ramped)?, of(&self.held)?);
        let connections = self.held.figures.open_connection_count.max(1);
        let grown = held.resident_len.saturating_sub(before.resident_len);
        let busy = held.processor_time.saturating_sub(ramped.processor_time).as_secs_f64();
        Some(Taken {
            resident_before: before.resident_len,
            resident: held.resident_len,
            resident_per_connection: grown as f64 / connections as f64,
            processors: busy / self.rates().seconds.max(1e-9),
        })
    }

    /// Everything that has gone wrong; what does not add up counts as one.
    pub(super) fn error_count(&self) -> u64 {
        let figures = &self.last.figures;
        figures.error_count() + u64::from(figures.shares.difference() != 0)
    }
}

//! What all lines count, each in passing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use sv2::time::Instant;
use sv2::wire::U256;

/// A number that any line may raise.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Goes up to `number`, if it was below.
    pub(super) fn reach(&self, number: u64) {
        self.0.fetch_max(number, Ordering::Relaxed);
    }

    /// Takes back what was added.
    pub(super) fn take(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is waited for, and timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A TCP connection.
    Connect,
    /// From the open socket to the last act of Noise (spec 4.5); Stratum V1 has none.
    Handshake,
    /// From SetupConnection to its answer (spec 3.6); in Stratum V1 from the open socket to the
    /// answer to mining.authorize.
    SetUp,
    /// From OpenStandardMiningChannel or OpenExtendedMiningChannel to its answer (spec 5.3.2); in
    /// Stratum V1 from the answer to mining.authorize to the first job.
    Open,
    /// From a share to the answer that counts it (spec 5.3.13).
    Answer,
    /// From the first channel that hears of a new tip to each of them (spec 5.3.17).
    Tip,
}

impl Wait {
    /// In the order in which a connection meets them.
    pub const ALL: [Wait; 6] =
        [Wait::Connect, Wait::Handshake, Wait::SetUp, Wait::Open, Wait::Answer, Wait::Tip];

    /// A word for tables and machines.
    pub fn name(self) -> &'static str {
        match self {
            Wait::Connect => "connect",
            Wait::Handshake => "handshake",
            Wait::SetUp => "set-up",
            Wait::Open => "open",
            Wait::Answer => "answer",
            Wait::Tip => "new-tip",
        }
    }
}

/// Things that peers name, counted by name. The first [`Named::NAMES_MAX`] names have rows of
/// their own, further ones are counted as `other`.
#[derive(Debug, Default)]
pub(super) struct Named(Mutex<BTreeMap<String, u64>>);

impl Named {
    /// Most rows: peers choose the names.
    pub(super) const NAMES_MAX: usize = 64;
    /// Longest name, in characters.
    const NAME_LEN_MAX: usize = 160;

    pub(super) fn add(&self, name: &str) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name: String = name.chars().take(Self::NAME_LEN_MAX).collect();
        let is_full = rows.len() >= Self::NAMES_MAX && !rows.contains_key(&name);
        *rows.entry(if is_full { "other".to_owned() } else { name }).or_default() += 1;
    }

    pub(super) fn read(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// When the fleet heard of each of the last tips for the first time.
#[derive(Debug, Default)]
pub(super) struct Tips(Mutex<VecDeque<(U256, Instant)>>);

impl Tips {
    /// More than one block is on its way to a fleet at a time only where a pool is very slow.
    const TIPS_MAX: usize = 16;

    /// How long ago that was, if a channel hears of a tip now.
    pub(super) fn heard(&self, prev_hash: &U256, now: Instant) -> Duration {
        let mut tips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, first)) = tips.iter().find(|(known, _)| known == prev_hash) {
            return now.since(*first);
        }
        if tips.len() >= Self::TIPS_MAX {
            tips.pop_front();
        }
        tips.push_back((*prev_hash, now));
        Duration::ZERO
    }
}

/// Messages of each kind in one direction.
#[derive(Debug)]
pub(super) struct Messages {
    /// By number within the core protocols; the last is for extensions.
    kinds: [(Counter, Counter); Messages::KINDS],
}

impl Messages {
    pub(super) const KINDS: usize = 257;
    pub(super) const OF_EXTENSIONS: usize = 256;

    fn new() -> Self {
        Messages { kinds: std::array::from_fn(|_| Default::default()) }
    }

    /// A message of `wire_len` bytes on the wire.
    pub(super) fn add(&self, extension: u16, number: u8, wire_len: usize) {
        let kind = if extension == 0 { usize::from(number) } else { Self::OF_EXTENSIONS };
        let (count, bytes) = &self.kinds[kind];
        count.add(1);
        bytes.add(wire_len as u64);
    }

    /// Kind, messages and bytes of those that have come up.
    pub(super) fn read(&self) -> impl Iterator<Item = (usize, u64, u64)> {
        let rows = self.kinds.iter().enumerate();
        rows.map(|(kind, (count, bytes))| (kind, count.get(), bytes.get()))
            .filter(|(_, count, _)| *count > 0)
    }
}

/// All counters of a run.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) dialled: Counter,
    /// Connections that are not set up, and requests for channels, without an answer now.
    pub(super) pending: Counter,
    pub(super) connected: Counter,
    pub(super) established: Counter,
    /// When the last of them was, in nanoseconds of the clock.
    pub(super) last_established_at: Counter,
    pub(super) set_up: Counter,
    /// Connections that have ended, whatever the reason, of those that were connected.
    pub(super) ended: Counter,
    pub(super) asked_channels: Counter,
    pub(super) opened_channels: Counter,
    pub(super) closed_channels: Counter,
    /// Shares that devices should have found by now.
    pub(super) due: Counter,
    /// Of these, not looked for: there was no job.
    pub(super) without_work: Counter,
    /// Of these, not looked for: the budget of hashes was spent.
    pub(super) over_budget: Counter,
    /// Of these, not looked for: the pool owed too many answers.
    pub(super) over_in_flight: Counter,
    pub(super) submitted: Counter,
    pub(super) accepted: Counter,
    pub(super) stale: Counter,
    pub(super) rejected: Counter,
    /// In flight when their connection ended against our will.
    pub(super) lost: Counter,
    /// In flight when the run ended.
    pub(super) left: Counter,
    /// Skipped by an acknowledgement that counts fewer shares than it covers, and not refused.
    pub(super) unaccounted: Counter,
    /// Of these, refused later.
    pub(super) accounted: Counter,
    pub(super) hashes: Counter,
    pub(super) hashes_of_found: Counter,
    pub(super) bytes_sent: Counter,
    pub(super) bytes_received: Counter,
    pub(super) sent: Messages,
    pub(super) received: Messages,
    /// Errors by kind.
    pub(super) errors: Named,
    /// Refused shares by the pool's code.
    pub(super) rejections: Named,
    /// Ends of connections and channels by reason.
    pub(super) closes: Named,
    pub(super) tips: Tips,
    waits: [[Mutex<Histogram<u64>>; SHARDS]; Wait::ALL.len()],
}

impl Tally {
    pub(super) fn new() -> Self {
        let shard = |_| Mutex::new(histogram());
        Tally {
            dialled: Counter::default(),
            pending: Counter::default(),
            connected: Counter::default(),
            established: Counter::default(),
            last_established_at: Counter::default(),
            set_up: Counter::default(),
            ended: Counter::default(),
            asked_channels: Counter::default(),
            opened_channels: Counter::default(),
            closed_channels: Counter::default(),
            due: Counter::default(),
            without_work: Counter::default(),
            over_budget: Counter::default(),
            over_in_flight: Counter::default(),
            submitted: Counter::default(),
            accepted: Counter::default(),
            stale: Counter::default(),
            rejected: Counter::default(),
            lost: Counter::default(),
            left: Counter::default(),
            unaccounted: Counter::default(),
            accounted: Counter::default(),
            hashes: Counter::default(),
            hashes_of_found: Counter::default(),
            bytes_sent: Counter::default(),
            bytes_received: Counter::default(),
            sent: Messages::new(),
            received: Messages::new(),
            errors: Named::default(),
            rejections: Named::default(),
            closes: Named::default(),
            tips: Tips::default(),
            waits: std::array::from_fn(|_| std::array::from_fn(shard)),
        }
    }

    /// Of the line with that number.
    pub(super) fn waited(&self, wait: Wait, line: u32, time: Duration) {
        let shard = &self.waits[wait as usize][line as usize % SHARDS];
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        shard.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(microseconds);
    }

    /// All times that were waited so far, in microseconds.
    pub(super) fn times(&self, wait: Wait) -> Histogram<u64> {
        let mut sum = histogram();
        for shard in &self.waits[wait as usize] {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            sum.add(&*shard).expect("all have the same bounds");
        }
        sum
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MICROSECONDS_MAX, DIGITS).expect("valid bounds")
}

/// Longer times count as this: ten minutes.
const MICROSECONDS_MAX: u64 = 600_000_000;
/// Significant digits of a time.
const DIGITS: u8 = 2;
/// So that two lines rarely wait for each other.
const SHARDS: usize = 8;

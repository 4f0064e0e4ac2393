//! Shares of a target, judged as a pool does (spec 5.3.11 to 5.3.14).

use std::time::Duration;

use bytes::Bytes;
use sv2::extensions::WORKER_TRACKING;
use sv2::mining::VERSION_ROLLING_MASK;
use sv2::mining::error_code::share as code;
use sv2::mining::header::Header;
use sv2::wire::{Target, TlvOrder, Tlvs, U256};

use super::call::Arguments;
use super::connection::ItemWhat;
use super::{Finding, Session, Stop};
use crate::case::step::Call;
use crate::case::value::{EvaluationError, Value};
use crate::client::exchange::MessageView;
use crate::client::tracker::{Channel, Job, JobState, Tracker};
use crate::verdict::Verdict;

/// What a share is worth.
pub(super) struct Judgement {
    /// Of the header; zero where none can be made.
    pub(super) hash: U256,
    /// Of its job.
    pub(super) target: Target,
    /// Why it is not paid: a code of the protocol.
    pub(super) error: Option<&'static str>,
    job: Option<Job>,
    state: &'static str,
    is_block: bool,
}

impl Judgement {
    fn nothing(error: &'static str, state: &'static str) -> Judgement {
        Judgement {
            hash: U256::MAX,
            target: Target::default(),
            error: Some(error),
            job: None,
            state,
            is_block: false,
        }
    }
}

/// Judges a share by what has been said on its connection.
pub(super) fn judge(tracker: &Tracker, share: &MessageView) -> Judgement {
    let number = |name| share.number(name).unwrap_or(0);
    let Some(channel) = tracker.channels.get(&number("channel_id")) else {
        return Judgement::nothing(code::INVALID_CHANNEL_ID, "unknown");
    };
    let Some(job) = channel.jobs.get(&number("job_id")) else {
        return Judgement::nothing(code::INVALID_JOB_ID, "unknown");
    };
    let state = match job.state {
        JobState::Future => "future",
        JobState::Active => "active",
        JobState::Past => "past",
        JobState::Stale => "stale",
    };
    let Some(tip) = job.tip.or(channel.tip) else {
        return Judgement::nothing(code::INVALID_JOB_ID, state);
    };
    let extranonce = share.field("extranonce").and_then(Value::as_bytes).cloned();
    let extranonce = extranonce.unwrap_or_default();
    let (version, ntime) = (number("version"), number("ntime"));
    let header = job.header(&tip, version, &extranonce, ntime);
    let hash = Header { nonce: number("nonce"), ..header }.hash();
    let target = Target(job.target.unwrap_or(channel.target));
    let rolled = version ^ job.version;
    let error = if channel.is_closed {
        Some(code::INVALID_CHANNEL_ID)
    } else if job.state == JobState::Future {
        Some(code::INVALID_JOB_ID)
    } else if job.state == JobState::Stale {
        Some(code::STALE_SHARE)
    } else if extranonce.len() != channel.extranonce_size {
        Some(code::BAD_EXTRANONCE_SIZE)
    } else if ntime < job.ntime(Some(&tip)) {
        Some(code::INVALID_NTIME)
    } else if rolled != 0 && !job.version_rolling_allowed {
        Some(code::VERSION_ROLLING_NOT_ALLOWED)
    } else if rolled & !VERSION_ROLLING_MASK != 0 {
        Some(code::INVALID_NON_ROLLABLE_VERSION_BIT)
    } else if !target.is_met_by(&hash) {
        Some(code::DIFFICULTY_TOO_LOW)
    } else {
        None
    };
    let is_block = tip.network_target().is_met_by(&hash);
    Judgement { hash, target, error, job: Some(job.clone()), state, is_block }
}

impl Session<'_> {
    /// The next share of a channel, or of one of its jobs, and what it is worth.
    pub(super) fn next_share(
        &mut self,
        on: &str,
        call: &Call,
        arguments: &Arguments,
    ) -> Result<Value, Stop> {
        let channel = self.channel(on, arguments.number("channel")?)?;
        let job = arguments.number("job")?;
        let seconds = patience(arguments)?;
        let begun = self.world.now().instant;
        let deadline = begun + seconds;
        loop {
            if let Some(share) = self.take_share(on, channel.id, job)? {
                return Ok(share);
            }
            if self.connection(on)?.is_closed || !self.pump(on, deadline) {
                break;
            }
        }
        let waited = self.world.now().instant.since(begun);
        Err(self.no_share(on, call, &channel, waited))
    }

    fn take_share(
        &mut self,
        on: &str,
        channel: u32,
        job: Option<u32>,
    ) -> Result<Option<Value>, Stop> {
        let connection = self.connection(on)?;
        let from = connection.mark;
        let found = connection.items.iter_mut().skip(from).find_map(|item| {
            let ItemWhat::Frame(frame) = &item.what else { return None };
            let message = frame.message()?;
            let is_meant = message.descriptor.name.starts_with("SubmitShares")
                && message.number("channel_id") == Some(channel)
                && job.is_none_or(|job| message.number("job_id") == Some(job))
                && !item.is_taken;
            let message = is_meant.then(|| message.clone())?;
            item.is_taken = true;
            Some(message)
        });
        let Some(share) = found else { return Ok(None) };
        connection.is_mark_used = true;
        let judgement = judge(&connection.tracker, &share);
        Ok(Some(record(&share, &judgement)))
    }

    /// A silence proves something only where a share was all but certain.
    fn no_share(&self, on: &str, call: &Call, channel: &Channel, waited: Duration) -> Stop {
        let connection = &self.connections[on];
        let rate = connection.service.as_ref().and_then(|one| one.rates.get(&channel.id).copied());
        let rate = rate.unwrap_or(0.0);
        let target = channel.active().and_then(|job| job.target).unwrap_or(channel.target);
        let expected = rate * waited.as_secs_f64() / Target(target).expected_hashes();
        let chance = (-expected).exp();
        let because = match connection.is_closed {
            true => "the connection was closed before a share came".to_owned(),
            false => format!(
                "no share in {:.1} s; a device with the {rate:.3e} hashes/s that were claimed would \
                 be so silent with a probability of {chance:.1e}",
                waited.as_secs_f64()
            ),
        };
        let verdict = match connection.is_closed || chance < CHANCE_MAX {
            true => Verdict::Fail,
            false => Verdict::Inconclusive,
        };
        let finding = Finding {
            because,
            expected: Some("a share".to_owned()),
            ..self.finding(verdict, &call.clauses)
        };
        Stop(Box::new(finding))
    }
}

/// How long a share is waited for.
pub(super) fn patience(arguments: &Arguments) -> Result<Duration, EvaluationError> {
    let seconds = arguments.number("seconds")?;
    Ok(seconds.map_or(SHARE_TIME, |seconds| Duration::from_secs(seconds.into())))
}

fn record(share: &MessageView, judgement: &Judgement) -> Value {
    let Value::Record(mut record) = share.record() else { return Value::List(Vec::new()) };
    let number = |name| share.number(name).unwrap_or(0);
    let job = judgement.job.as_ref();
    let start = job.map_or(0, |job| job.ntime(job.tip.as_ref()));
    let kind = match share.field("extranonce") {
        Some(_) => "extended",
        None => "standard",
    };
    let more = [
        ("kind", Value::text(kind)),
        ("hash", Value::U256(judgement.hash)),
        ("target", Value::U256(judgement.target.0)),
        ("state", Value::text(judgement.state)),
        ("error", Value::text(judgement.error.unwrap_or_default())),
        ("is_good", Value::Bool(judgement.error.is_none())),
        ("is_block", Value::Bool(judgement.is_block)),
        ("worker", Value::Bytes(worker(share))),
        ("rolled_bits", Value::Int((number("version") ^ job.map_or(0, |job| job.version)).into())),
        ("seconds_on", Value::Int(number("ntime").saturating_sub(start).into())),
    ];
    record.extend(more.map(|(name, value)| (name.to_owned(), value)));
    Value::Record(record)
}

/// The name in the TLV of extension 0x0002, where that is all that stands behind a share; in
/// either byte order (AMB-03).
fn worker(share: &MessageView) -> Bytes {
    let tlvs = Tlvs::from_bytes(share.trailing.clone());
    let read = |order| match tlvs.fields(order).ok()?.as_slice() {
        [name] if (name.extension, name.field) == (WORKER_TRACKING, 1) => Some(name.value.clone()),
        _ => None,
    };
    let name = read(TlvOrder::LittleEndian).or_else(|| read(TlvOrder::BigEndian));
    name.unwrap_or_default()
}

/// For a share: thirty times what one takes on average.
const SHARE_TIME: Duration = Duration::from_secs(15);

/// A silence that is less likely is no chance.
pub(super) const CHANCE_MAX: f64 = 1e-6;

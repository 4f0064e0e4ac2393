//! The numbers of a run at one moment, for people and machines.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use sv2::message::descriptor;
use sv2::time::Instant;

use super::fleet::Fleet;
use super::tally::{Messages, Tally, Wait};
use super::{FleetChannel, sv1_calls};

/// All counts since the start of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Since the start.
    pub elapsed: Duration,
    /// Connections that were begun.
    pub dialled_count: u64,
    /// Of these, with a TCP connection.
    pub connected_count: u64,
    /// Of these, past the handshake.
    pub established_count: u64,
    /// From the start to the last of these.
    pub established_within: Duration,
    /// Of these, set up.
    pub set_up_count: u64,
    /// Connections that are open now.
    pub open_connection_count: u64,
    /// Connections that are not set up yet, and requests for channels, without an answer now.
    pub pending_count: u64,
    /// Requests for channels.
    pub asked_channel_count: u64,
    /// Of these, granted.
    pub opened_channel_count: u64,
    /// Channels that are open now.
    pub open_channel_count: u64,
    /// What became of shares.
    pub shares: ShareFigures,
    /// Headers hashed.
    pub hash_count: u64,
    /// Of these, for shares that were found.
    pub found_hash_count: u64,
    /// To sockets, in bytes.
    pub sent_len: u64,
    /// From sockets, in bytes.
    pub received_len: u64,
    /// What went to the pool.
    pub sent: Vec<MessageFigures>,
    /// What came from the pool.
    pub received: Vec<MessageFigures>,
    /// Everything that went wrong, refused shares excepted.
    pub errors: BTreeMap<String, u64>,
    /// Refused shares by the pool's code.
    pub rejections: BTreeMap<String, u64>,
    /// Ends of connections, and of channels that the pool has closed, by reason.
    pub closes: BTreeMap<String, u64>,
}

/// What became of the shares of a fleet.
///
/// `due = submitted + without_work + over_budget + over_in_flight + those that are searched for`,
/// and `submitted = accepted + stale + rejected + in_flight + lost + unaccounted`: each is
/// counted by itself, so that what does not add up shows ([`ShareFigures::difference`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShareFigures {
    /// That devices should have found by now.
    pub due_count: u64,
    /// Of these, not looked for: no channel or no job was there.
    pub without_work_count: u64,
    /// Of these, not looked for: the hashes of the budget were spent.
    pub over_budget_count: u64,
    /// Of these, not looked for: the channel had too many shares without an answer.
    pub over_in_flight_count: u64,
    /// Sent.
    pub submitted_count: u64,
    /// Of these, acknowledged.
    pub accepted_count: u64,
    /// Of these, refused as `stale-share`, or with the code 21 in Stratum V1: the tip changed
    /// while they were on their way.
    pub stale_count: u64,
    /// Of these, refused for other reasons.
    pub rejected_count: u64,
    /// Of these, in flight when their connection or channel was closed by the pool, or broke.
    pub lost_count: u64,
    /// Of these, covered by an acknowledgement that counts fewer, and not refused.
    pub unaccounted_count: u64,
    /// Of these, without an answer; exact once the run is over.
    pub in_flight_count: u64,
}

impl ShareFigures {
    /// What the sum of all outcomes lacks of the shares sent; not zero is our mistake.
    pub fn difference(&self) -> i128 {
        let outcomes = [
            self.accepted_count,
            self.stale_count,
            self.rejected_count,
            self.lost_count,
            self.unaccounted_count,
            self.in_flight_count,
        ];
        i128::from(self.submitted_count) - outcomes.map(i128::from).iter().sum::<i128>()
    }
}

/// Messages of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFigures {
    /// As the specification writes it.
    pub name: String,
    /// How many.
    pub count: u64,
    /// On the wire, with what encryption adds, in bytes.
    pub wire_len: u64,
}

/// How long something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// How often it was waited for.
    pub count: u64,
    /// Half took no longer.
    pub p50: Duration,
    /// 90 % took no longer.
    pub p90: Duration,
    /// 99 % took no longer.
    pub p99: Duration,
    /// 99.9 % took no longer.
    pub p999: Duration,
    /// The longest.
    pub max: Duration,
}

impl Times {
    pub(super) fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile| Duration::from_micros(times.value_at_quantile(quantile));
        if times.is_empty() {
            return Times::default();
        }
        Times {
            count: times.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: Duration::from_micros(times.max()),
        }
    }
}

impl Figures {
    pub(super) fn of(fleet: &Fleet, is_over: bool) -> Self {
        let tally = &fleet.tally;
        // Ends are read first: what happens in between must not make a difference negative.
        let (ended, closed_channels) = (tally.ended.get(), tally.closed_channels.get());
        let (connected, opened_channels) = (tally.connected.get(), tally.opened_channels.get());
        Figures {
            elapsed: fleet.clock.now().instant.since(fleet.started_at),
            dialled_count: tally.dialled.get(),
            connected_count: connected,
            established_count: tally.established.get(),
            established_within: Instant(tally.last_established_at.get()).since(fleet.started_at),
            set_up_count: tally.set_up.get(),
            open_connection_count: connected.saturating_sub(ended),
            pending_count: tally.pending.get(),
            asked_channel_count: tally.asked_channels.get(),
            opened_channel_count: opened_channels,
            open_channel_count: opened_channels.saturating_sub(closed_channels),
            shares: shares(tally, is_over),
            hash_count: tally.hashes.get(),
            found_hash_count: tally.hashes_of_found.get(),
            sent_len: tally.bytes_sent.get(),
            received_len: tally.bytes_received.get(),
            sent: messages(&tally.sent, fleet.config.channel),
            received: messages(&tally.received, fleet.config.channel),
            errors: tally.errors.read(),
            rejections: tally.rejections.read(),
            closes: tally.closes.read(),
        }
    }

    /// Errors of all kinds, and refused shares that were not stale.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum::<u64>() + self.shares.rejected_count
    }

    /// Messages in both directions.
    pub fn message_count(&self) -> u64 {
        self.sent.iter().chain(&self.received).map(|kind| kind.count).sum()
    }
}

fn shares(tally: &Tally, is_over: bool) -> ShareFigures {
    let (accounted, unaccounted) = (tally.accounted.get(), tally.unaccounted.get());
    let mut shares = ShareFigures {
        accepted_count: tally.accepted.get(),
        stale_count: tally.stale.get(),
        rejected_count: tally.rejected.get(),
        lost_count: tally.lost.get(),
        unaccounted_count: unaccounted.saturating_sub(accounted),
        in_flight_count: tally.left.get(),
        submitted_count: tally.submitted.get(),
        due_count: tally.due.get(),
        without_work_count: tally.without_work.get(),
        over_budget_count: tally.over_budget.get(),
        over_in_flight_count: tally.over_in_flight.get(),
    };
    if !is_over {
        // Counted line by line only when all are at their end.
        shares.in_flight_count = 0;
        shares.in_flight_count = u64::try_from(shares.difference()).unwrap_or(0);
    }
    shares
}

fn messages(messages: &Messages, channel: FleetChannel) -> Vec<MessageFigures> {
    let name = |kind: usize| match u8::try_from(kind) {
        Ok(kind) if channel == FleetChannel::Sv1 => sv1_calls::name(kind).into_owned(),
        Ok(number) => descriptor(0, number)
            .map_or_else(|| format!("unknown {number:#04x}"), |row| row.name.to_owned()),
        Err(_) => "of extensions".to_owned(),
    };
    let row = |(kind, count, wire_len)| MessageFigures { name: name(kind), count, wire_len };
    messages.read().map(row).collect()
}

impl Times {
    /// Of a wait.
    pub(super) fn waited(tally: &Tally, wait: Wait) -> Self {
        Times::of(&tally.times(wait))
    }
}

//! `call = "accepted"`: whether a share was paid, however the target batches its answers
//! (spec 5.3.13, AMB-20).
//!
//! A server may acknowledge many shares at once, and by count alone: then a single good share
//! is never answered. So more good shares are sent until an acknowledgement covers the one in
//! question. That it was counted follows from the sums: what is acknowledged up to a share is
//! exactly what was sent up to it, less what was refused.

use std::time::Duration;

use super::connection::{Connection, ItemWhat};
use super::{Arguments, Finding, Session, Stop};
use crate::case::step::Call;
use crate::case::value::{EvaluationError, Value};
use crate::client::exchange::MessageView;
use crate::client::tracker::JobState;
use crate::verdict::{Skip, Verdict};

/// What is known of the shares of one channel.
#[derive(Debug, Default)]
struct Ledger {
    /// Sequence numbers in the order in which they were sent.
    sent: Vec<u32>,
    /// Of those, which were refused.
    refused: Vec<u32>,
    /// Acknowledgements, oldest first.
    acknowledged: Vec<Acknowledgement>,
}

#[derive(Debug)]
struct Acknowledgement {
    last: u32,
    count: u64,
    sum: u64,
}

/// Where a share stands.
enum Standing {
    /// Not answered yet.
    Open,
    /// An error names it.
    Refused(String),
    /// It is among the acknowledged ones.
    Accepted(Value),
    /// An acknowledgement covers it, and counts too few shares or too many.
    Miscounted { counted: u64, expected: u64 },
}

impl Ledger {
    fn of(connection: &Connection, channel: u32) -> Ledger {
        let is_of_channel = |message: &&MessageView| message.number("channel_id") == Some(channel);
        let sent = connection
            .sent
            .iter()
            .map(|(_, message)| message)
            .filter(|message| message.descriptor.name.starts_with("SubmitShares"))
            .filter(is_of_channel)
            .filter_map(|message| message.number("sequence_number"))
            .collect();
        let mut ledger = Ledger { sent, ..Ledger::default() };
        for message in connection.messages().filter(is_of_channel) {
            match message.descriptor.name {
                "SubmitShares.Error" => ledger.refused.extend(message.number("sequence_number")),
                "SubmitShares.Success" => {
                    let number = |name| message.field(name).and_then(Value::as_int).unwrap_or(0);
                    ledger.acknowledged.push(Acknowledgement {
                        last: message.number("last_sequence_number").unwrap_or(0),
                        count: number("new_submits_accepted_count"),
                        sum: number("new_shares_sum"),
                    });
                }
                _ => {}
            }
        }
        ledger
    }

    fn place(&self, sequence_number: u32) -> Option<usize> {
        self.sent.iter().rposition(|sent| *sent == sequence_number)
    }

    fn standing(&self, sequence_number: u32) -> Option<Standing> {
        let place = self.place(sequence_number)?;
        let (mut count, mut sum) = (0, 0_u64);
        for (index, acknowledgement) in self.acknowledged.iter().enumerate() {
            count += acknowledgement.count;
            sum = sum.saturating_add(acknowledgement.sum);
            let Some(last) = self.place(acknowledgement.last).filter(|last| *last >= place) else {
                continue;
            };
            let up_to = &self.sent[..=last];
            let refused = self.refused.iter().filter(|refused| up_to.contains(refused)).count();
            let expected = (up_to.len() as u64).saturating_sub(refused as u64);
            if count != expected {
                return Some(Standing::Miscounted { counted: count, expected });
            }
            return Some(Standing::Accepted(Value::record([
                ("last_sequence_number", Value::Int(acknowledgement.last.into())),
                ("count", Value::Int(acknowledgement.count)),
                ("sum", Value::Int(acknowledgement.sum)),
                ("total_count", Value::Int(count)),
                ("total_sum", Value::Int(sum)),
                ("batches", Value::Int(index as u64 + 1)),
                ("sent", Value::Int(self.sent.len() as u64)),
                ("refused", Value::Int(self.refused.len() as u64)),
            ])));
        }
        Some(Standing::Open)
    }
}

impl Session<'_> {
    pub(super) fn accepted(
        &mut self,
        on: &str,
        call: &Call,
        arguments: &Arguments,
    ) -> Result<Value, Stop> {
        let Some(share) = arguments.get("share") else {
            return Err(EvaluationError("`accepted` needs a `share`".into()).into());
        };
        let number = |name| share.part(name).and_then(|value| value.as_u32());
        let (Some(channel), Some(sequence)) = (number("channel_id"), number("sequence_number"))
        else {
            return Err(EvaluationError(format!("{share} is no share")).into());
        };
        let mut hashes_left = self.context.hash_budget;
        for filler in 0..=FILLERS_MAX {
            let wait = match filler {
                0 => FIRST_WAIT,
                FILLERS_MAX => LAST_WAIT,
                _ => FILLER_WAIT,
            };
            let standing = self.standing(on, channel, sequence, wait)?;
            if let Some(outcome) = self.judge_standing(call, standing)? {
                self.take_acknowledgements(on, channel)?;
                return Ok(outcome);
            }
            if filler < FILLERS_MAX && !self.send_filler(on, channel, filler, &mut hashes_left)? {
                break;
            }
        }
        let standing = self.standing(on, channel, sequence, LAST_WAIT)?;
        if let Some(outcome) = self.judge_standing(call, standing)? {
            self.take_acknowledgements(on, channel)?;
            return Ok(outcome);
        }
        let finding = Finding {
            because: "no SubmitShares.Success that covers the share came in time (AMB-20: a pool \
                      may acknowledge by count alone; lower its batch size)"
                .to_owned(),
            ..self.finding(Verdict::Inconclusive, &call.clauses)
        };
        Err(Stop(Box::new(finding)))
    }

    /// Waits until the share is answered, at most for `wait`.
    fn standing(
        &mut self,
        on: &str,
        channel: u32,
        sequence: u32,
        wait: Duration,
    ) -> Result<Standing, Stop> {
        let deadline = self.world.now().instant + wait;
        loop {
            let connection = self.connection(on)?;
            let refusal = connection.messages().find(|message| {
                message.descriptor.name == "SubmitShares.Error"
                    && message.number("channel_id") == Some(channel)
                    && message.number("sequence_number") == Some(sequence)
            });
            if let Some(refusal) = refusal {
                return Ok(Standing::Refused(refusal.line()));
            }
            let standing = Ledger::of(connection, channel).standing(sequence);
            match standing {
                None => {
                    let why = format!("no share {sequence} was sent on channel {channel}");
                    return Err(EvaluationError(why).into());
                }
                Some(Standing::Open) => {}
                Some(standing) => return Ok(standing),
            }
            if connection.is_closed {
                return Ok(Standing::Refused("the connection was closed".to_owned()));
            }
            if !self.pump(on, deadline) && !self.connection(on)?.is_closed {
                return Ok(Standing::Open);
            }
        }
    }

    fn judge_standing(&mut self, call: &Call, standing: Standing) -> Result<Option<Value>, Stop> {
        let actual = match standing {
            Standing::Open => return Ok(None),
            Standing::Accepted(record) => return Ok(Some(record)),
            Standing::Refused(line) => line,
            Standing::Miscounted { counted, expected } => {
                format!("{counted} shares were acknowledged, {expected} were sent and not refused")
            }
        };
        let finding = Finding {
            because: format!("a good share was not paid: {actual}"),
            expected: Some("SubmitShares.Success that counts the share".to_owned()),
            actual: Some(actual),
            ..self.finding(Verdict::Fail, &call.clauses)
        };
        Err(Stop(Box::new(finding)))
    }

    /// What has been counted answers no later share, though that may have the same number.
    fn take_acknowledgements(&mut self, on: &str, channel: u32) -> Result<(), Stop> {
        for item in &mut self.connection(on)?.items {
            let ItemWhat::Frame(frame) = &item.what else { continue };
            let is_counted = frame.message().is_some_and(|message| {
                message.descriptor.name == "SubmitShares.Success"
                    && message.number("channel_id") == Some(channel)
            });
            item.is_taken |= is_counted;
        }
        Ok(())
    }

    /// Sends one more good share of the channel. False if none can be afforded or made.
    fn send_filler(
        &mut self,
        on: &str,
        channel: u32,
        index: u32,
        hashes_left: &mut u64,
    ) -> Result<bool, Stop> {
        let Some(known) = self.connection(on)?.tracker.channels.get(&channel) else {
            return Ok(false);
        };
        let is_workable = known.newest(&[JobState::Active]).is_some();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a budget")]
        let price = sv2::wire::Target(known.target).expected_hashes().ceil() as u64;
        if !is_workable || price > *hashes_left {
            return Ok(false);
        }
        *hashes_left -= price;
        let arguments = Arguments(vec![
            ("channel".to_owned(), Value::Int(channel.into())),
            // Far from where cases search, and one range each: no filler repeats a share.
            ("nonce_from".to_owned(), Value::Int(u64::from(FILLERS_FROM + index * FILLER_RANGE))),
        ]);
        let share = match self.mine_share(on, &arguments) {
            Ok(share) => share,
            Err(Stop(finding)) if finding.verdict == Verdict::Skip(Skip::Unaffordable) => {
                return Ok(false);
            }
            Err(stop) => return Err(stop),
        };
        self.submit(on, &Arguments(vec![("share".to_owned(), share)]))?;
        Ok(true)
    }
}

/// More good shares than that are not sent to fill a batch.
const FILLERS_MAX: u32 = 32;

/// Nonces from here on are for fillers.
const FILLERS_FROM: u32 = 0x8000_0000;

/// Nonces of one filler: some hundred times what a share takes.
const FILLER_RANGE: u32 = 0x0200_0000;

/// For a target that answers each share: as long as a slow round trip.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// For each filler.
const FILLER_WAIT: Duration = Duration::from_millis(200);

/// For a target that acknowledges by time.
const LAST_WAIT: Duration = Duration::from_secs(15);

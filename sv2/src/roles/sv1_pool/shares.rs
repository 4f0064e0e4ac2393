//! Shares: judged, published where they are blocks, answered.

use std::sync::Arc;

use super::jobs::job_name;
use super::{CHANNEL_ID, Sv1Pool, Timer, slot};
use crate::event::Event;
use crate::mining::SubmitSharesExtended;
use crate::mining::error_code::share as event_code;
use crate::mining::job::{Work, expected_hashes};
use crate::mining::share::{Accepted, Rejection};
use crate::role::{ConnectionId, Outbox};
use crate::roles::pool::FoundBlock;
use crate::sv1::{Id, Response, Submit, error_code, order};
use crate::time::Now;
use crate::wire::B32;

/// Why a share earns nothing: for the device, and for events.
struct Refusal {
    code: i64,
    text: String,
    event_code: &'static str,
}

impl Sv1Pool {
    pub(super) fn handle_submit(
        &mut self,
        now: Now,
        connection: ConnectionId,
        id: Id,
        submit: &Submit,
        out: &mut Outbox,
    ) {
        let Some(client) = slot(&mut self.clients, connection) else { return };
        client.share_count = client.share_count.wrapping_add(1);
        let sequence_number = client.share_count;
        match self.judge(now, connection, submit, out) {
            Ok(accepted) => {
                let hash = accepted.hash;
                out.say(connection, &Response::yes(id).into());
                out.tell(Event::ShareAccepted {
                    connection,
                    channel_id: CHANNEL_ID,
                    sequence_number,
                    hash,
                });
            }
            Err(Refusal { code, text, event_code }) => {
                out.tell(Event::ShareRejected {
                    connection,
                    channel_id: CHANNEL_ID,
                    sequence_number,
                    error_code: event_code,
                });
                self.refuse(now, connection, id, code, text, out);
            }
        }
    }

    fn judge(
        &mut self,
        now: Now,
        connection: ConnectionId,
        submit: &Submit,
        out: &mut Outbox,
    ) -> Result<Accepted, Refusal> {
        let not_subscribed = || refusal(error_code::NOT_SUBSCRIBED, "Not subscribed");
        let client = slot(&mut self.clients, connection).ok_or_else(not_subscribed)?;
        let mask = client.version_mask;
        let (Some(channel), Some(tip)) = (&mut client.channel, &self.stock.tip) else {
            return Err(not_subscribed());
        };
        if !client.users.contains(&submit.user) {
            return Err(refusal(error_code::UNAUTHORIZED, "Unauthorized worker"));
        }
        // Only as we have written it: leading zeros make another name.
        let job_id = u32::from_str_radix(&submit.job_id, 16).ok();
        let job_id = job_id.filter(|id| job_name(*id) == submit.job_id);
        let share = SubmitSharesExtended {
            channel_id: CHANNEL_ID,
            sequence_number: client.share_count,
            // No job has it.
            job_id: job_id.unwrap_or(0),
            nonce: submit.nonce,
            ntime: submit.ntime,
            version: version(channel.job(job_id.unwrap_or(0)), mask, submit.version_bits)?,
            extranonce: submit.extranonce2,
        };
        let accepted = channel.judge_extended(&share, tip, now).map_err(Refusal::from)?;
        let hashes = expected_hashes(accepted.shown_difficulty);
        if client.vardiff.as_mut().is_some_and(|one| one.record(now.instant, hashes)) {
            self.timers.set(Timer::Vardiff, now.instant);
        }
        let Some((work, extranonce1)) = channel.job(share.job_id) else {
            unreachable!("the share was judged against this job")
        };
        if accepted.is_block {
            let whole = [extranonce1.as_slice(), submit.extranonce2.as_slice()].concat();
            let block = FoundBlock {
                work,
                extranonce: B32::new(&whole).expect("no layout gives more than 32 bytes"),
                version: share.version,
                ntime: share.ntime,
                nonce: share.nonce,
            };
            self.provider.publish(&block, out);
            out.tell(Event::BlockFound { hash: accepted.hash });
        }
        Ok(accepted)
    }
}

/// The version of the header (BIP 310): without `version-rolling` there are no bits, with it
/// none outside the mask.
fn version(
    job: Option<(&Arc<Work>, B32)>,
    mask: Option<u32>,
    bits: Option<u32>,
) -> Result<u32, Refusal> {
    // A missing job is the more useful answer.
    let Some((work, _)) = job else { return Ok(0) };
    let broken = |text| Refusal {
        event_code: event_code::INVALID_NON_ROLLABLE_VERSION_BIT,
        ..refusal(error_code::OTHER, text)
    };
    match (mask, bits) {
        (_, None) => Ok(work.version),
        (None, Some(_)) => Err(broken("Version rolling was not agreed on")),
        (Some(mask), Some(bits)) if bits & !mask != 0 => {
            Err(broken("Version bits outside the mask"))
        }
        (Some(mask), Some(bits)) => Ok(order::rolled_version(work.version, mask, bits)),
    }
}

fn refusal(code: i64, text: &str) -> Refusal {
    let event_code = match code {
        error_code::UNAUTHORIZED | error_code::NOT_SUBSCRIBED => event_code::INVALID_CHANNEL_ID,
        _ => event_code::INVALID_JOB_ID,
    };
    Refusal { code, text: text.to_owned(), event_code }
}

impl From<Rejection> for Refusal {
    /// The usual words, which firmware and its users look for.
    fn from(rejection: Rejection) -> Self {
        let (code, text) = match &rejection {
            Rejection::UnknownJob { .. }
            | Rejection::FutureJob { .. }
            | Rejection::StaleJob { .. } => (error_code::JOB_NOT_FOUND, "Job not found".to_owned()),
            Rejection::Duplicate { .. } => {
                (error_code::DUPLICATE_SHARE, "Duplicate share".to_owned())
            }
            Rejection::AboveTarget { .. } => {
                (error_code::LOW_DIFFICULTY, "Low difficulty share".to_owned())
            }
            other => (error_code::OTHER, other.to_string()),
        };
        Refusal { code, text, event_code: rejection.error_code() }
    }
}

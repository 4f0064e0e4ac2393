//! Shares in accounts that outlive us: a share is acknowledged once its record is on disk.
//!
//! Rejections are recorded as well. Nobody waits for those, so they may use no more than a small
//! part of the room: a flood of bad shares must not keep good ones from being written.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::shares::ShareName;
use super::{MiningServer, slot};
use crate::event::Event;
use crate::mining::error_code::share as error_code;
use crate::mining::share::Accepted;
use crate::mining::share_record::{ShareOutcome, ShareRecord};
use crate::role::{Answer, ConnectionId, Outbox, Output, Request, RequestId};
use crate::time::Now;
use crate::wire::Str255;

/// Records that are being written.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    next: u64,
    /// `None` for a rejection.
    by_request: BTreeMap<RequestId, Option<UnwrittenShare>>,
    rejection_count: usize,
    /// Rejections that there was no room for.
    uncounted: usize,
    /// The last answer was a failure.
    is_failing: bool,
}

/// What is told once the record is on disk.
#[derive(Debug)]
pub(super) struct UnwrittenShare {
    pub(super) connection: ConnectionId,
    pub(super) generation: u64,
    pub(super) channel_id: u32,
    pub(super) sequence_number: u32,
    pub(super) accepted: Accepted,
}

impl Unwritten {
    /// Accepted shares in flight to the disk; beyond, shares are refused.
    const SHARES_MAX: usize = 61_440;

    /// Rejections in flight to the disk; beyond, they are counted nowhere, which is told.
    const REJECTIONS_MAX: usize = 4_096;

    fn request(&mut self, waiting: Option<UnwrittenShare>, record: ShareRecord) -> Output {
        let request = RequestId(self.next);
        self.next += 1;
        self.rejection_count += usize::from(waiting.is_none());
        self.by_request.insert(request, waiting);
        Output::Request { request, what: Request::Persist { record: Box::new(record) } }
    }

    /// Tells what was left out once the flood is over.
    fn end_rejection(&mut self, out: &mut Outbox) {
        self.rejection_count -= 1;
        if self.rejection_count == 0 && self.uncounted > 0 {
            let count = std::mem::take(&mut self.uncounted);
            out.tell(Event::RejectionsUncounted { count });
        }
    }

    /// Tells when accounts begin to fail and when they work again, not each record.
    fn note_answer(&mut self, answer: &Answer, out: &mut Outbox) {
        let failure = match answer {
            Answer::Persisted => None,
            Answer::Failed(reason) => Some(reason.as_str()),
            Answer::BlockAccepted { .. } | Answer::BlockRejected { .. } => Some("a wrong answer"),
        };
        match failure {
            Some(reason) if !self.is_failing => {
                out.tell(Event::AccountsFailed { reason: reason.to_owned() });
            }
            None if self.is_failing => out.tell(Event::AccountsRecovered),
            Some(_) | None => {}
        }
        self.is_failing = failure.is_some();
    }
}

impl MiningServer {
    pub(super) fn persist_share(
        &mut self,
        now: Now,
        name: ShareName<'_>,
        share: UnwrittenShare,
        out: &mut Outbox,
    ) {
        let Unwritten { by_request, rejection_count, .. } = &self.unwritten;
        if by_request.len() - rejection_count >= Unwritten::SHARES_MAX {
            return self.refuse_share(now, name, error_code::NOT_PERSISTED, out);
        }
        let Accepted { hash, difficulty, is_block, .. } = share.accepted;
        let outcome = ShareOutcome::Accepted { hash, difficulty, is_block };
        let Some(record) = self.record(now, name, outcome) else { return };
        out.put(self.unwritten.request(Some(share), record));
    }

    pub(super) fn persist_rejection(
        &mut self,
        now: Now,
        name: ShareName<'_>,
        error_code: &'static str,
        out: &mut Outbox,
    ) {
        let outcome = ShareOutcome::Rejected { error_code };
        // A share for no channel is in nobody's account.
        let Some(record) = self.record(now, name, outcome) else { return };
        if self.unwritten.rejection_count >= Unwritten::REJECTIONS_MAX {
            self.unwritten.uncounted += 1;
            return;
        }
        out.put(self.unwritten.request(None, record));
    }

    fn record(
        &mut self,
        now: Now,
        name: ShareName<'_>,
        outcome: ShareOutcome,
    ) -> Option<ShareRecord> {
        let served = self.served(name.connection, name.channel_id)?;
        let user_identity = served.user_identity.to_vec();
        let user_identity = Str255::new(user_identity).expect("it came as one");
        // A copy: a slice would keep the read buffer alive.
        let worker = Bytes::copy_from_slice(name.worker);
        Some(ShareRecord { at: now.unix, user_identity, worker, outcome })
    }

    /// What came of a [`Request`] of the server; nothing for those of others.
    pub(crate) fn handle_answer(
        &mut self,
        now: Now,
        request: RequestId,
        answer: &Answer,
        out: &mut Outbox,
    ) {
        let Some(waiting) = self.unwritten.by_request.remove(&request) else { return };
        self.unwritten.note_answer(answer, out);
        let Some(share) = waiting else {
            return self.unwritten.end_rejection(out);
        };
        let UnwrittenShare { connection, channel_id, sequence_number, .. } = share;
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let is_open = downstream.is_open() && downstream.channels.contains(channel_id);
        if downstream.generation != share.generation || !is_open {
            return;
        }
        match answer {
            Answer::Persisted => {
                self.credit(now, connection, channel_id, sequence_number, &share.accepted, out);
            }
            Answer::Failed(_) | Answer::BlockAccepted { .. } | Answer::BlockRejected { .. } => {
                let name = ShareName { connection, channel_id, sequence_number, worker: &[] };
                self.refuse_share(now, name, error_code::NOT_PERSISTED, out);
            }
        }
    }
}

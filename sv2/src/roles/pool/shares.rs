//! Shares: judged, paid, acknowledged, and sent on where they are blocks (spec 5.3.11 to 5.3.14).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::downstream::Served;
use super::extensions::{NameTooLong, tell_worker, worker};
use super::{Pool, Timer, slot};
use crate::event::Event;
use crate::mining::channel::ChannelKind;
use crate::mining::error_code::{custom_job, share as error_code};
use crate::mining::share::Accepted;
use crate::mining::{
    SetCustomMiningJob, SetCustomMiningJobError, SubmitSharesError, SubmitSharesExtended,
    SubmitSharesStandard,
};
use crate::role::{Answer, ConnectionId, Outbox, Output, Request, RequestId};
use crate::template_distribution::SubmitSolution;
use crate::time::Now;
use crate::wire::{B64K, Str255, Tlvs};

/// Shares that are being written to disk.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    next: u64,
    by_request: BTreeMap<RequestId, UnwrittenShare>,
}

#[derive(Debug)]
struct UnwrittenShare {
    connection: ConnectionId,
    generation: u64,
    channel_id: u32,
    sequence_number: u32,
    accepted: Accepted,
}

impl Unwritten {
    /// Shares in flight to the disk; beyond, shares are refused.
    const MAX: usize = 65_536;
}

/// What an accepted share of either kind needs from here on.
struct Proof<'a> {
    channel_id: u32,
    sequence_number: u32,
    job_id: u32,
    nonce: u32,
    ntime: u32,
    version: u32,
    extranonce: &'a [u8],
}

impl Pool {
    pub(super) fn handle_standard_share(
        &mut self,
        now: Now,
        connection: ConnectionId,
        share: &SubmitSharesStandard,
        out: &mut Outbox,
    ) {
        let (channel_id, sequence_number) = (share.channel_id, share.sequence_number);
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let served = downstream.channels.get_mut(&channel_id);
        let served = served.filter(|served| served.channel.kind() == ChannelKind::Standard);
        let (Some(served), Some(tip)) = (served, self.work.tip()) else {
            let error_code = error_code::INVALID_CHANNEL_ID;
            return self.refuse_share(
                now,
                connection,
                channel_id,
                sequence_number,
                error_code,
                out,
            );
        };
        match served.channel.judge_standard(share, tip, now) {
            Ok(accepted) => {
                let proof = Proof {
                    channel_id,
                    sequence_number,
                    job_id: share.job_id,
                    nonce: share.nonce,
                    ntime: share.ntime,
                    version: share.version,
                    extranonce: &[],
                };
                self.accept_share(now, connection, &proof, &accepted, out);
            }
            Err(rejection) => {
                let error_code = rejection.error_code();
                self.refuse_share(now, connection, channel_id, sequence_number, error_code, out);
            }
        }
    }

    pub(super) fn handle_extended_share(
        &mut self,
        now: Now,
        connection: ConnectionId,
        share: &SubmitSharesExtended,
        tlvs: &Tlvs,
        out: &mut Outbox,
    ) {
        let (channel_id, sequence_number) = (share.channel_id, share.sequence_number);
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let worker = match worker(&downstream.negotiated, tlvs) {
            Ok(worker) => worker,
            Err(NameTooLong { len: _ }) => {
                let error_code = error_code::INVALID_TLV;
                return self.refuse_share(
                    now,
                    connection,
                    channel_id,
                    sequence_number,
                    error_code,
                    out,
                );
            }
        };
        let served = downstream.channels.get_mut(&channel_id);
        let served = served.filter(|served| served.channel.kind() == ChannelKind::Extended);
        let (Some(served), Some(tip)) = (served, self.work.tip()) else {
            let error_code = error_code::INVALID_CHANNEL_ID;
            return self.refuse_share(
                now,
                connection,
                channel_id,
                sequence_number,
                error_code,
                out,
            );
        };
        match served.channel.judge_extended(share, tip, now) {
            Ok(accepted) => {
                if let Some(worker) = worker {
                    tell_worker(connection, channel_id, &worker, out);
                }
                let proof = Proof {
                    channel_id,
                    sequence_number,
                    job_id: share.job_id,
                    nonce: share.nonce,
                    ntime: share.ntime,
                    version: share.version,
                    extranonce: share.extranonce.as_slice(),
                };
                self.accept_share(now, connection, &proof, &accepted, out);
            }
            Err(rejection) => {
                let error_code = rejection.error_code();
                self.refuse_share(now, connection, channel_id, sequence_number, error_code, out);
            }
        }
    }

    fn accept_share(
        &mut self,
        now: Now,
        connection: ConnectionId,
        proof: &Proof<'_>,
        accepted: &Accepted,
        out: &mut Outbox,
    ) {
        let (channel_id, sequence_number) = (proof.channel_id, proof.sequence_number);
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let generation = downstream.generation;
        let Some(served) = downstream.channels.get_mut(&channel_id) else { return };
        if accepted.is_block {
            // A block is not kept waiting by anything that concerns the share.
            let solution = solution(served, proof);
            self.send_solution(solution, out);
            out.tell(Event::BlockFound { hash: accepted.hash });
        }
        let Some(served) = self.served(connection, channel_id) else { return };
        served.vardiff.record(expected_hashes(accepted.difficulty));
        if self.config.persists_shares {
            let share = UnwrittenShare {
                connection,
                generation,
                channel_id,
                sequence_number,
                accepted: *accepted,
            };
            return self.persist_share(now, share, out);
        }
        self.credit(now, connection, channel_id, sequence_number, accepted, out);
    }

    /// Adds to the batch, and ends it where it is full or a block was found.
    fn credit(
        &mut self,
        now: Now,
        connection: ConnectionId,
        channel_id: u32,
        sequence_number: u32,
        accepted: &Accepted,
        out: &mut Outbox,
    ) {
        let (size, timeout) = (self.config.share_batch_size, self.config.share_batch_timeout);
        let Some(served) = self.served(connection, channel_id) else { return };
        let hash = accepted.hash;
        out.tell(Event::ShareAccepted { connection, channel_id, sequence_number, hash });
        let batch = &mut served.channel.batch;
        batch.add(sequence_number, accepted.difficulty);
        let count = batch.count();
        if count >= size || accepted.is_block {
            if let Some(success) = batch.acknowledge(channel_id) {
                out.send(connection, success);
            }
            if size > 1 {
                self.timers.cancel(Timer::Acknowledge(connection, channel_id));
            }
        } else if count == 1 {
            self.timers.set(Timer::Acknowledge(connection, channel_id), now.instant + timeout);
        }
    }

    /// AMB-20: a lone share does not wait for ever.
    pub(super) fn acknowledge(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
        out: &mut Outbox,
    ) {
        let Some(served) = self.served(connection, channel_id) else { return };
        if let Some(success) = served.channel.batch.acknowledge(channel_id) {
            out.send(connection, success);
        }
    }

    fn refuse_share(
        &mut self,
        now: Now,
        connection: ConnectionId,
        channel_id: u32,
        sequence_number: u32,
        error_code: &'static str,
        out: &mut Outbox,
    ) {
        out.send(
            connection,
            SubmitSharesError {
                channel_id,
                sequence_number,
                error_code: Str255::from_static(error_code),
            },
        );
        out.tell(Event::ShareRejected { connection, channel_id, sequence_number, error_code });
        self.count_useless(now, connection, out);
    }

    fn persist_share(&mut self, now: Now, share: UnwrittenShare, out: &mut Outbox) {
        let (connection, channel_id) = (share.connection, share.channel_id);
        let sequence_number = share.sequence_number;
        if self.unwritten.by_request.len() >= Unwritten::MAX {
            let error_code = error_code::NOT_PERSISTED;
            return self.refuse_share(
                now,
                connection,
                channel_id,
                sequence_number,
                error_code,
                out,
            );
        }
        let Some(served) = self.served(connection, channel_id) else { return };
        // One line a share: time, user, header, difficulty in units of 2^-64.
        let user = served.user_identity.as_slice().escape_ascii();
        let Accepted { hash, difficulty, .. } = share.accepted;
        let record = Bytes::from(format!("{} \"{user}\" {hash} {difficulty}\n", now.unix));
        let request = RequestId(self.unwritten.next);
        self.unwritten.next += 1;
        self.unwritten.by_request.insert(request, share);
        out.put(Output::Request { request, what: Request::Persist { record } });
    }

    pub(super) fn handle_answer(
        &mut self,
        now: Now,
        request: RequestId,
        answer: &Answer,
        out: &mut Outbox,
    ) {
        let Some(share) = self.unwritten.by_request.remove(&request) else { return };
        let (connection, channel_id) = (share.connection, share.channel_id);
        let sequence_number = share.sequence_number;
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let is_open = downstream.is_open() && downstream.channels.contains_key(&channel_id);
        if downstream.generation != share.generation || !is_open {
            return;
        }
        match answer {
            Answer::Persisted => {
                self.credit(now, connection, channel_id, sequence_number, &share.accepted, out);
            }
            Answer::Failed(_) | Answer::BlockAccepted { .. } | Answer::BlockRejected { .. } => {
                let error_code = error_code::NOT_PERSISTED;
                self.refuse_share(now, connection, channel_id, sequence_number, error_code, out);
            }
        }
    }

    /// Without work selection there is nothing that a custom job could be checked against.
    pub(super) fn handle_custom_job(
        &mut self,
        now: Now,
        connection: ConnectionId,
        request: &SetCustomMiningJob,
        out: &mut Outbox,
    ) {
        out.send(
            connection,
            SetCustomMiningJobError {
                channel_id: request.channel_id,
                request_id: request.request_id,
                error_code: Str255::from_static(custom_job::JD_NOT_SUPPORTED),
            },
        );
        self.count_useless(now, connection, out);
    }

    fn served(&mut self, connection: ConnectionId, channel_id: u32) -> Option<&mut Served> {
        slot(&mut self.connections, connection)?.channels.get_mut(&channel_id)
    }
}

fn solution(served: &Served, proof: &Proof<'_>) -> SubmitSolution {
    let (work, prefix) =
        served.channel.job(proof.job_id).expect("the share was judged against this job");
    let coinbase = work.coinbase.transaction(&[prefix.as_slice(), proof.extranonce]);
    SubmitSolution {
        template_id: work.template_id,
        version: proof.version,
        header_timestamp: proof.ntime,
        header_nonce: proof.nonce,
        coinbase_tx: B64K::new(coinbase).expect("a template whose coinbase is longer is refused"),
    }
}

/// From units of 2^-64; difficulty 1 takes 2^48 / 0xffff hashes.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn expected_hashes(difficulty: u128) -> f64 {
    difficulty as f64 * (2_f64.powi(48 - 64) / 65_535.0)
}

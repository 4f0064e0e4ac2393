//! Shares: judged, handed to the owner, paid, acknowledged (spec 5.3.11 to 5.3.14).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::downstream::Served;
use super::extensions::{NameTooLong, tell_worker, worker};
use super::{MiningServer, Timer, slot};
use crate::event::Event;
use crate::mining::channel::{Channel, ChannelKind};
use crate::mining::error_code::share as error_code;
use crate::mining::job::Work;
use crate::mining::share::Accepted;
use crate::mining::{SubmitSharesError, SubmitSharesExtended, SubmitSharesStandard};
use crate::role::{Answer, ConnectionId, Outbox, Output, Request, RequestId};
use crate::time::Now;
use crate::wire::{B32, Str255, Tlvs};

/// Whose server it is: where proofs go.
pub(crate) trait Owner {
    /// A share was accepted. Called for each one, before it is acknowledged, so that a block
    /// waits for nothing that concerns the share.
    fn handle_proof(&mut self, proof: &Proof<'_>, out: &mut Outbox);
}

/// An accepted share.
#[derive(Debug)]
pub(crate) struct Proof<'a> {
    /// Of the client.
    pub(crate) connection: ConnectionId,
    /// Of the client.
    pub(crate) channel_id: u32,
    /// Of the share.
    pub(crate) sequence_number: u32,
    /// Of the client's job.
    pub(crate) job_id: u32,
    /// Of the header.
    pub(crate) nonce: u32,
    /// Of the header.
    pub(crate) ntime: u32,
    /// Of the header.
    pub(crate) version: u32,
    /// What it is worth.
    pub(crate) accepted: &'a Accepted,
    rolled: &'a [u8],
    channel: &'a Channel,
}

impl Proof<'_> {
    /// What was worked on.
    pub(crate) fn work(&self) -> &Arc<Work> {
        self.job().0
    }

    /// The whole of it: the prefix that the job was given with, and what the client rolled.
    pub(crate) fn extranonce(&self) -> B32 {
        let prefix = self.job().1;
        let whole = [prefix.as_slice(), self.rolled].concat();
        B32::new(&whole).expect("no layout gives more than 32 bytes")
    }

    fn job(&self) -> (&Arc<Work>, B32) {
        self.channel.job(self.job_id).expect("the share was judged against this job")
    }
}

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
struct Share<'a> {
    channel_id: u32,
    sequence_number: u32,
    job_id: u32,
    nonce: u32,
    ntime: u32,
    version: u32,
    rolled: &'a [u8],
}

impl MiningServer {
    pub(super) fn handle_standard_share(
        &mut self,
        now: Now,
        connection: ConnectionId,
        share: &SubmitSharesStandard,
        owner: &mut impl Owner,
        out: &mut Outbox,
    ) {
        let (channel_id, sequence_number) = (share.channel_id, share.sequence_number);
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let served = downstream.channels.get_mut(&channel_id);
        let served = served.filter(|served| served.channel.kind() == ChannelKind::Standard);
        let (Some(served), Some(tip)) = (served, &self.stock.tip) else {
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
                let share = Share {
                    channel_id,
                    sequence_number,
                    job_id: share.job_id,
                    nonce: share.nonce,
                    ntime: share.ntime,
                    version: share.version,
                    rolled: &[],
                };
                self.accept_share(now, connection, &share, &accepted, owner, out);
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
        owner: &mut impl Owner,
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
        let (Some(served), Some(tip)) = (served, &self.stock.tip) else {
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
                if let Some(worker) = &worker {
                    tell_worker(connection, channel_id, worker, out);
                }
                let share = Share {
                    channel_id,
                    sequence_number,
                    job_id: share.job_id,
                    nonce: share.nonce,
                    ntime: share.ntime,
                    version: share.version,
                    rolled: share.extranonce.as_slice(),
                };
                self.accept_share(now, connection, &share, &accepted, owner, out);
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
        share: &Share<'_>,
        accepted: &Accepted,
        owner: &mut impl Owner,
        out: &mut Outbox,
    ) {
        let (channel_id, sequence_number) = (share.channel_id, share.sequence_number);
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let generation = downstream.generation;
        let Some(served) = downstream.channels.get_mut(&channel_id) else { return };
        let proof = Proof {
            connection,
            channel_id,
            sequence_number,
            job_id: share.job_id,
            nonce: share.nonce,
            ntime: share.ntime,
            version: share.version,
            accepted,
            rolled: share.rolled,
            channel: &served.channel,
        };
        owner.handle_proof(&proof, out);
        if accepted.is_block {
            out.tell(Event::BlockFound { hash: accepted.hash });
        }
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

    /// What came of a [`Request`] of the server; nothing for those of others.
    pub(crate) fn handle_answer(
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

    fn served(&mut self, connection: ConnectionId, channel_id: u32) -> Option<&mut Served> {
        slot(&mut self.connections, connection)?.channels.get_mut(&channel_id)
    }
}

/// From units of 2^-64; difficulty 1 takes 2^48 / 0xffff hashes.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn expected_hashes(difficulty: u128) -> f64 {
    difficulty as f64 * (2_f64.powi(48 - 64) / 65_535.0)
}

//! Shares: judged, handed to the owner, paid, acknowledged (spec 5.3.11 to 5.3.14).

use std::sync::Arc;

use super::accounts::UnwrittenShare;
use super::channels::adjust_target;
use super::downstream::Served;
use super::extensions::{NameTooLong, tell_worker, worker};
use super::{MiningServer, Timer, slot};
use crate::event::Event;
use crate::mining::channel::{Channel, ChannelKind};
use crate::mining::error_code::share as error_code;
use crate::mining::job::{Work, expected_hashes};
use crate::mining::share::Accepted;
use crate::mining::{SubmitSharesError, SubmitSharesExtended, SubmitSharesStandard};
use crate::role::{ConnectionId, Outbox};
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

/// A share as both sides name it, and whom it is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShareName<'a> {
    pub(super) connection: ConnectionId,
    pub(super) channel_id: u32,
    pub(super) sequence_number: u32,
    /// As the share names it (extension 0x0002); empty if it does not.
    pub(super) worker: &'a [u8],
}

/// What an accepted share of either kind needs from here on.
struct Share<'a> {
    name: ShareName<'a>,
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
        let SubmitSharesStandard { channel_id, sequence_number, .. } = *share;
        let name = ShareName { connection, channel_id, sequence_number, worker: &[] };
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let served = downstream.channels.get_mut(channel_id);
        let served = served.filter(|served| served.channel.kind() == ChannelKind::Standard);
        let (Some(served), Some(tip)) = (served, &self.stock.tip) else {
            return self.refuse_share(now, name, error_code::INVALID_CHANNEL_ID, out);
        };
        match served.channel.judge_standard(share, tip, now) {
            Ok(accepted) => {
                let share = Share {
                    name,
                    job_id: share.job_id,
                    nonce: share.nonce,
                    ntime: share.ntime,
                    version: share.version,
                    rolled: &[],
                };
                self.accept_share(now, &share, &accepted, owner, out);
            }
            Err(rejection) => self.reject_share(now, name, rejection.error_code(), out),
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
        let SubmitSharesExtended { channel_id, sequence_number, .. } = *share;
        let name = ShareName { connection, channel_id, sequence_number, worker: &[] };
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let worker = match worker(&downstream.negotiated, tlvs) {
            Ok(worker) => worker,
            Err(NameTooLong { len: _ }) => {
                return self.reject_share(now, name, error_code::INVALID_TLV, out);
            }
        };
        let name = ShareName { worker: worker.as_ref().map_or(&[], |tlv| &tlv.value), ..name };
        let served = downstream.channels.get_mut(channel_id);
        let served = served.filter(|served| served.channel.kind() == ChannelKind::Extended);
        let (Some(served), Some(tip)) = (served, &self.stock.tip) else {
            return self.refuse_share(now, name, error_code::INVALID_CHANNEL_ID, out);
        };
        match served.channel.judge_extended(share, tip, now) {
            Ok(accepted) => {
                if let Some(worker) = &worker {
                    tell_worker(connection, channel_id, worker, out);
                }
                let share = Share {
                    name,
                    job_id: share.job_id,
                    nonce: share.nonce,
                    ntime: share.ntime,
                    version: share.version,
                    rolled: share.extranonce.as_slice(),
                };
                self.accept_share(now, &share, &accepted, owner, out);
            }
            Err(rejection) => self.reject_share(now, name, rejection.error_code(), out),
        }
    }

    fn accept_share(
        &mut self,
        now: Now,
        share: &Share<'_>,
        accepted: &Accepted,
        owner: &mut impl Owner,
        out: &mut Outbox,
    ) {
        let ShareName { connection, channel_id, sequence_number, worker: _ } = share.name;
        let Some(downstream) = slot(&mut self.connections, connection) else { return };
        let generation = downstream.generation;
        let Some(served) = downstream.channels.get_mut(channel_id) else { return };
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
        let hashes = expected_hashes(accepted.shown_difficulty);
        let is_telling = match &mut served.vardiff {
            Some(vardiff) => vardiff.record(now.instant, hashes),
            None => false,
        };
        if is_telling && adjust_target(&self.config, now.instant, connection, served, out) {
            self.channel_changes += 1;
        }
        if self.config.persists_shares {
            let accepted = *accepted;
            let unwritten =
                UnwrittenShare { connection, generation, channel_id, sequence_number, accepted };
            return self.persist_share(now, share.name, unwritten, out);
        }
        self.credit(now, connection, channel_id, sequence_number, accepted, out);
    }

    /// Adds to the batch, and ends it where it is full or a block was found.
    pub(super) fn credit(
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

    /// Refuses a share of an open channel, in whose account it is counted.
    fn reject_share(
        &mut self,
        now: Now,
        name: ShareName<'_>,
        error_code: &'static str,
        out: &mut Outbox,
    ) {
        if self.config.persists_shares {
            self.persist_rejection(now, name, error_code, out);
        }
        self.refuse_share(now, name, error_code, out);
    }

    /// Refuses a share that is in nobody's account.
    pub(super) fn refuse_share(
        &mut self,
        now: Now,
        name: ShareName<'_>,
        error_code: &'static str,
        out: &mut Outbox,
    ) {
        let ShareName { connection, channel_id, sequence_number, worker: _ } = name;
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

    pub(super) fn served(
        &mut self,
        connection: ConnectionId,
        channel_id: u32,
    ) -> Option<&mut Served> {
        let downstream = slot(&mut self.connections, connection)?;
        downstream.channels.get_mut(channel_id)
    }
}

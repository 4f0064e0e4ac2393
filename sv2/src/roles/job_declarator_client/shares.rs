//! Shares on their way to the pool: those that wait until their job is acknowledged (spec 6.3.1),
//! and those that wait for an answer.

use std::collections::VecDeque;

use super::jobs::Stage;
use super::{Client, JobDeclaratorClient, Timer};
use crate::event::Event;
use crate::mining::{SubmitSharesError, SubmitSharesExtended, SubmitSharesSuccess};
use crate::role::{ConnectionId, Outbox};
use crate::roles::mining_server::{Owner, Proof};
use crate::time::Now;
use crate::wire::{B32, Target, U256};

/// What is to be paid, or said to be.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// For jobs that the pool has not accepted yet, in order.
    cached: VecDeque<Found>,
    /// Sequence number and work, in the order of sending.
    in_flight: VecDeque<(u32, u64)>,
    next_sequence_number: u32,
}

/// A share that our clients have been paid for.
#[derive(Clone, Copy, Debug)]
struct Found {
    connection: ConnectionId,
    channel_id: u32,
    sequence_number: u32,
    work_id: u64,
    nonce: u32,
    ntime: u32,
    version: u32,
    /// The whole of it.
    extranonce: B32,
    hash: U256,
    is_block: bool,
}

impl Shares {
    /// Shares that wait for their job; the oldest is lost first. As in the reference
    /// implementation.
    pub(super) const CACHED_MAX: usize = 100;

    /// Shares that wait for an answer; who answers none of so many is not sent more.
    const IN_FLIGHT_MAX: usize = 65_536;

    /// What the pool takes does not come back: it has answered these and all before.
    pub(super) fn handle_success(
        &mut self,
        connection: ConnectionId,
        success: &SubmitSharesSuccess,
        out: &mut Outbox,
    ) {
        let answered = success.new_submits_accepted_count as usize;
        self.in_flight.drain(..answered.min(self.in_flight.len()));
        out.tell(Event::SharesAcknowledged {
            connection,
            channel_id: success.channel_id,
            last_sequence_number: success.last_sequence_number,
            accepted_count: success.new_submits_accepted_count,
            difficulty_sum: success.new_shares_sum,
        });
    }

    /// The upstream is left.
    pub(super) fn lose_all(&mut self, out: &mut Outbox) {
        let count = self.in_flight.len();
        self.in_flight.clear();
        lose(count, out);
        self.lose_cached(out);
    }

    /// The tip has changed: no job that they are for will be acknowledged.
    pub(super) fn lose_cached(&mut self, out: &mut Outbox) {
        let count = self.cached.len();
        self.cached.clear();
        lose(count, out);
    }

    /// Nobody will hear of their job.
    pub(super) fn lose_cached_of(&mut self, work_id: u64, out: &mut Outbox) {
        let count = self.cached.len();
        self.cached.retain(|found| found.work_id != work_id);
        lose(count - self.cached.len(), out);
    }

    fn cache(&mut self, found: Found, out: &mut Outbox) {
        if self.cached.len() == Self::CACHED_MAX {
            self.cached.pop_front();
            lose(1, out);
        }
        self.cached.push_back(found);
    }

    fn take_cached(&mut self, work_id: u64) -> Vec<Found> {
        let cached = std::mem::take(&mut self.cached);
        let (taken, left): (Vec<_>, VecDeque<_>) = (
            cached.iter().copied().filter(|found| found.work_id == work_id).collect(),
            cached.iter().copied().filter(|found| found.work_id != work_id).collect(),
        );
        self.cached = left;
        taken
    }
}

fn lose(count: usize, out: &mut Outbox) {
    if count > 0 {
        out.tell(Event::SharesLost { count });
    }
}

impl Client {
    /// The pool pays for the job from now on.
    pub(super) fn send_cached(&mut self, work_id: u64, out: &mut Outbox) {
        for found in self.shares.take_cached(work_id) {
            self.pass_on(&found, out);
        }
    }

    /// Where a share goes depends on where its job stands.
    fn pass_on(&mut self, found: &Found, out: &mut Outbox) {
        let stage = self.jobs.get(found.work_id).map(|job| job.stage);
        match stage {
            // Worth nothing, but as a block, which is on its way.
            Some(Stage::Solo) => {}
            Some(Stage::Accepted { job_id, target, prefix_len }) => {
                if self.is_worth_sending(found, target, out) {
                    self.submit(found, job_id, prefix_len, out);
                }
            }
            Some(Stage::Future | Stage::Waiting | Stage::Negotiating) => {
                let target = self.session.channel().map_or(Target::MAX, |channel| channel.target);
                if self.is_worth_sending(found, target, out) {
                    self.shares.cache(*found, out);
                }
            }
            Some(Stage::Dropped) | None => lose(1, out),
        }
    }

    fn is_worth_sending(&self, found: &Found, target: Target, out: &mut Outbox) -> bool {
        let is_worth = target.is_met_by(&found.hash) || found.is_block;
        if !is_worth {
            let Found { connection, channel_id, sequence_number, .. } = *found;
            out.tell(Event::ShareFiltered { connection, channel_id, sequence_number });
        }
        is_worth
    }

    fn submit(&mut self, found: &Found, job_id: u32, prefix_len: usize, out: &mut Outbox) {
        let (Some(connection), Some(channel)) = (self.pool.ready(), self.session.channel()) else {
            return lose(1, out);
        };
        let shares = &mut self.shares;
        if shares.in_flight.len() == Shares::IN_FLIGHT_MAX {
            return lose(1, out);
        }
        let (channel_id, sequence_number) = (channel.id, shares.next_sequence_number);
        shares.next_sequence_number = sequence_number.wrapping_add(1);
        shares.in_flight.push_back((sequence_number, found.work_id));
        let extranonce = B32::new(&found.extranonce.as_slice()[prefix_len..]);
        out.send(
            connection,
            SubmitSharesExtended {
                channel_id,
                sequence_number,
                job_id,
                nonce: found.nonce,
                ntime: found.ntime,
                version: found.version,
                extranonce: extranonce.expect("a part of 32 bytes at most"),
            },
        );
        let hash = found.hash;
        out.tell(Event::ShareSubmitted { connection, channel_id, sequence_number, job_id, hash });
    }
}

impl Owner for Client {
    fn handle_proof(&mut self, proof: &Proof<'_>, out: &mut Outbox) {
        let Some(work_id) = proof.work().template_id else { return };
        if proof.accepted.is_block {
            self.publish(work_id, proof, out);
        }
        let found = Found {
            connection: proof.connection,
            channel_id: proof.channel_id,
            sequence_number: proof.sequence_number,
            work_id,
            nonce: proof.nonce,
            ntime: proof.ntime,
            version: proof.version,
            extranonce: proof.extranonce(),
            hash: proof.accepted.hash,
            is_block: proof.accepted.is_block,
        };
        self.pass_on(&found, out);
    }
}

impl JobDeclaratorClient {
    /// A share of an older job may have met a pool that has forgotten it, and one of an older tip
    /// a race. One of the job that was accepted last, on a tip that stays, is a broken word
    /// (spec 6.2): the pool has a while to show that its node was only faster.
    pub(super) fn handle_refused_share(
        &mut self,
        now: Now,
        connection: ConnectionId,
        error: SubmitSharesError,
        out: &mut Outbox,
    ) {
        let SubmitSharesError { channel_id, sequence_number, error_code } = error;
        let client = &mut self.client;
        let in_flight = &mut client.shares.in_flight;
        let at = in_flight.iter().position(|(sent, _)| *sent == sequence_number);
        let refused = at.and_then(|at| in_flight.remove(at));
        out.tell(Event::ShareRefused { connection, channel_id, sequence_number, error_code });
        let newest = client.jobs.newest_accepted();
        if refused.is_some_and(|(_, work_id)| Some(work_id) == newest)
            && !client.session.is_suspected
        {
            client.session.is_suspected = true;
            client.timers.set(Timer::Suspicion, now.instant + client.config.tip_grace);
        }
    }
}

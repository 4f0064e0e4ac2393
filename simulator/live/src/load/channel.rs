//! One channel of a fleet, as a device sees it: jobs, tip, target, the search for a share, and
//! what the pool still has to answer.

use std::collections::VecDeque;
use std::sync::Arc;

use sv2::message::Message;
use sv2::mining::header::{Header, HeaderMidstate, coinbase_txid, merkle_root};
use sv2::mining::{
    NewExtendedMiningJob, NewMiningJob, SetNewPrevHash, SubmitSharesExtended, SubmitSharesStandard,
};
use sv2::time::Instant;
use sv2::wire::{B32, Target, U256};

/// An open channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: u32,
    pub(super) group_id: u32,
    /// Of jobs to come; present jobs have theirs (spec 5.3.10).
    pub(super) extranonce_prefix: B32,
    /// Bytes that the device rolls; `None` in header-only mining.
    pub(super) extranonce_size: Option<u8>,
    /// Of jobs that become active from now on (spec 5.3.21).
    pub(super) target: Target,
    tip: Option<Tip>,
    /// Oldest first.
    future_jobs: Vec<Job>,
    work: Option<Work>,
    /// Counts on over all jobs: two that differ in nothing but their id do not repeat a hash.
    nonce: u32,
    extranonce: u64,
    next_sequence_number: u32,
    pub(super) in_flight: VecDeque<InFlight>,
    /// Covered by acknowledgements, but not counted by them: a refusal is still to come.
    pub(super) skipped_count: u64,
}

/// A share without an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) sequence_number: u32,
    pub(super) sent_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Tip {
    prev_hash: U256,
    min_ntime: u32,
    nbits: u32,
}

#[derive(Debug)]
struct Job {
    id: u32,
    version: u32,
    root: Root,
}

#[derive(Clone, Debug)]
enum Root {
    Fixed(U256),
    /// One root for each extranonce, behind the prefix of the job's arrival.
    Rolled(Arc<Coinbase>, B32),
}

/// What an extended job says, once for all channels of a group.
#[derive(Debug)]
pub(super) struct Coinbase {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    path: Vec<U256>,
}

/// The job that is worked on.
#[derive(Debug)]
struct Work {
    job: Job,
    tip: Tip,
    target: Target,
    ntime_first: u32,
    since: Instant,
}

/// What has come of a part of a search.
pub(super) struct Searched {
    pub(super) hash_count: u32,
    pub(super) share: Option<Message>,
}

impl Coinbase {
    pub(super) fn of(message: &NewExtendedMiningJob) -> Arc<Self> {
        Arc::new(Coinbase {
            prefix: message.coinbase_tx_prefix.as_slice().to_vec(),
            suffix: message.coinbase_tx_suffix.as_slice().to_vec(),
            path: message.merkle_path.as_slice().to_vec(),
        })
    }

    fn root(&self, extranonce_prefix: &B32, extranonce: &[u8]) -> U256 {
        let prefix = extranonce_prefix.as_slice();
        merkle_root(coinbase_txid(&self.prefix, prefix, extranonce, &self.suffix), &self.path)
    }
}

impl Channel {
    /// Most queued future jobs; the oldest makes way.
    const FUTURE_JOBS_MAX: usize = 16;
    pub(super) fn new(
        id: u32,
        group_id: u32,
        extranonce_prefix: B32,
        extranonce_size: Option<u8>,
        target: Target,
    ) -> Self {
        Channel {
            id,
            group_id,
            extranonce_prefix,
            extranonce_size,
            target,
            tip: None,
            future_jobs: Vec::new(),
            work: None,
            nonce: 0,
            extranonce: 0,
            next_sequence_number: 1,
            in_flight: VecDeque::new(),
            skipped_count: 0,
        }
    }

    /// Expected hashes of a share of the present job; `None` without one.
    pub(super) fn price(&self) -> Option<f64> {
        Some(self.work.as_ref()?.target.expected_hashes())
    }

    /// Spec 5.3.15.
    pub(super) fn take_standard_job(
        &mut self,
        now: Instant,
        message: &NewMiningJob,
    ) -> Result<(), &'static str> {
        if self.extranonce_size.is_some() {
            return Err("NewMiningJob for an extended channel (spec 5.3.15)");
        }
        let root = Root::Fixed(message.merkle_root);
        let job = Job { id: message.job_id, version: message.version, root };
        self.take_job(now, job, message.min_ntime)
    }

    /// Spec 5.3.16, for the channel itself or for its group.
    pub(super) fn take_extended_job(
        &mut self,
        now: Instant,
        message: &NewExtendedMiningJob,
        coinbase: &Arc<Coinbase>,
    ) -> Result<(), &'static str> {
        let prefix = self.extranonce_prefix;
        let root = match self.extranonce_size {
            Some(_) => Root::Rolled(Arc::clone(coinbase), prefix),
            None if message.channel_id == self.id => {
                return Err("NewExtendedMiningJob for a standard channel (spec 5.3.16)");
            }
            None => Root::Fixed(coinbase.root(&prefix, &[])),
        };
        let job = Job { id: message.job_id, version: message.version, root };
        self.take_job(now, job, message.min_ntime)
    }

    fn take_job(
        &mut self,
        now: Instant,
        job: Job,
        min_ntime: Option<u32>,
    ) -> Result<(), &'static str> {
        match (min_ntime, self.tip) {
            (None, _) => {
                self.future_jobs.retain(|queued| queued.id != job.id);
                if self.future_jobs.len() >= Self::FUTURE_JOBS_MAX {
                    self.future_jobs.remove(0);
                }
                self.future_jobs.push(job);
                Ok(())
            }
            (Some(min_ntime), Some(tip)) => {
                self.start(now, job, tip, min_ntime);
                Ok(())
            }
            (Some(_), None) => Err("an active job before the first SetNewPrevHash (spec 5.3.15)"),
        }
    }

    /// Whether a new tip replaces another.
    pub(super) fn has_tip(&self) -> bool {
        self.tip.is_some()
    }

    /// Spec 5.3.17: every other job is invalid from here on.
    pub(super) fn take_tip(
        &mut self,
        now: Instant,
        message: &SetNewPrevHash,
    ) -> Result<(), &'static str> {
        let SetNewPrevHash { job_id, prev_hash, min_ntime, nbits, .. } = *message;
        let tip = Tip { prev_hash, min_ntime, nbits };
        (self.tip, self.work) = (Some(tip), None);
        let named = std::mem::take(&mut self.future_jobs).into_iter().find(|job| job.id == job_id);
        let job = named.ok_or("SetNewPrevHash names no future job (spec 5.3.17)")?;
        self.start(now, job, tip, 0);
        Ok(())
    }

    fn start(&mut self, now: Instant, job: Job, tip: Tip, min_ntime: u32) {
        let ntime_first = min_ntime.max(tip.min_ntime);
        self.work = Some(Work { job, tip, target: self.target, ntime_first, since: now });
    }

    /// Tries up to `hashes_max` hashes, and stops at the first share.
    pub(super) fn search(&mut self, now: Instant, hashes_max: u32) -> Searched {
        let Some(work) = &self.work else { return Searched { hash_count: 0, share: None } };
        // Once a second, as spec 10.2 demands that pools take it.
        let seconds = u32::try_from(now.since(work.since).as_secs()).unwrap_or(u32::MAX);
        let ntime = work.ntime_first.saturating_add(seconds);
        let extranonce = self.extranonce_size.map(|size| extranonce(self.extranonce, size));
        let merkle_root = match (&work.job.root, &extranonce) {
            (Root::Fixed(root), _) => *root,
            (Root::Rolled(coinbase, prefix), extranonce) => {
                coinbase.root(prefix, extranonce.as_ref().map_or(&[], B32::as_slice))
            }
        };
        let Tip { prev_hash, nbits, .. } = work.tip;
        let version = work.job.version;
        let header = Header { version, prev_hash, merkle_root, ntime, nbits, nonce: 0 };
        let midstate = HeaderMidstate::new(&header);
        for tried in 1..=hashes_max {
            let nonce = self.nonce;
            self.nonce = nonce.wrapping_add(1);
            if work.target.is_met_by(&midstate.hash(ntime, nonce)) {
                let job_id = work.job.id;
                let share = self.share(job_id, nonce, ntime, version, extranonce);
                return Searched { hash_count: tried, share: Some(share) };
            }
        }
        Searched { hash_count: hashes_max, share: None }
    }

    /// Sequence numbers count up from 1 (spec 5.3.11).
    fn share(
        &mut self,
        job_id: u32,
        nonce: u32,
        ntime: u32,
        version: u32,
        extranonce: Option<B32>,
    ) -> Message {
        let (channel_id, sequence_number) = (self.id, self.next_sequence_number);
        self.next_sequence_number = sequence_number.wrapping_add(1);
        self.extranonce = self.extranonce.wrapping_add(1);
        match extranonce {
            None => {
                SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version }
                    .into()
            }
            Some(extranonce) => SubmitSharesExtended {
                channel_id,
                sequence_number,
                job_id,
                nonce,
                ntime,
                version,
                extranonce,
            }
            .into(),
        }
    }

    /// The share that was found last is on its way.
    pub(super) fn submitted(&mut self, sent_at: Instant) {
        let sequence_number = self.next_sequence_number.wrapping_sub(1);
        self.in_flight.push_back(InFlight { sequence_number, sent_at });
    }

    /// Spec 5.3.13: the shares in flight that an acknowledgement covers, oldest first.
    pub(super) fn acknowledged(
        &mut self,
        last_sequence_number: u32,
    ) -> impl Iterator<Item = InFlight> {
        // Numbers are compared around the end of 32 bits.
        let is_covered = |share: &InFlight| {
            last_sequence_number.wrapping_sub(share.sequence_number) < u32::MAX / 2
        };
        let count = self.in_flight.iter().take_while(|share| is_covered(share)).count();
        self.in_flight.drain(..count)
    }

    /// Spec 5.3.14: the share that an error names, if it is in flight.
    pub(super) fn refused(&mut self, sequence_number: u32) -> Option<InFlight> {
        let named = |share: &InFlight| share.sequence_number == sequence_number;
        self.in_flight.iter().position(named).and_then(|at| self.in_flight.remove(at))
    }
}

/// The lowest bytes of a number, as many as the channel rolls; further ones are zero.
fn extranonce(number: u64, size: u8) -> B32 {
    let mut bytes = [0; B32::MAX];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    B32::new(&bytes[..usize::from(size).min(B32::MAX)]).unwrap_or_default()
}

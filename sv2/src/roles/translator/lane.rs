//! A channel at the upstream, its jobs, and the shares that wait for an answer (spec 5.3).

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::budget::{Budget, BudgetError, Indexes};
use crate::mining::job::{Tip, Work};
use crate::mining::proof::ProofCheck;
use crate::mining::{OpenExtendedMiningChannelSuccess, SetNewPrevHash};
use crate::role::ConnectionId;
use crate::time::{Instant, Now};
use crate::wire::{B32, Str255, Target};

/// Whose channel it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LaneId {
    /// Everybody's.
    Shared,
    /// One device's.
    Of(ConnectionId),
}

/// A channel at the upstream, or the wish for one.
#[derive(Debug)]
pub(super) struct Lane {
    /// Whom the upstream pays.
    pub(super) user_identity: Str255,
    pub(super) budget: Budget,
    pub(super) indexes: Indexes,
    /// Those that hash for it, or wait for it.
    pub(super) devices: BTreeSet<ConnectionId>,
    pub(super) opening: Opening,
    /// What is worked on; kept when the upstream is lost, until another has given better.
    pub(super) current: Option<Arc<ActiveJob>>,
    /// What the upstream was last told of the hash rate.
    pub(super) told_hash_rate: f32,
    pub(super) told_at: Instant,
}

/// Where the channel stands.
#[derive(Debug)]
pub(super) enum Opening {
    /// There is no connection, or nobody has needed it.
    Closed,
    /// Under this request id; the answer is due.
    Asked(u32),
    Open(OpenChannel),
}

/// The channel, once it is open.
#[derive(Debug)]
pub(super) struct OpenChannel {
    pub(super) id: u32,
    pub(super) group_id: u32,
    /// Of jobs to come.
    pub(super) prefix: B32,
    /// Behind the prefix, in bytes.
    pub(super) granted: usize,
    /// Of jobs to come, and of future ones at their activation (spec 5.3.21).
    pub(super) target: Target,
    /// Tells this channel from others of other times.
    pub(super) opened: u64,
    /// Flag REQUIRES_FIXED_VERSION of the upstream.
    fixes_version: bool,
    /// Of what is granted, a device rolls so many bytes.
    extranonce2_len: usize,
    futures: VecDeque<FutureJob>,
    tip: Option<Arc<Tip>>,
    /// Sequence numbers that the upstream has not answered.
    pub(super) in_flight: VecDeque<u32>,
    pub(super) next_sequence_number: u32,
}

/// A job that waits for its block. Its prefix is that of its arrival (spec 5.3.10, AMB-16).
#[derive(Debug)]
struct FutureJob {
    job_id: u32,
    work: Arc<Work>,
    prefix: B32,
}

/// A job that can be worked on. Nothing of it changes any more.
#[derive(Debug)]
pub(super) struct ActiveJob {
    /// The upstream's.
    pub(super) job_id: u32,
    pub(super) work: Arc<Work>,
    /// The upstream's part of the extranonce, as at the job's arrival.
    pub(super) prefix: B32,
    /// Behind the prefix, in bytes.
    pub(super) granted: usize,
    /// Of these a device rolls.
    pub(super) extranonce2_len: usize,
    /// Whether devices may roll bits of the version.
    pub(super) may_roll: bool,
    /// What the upstream takes for it: that of its arrival or, of a future job, its activation.
    pub(super) target: Target,
    /// In seconds since the Unix epoch.
    pub(super) min_ntime: u32,
    pub(super) tip: Arc<Tip>,
    /// When `min_ntime` was the time.
    since: Instant,
    /// [`OpenChannel::opened`] of its channel.
    pub(super) opened: u64,
}

impl Lane {
    pub(super) fn new(user_identity: Str255, budget: Budget) -> Self {
        Lane {
            user_identity,
            budget,
            indexes: Indexes::new(budget.index_len),
            devices: BTreeSet::new(),
            opening: Opening::Closed,
            current: None,
            told_hash_rate: 0.0,
            told_at: Instant::ZERO,
        }
    }

    /// Whether this is the request whose answer is due.
    pub(super) fn has_asked(&self, request_id: u32) -> bool {
        matches!(self.opening, Opening::Asked(asked) if asked == request_id)
    }

    pub(super) fn channel(&self) -> Option<&OpenChannel> {
        match &self.opening {
            Opening::Open(channel) => Some(channel),
            Opening::Closed | Opening::Asked(_) => None,
        }
    }

    pub(super) fn channel_mut(&mut self) -> Option<&mut OpenChannel> {
        match &mut self.opening {
            Opening::Open(channel) => Some(channel),
            Opening::Closed | Opening::Asked(_) => None,
        }
    }

    /// The channel that a job was for, if it is still open.
    pub(super) fn channel_of(&mut self, job: &ActiveJob) -> Option<&mut OpenChannel> {
        self.channel_mut().filter(|channel| channel.opened == job.opened)
    }

    /// What a device with this index is told in answer to its subscription.
    pub(super) fn extranonce1(&self, index: u32) -> Option<B32> {
        let OpenChannel { prefix, granted, .. } = self.channel()?;
        Some(self.budget.extranonce1(prefix, *granted, index))
    }

    /// The upstream has opened the channel. Nothing that was worked on before is worth
    /// anything to it.
    ///
    /// # Errors
    /// [`BudgetError`]: a layer of the extranonce has no room, and nothing has changed.
    pub(super) fn open(
        &mut self,
        opened: u64,
        fixes_version: bool,
        success: &OpenExtendedMiningChannelSuccess,
    ) -> Result<(), BudgetError> {
        let granted = usize::from(success.extranonce_size);
        self.budget.check(success.extranonce_prefix.as_slice().len(), granted)?;
        self.opening = Opening::Open(OpenChannel {
            id: success.channel_id,
            group_id: success.group_channel_id,
            prefix: success.extranonce_prefix,
            granted,
            target: success.target,
            opened,
            fixes_version,
            extranonce2_len: self.budget.extranonce2_len,
            futures: VecDeque::new(),
            tip: None,
            in_flight: VecDeque::new(),
            next_sequence_number: 0,
        });
        Ok(())
    }

    /// A job has come; `true` if it is to be worked on at once. A future one is held back until
    /// its block is there.
    pub(super) fn add_job(
        &mut self,
        now: Now,
        job_id: u32,
        min_ntime: Option<u32>,
        work: Arc<Work>,
    ) -> bool {
        let Opening::Open(channel) = &mut self.opening else { return false };
        let future = FutureJob { job_id, work, prefix: channel.prefix };
        match (min_ntime, &channel.tip) {
            (Some(min_ntime), Some(tip)) => {
                let min_ntime = min_ntime.max(tip.min_ntime);
                let active = channel.activate(now, &future, min_ntime, Arc::clone(tip));
                self.current = Some(active);
                true
            }
            // A job with a time that comes before any block waits for one like a future job.
            (None, _) | (Some(_), None) => {
                if channel.futures.len() == OpenChannel::FUTURES_MAX {
                    channel.futures.pop_front();
                }
                channel.futures.push_back(future);
                false
            }
        }
    }

    /// What a block could be followed with that names this job.
    pub(super) fn work_of(&self, job_id: u32) -> Option<Arc<Work>> {
        let channel = self.channel()?;
        let future = channel.futures.iter().rfind(|job| job.job_id == job_id);
        // One that is worked on already is kept where it is for the same height.
        let is_current =
            |job: &&Arc<ActiveJob>| job.job_id == job_id && job.opened == channel.opened;
        let current = || self.current.as_ref().filter(is_current).map(|job| Arc::clone(&job.work));
        future.map(|job| Arc::clone(&job.work)).or_else(current)
    }

    /// A block has come, and with it the only job that is valid from now on (spec 5.3.17):
    /// `work`, which only others of the group may have been given.
    pub(super) fn follow(
        &mut self,
        now: Now,
        news: &SetNewPrevHash,
        work: Arc<Work>,
        proof_check: ProofCheck,
    ) {
        let Opening::Open(channel) = &mut self.opening else { return };
        let job_id = news.job_id;
        let is_named = |job: &FutureJob| job.job_id == job_id;
        let named = channel.futures.iter().rposition(is_named);
        let future = named.and_then(|at| channel.futures.remove(at));
        let prefix = channel.prefix;
        let future = future.unwrap_or(FutureJob { job_id, work, prefix });
        channel.futures.clear();
        let tip = Arc::new(Tip {
            prev_hash: news.prev_hash,
            nbits: news.nbits,
            min_ntime: news.min_ntime,
            network_target: Target::from_compact(news.nbits).unwrap_or(Target::MAX),
            since: now.instant,
            proof_check,
        });
        channel.tip = Some(Arc::clone(&tip));
        self.current = Some(channel.activate(now, &future, news.min_ntime, tip));
    }
}

impl OpenChannel {
    /// Future jobs that are kept; the oldest goes first.
    const FUTURES_MAX: usize = 16;

    /// Whether a message is for it, or for its group.
    pub(super) fn is_meant(&self, channel_id: u32) -> bool {
        channel_id == self.id || channel_id == self.group_id
    }

    /// With the target of this moment, which the job keeps.
    fn activate(
        &self,
        now: Now,
        future: &FutureJob,
        min_ntime: u32,
        tip: Arc<Tip>,
    ) -> Arc<ActiveJob> {
        let FutureJob { job_id, work, prefix } = future;
        Arc::new(ActiveJob {
            job_id: *job_id,
            work: Arc::clone(work),
            prefix: *prefix,
            granted: self.granted,
            extranonce2_len: self.extranonce2_len,
            may_roll: work.version_rolling_allowed && !self.fixes_version,
            target: self.target,
            min_ntime,
            tip,
            since: now.instant,
            opened: self.opened,
        })
    }

    pub(super) fn take_sequence_number(&mut self) -> u32 {
        let number = self.next_sequence_number;
        self.next_sequence_number = number.wrapping_add(1);
        number
    }
}

impl ActiveJob {
    /// The time by now, as every pool must take it: a second a second from the job's own
    /// (spec 10.2). Whether our clock is right does not matter.
    pub(super) fn ntime(&self, now: Now) -> u32 {
        let elapsed = u32::try_from(now.instant.since(self.since).as_secs()).unwrap_or(u32::MAX);
        self.min_ntime.saturating_add(elapsed)
    }
}

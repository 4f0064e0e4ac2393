//! Jobs of a channel or a group, and the blocks that they build on (spec 5.3.15 to 5.3.17).

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use sv2::mining::{NewExtendedMiningJob, NewMiningJob, SetNewPrevHash};
use sv2::wire::U256;

use super::Mark;
use super::budget::{Budget, Slot};

/// A block to build on, as a connection was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Of the message.
    pub told: Mark,
    /// The job that it activates.
    pub job_id: u32,
    /// Of the header.
    pub prev_hash: U256,
    /// Compact network target.
    pub nbits: u32,
    /// Smallest header time, seconds since the Unix epoch.
    pub min_ntime: u32,
}

impl Tip {
    pub(super) fn new(told: Mark, message: &SetNewPrevHash) -> Self {
        let SetNewPrevHash { job_id, prev_hash, min_ntime, nbits, .. } = *message;
        Tip { told, job_id, prev_hash, nbits, min_ntime }
    }
}

/// What is hashed for an extended or a custom job: the root follows from the extranonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The coinbase transaction up to the extranonce, without the fields of BIP 141.
    pub prefix: Bytes,
    /// Behind the extranonce.
    pub suffix: Bytes,
    /// From the deepest branch to the root.
    pub path: Vec<U256>,
}

impl Work {
    /// In bytes, roughly.
    pub(super) fn size(&self) -> usize {
        size_of::<Work>() + self.prefix.len() + self.suffix.len() + 32 * self.path.len()
    }
}

/// The work of a job, held by [`super::legs::Legs`] within its limits.
#[derive(Clone, Debug)]
pub(super) enum WorkRef {
    Root(U256),
    Shared(Weak<Work>),
}

/// A job.
#[derive(Debug)]
pub struct Job {
    /// Within its channel or group.
    pub id: u32,
    /// The message that gave it.
    pub arrived: Mark,
    /// Its arrival, or the `SetNewPrevHash` that named it; `None` of a future job.
    pub activated: Option<Mark>,
    /// Whether it came without `min_ntime`.
    pub was_future: bool,
    /// Smallest header time, where the job has its own.
    pub min_ntime: Option<u32>,
    /// Of the header.
    pub version: u32,
    /// Whether shares may change the version (BIP 323).
    pub version_rolling_allowed: bool,
    /// Whether its client has made it (spec 5.3.18).
    pub is_custom: bool,
    /// When the first share came for it.
    pub first_share: Option<Mark>,
    pub(super) work: WorkRef,
}

impl Job {
    pub(super) fn standard(arrived: Mark, message: &NewMiningJob) -> Self {
        Job {
            id: message.job_id,
            arrived,
            activated: message.min_ntime.map(|_| arrived),
            was_future: message.min_ntime.is_none(),
            min_ntime: message.min_ntime,
            version: message.version,
            version_rolling_allowed: true,
            is_custom: false,
            work: WorkRef::Root(message.merkle_root),
            first_share: None,
        }
    }

    pub(super) fn extended(
        arrived: Mark,
        message: &NewExtendedMiningJob,
        work: &Arc<Work>,
    ) -> Self {
        Job {
            id: message.job_id,
            arrived,
            activated: message.min_ntime.map(|_| arrived),
            was_future: message.min_ntime.is_none(),
            min_ntime: message.min_ntime,
            version: message.version,
            version_rolling_allowed: message.version_rolling_allowed,
            is_custom: false,
            work: WorkRef::Shared(Arc::downgrade(work)),
            first_share: None,
        }
    }
}

/// How a job stands for a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waits for its `SetNewPrevHash`.
    Future,
    /// Shares for it count.
    Active,
    /// A newer block has made it void (spec 5.3.17).
    Retired {
        /// The message that told of the block.
        by: Mark,
    },
}

impl JobState {
    /// One word, as in filters and JSON.
    pub fn name(self) -> &'static str {
        match self {
            JobState::Future => "future",
            JobState::Active => "active",
            JobState::Retired { .. } => "retired",
        }
    }
}

/// The jobs and tips that were addressed to one id: a channel or a group.
#[derive(Debug, Default)]
pub struct Board {
    jobs: VecDeque<(Job, Slot)>,
    tips: VecDeque<Tip>,
    /// Whether jobs have left to make room: an unknown id may be one of them.
    pub has_forgotten: bool,
}

impl Board {
    /// Jobs that are kept for one id.
    pub const JOBS_MAX: usize = 16;
    /// Tips that are kept for one id.
    pub const TIPS_MAX: usize = 4;

    pub(super) fn add(&mut self, job: Job, budget: &Budget) {
        if self.jobs.len() == Self::JOBS_MAX {
            self.jobs.pop_front();
            self.has_forgotten = true;
        }
        let slot = budget.take().or_else(|| {
            self.has_forgotten = true;
            self.jobs.pop_front().map(|(_, slot)| slot)
        });
        self.jobs.extend(slot.map(|slot| (job, slot)));
    }

    pub(super) fn set_tip(&mut self, tip: Tip) {
        if let Some(job) = self.job_mut(tip.job_id)
            && job.activated.is_none()
        {
            job.activated = Some(tip.told);
        }
        self.push_tip(tip);
    }

    pub(super) fn push_tip(&mut self, tip: Tip) {
        if self.tips.len() == Self::TIPS_MAX {
            self.tips.pop_front();
        }
        self.tips.push_back(tip);
    }

    /// The newest job with an id.
    pub fn job(&self, id: u32) -> Option<&Job> {
        self.jobs().rev().find(|job| job.id == id)
    }

    pub(super) fn job_mut(&mut self, id: u32) -> Option<&mut Job> {
        self.jobs.iter_mut().rev().map(|(job, _)| job).find(|job| job.id == id)
    }

    /// From the oldest kept to the newest.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.jobs.iter().map(|(job, _)| job)
    }

    /// From the oldest kept to the newest.
    pub fn tips(&self) -> impl DoubleEndedIterator<Item = &Tip> {
        self.tips.iter()
    }

    /// The newest tip.
    pub fn tip(&self) -> Option<&Tip> {
        self.tips.back()
    }
}

/// What a channel works on: its own board, and that of its group since it joined.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(super) own: &'a Board,
    pub(super) group: Option<&'a Board>,
    /// When the channel joined the group, by number: what the group was told before is not for
    /// the channel.
    pub(super) joined: u64,
}

impl<'a> View<'a> {
    /// Of a group by itself.
    pub fn of_board(own: &'a Board) -> Self {
        View { own, group: None, joined: 0 }
    }

    /// The job with an id; of two, the one that came later.
    pub fn job(&self, id: u32) -> Option<&'a Job> {
        let own = self.own.job(id);
        let group = self.group.and_then(|board| board.job(id));
        let group = group.filter(|job| job.arrived.number >= self.joined);
        own.into_iter().chain(group).max_by_key(|job| job.arrived)
    }

    fn tips(&self) -> impl Iterator<Item = &'a Tip> {
        let (own, joined) = (self.own, self.joined);
        let group = self.group.into_iter().flat_map(|board| board.tips.iter());
        own.tips.iter().chain(group.filter(move |tip| tip.told.number >= joined))
    }

    /// The block that the channel was told of last.
    pub fn tip(&self) -> Option<&'a Tip> {
        self.tips().max_by_key(|tip| tip.told)
    }

    /// The block that a job was for.
    pub fn tip_of(&self, job: &Job) -> Option<&'a Tip> {
        let activated = job.activated?;
        self.tips().filter(|tip| tip.told <= activated).max_by_key(|tip| tip.told)
    }

    /// How a job stands.
    pub fn state(&self, job: &Job) -> JobState {
        let alive_since = job.activated.unwrap_or(job.arrived);
        let end = self.tips().filter(|tip| tip.told > alive_since).min_by_key(|tip| tip.told);
        match (end, job.activated) {
            (Some(tip), _) => JobState::Retired { by: tip.told },
            (None, Some(_)) => JobState::Active,
            (None, None) => JobState::Future,
        }
    }

    /// Whether a job that is not found may have been one that is not kept.
    pub fn has_forgotten(&self) -> bool {
        self.own.has_forgotten || self.group.is_some_and(|board| board.has_forgotten)
    }

    /// Whether some job is active.
    pub fn has_work(&self) -> bool {
        let group = self.group.into_iter().flat_map(Board::jobs);
        let mut all = self.own.jobs().chain(group);
        all.any(|job| self.state(job) == JobState::Active)
    }
}

//! A channel as its server keeps it: target, jobs, shares (spec 5.2).

use std::collections::VecDeque;
use std::sync::Arc;

use super::accounting::Batch;
use super::extranonce::Extranonce;
use super::job::{Job, PinnedTarget, Tip, Work};
use super::seen::SeenShares;
use super::share::{Accepted, Rejection, check_ntime, check_version};
use super::{SubmitSharesExtended, SubmitSharesStandard};
use crate::time::Now;
use crate::wire::{B32, Target, U256};

/// What a client opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Header-only work (spec 5.2.1).
    Standard,
    /// Rolls an extranonce (spec 5.2.2).
    Extended,
}

/// One channel of one connection.
#[derive(Debug)]
pub struct Channel {
    id: u32,
    kind: ChannelKind,
    group_id: u32,
    extranonce: Extranonce,
    /// Earlier ones, with which jobs that are there may have been given.
    former: Vec<Extranonce>,
    /// For jobs to come, and for future jobs at their activation (spec 5.3.21).
    target: PinnedTarget,
    /// Active jobs of the present tip and future ones, in order of arrival.
    jobs: Vec<Job>,
    /// Jobs that were valid once, to tell a late share from an invented one.
    stale: VecDeque<u32>,
    seen: SeenShares,
    /// Shares that wait for their acknowledgement.
    pub batch: Batch,
}

impl Channel {
    /// Most active jobs, and most future ones; older ones become stale.
    pub const JOBS_MAX: usize = 16;
    /// Most stale jobs that are remembered by their ids.
    pub const STALE_JOBS_MAX: usize = 64;

    /// A channel without jobs. `seen_limit` bounds the shares that are remembered for one tip,
    /// `seed` makes the table of these unpredictable.
    pub fn new(
        id: u32,
        kind: ChannelKind,
        group_id: u32,
        extranonce: Extranonce,
        target: Target,
        (seen_limit, seed): (usize, u64),
    ) -> Self {
        Channel {
            id,
            kind,
            group_id,
            extranonce,
            former: Vec::new(),
            target: PinnedTarget::new(target),
            jobs: Vec::new(),
            stale: VecDeque::new(),
            seen: SeenShares::new(seen_limit, seed),
            batch: Batch::default(),
        }
    }

    /// Within its connection.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Never changes.
    pub fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// The group that it is a member of.
    pub fn group_id(&self) -> u32 {
        self.group_id
    }

    /// Moves it to another group.
    pub fn set_group_id(&mut self, group_id: u32) {
        self.group_id = group_id;
    }

    /// Its part of the search space.
    pub fn extranonce(&self) -> &Extranonce {
        &self.extranonce
    }

    /// For jobs to come.
    pub fn target(&self) -> Target {
        self.target.target
    }

    /// Hashes that a share for jobs to come takes on average.
    pub(crate) fn share_hashes(&self) -> f64 {
        self.target.expected_hashes()
    }

    /// The same for the job that the client works on: the newest active one, which keeps its
    /// target (spec 5.3.21).
    pub(crate) fn worked_hashes(&self) -> f64 {
        let newest = self.jobs.iter().rev().find_map(|job| job.pinned);
        newest.unwrap_or(self.target).expected_hashes()
    }

    /// From now on (spec 5.3.21): active jobs keep theirs, future ones take it when activated.
    pub fn set_target(&mut self, target: Target) {
        self.target = PinnedTarget::new(target);
    }

    /// For jobs to come: those that are there keep their prefix, future ones too (spec 5.3.10,
    /// AMB-16).
    ///
    /// # Panics
    /// If the client would roll another number of bytes, which it was not asked to agree on.
    pub fn set_extranonce(&mut self, extranonce: Extranonce) {
        assert_eq!(extranonce.rollable_len(), self.extranonce.rollable_len());
        self.extranonce = extranonce;
    }

    /// The same, with a part of the search space that is the channel's beside the old one.
    /// Returns what no job uses any more, so that no more are kept than there are jobs.
    ///
    /// # Panics
    /// As [`Channel::set_extranonce`].
    #[must_use = "they go back to their allocator"]
    pub fn replace_extranonce(&mut self, extranonce: Extranonce) -> Vec<Extranonce> {
        assert_eq!(extranonce.rollable_len(), self.extranonce.rollable_len());
        self.former.push(std::mem::replace(&mut self.extranonce, extranonce));
        let is_used = |former: &Extranonce| {
            self.jobs.iter().any(|job| job.extranonce_prefix == former.prefix())
        };
        let (used, unused) = std::mem::take(&mut self.former).into_iter().partition(is_used);
        self.former = used;
        unused
    }

    /// The space goes back to the allocator.
    pub fn into_extranonces(self) -> impl Iterator<Item = Extranonce> {
        self.former.into_iter().chain([self.extranonce])
    }

    /// A future job was sent.
    pub fn add_future_job(&mut self, job_id: u32, work: Arc<Work>) {
        self.make_room(|job| job.pinned.is_none());
        self.jobs.push(Job::new(job_id, work, self.extranonce.prefix(), None));
    }

    /// An active job was sent: it is for the present tip.
    pub fn add_active_job(&mut self, job_id: u32, work: Arc<Work>) {
        self.make_room(|job| job.pinned.is_some());
        self.jobs.push(Job::new(job_id, work, self.extranonce.prefix(), Some(self.target)));
    }

    /// The tip has changed to this one: of all jobs only that one is valid (spec 5.3.17; AMB-24).
    ///
    /// # Panics
    /// If the job is none of the channel's future ones: the server must not name such a job.
    pub fn activate(&mut self, job_id: u32, tip: &Tip) {
        let is_future = |job: &Job| job.id == job_id && job.pinned.is_none();
        let at = self.jobs.iter().position(is_future);
        let at = at.expect("only a job that was sent as a future one is activated");
        let mut activated = self.jobs.swap_remove(at);
        activated.pinned = Some(self.target);
        self.retire_jobs(tip);
        self.jobs.push(activated);
    }

    /// The tip has changed to this one and there is no job for it: none is valid.
    pub fn retire_jobs(&mut self, tip: &Tip) {
        for job in std::mem::take(&mut self.jobs) {
            self.remember_stale(job.id);
        }
        self.seen.turn_to(&tip.prev_hash);
    }

    /// The work of a job that is valid now, with the prefix that it was given with.
    pub fn job(&self, job_id: u32) -> Option<(&Arc<Work>, B32)> {
        let job = self.jobs.iter().rev().find(|job| job.id == job_id)?;
        Some((&job.work, job.extranonce_prefix))
    }

    /// Judges a share of a standard channel. The channel's kind is the caller's to check.
    ///
    /// # Errors
    /// [`Rejection`]: it earns nothing.
    #[inline]
    pub fn judge_standard(
        &mut self,
        share: &SubmitSharesStandard,
        tip: &Tip,
        now: Now,
    ) -> Result<Accepted, Rejection> {
        let (job, pinned) = active_job(&mut self.jobs, &self.stale, share.job_id)?;
        check_ntime(share.ntime, job.min_ntime(tip), tip, now)?;
        check_version(share.version, job)?;
        let hash = job.standard_hash(share, tip);
        judge_hash(hash, pinned, tip, &mut self.seen)
    }

    /// Judges a share of an extended channel. The channel's kind is the caller's to check.
    ///
    /// # Errors
    /// [`Rejection`]: it earns nothing.
    #[inline]
    pub fn judge_extended(
        &mut self,
        share: &SubmitSharesExtended,
        tip: &Tip,
        now: Now,
    ) -> Result<Accepted, Rejection> {
        let (job, pinned) = active_job(&mut self.jobs, &self.stale, share.job_id)?;
        let (len, agreed) = (share.extranonce.as_slice().len(), self.extranonce.rollable_len());
        if len != agreed {
            return Err(Rejection::ExtranonceLen { len, agreed });
        }
        check_ntime(share.ntime, job.min_ntime(tip), tip, now)?;
        check_version(share.version, job)?;
        let hash = job.extended_hash(share, tip);
        judge_hash(hash, pinned, tip, &mut self.seen)
    }

    /// Drops the oldest job of a class that is full.
    fn make_room(&mut self, is_in_class: impl Fn(&Job) -> bool) {
        if self.jobs.iter().filter(|job| is_in_class(job)).count() < Self::JOBS_MAX {
            return;
        }
        if let Some(at) = self.jobs.iter().position(is_in_class) {
            let oldest = self.jobs.remove(at);
            self.remember_stale(oldest.id);
        }
    }

    fn remember_stale(&mut self, job_id: u32) {
        if self.stale.len() == Self::STALE_JOBS_MAX {
            self.stale.pop_front();
        }
        self.stale.push_back(job_id);
    }
}

#[inline]
fn active_job<'a>(
    jobs: &'a mut [Job],
    stale: &VecDeque<u32>,
    job_id: u32,
) -> Result<(&'a mut Job, PinnedTarget), Rejection> {
    // The newest job gets nearly all shares.
    match jobs.iter_mut().rev().find(|job| job.id == job_id) {
        Some(job) => match job.pinned {
            Some(pinned) => Ok((job, pinned)),
            None => Err(Rejection::FutureJob { job_id }),
        },
        None if stale.contains(&job_id) => Err(Rejection::StaleJob { job_id }),
        None => Err(Rejection::UnknownJob { job_id }),
    }
}

#[inline]
fn judge_hash(
    hash: U256,
    pinned: PinnedTarget,
    tip: &Tip,
    seen: &mut SeenShares,
) -> Result<Accepted, Rejection> {
    // A channel's target may be harder than the network's: a block is a block all the same,
    // and earns what its job promises (AMB-19).
    let is_block = tip.network_target.is_met_by(&hash);
    if !is_block && !pinned.target.is_met_by(&hash) {
        return Err(Rejection::AboveTarget { hash, target: pinned.target });
    }
    seen.insert(&hash, is_block)?;
    Ok(Accepted { hash, difficulty: pinned.difficulty, target: pinned.target, is_block })
}

#[cfg(test)]
mod tests;

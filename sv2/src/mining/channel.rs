//! A channel as its server keeps it: target, jobs, shares (spec 5.2).

mod stale;

use std::sync::Arc;

use self::stale::StaleJobs;
use super::accounting::Batch;
use super::extranonce::Extranonce;
use super::job::{HashCache, PinnedTarget, Tip, Work};
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
    former: Option<Box<Former>>,
    /// Of jobs, and of jobs to come.
    terms: Box<[Terms]>,
    /// Those of jobs to come; the target also of future jobs at their activation (spec 5.3.21).
    terms_at: u8,
    /// Active jobs of the present tip and future ones, in order of arrival.
    jobs: Vec<Job>,
    /// The newest active one of them, which nearly all shares are for: found here, they need no
    /// look elsewhere in memory.
    newest: Option<Job>,
    /// To tell a late share from an invented one.
    stale: StaleJobs,
    /// Of the job that was last proven: nearly all shares are for one. Who alternates between
    /// jobs makes us hash what every extended share costs.
    warm: HashCache,
    /// Whose that is.
    warm_job_id: u32,
    seen: SeenShares,
    /// Shares that wait for their acknowledgement.
    pub batch: Batch,
}

/// Extranonces that a channel had. Few ever had another one.
#[derive(Debug)]
struct Former(Vec<Extranonce>);

/// A job as the channel holds it. Small: there are many for each channel.
#[derive(Clone, Debug)]
struct Job {
    id: u32,
    /// Otherwise it is a future one.
    is_active: bool,
    /// The extranonce prefix of its arrival (spec 5.3.10); the target of its arrival or, of a
    /// future job, of its activation (spec 5.3.21).
    terms_at: u8,
    work: Arc<Work>,
}

/// What jobs of a channel have in common until one of them changes.
#[derive(Debug)]
struct Terms {
    /// Of jobs that were there when the channel got the one that it has.
    former_prefix: Option<Box<B32>>,
    target: PinnedTarget,
}

impl Channel {
    /// Most active jobs, and most future ones; older ones become stale.
    pub const JOBS_MAX: usize = 16;
    /// Most stale jobs that are remembered by their ids.
    pub const STALE_JOBS_MAX: u32 = 64;

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
            terms: Box::new([Terms::present(PinnedTarget::new(target))]),
            terms_at: 0,
            extranonce,
            former: None,
            jobs: Vec::new(),
            newest: None,
            stale: StaleJobs::default(),
            warm: HashCache::Empty,
            warm_job_id: 0,
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
        self.present().target.target
    }

    /// Hashes that a share for jobs to come takes on average.
    pub(crate) fn share_hashes(&self) -> f64 {
        self.present().target.expected_hashes()
    }

    /// The same for the job that the client works on: the newest active one, which keeps its
    /// target (spec 5.3.21).
    pub(crate) fn worked_hashes(&self) -> f64 {
        let terms_at = self.newest.as_ref().map_or(self.terms_at, |job| job.terms_at);
        self.terms[usize::from(terms_at)].target.expected_hashes()
    }

    /// From now on (spec 5.3.21): active jobs keep theirs, future ones take it when activated.
    pub fn set_target(&mut self, target: Target) {
        self.terms_at = self.add_terms(Terms::present(PinnedTarget::new(target)));
        self.drop_unused_terms();
    }

    /// For jobs to come: those that are there keep their prefix, future ones too (spec 5.3.10,
    /// AMB-16).
    ///
    /// # Panics
    /// If the client would roll another number of bytes, which it was not asked to agree on.
    pub fn set_extranonce(&mut self, extranonce: Extranonce) {
        self.exchange_extranonce(extranonce);
    }

    /// The same, with a part of the search space that is the channel's beside the old one.
    /// Returns what no job uses any more, so that no more are kept than there are jobs.
    ///
    /// # Panics
    /// As [`Channel::set_extranonce`].
    #[must_use = "they go back to their allocator"]
    pub fn replace_extranonce(&mut self, extranonce: Extranonce) -> Vec<Extranonce> {
        let former = self.exchange_extranonce(extranonce);
        let is_used = |former: &Extranonce| {
            self.jobs.iter().any(|job| job.prefix(&self.terms, &self.extranonce) == &former.prefix)
        };
        let before = self.former.take().map_or(Vec::new(), |former| former.0);
        let all = before.into_iter().chain([former]);
        let (used, unused): (Vec<_>, _) = all.partition(is_used);
        self.former = (!used.is_empty()).then(|| Box::new(Former(used)));
        unused
    }

    fn exchange_extranonce(&mut self, extranonce: Extranonce) -> Extranonce {
        assert_eq!(extranonce.rollable_len(), self.extranonce.rollable_len());
        let former = std::mem::replace(&mut self.extranonce, extranonce);
        let present = Terms::present(self.present().target);
        for terms in &mut self.terms {
            terms.former_prefix.get_or_insert_with(|| Box::new(former.prefix));
        }
        self.terms_at = self.add_terms(present);
        self.drop_unused_terms();
        former
    }

    /// The space goes back to the allocator.
    pub fn into_extranonces(self) -> impl Iterator<Item = Extranonce> {
        let former = self.former.map_or(Vec::new(), |former| former.0);
        former.into_iter().chain([self.extranonce])
    }

    /// A future job was sent.
    pub fn add_future_job(&mut self, job_id: u32, work: Arc<Work>) {
        self.add_job(job_id, work, false);
    }

    /// An active job was sent: it is for the present tip.
    pub fn add_active_job(&mut self, job_id: u32, work: Arc<Work>) {
        self.add_job(job_id, work, true);
    }

    /// Of an active job of a standard channel, which was made with it: the first share need not
    /// climb the tree again.
    pub(crate) fn keep_root(&mut self, job_id: u32, root: U256) {
        (self.warm_job_id, self.warm) = (job_id, HashCache::Root(root));
    }

    /// The oldest of the same class makes way where that is full.
    fn add_job(&mut self, job_id: u32, work: Arc<Work>, is_active: bool) {
        let is_in_class = |job: &Job| job.is_active == is_active;
        if self.jobs.iter().filter(|job| is_in_class(job)).count() >= Self::JOBS_MAX
            && let Some(at) = self.jobs.iter().position(is_in_class)
        {
            let oldest = self.jobs.remove(at);
            self.stale.add(oldest.id);
        }
        if self.jobs.len() == self.jobs.capacity() {
            // There are as many such lists as channels.
            self.jobs.reserve_exact(JOBS_STEP);
        }
        let job = Job { id: job_id, is_active, terms_at: self.terms_at, work };
        if is_active {
            self.newest = Some(job.clone());
        }
        self.jobs.push(job);
    }

    /// The tip has changed to this one: of all jobs only that one is valid (spec 5.3.17; AMB-24).
    ///
    /// # Panics
    /// If the job is none of the channel's future ones: the server must not name such a job.
    pub fn activate(&mut self, job_id: u32, tip: &Tip) {
        let is_future = |job: &Job| job.id == job_id && !job.is_active;
        let at = self.jobs.iter().position(is_future);
        let at = at.expect("only a job that was sent as a future one is activated");
        let mut activated = self.jobs.remove(at);
        activated.is_active = true;
        activated.terms_at = self.terms_for(&activated);
        self.retire_jobs(tip);
        self.newest = Some(activated.clone());
        self.jobs.push(activated);
        self.drop_unused_terms();
    }

    /// The present target with the prefix of the job.
    fn terms_for(&mut self, job: &Job) -> u8 {
        match self.terms[usize::from(job.terms_at)].former_prefix.clone() {
            None => self.terms_at,
            former_prefix => self.add_terms(Terms { former_prefix, ..*self.present() }),
        }
    }

    /// Of jobs to come.
    fn present(&self) -> &Terms {
        &self.terms[usize::from(self.terms_at)]
    }

    /// To be named before unused ones are dropped. There are at most as many as jobs, and two.
    fn add_terms(&mut self, terms: Terms) -> u8 {
        let at = u8::try_from(self.terms.len()).expect("unused ones are dropped after each");
        self.terms = std::mem::take(&mut self.terms).into_iter().chain([terms]).collect();
        at
    }

    /// Terms end with the last job that has them.
    fn drop_unused_terms(&mut self) {
        if self.terms.len() == 1 {
            return;
        }
        let jobs = self.jobs.iter_mut().chain(&mut self.newest).map(|job| &mut job.terms_at);
        let mut names: Vec<&mut u8> = jobs.chain([&mut self.terms_at]).collect();
        let used = names.iter().fold(0_u64, |used, at| used | 1 << **at);
        for at in &mut names {
            let before = used & ((1 << **at) - 1);
            **at = u8::try_from(before.count_ones()).expect("there are 64 bits");
        }
        let all = std::mem::take(&mut self.terms).into_iter().enumerate();
        let kept = all.filter(|(at, _)| used >> at & 1 == 1);
        self.terms = kept.map(|(_, terms)| terms).collect();
    }

    /// The tip has changed to this one and there is no job for it: none is valid.
    pub fn retire_jobs(&mut self, tip: &Tip) {
        self.newest = None;
        for job in self.jobs.drain(..) {
            self.stale.add(job.id);
        }
        self.jobs.shrink_to(JOBS_STEP);
        self.seen.turn_to(&tip.prev_hash);
    }

    /// The work of a job that is valid now, with the prefix that it was given with.
    pub fn job(&self, job_id: u32) -> Option<(&Arc<Work>, B32)> {
        let mut all = self.newest.iter().chain(self.jobs.iter().rev());
        let job = all.find(|job| job.id == job_id)?;
        Some((&job.work, *job.prefix(&self.terms, &self.extranonce)))
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
        let job = active_job(&self.newest, &self.jobs, &self.stale, share.job_id)?;
        check_ntime(share.ntime, job.min_ntime(tip), tip, now)?;
        check_version(share.version, &job.work)?;
        let parts = (&*job.work, job.prefix(&self.terms, &self.extranonce));
        let warm = cache_of(&mut self.warm, &mut self.warm_job_id, job.id);
        let hash = warm.standard_hash(parts, share, tip);
        judge_hash(hash, job.terms(&self.terms).target, tip, &mut self.seen)
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
        let job = active_job(&self.newest, &self.jobs, &self.stale, share.job_id)?;
        let (len, agreed) = (share.extranonce.as_slice().len(), self.extranonce.rollable_len());
        if len != agreed {
            return Err(Rejection::ExtranonceLen { len, agreed });
        }
        check_ntime(share.ntime, job.min_ntime(tip), tip, now)?;
        check_version(share.version, &job.work)?;
        let parts = (&*job.work, job.prefix(&self.terms, &self.extranonce));
        let warm = cache_of(&mut self.warm, &mut self.warm_job_id, job.id);
        let hash = warm.extended_hash(parts, share, tip);
        judge_hash(hash, job.terms(&self.terms).target, tip, &mut self.seen)
    }
}

impl Job {
    /// Smallest header time that is paid, seconds since the Unix epoch.
    #[inline]
    fn min_ntime(&self, tip: &Tip) -> u32 {
        self.work.min_ntime.unwrap_or(tip.min_ntime)
    }

    /// That of its arrival: a former one, or the one that the channel has.
    #[inline]
    fn prefix<'a>(&self, terms: &'a [Terms], present: &'a Extranonce) -> &'a B32 {
        self.terms(terms).former_prefix.as_deref().unwrap_or(&present.prefix)
    }

    #[inline]
    fn terms<'a>(&self, all: &'a [Terms]) -> &'a Terms {
        &all[usize::from(self.terms_at)]
    }
}

impl Terms {
    /// With the prefix that the channel has.
    fn present(target: PinnedTarget) -> Self {
        Terms { former_prefix: None, target }
    }
}

/// That of the job; the one of another job is lost.
#[inline]
fn cache_of<'a>(cache: &'a mut HashCache, of: &mut u32, job_id: u32) -> &'a mut HashCache {
    if *of != job_id {
        (*of, *cache) = (job_id, HashCache::Empty);
    }
    cache
}

#[inline]
fn active_job<'a>(
    newest: &'a Option<Job>,
    jobs: &'a [Job],
    stale: &StaleJobs,
    job_id: u32,
) -> Result<&'a Job, Rejection> {
    match newest.iter().chain(jobs.iter().rev()).find(|job| job.id == job_id) {
        Some(job) if job.is_active => Ok(job),
        Some(_) => Err(Rejection::FutureJob { job_id }),
        None if stale.contains(job_id) => Err(Rejection::StaleJob { job_id }),
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
    let PinnedTarget { target, difficulty } = pinned;
    let is_block = tip.network_target.is_met_by(&hash);
    let shown_difficulty = match (target.is_met_by(&hash), is_block) {
        (true, _) => difficulty,
        (false, true) => tip.network_target.difficulty_fixed(),
        (false, false) => return Err(Rejection::AboveTarget { hash, target }),
    };
    seen.insert(&hash, is_block)?;
    Ok(Accepted { hash, difficulty, shown_difficulty, target, is_block })
}

/// How a list of jobs grows.
const JOBS_STEP: usize = 2;

#[cfg(test)]
mod tests;

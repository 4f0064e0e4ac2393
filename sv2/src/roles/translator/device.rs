//! What is kept about one device: one connection of Stratum V1.

use std::collections::VecDeque;
use std::sync::Arc;

use super::TranslatorConfig;
use super::lane::{ActiveJob, LaneId};
use super::pace::Pace;
use crate::mining::job::Job;
use crate::mining::seen::SeenShares;
use crate::roles::useless::Useless;
use crate::sv1::{Difficulty, Id};
use crate::time::Instant;
use crate::wire::{B32, Target};

#[derive(Debug)]
pub(super) struct Device {
    pub(super) phase: Phase,
    pub(super) lane: LaneId,
    /// Its number on the lane, as long as it is there.
    pub(super) index: Option<u32>,
    pub(super) subscription: Subscription,
    /// Users that it works for, in the order in which it named them.
    pub(super) workers: Vec<String>,
    /// `mining.authorize` that waits until `mining.subscribe` is answered.
    pub(super) unanswered: Vec<Id>,
    /// `None`: it has not asked to roll the version.
    pub(super) rolling: Option<Rolling>,
    /// It can be told of other extranonces.
    pub(super) takes_extranonce: bool,
    /// As it was told last.
    pub(super) extranonce1: B32,
    pub(super) pace: Pace,
    pub(super) last_share_at: Instant,
    /// As it was told last.
    pub(super) difficulty: Option<Difficulty>,
    /// An easier target than the present one, and until when it is paid for.
    pub(super) former: Option<(Target, Instant)>,
    pub(super) jobs: GivenJobs,
    /// Of the present tip.
    pub(super) seen: SeenShares,
    next_sequence_number: u32,
    pub(super) useless: Useless,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// We have asked the driver to close it; nothing more is read or sent.
    Closing,
}

/// `mining.subscribe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subscription {
    /// It has not asked yet.
    None,
    /// Answered when there is a channel.
    Waiting(Id),
    Done,
}

/// What came of `version-rolling` (BIP 310).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rolling {
    /// The bits that it has asked for and that we grant where jobs do.
    pub(super) mask: u32,
    /// The bits that it was told of last.
    pub(super) told: u32,
}

impl Device {
    /// Nothing was said yet. `seeds`: where its job ids begin, and where its shares are kept.
    pub(super) fn new(
        now: Instant,
        lane: LaneId,
        seeds: (u32, u64),
        config: &TranslatorConfig,
    ) -> Self {
        Device {
            phase: Phase::Open,
            lane,
            index: None,
            subscription: Subscription::None,
            workers: Vec::new(),
            unanswered: Vec::new(),
            rolling: None,
            takes_extranonce: false,
            extranonce1: B32::default(),
            pace: Pace::new(config),
            last_share_at: now,
            difficulty: None,
            former: None,
            jobs: GivenJobs::new(seeds.0),
            seen: SeenShares::new(config.shares_per_tip_max, seeds.1),
            next_sequence_number: 0,
            useless: Useless::default(),
        }
    }

    /// It can be given jobs: it knows its extranonce, and we know whom it works for.
    pub(super) fn is_ready(&self) -> bool {
        let is_subscribed = self.subscription == Subscription::Done;
        self.phase == Phase::Open && is_subscribed && !self.workers.is_empty()
    }

    pub(super) fn take_sequence_number(&mut self) -> u32 {
        let number = self.next_sequence_number;
        self.next_sequence_number = number.wrapping_add(1);
        number
    }

    /// The easiest target that is paid for at this moment, beside that of a share's own job:
    /// some firmware takes a new difficulty at once, some with the next job, some late.
    pub(super) fn easiest_target(&self, now: Instant) -> Option<Target> {
        let former = self.former.filter(|(_, until)| now < *until).map(|(target, _)| target);
        former.max(self.difficulty.map(Difficulty::target))
    }

    /// Hashes that a share takes on average under the difficulty that it was told.
    pub(super) fn share_hashes(&self) -> f64 {
        self.difficulty.map_or(1.0, |told| told.target().expected_hashes())
    }

    /// Another difficulty is told; what it has replaced is still paid for a while.
    pub(super) fn set_difficulty(&mut self, difficulty: Difficulty, former_until: Instant) {
        self.former = self.difficulty.map(|former| (former.target(), former_until));
        self.difficulty = Some(difficulty);
    }

    /// It works for another block from now on.
    pub(super) fn forget_tip(&mut self) {
        self.jobs.jobs.clear();
        self.seen.clear();
    }
}

/// Jobs as the device knows them.
#[derive(Debug)]
pub(super) struct GivenJobs {
    /// Of the present tip, the newest last.
    jobs: VecDeque<GivenJob>,
    /// Ids are counted from here, so that those of an earlier connection mean nothing.
    first_id: u32,
    next_id: u32,
}

/// A job as one device holds it: with its own extranonce and target.
#[derive(Debug)]
pub(super) struct GivenJob {
    /// With the device's id; the prefix is its extranonce1 at the time.
    pub(super) job: Job,
    pub(super) source: Arc<ActiveJob>,
    /// What a share must meet (see also [`Device::easiest_target`]).
    pub(super) target: Target,
    /// The bits of the version that the device may roll.
    pub(super) mask: u32,
}

/// What a job id of a share means.
#[derive(Debug)]
pub(super) enum Named<'a> {
    /// A job of the present tip.
    Valid(&'a mut GivenJob),
    /// One that was given, before.
    Stale,
    /// Nothing.
    Unknown,
}

impl GivenJobs {
    /// Jobs of one tip; the oldest becomes stale.
    pub(super) const MAX: usize = 16;

    fn new(seed: u32) -> Self {
        // Far from the end of the numbers.
        let first_id = seed >> 4;
        GivenJobs { jobs: VecDeque::new(), first_id, next_id: first_id }
    }

    /// The id of the next job.
    pub(super) fn take_id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id = id.checked_add(1).unwrap_or(self.first_id);
        id
    }

    pub(super) fn add(&mut self, given: GivenJob) {
        if self.jobs.len() == Self::MAX {
            self.jobs.pop_front();
        }
        self.jobs.push_back(given);
    }

    /// Some devices pad ids with zeros, or write digits in upper case.
    pub(super) fn named(&mut self, job_id: &str) -> Named<'_> {
        let Some(id) = crate::sv1::order::word_from_hex(job_id) else { return Named::Unknown };
        let was_given = (self.first_id..self.next_id).contains(&id);
        match self.jobs.iter_mut().rev().find(|given| given.job.id == id) {
            Some(given) => Named::Valid(given),
            None if was_given => Named::Stale,
            None => Named::Unknown,
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut GivenJob> {
        self.jobs.iter_mut()
    }
}

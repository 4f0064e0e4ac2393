//! One channel: its jobs, its tip, its target.

use crate::entropy::Entropy;
use crate::mining::job::PinnedTarget;
use crate::mining::{
    NewExtendedMiningJob, NewMiningJob, SetNewPrevHash, SubmitSharesExtended, SubmitSharesStandard,
};
use crate::roles::hashing::{CoinbaseRest, Job, Proof, Search, Tip};
use crate::time::Instant;
use crate::wire::{B32, Target};

/// An open channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: u32,
    /// A `SetGroupChannel` may move it.
    pub(super) group_id: u32,
    /// Of jobs to come; present jobs hold the roots or midstates of theirs.
    pub(super) extranonce_prefix: B32,
    pub(super) kind: Kind,
    /// Oldest first.
    future_jobs: Box<[Job]>,
    work: Work,
    next_sequence_number: u32,
}

/// What is worked on, or for.
#[derive(Debug)]
enum Work {
    /// There is no tip, or no job for it.
    Awaited { tip: Option<Tip>, target: PinnedTarget },
    /// The active job has a target of its own (spec 5.3.21); boxed is that of jobs to come, until
    /// one has come, where it is another.
    Begun { search: Search, next_target: Option<Box<PinnedTarget>> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Standard,
    /// Rolls as many bytes.
    Extended(u8),
}

/// What holds for all channels of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Bits of the version that may be changed where the job does not forbid it.
    pub(super) version_mask: u32,
    pub(super) rolls_ntime: bool,
}

/// What became of a job or a tip, in words if it is unusual.
pub(super) type Outcome = Result<Progress, String>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The job waits for its tip.
    Queued,
    /// The channel works on it.
    Started,
}

/// What a channel sends for a proof.
pub(super) enum Share {
    Standard(SubmitSharesStandard),
    Extended(SubmitSharesExtended),
}

impl Channel {
    /// Most queued future jobs; the oldest makes way.
    pub(super) const FUTURE_JOBS_MAX: usize = 16;

    pub(super) fn new(
        id: u32,
        group_id: u32,
        extranonce_prefix: B32,
        target: Target,
        kind: Kind,
    ) -> Self {
        Channel {
            id,
            group_id,
            extranonce_prefix,
            kind,
            future_jobs: Box::default(),
            work: Work::Awaited { tip: None, target: PinnedTarget::new(target) },
            next_sequence_number: 1,
        }
    }

    /// Of jobs that become active from now on.
    pub(super) fn target(&self) -> PinnedTarget {
        match &self.work {
            Work::Awaited { target, .. } => *target,
            Work::Begun { search, next_target } => {
                *next_target.as_deref().unwrap_or(search.target())
            }
        }
    }

    /// See [`Channel::target`].
    pub(super) fn set_target(&mut self, to: PinnedTarget) {
        match &mut self.work {
            Work::Awaited { target, .. } => *target = to,
            Work::Begun { search, next_target } => {
                *next_target = (to != *search.target()).then(|| Box::new(to));
            }
        }
    }

    pub(super) fn search(&self) -> Option<&Search> {
        match &self.work {
            Work::Awaited { .. } => None,
            Work::Begun { search, .. } => Some(search),
        }
    }

    pub(super) fn search_mut(&mut self) -> Option<&mut Search> {
        match &mut self.work {
            Work::Awaited { .. } => None,
            Work::Begun { search, .. } => Some(search),
        }
    }

    fn tip(&self) -> Option<Tip> {
        match &self.work {
            Work::Awaited { tip, .. } => *tip,
            Work::Begun { search, .. } => Some(*search.tip()),
        }
    }

    /// Spec 5.3.15.
    pub(super) fn handle_standard_job(
        &mut self,
        now: Instant,
        message: &NewMiningJob,
        rules: Rules,
        entropy: &mut Entropy,
    ) -> Outcome {
        if self.kind != Kind::Standard {
            return Err(format!("NewMiningJob {} for an extended channel", message.job_id));
        }
        let job = Job::standard(message, &self.extranonce_prefix, rules.version_mask);
        self.take_job(now, job, message.min_ntime, rules, entropy)
    }

    /// Spec 5.3.16, for the channel itself or for its group.
    pub(super) fn handle_extended_job(
        &mut self,
        now: Instant,
        message: &NewExtendedMiningJob,
        rest: &CoinbaseRest,
        rules: Rules,
        entropy: &mut Entropy,
    ) -> Outcome {
        let (prefix, mask) = (&self.extranonce_prefix, rules.version_mask);
        let job = match self.kind {
            Kind::Standard if message.channel_id == self.id => {
                return Err(format!(
                    "NewExtendedMiningJob {} for a standard channel",
                    message.job_id
                ));
            }
            Kind::Standard => Job::derived(message, prefix, mask),
            Kind::Extended(size) => Job::extended(message, rest.clone(), prefix, size, mask),
        };
        self.take_job(now, job, message.min_ntime, rules, entropy)
    }

    fn take_job(
        &mut self,
        now: Instant,
        job: Job,
        min_ntime: Option<u32>,
        rules: Rules,
        entropy: &mut Entropy,
    ) -> Outcome {
        let Some(min_ntime) = min_ntime else {
            let mut queued = std::mem::take(&mut self.future_jobs).into_vec();
            queued.retain(|queued| queued.id != job.id);
            if queued.len() >= Self::FUTURE_JOBS_MAX {
                queued.remove(0);
            }
            // There is seldom another one.
            queued.reserve_exact(1);
            queued.push(job);
            self.future_jobs = queued.into();
            return Ok(Progress::Queued);
        };
        let Some(tip) = self.tip() else {
            return Err(format!("job {} is active, but there is no SetNewPrevHash yet", job.id));
        };
        self.start(now, job, tip, Some(min_ntime), rules, entropy);
        Ok(Progress::Started)
    }

    /// Spec 5.3.17: every other job is invalid from here on.
    pub(super) fn handle_tip(
        &mut self,
        now: Instant,
        message: &SetNewPrevHash,
        rules: Rules,
        entropy: &mut Entropy,
    ) -> Outcome {
        let SetNewPrevHash { job_id, prev_hash, min_ntime, nbits, .. } = *message;
        let tip = Tip { prev_hash, min_ntime, nbits };
        let mut queued = std::mem::take(&mut self.future_jobs).into_iter();
        let Some(job) = queued.find(|job| job.id == job_id) else {
            self.work = Work::Awaited { tip: Some(tip), target: self.target() };
            return Err(format!("SetNewPrevHash names job {job_id}, which is no future job"));
        };
        self.start(now, job, tip, None, rules, entropy);
        Ok(Progress::Started)
    }

    fn start(
        &mut self,
        now: Instant,
        job: Job,
        tip: Tip,
        min_ntime: Option<u32>,
        rules: Rules,
        entropy: &mut Entropy,
    ) {
        let (target, rolls_ntime, start) = (self.target(), rules.rolls_ntime, entropy.u64());
        let search = Search::new(job, &tip, min_ntime, target, now, rolls_ntime, start);
        let search = match self.search() {
            Some(before) => search.after(before),
            None => search,
        };
        self.work = Work::Begun { search, next_target: None };
    }

    /// Puts a proof into words; sequence numbers count up from 1 (spec 5.3.11).
    pub(super) fn share(&mut self, proof: &Proof) -> Share {
        let (channel_id, sequence_number) = (self.id, self.next_sequence_number);
        self.next_sequence_number = sequence_number.wrapping_add(1);
        let Proof { job_id, nonce, ntime, version, extranonce, .. } = *proof;
        match self.kind {
            Kind::Standard => Share::Standard(SubmitSharesStandard {
                channel_id,
                sequence_number,
                job_id,
                nonce,
                ntime,
                version,
            }),
            Kind::Extended(_) => Share::Extended(SubmitSharesExtended {
                channel_id,
                sequence_number,
                job_id,
                nonce,
                ntime,
                version,
                extranonce,
            }),
        }
    }
}

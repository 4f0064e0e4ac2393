//! Our jobs: which template each is made of, whom it pays, and where it stands with the
//! upstream.
//!
//! A job is named by the id of its work, which counts them: a template can be worked on twice,
//! for an upstream and after its fall for the miner itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::TxOut;

use crate::mining::coinbase::{Coinbase, CoinbaseError};
use crate::template_distribution::NewTemplate;
use crate::wire::Target;

/// Jobs that clients may work on, and future ones.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    by_work: BTreeMap<u64, Job>,
    next_work_id: u64,
}

/// A template with its outputs.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// As it came.
    pub(super) template: Arc<NewTemplate>,
    /// In front of the template's own.
    pub(super) outputs: Vec<TxOut>,
    pub(super) stage: Stage,
    /// The job declarator server knows it, and can publish its block (spec 6.4.9).
    pub(super) is_declared: bool,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It pays the miner: nobody needs to hear of it.
    Solo,
    /// For the upstream, on a tip to come: custom jobs are never future ones (spec 5.3.18).
    Future,
    /// For the upstream, which has not heard of it.
    Waiting,
    /// The upstream is being asked.
    Negotiating,
    /// The pool pays for it.
    Accepted {
        /// The pool's.
        job_id: u32,
        /// Of the pool's channel when it was accepted (spec 5.3.21).
        target: Target,
        /// Bytes at the front of every extranonce that are the pool's.
        prefix_len: usize,
    },
    /// Nobody will pay for it any more.
    Dropped,
}

impl Jobs {
    /// Jobs that are kept; the oldest goes first.
    pub(super) const MAX: usize = 64;

    /// Jobs that wait for their turn; the oldest is dropped first.
    const WAITING_MAX: usize = 4;

    /// For the next [`Jobs::insert`].
    pub(super) fn next_work_id(&self) -> u64 {
        self.next_work_id
    }

    pub(super) fn insert(&mut self, job: Job) {
        if self.by_work.len() == Self::MAX {
            self.by_work.pop_first();
        }
        self.by_work.insert(self.next_work_id, job);
        self.next_work_id += 1;
        let waiting: Vec<u64> = self.in_stage(Stage::Waiting).collect();
        for work_id in &waiting[..waiting.len().saturating_sub(Self::WAITING_MAX)] {
            self.set_stage(*work_id, Stage::Dropped);
        }
    }

    pub(super) fn get(&self, work_id: u64) -> Option<&Job> {
        self.by_work.get(&work_id)
    }

    pub(super) fn set_stage(&mut self, work_id: u64, stage: Stage) {
        if let Some(job) = self.by_work.get_mut(&work_id) {
            job.stage = stage;
        }
    }

    pub(super) fn set_declared(&mut self, work_id: u64) {
        if let Some(job) = self.by_work.get_mut(&work_id) {
            job.is_declared = true;
        }
    }

    /// The one that has waited for the longest time.
    pub(super) fn next_waiting(&self) -> Option<u64> {
        self.in_stage(Stage::Waiting).next()
    }

    /// The job that the pool has accepted last.
    pub(super) fn newest_accepted(&self) -> Option<u64> {
        let is_accepted = |job: &Job| matches!(job.stage, Stage::Accepted { .. });
        self.by_work.iter().rev().find(|(_, job)| is_accepted(job)).map(|(work_id, _)| *work_id)
    }

    /// The work that was made last of a template.
    pub(super) fn of_template(&self, template_id: u64) -> Option<u64> {
        let is_of = |job: &Job| job.template.template_id == template_id;
        self.by_work.iter().rev().find(|(_, job)| is_of(job)).map(|(work_id, _)| *work_id)
    }

    /// The tip has changed: this future job is the only valid one.
    pub(super) fn activate(&mut self, work_id: u64) {
        self.by_work.retain(|id, _| *id == work_id);
        if let Some(job) = self.by_work.get_mut(&work_id)
            && job.stage == Stage::Future
        {
            job.stage = Stage::Waiting;
        }
    }

    /// The tip has changed, and none of them is for the new one.
    pub(super) fn clear(&mut self) {
        self.by_work.clear();
    }

    /// What was for an upstream is for nobody.
    pub(super) fn drop_upstream(&mut self) {
        for job in self.by_work.values_mut() {
            job.is_declared = false;
            if job.stage != Stage::Solo {
                job.stage = Stage::Dropped;
            }
        }
    }

    /// Whatever the pool has not accepted is made anew.
    pub(super) fn drop_unaccepted(&mut self) {
        for job in self.by_work.values_mut() {
            if !matches!(job.stage, Stage::Solo | Stage::Accepted { .. }) {
                job.stage = Stage::Dropped;
            }
        }
    }

    fn in_stage(&self, stage: Stage) -> impl Iterator<Item = u64> + '_ {
        let in_stage = move |job: &Job| job.stage == stage;
        self.by_work.iter().filter(move |(_, job)| in_stage(job)).map(|(work_id, _)| *work_id)
    }
}

impl Job {
    /// The coinbase transaction, byte for byte as clients work on it.
    pub(super) fn coinbase(&self, tag: &[u8], full_len: usize) -> Result<Coinbase, CoinbaseError> {
        Coinbase::new(&self.template, tag, &self.outputs, full_len)
    }
}

//! The jobs of the upstream: which of our work belongs to which, and what a share must meet
//! there.

use std::collections::BTreeMap;

use crate::wire::Target;

/// Jobs that can still be paid, and future ones.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// By the work's id, which counts them.
    by_work: BTreeMap<u64, UpstreamJob>,
    next_work_id: u64,
}

/// A job as the upstream has sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UpstreamJob {
    /// The upstream's.
    pub(super) job_id: u32,
    /// Bytes at the front of every extranonce that are the upstream's: they are left out of
    /// shares. As at the job's arrival (spec 5.3.10).
    pub(super) prefix_len: usize,
    /// As at the job's arrival or, of a future job, its activation (spec 5.3.21).
    pub(super) target: Target,
    is_future: bool,
}

impl Jobs {
    /// Jobs that are kept; the oldest goes first.
    const MAX: usize = 256;

    /// Returns the id of the work that is to be made of the job.
    pub(super) fn add(
        &mut self,
        job_id: u32,
        prefix_len: usize,
        target: Target,
        is_future: bool,
    ) -> u64 {
        if self.by_work.len() == Self::MAX {
            self.by_work.pop_first();
        }
        let work_id = self.next_work_id;
        self.next_work_id += 1;
        self.by_work.insert(work_id, UpstreamJob { job_id, prefix_len, target, is_future });
        work_id
    }

    /// The future job becomes the only valid one. `None`: there is none of this id.
    pub(super) fn activate(&mut self, job_id: u32, target: Target) -> Option<u64> {
        let is_named = |job: &UpstreamJob| job.is_future && job.job_id == job_id;
        let named = self.by_work.iter().rev().find(|(_, job)| is_named(job));
        let work_id = *named?.0;
        self.by_work.retain(|id, _| *id == work_id);
        let job = self.by_work.get_mut(&work_id)?;
        (job.target, job.is_future) = (target, false);
        Some(work_id)
    }

    pub(super) fn of_work(&self, work_id: u64) -> Option<&UpstreamJob> {
        self.by_work.get(&work_id)
    }

    /// The upstream is another one: nothing of this can be paid any more.
    pub(super) fn clear(&mut self) {
        self.by_work.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_that_comes_again_means_the_job_that_was_sent_last() {
        let mut jobs = Jobs::default();
        jobs.add(7, 4, Target::MAX, true);
        let second = jobs.add(7, 4, Target::MAX, true);

        assert_eq!(jobs.activate(7, Target::MAX), Some(second));
        assert_eq!(jobs.activate(7, Target::MAX), None, "it is no future job any more");
    }

    #[test]
    fn a_future_job_takes_the_target_of_its_activation_and_ends_all_others() {
        let (mut jobs, harder) = (Jobs::default(), Target::from_expected_hashes(1e6));
        let active = jobs.add(1, 4, Target::MAX, false);
        let future = jobs.add(2, 4, Target::MAX, true);

        jobs.activate(2, harder);

        assert_eq!(jobs.of_work(future).map(|job| job.target), Some(harder));
        assert_eq!(jobs.of_work(active), None);
    }

    #[test]
    fn an_upstream_that_floods_with_jobs_fills_no_more_than_the_limit() {
        let mut jobs = Jobs::default();
        let first = jobs.add(0, 4, Target::MAX, false);

        for _ in 0..Jobs::MAX {
            jobs.add(1, 4, Target::MAX, false);
        }

        assert_eq!((jobs.by_work.len(), jobs.of_work(first)), (Jobs::MAX, None));
    }
}

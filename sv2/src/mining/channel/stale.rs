//! Jobs that were valid once, by their ids.
//!
//! Ids of jobs count up, so that most are neighbours: runs of them take a tenth of a list's
//! memory, of which there is one for each channel.

use super::Channel;

/// The last [`Channel::STALE_JOBS_MAX`] of them.
#[derive(Debug, Default)]
pub(super) struct StaleJobs {
    /// First and last id of each run, in the order in which they became stale.
    runs: Box<[(u32, u32)]>,
}

impl StaleJobs {
    /// The oldest is forgotten where there are too many.
    pub(super) fn add(&mut self, job_id: u32) {
        match self.runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(job_id) => *last = job_id,
            // There is seldom another one.
            _ => {
                let runs = std::mem::take(&mut self.runs).into_iter();
                self.runs = runs.chain([(job_id, job_id)]).collect();
            }
        }
        let count: u32 = self.runs.iter().map(|(first, last)| last - first + 1).sum();
        if count <= Channel::STALE_JOBS_MAX {
            return;
        }
        if let Some((first, last)) = self.runs.first_mut() {
            match first == last {
                true => self.runs = self.runs.iter().copied().skip(1).collect(),
                false => *first += 1,
            }
        }
    }

    pub(super) fn contains(&self, job_id: u32) -> bool {
        self.runs.iter().any(|(first, last)| (*first..=*last).contains(&job_id))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_remember_what_a_list_remembers(steps in prop::collection::vec(1_u32..4, 0..300)) {
            let (mut runs, mut list, mut id) = (StaleJobs::default(), VecDeque::new(), 0);
            for step in steps {
                id += step;
                runs.add(id);
                list.push_back(id);
                if list.len() > Channel::STALE_JOBS_MAX as usize {
                    list.pop_front();
                }

                for job_id in 0..=id + 1 {
                    prop_assert_eq!(runs.contains(job_id), list.contains(&job_id));
                }
            }
        }
    }
}

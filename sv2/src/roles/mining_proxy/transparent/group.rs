//! Groups of the upstream, whose members may belong to several clients (spec 5.2.3).

use std::collections::BTreeSet;

use crate::mining::NewExtendedMiningJob;

/// A group that has members here.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) members: BTreeSet<u32>,
    /// Oldest first.
    futures: Vec<FutureJob>,
    /// Future jobs that there have been.
    job_count: u64,
}

/// A future job of the group, for members that come later.
#[derive(Clone, Debug)]
pub(super) struct FutureJob {
    pub(super) job: NewExtendedMiningJob,
    number: u64,
}

impl FutureJob {
    /// Whether a channel has become a member after the job was sent.
    pub(super) fn is_missed_by(&self, member_since: u64) -> bool {
        self.number < member_since
    }
}

impl Group {
    /// Future jobs that are kept; the oldest goes first.
    const FUTURES_MAX: usize = 16;

    /// Returns since when the channel is a member: see [`FutureJob::is_missed_by`].
    pub(super) fn join(&mut self, channel_id: u32) -> u64 {
        self.members.insert(channel_id);
        self.job_count
    }

    /// Keeps a future job. A server that has several clients on one connection may count on
    /// each job of a group being known there; here the connections of later members have not
    /// seen it.
    pub(super) fn add_future(&mut self, job: &NewExtendedMiningJob) {
        self.futures.retain(|future| future.job.job_id != job.job_id);
        if self.futures.len() == Self::FUTURES_MAX {
            self.futures.remove(0);
        }
        self.futures.push(FutureJob { job: job.clone(), number: self.job_count });
        self.job_count += 1;
    }

    /// With one that becomes active all others end (spec 5.3.17).
    pub(super) fn take_future(&mut self, job_id: u32) -> Option<FutureJob> {
        let futures = std::mem::take(&mut self.futures);
        futures.into_iter().find(|future| future.job.job_id == job_id)
    }
}

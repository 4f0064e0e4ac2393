//! Judging shares (spec 5.3.11, 5.3.12): the rules, and what breaking them is called.

use thiserror::Error;

use super::job::{Tip, Work};
use super::{VERSION_ROLLING_MASK, error_code};
use crate::time::Now;
use crate::wire::{Target, U256};

/// How far ahead of real time a header may be dated, in seconds (consensus).
pub const NTIME_LEAD_MAX: u32 = 7200;

/// A share that earns its job's difficulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Of the header.
    pub hash: U256,
    /// Of the job's target, in units of 2^-64: what it earns.
    pub difficulty: u128,
    /// Of the target that it meets, in the same units: what it shows of its sender's hash rate. For
    /// a block that misses its job's target it is the network's: were such blocks counted in full,
    /// they would call for a harder target, which more of them miss, without end.
    pub shown_difficulty: u128,
    /// Of the job.
    pub target: Target,
    /// Whether it meets the network's target, which is tested whatever the share's target is.
    pub is_block: bool,
}

/// Why a share earns nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The job was never given to this channel.
    #[error("job {job_id} was not given to this channel")]
    UnknownJob {
        /// Of the share.
        job_id: u32,
    },
    /// A future job, before its activation.
    #[error("job {job_id} is a future job")]
    FutureJob {
        /// Of the share.
        job_id: u32,
    },
    /// The job was for an older tip (spec 5.3.17), or is older than the jobs that are kept.
    #[error("job {job_id} is stale")]
    StaleJob {
        /// Of the share.
        job_id: u32,
    },
    /// Spec 5.3.12.
    #[error("{len} bytes of extranonce, {agreed} were agreed")]
    ExtranonceLen {
        /// Of the share.
        len: usize,
        /// When the channel was opened.
        agreed: usize,
    },
    /// Below the job's smallest time.
    #[error("ntime {ntime} is below {min}")]
    NtimeTooEarly {
        /// Of the share.
        ntime: u32,
        /// Of the job.
        min: u32,
    },
    /// Beyond what consensus allows.
    #[error("ntime {ntime} is above {max}")]
    NtimeTooLate {
        /// Of the share.
        ntime: u32,
        /// At this moment.
        max: u32,
    },
    /// The job's version is fixed.
    #[error("version {version:#010x}, but the job's {fixed:#010x} is fixed")]
    VersionFixed {
        /// Of the share.
        version: u32,
        /// Of the job.
        fixed: u32,
    },
    /// Changed outside the mask of BIP 323.
    #[error("version {version:#010x} differs from {job:#010x} in bits that cannot be rolled")]
    VersionBits {
        /// Of the share.
        version: u32,
        /// Of the job.
        job: u32,
    },
    /// Above the job's target.
    #[error("hash {hash} is above the target {target}")]
    AboveTarget {
        /// Of the header.
        hash: U256,
        /// Of the job.
        target: Target,
    },
    /// The same header was paid before.
    #[error("header {hash} was submitted before")]
    Duplicate {
        /// Of the header.
        hash: U256,
    },
    /// So many shares for one tip that duplicates could not be told any more.
    #[error("the channel has more than {limit} shares for this tip")]
    TooMany {
        /// Shares that are remembered.
        limit: usize,
    },
}

impl Rejection {
    /// For `SubmitShares.Error`.
    pub fn error_code(&self) -> &'static str {
        use error_code::share;
        match self {
            Rejection::UnknownJob { .. } | Rejection::FutureJob { .. } => share::INVALID_JOB_ID,
            Rejection::StaleJob { .. } => share::STALE_SHARE,
            Rejection::ExtranonceLen { .. } => share::BAD_EXTRANONCE_SIZE,
            Rejection::NtimeTooEarly { .. } | Rejection::NtimeTooLate { .. } => {
                share::INVALID_NTIME
            }
            Rejection::VersionFixed { .. } => share::VERSION_ROLLING_NOT_ALLOWED,
            Rejection::VersionBits { .. } => share::INVALID_NON_ROLLABLE_VERSION_BIT,
            Rejection::AboveTarget { .. } => share::DIFFICULTY_TOO_LOW,
            Rejection::Duplicate { .. } => share::DUPLICATE_SHARE,
            Rejection::TooMany { .. } => share::TOO_MANY_SHARES,
        }
    }
}

/// The header time of a share (spec 5.3.11, 10.2; AMB-18): from the job's smallest time to the
/// limit of consensus. Time that passes since we learnt of the tip is always granted, even
/// where blocks in quick succession have pushed the tip ahead of the clock.
#[inline]
pub(crate) fn check_ntime(ntime: u32, min: u32, tip: &Tip, now: Now) -> Result<(), Rejection> {
    if ntime < min {
        return Err(Rejection::NtimeTooEarly { ntime, min });
    }
    let by_clock = now.unix.to_u32().saturating_add(NTIME_LEAD_MAX);
    if ntime > by_clock {
        let elapsed = u32::try_from(now.instant.since(tip.since).as_secs()).unwrap_or(u32::MAX);
        let max = by_clock.max(min.saturating_add(elapsed));
        if ntime > max {
            return Err(Rejection::NtimeTooLate { ntime, max });
        }
    }
    Ok(())
}

/// The version of a share: the whole field, not a difference.
#[inline]
pub(crate) fn check_version(version: u32, work: &Work) -> Result<(), Rejection> {
    let changed = version ^ work.version;
    if changed == 0 {
        Ok(())
    } else if changed & !VERSION_ROLLING_MASK != 0 {
        Err(Rejection::VersionBits { version, job: work.version })
    } else if !work.version_rolling_allowed {
        Err(Rejection::VersionFixed { version, fixed: work.version })
    } else {
        Ok(())
    }
}

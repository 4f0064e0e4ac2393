//! Which part of a sweep a process runs.

use std::fmt;
use std::str::FromStr;

/// One of so many parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    index: usize,
    /// At least 1.
    count: usize,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// From the numbers that cluster engines give to their tasks: `variable` looks one up. The
    /// first is `SLURM_ARRAY_TASK_ID` with `SLURM_ARRAY_TASK_MIN` and `_COUNT`, then
    /// `JOB_COMPLETION_INDEX` (Kubernetes), then `HQ_TASK_ID` (HyperQueue); those two know no
    /// count, which is `ASSAY_SHARD_COUNT`.
    ///
    /// # Errors
    /// What is missing.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| -> Option<usize> { variable(name)?.trim().parse().ok() };
        let count = || {
            let count = number("ASSAY_SHARD_COUNT");
            count.ok_or("--shard auto: how many shards are there? Set ASSAY_SHARD_COUNT".to_owned())
        };
        let (index, count) = if let Some(task) = number("SLURM_ARRAY_TASK_ID") {
            let first = number("SLURM_ARRAY_TASK_MIN").unwrap_or(0);
            let index = task.checked_sub(first).ok_or("SLURM_ARRAY_TASK_ID is below its least")?;
            (index, number("SLURM_ARRAY_TASK_COUNT").map_or_else(count, Ok)?)
        } else if let Some(index) = number("JOB_COMPLETION_INDEX") {
            (index, count()?)
        } else if let Some(task) = number("HQ_TASK_ID") {
            // HyperQueue's arrays are most often `1-N`, and `0-N` where people say so.
            let first = number("ASSAY_SHARD_FIRST").unwrap_or(1);
            (task.checked_sub(first).ok_or("HQ_TASK_ID is below ASSAY_SHARD_FIRST")?, count()?)
        } else {
            return Err("--shard auto: none of SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX and \
                        HQ_TASK_ID is set"
                .to_owned());
        };
        Shard::new(index, count)
    }

    /// From 0, of at least one.
    fn new(index: usize, count: usize) -> Result<Self, String> {
        if index < count {
            Ok(Shard { index, count })
        } else {
            Err(format!("there is no shard {} of {count}", index.saturating_add(1)))
        }
    }

    /// Whether it has the run of this place. Neighbours go to different shards: what lies side by
    /// side in a matrix takes about as long.
    pub fn takes(self, run_index: usize) -> bool {
        run_index % self.count == self.index
    }
}

/// `1-of-4`, as files are called.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-of-{}", self.index + 1, self.count)
    }
}

/// `i/n`, from `1/n` to `n/n`.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let numbers = parts.and_then(|(index, count)| {
            let index: usize = index.trim().parse().ok()?;
            Some((index.checked_sub(1)?, count.trim().parse().ok()?))
        });
        match numbers {
            Some((index, count)) => Shard::new(index, count),
            None => Err(format!("expected a shard such as \"1/4\", or \"auto\", got \"{text}\"")),
        }
    }
}

//! Many runs of one scenario that differ as its `[matrix]` says.
//!
//! A [`Plan`] is a list of runs, each with an id made from everything that decides its outcome. So
//! a shard that was killed goes on where it stopped, a result of another scenario cannot slip in,
//! and the merged results of any shards are those of one run, byte for byte. Files and processes
//! are the caller's.

mod plan;
mod results;
mod shard;
#[cfg(test)]
mod tests;

pub use plan::{Plan, Run, RunId};
pub use results::{MergeError, Merged, RunResult, finished, merge};
pub use shard::Shard;

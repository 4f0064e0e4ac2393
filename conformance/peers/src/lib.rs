//! The reference implementation as oracle and rival.
//!
//! What the tests and benchmarks need of its crates, and the differences that are known: each
//! with its reason, so that a new one shows.

pub mod messages;
pub mod noise;
pub mod shares;
pub mod vectors;
pub mod workloads;

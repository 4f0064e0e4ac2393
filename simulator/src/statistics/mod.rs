//! What runs say about each other: means with their intervals, differences of pairs, parts of a
//! whole, and whether two distributions are the same.
//!
//! All intervals are at 95 %. Nothing here is random.

mod histogram;
mod ks;
mod proportion;
mod sample;
mod student;

pub use histogram::Histogram;
pub use ks::{KsTest, ks_test};
pub use proportion::wilson;
pub use sample::{Interval, Sample, paired_differences, paired_ratios};
pub use student::t_quantile;

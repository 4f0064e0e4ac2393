//! Arms of an experiment, run with the same luck, and what they show of a claim.
//!
//! A seed gives every arm the same devices, the same times of shares and the same blocks. So what
//! differs between two runs of a seed is what differs between the arms, and the difference needs
//! no thousand runs. A verdict is honest about how much it knows: a claim is supported or
//! contradicted only if the whole interval says so.

mod arms;
mod claim;
mod figure;
mod predict;
mod report;
mod roles;
#[cfg(test)]
mod tests;

pub use arms::{Arm, Comparison, arms, compare};
pub use claim::{Claim, Expectation, Finding, Verdict};
pub use figure::{Figure, Figures};
pub use predict::predict;
pub use report::{Report, documented};
pub(crate) use report::{bracket, number};
pub use roles::{compare_roles, run_roles};

//! Mining networks as scenarios: which roles there are, and who is connected to whom.
//!
//! A scenario is read here and run elsewhere: on sockets and in real time by `simulator-live`.
//! Nothing in this crate has a socket, a clock or a thread, so that both read the same file and
//! count the same way.

pub mod build;
pub mod checkers;
pub mod compare;
pub mod engine;
pub mod experiments;
pub mod faults;
pub mod figures;
pub mod fleet;
pub mod goal;
pub mod link;
pub mod mutant;
mod noise;
pub mod report;
pub mod scenario;
pub mod statistics;
pub mod swarm;
pub mod sweep;
pub mod units;
pub mod vardiff;
pub mod world;

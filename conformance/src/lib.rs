//! The conformance suite: clauses, cases, the runner that judges a peer, and test vectors.

pub mod baseline;
pub mod case;
pub mod clause;
pub mod client;
pub mod evidence;
pub mod expectations;
pub mod explain;
mod family;
pub mod filter;
pub mod matrix;
pub mod mutant;
pub mod report;
pub mod run;
pub mod runner;
pub mod target_file;
pub mod vectors;
pub mod verdict;
pub mod world;

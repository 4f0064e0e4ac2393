//! The conformance suite: clauses, cases, the runner that judges a peer, and test vectors.

pub mod clause;
pub mod vectors;

//! The Stratum V2 protocol as pure state machines.
//!
//! Time, bytes, randomness and chain events go in; messages, deadlines and actions come out.
//! Nothing here opens a socket, asks a clock or starts a thread, so one implementation runs
//! live over TCP, in virtual time, under the conformance suite and under a fuzzer.
//!
//! Section numbers (`spec 5.3.11`) are those of the Stratum V2 specification at commit
//! 0f38d51; `AMB-nn` are entries of the ambiguity register (`conformance/clauses`).

pub mod chain;
pub mod common;
pub mod connection;
pub mod entropy;
pub mod event;
pub mod extensions;
pub mod job_declaration;
pub mod message;
pub mod mining;
pub mod noise;
pub mod role;
pub mod roles;
pub mod sv1;
pub mod template_distribution;
pub mod time;
mod timers;
pub mod violation;
pub mod wire;

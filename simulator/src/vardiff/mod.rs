//! The vardiff laboratory: one channel, one miner, one algorithm, in virtual time.
//!
//! It asks of every algorithm of [`sv2::mining::vardiff`] the same questions with the same luck
//! ([`trial`]): how long until the difficulty is right ([`measure::settled_after`]), how much it
//! strays once it is ([`measure::Steady`]), how long until it follows a miner that changes. A
//! [`study`] asks them two hundred times and says what is known of the answers; a [`report`]
//! prints them as Markdown. [`baseline`] repeats an experiment that the reference implementation's
//! developers have published, to show that the laboratory measures what they measured.

pub mod baseline;
pub mod measure;
pub mod report;
pub mod statistics;
pub mod study;
pub mod trial;

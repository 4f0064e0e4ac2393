//! What every simulation is made of: an order of events, randomness, and a digest of both.
//!
//! Nothing here knows of mining. The three promises that the rest relies on: events come in one
//! total order ([`queue`]), the n-th draw of a stream depends on nothing but its names
//! ([`random`]), and arithmetic gives the same bits on every platform and in every build
//! ([`math`]). The [`digest`] is how a run proves it.

pub mod digest;
pub mod math;
pub mod queue;
pub mod random;

pub use digest::Digest;
pub use queue::{EventQueue, HeapQueue, RadixQueue};
pub use random::{Purpose, Stream, Streams};

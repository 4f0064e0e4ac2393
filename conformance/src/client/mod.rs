//! The suite's own end of connections: it speaks SV2, lies when told to, and remembers
//! everything.

pub mod exchange;
pub mod line;
pub mod sv1;
pub mod tracker;
pub(crate) mod wire;

pub use exchange::{Direction, Exchange, Record, What};
pub use tracker::{Channel, ChannelKind, Job, JobBody, JobState, Tip, Tracker};

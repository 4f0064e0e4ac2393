//! Captures of Stratum V2 traffic: as bytes, and what they mean.
//!
//! [`Capture`] writes pcapng with synthetic TCP around recorded streams and with the session
//! keys inside, so that whoever opens it can decrypt it. It only appends: a capture that was cut
//! off by a crash is readable up to there. [`Recording`] does so without an end: several
//! interfaces, streams that come and go, one file after the other.
//!
//! [`read`] finds packets, streams, frames and lines in a capture, of this or any other tool. What
//! it finds ([`observed`]) is followed connection by connection ([`state`]) and judged
//! ([`rules`]); [`rules::Inspector`] does both. [`filter`] asks about what was found, [`index`] keeps
//! it in little room, [`redact`] takes out of it who was there. [`sample`] makes captures of any
//! length for measurements.

mod by_id;
mod capture;
pub mod filter;
pub mod index;
pub mod observed;
pub mod pcapng;
pub mod read;
mod recording;
pub mod redact;
pub mod rules;
pub mod sample;
pub mod state;
mod tcp;
pub mod text;

pub use by_id::ById;
pub use capture::{Capture, Direction, StreamId};
pub use observed::{Integrity, Observed, What};
pub use recording::Recording;

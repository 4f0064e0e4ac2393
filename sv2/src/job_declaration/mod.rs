//! The job declaration protocol (spec 6).

mod messages;

pub use messages::*;

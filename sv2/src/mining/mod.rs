//! The mining protocol (spec 5).

mod messages;

pub use messages::*;

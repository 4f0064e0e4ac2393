//! The template distribution protocol (spec 7).

mod messages;

pub use messages::*;

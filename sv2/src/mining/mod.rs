//! The mining protocol (spec 5).

pub mod header;
mod messages;
pub mod setup_flag;
pub mod target;

pub use messages::*;

//! The job declaration protocol (spec 6).

pub mod error_code;
mod messages;
mod terms;
pub mod token;

pub use messages::*;
pub use terms::{JobParts, JobTerms, Term};

/// Flag of `SetupConnection`: the client reveals the transactions of its templates (spec 6.4.1).
pub const DECLARE_TX_DATA: u32 = 1 << 0;

//! Stratum V1: JSON-RPC in lines, as devices in the field speak it. There is no specification;
//! what is accepted and what is written follows cgminer's dialect, BIP 310 and what is known of
//! others. (The chapters cited elsewhere are those of Stratum V2.)
//!
//! From the bottom: [`lines`] cuts bytes into lines, [`Message`] is what a line says, the byte
//! orders are in [`order`] and nowhere else, difficulties in [`difficulty`]. What is read is
//! judged with the place that is wrong ([`ParseError`]); what is written is compact and always
//! the same, so that a simulator knows exact sizes. Nothing here decides: roles do.

mod call;
mod configure;
pub mod difficulty;
pub mod error_code;
mod json;
pub mod lines;
mod message;
pub mod order;
mod response;
mod work;

pub use call::{Call, Reconnect, Subscribe};
pub use configure::{Configure, Configured, Granted, MinerInfo, VersionRolling};
pub use difficulty::Difficulty;
pub use json::{Fault, ParseError};
pub use lines::{LineSplitter, Sv1Error};
pub use message::{Id, Message};
pub use response::{ErrorForm, Outcome, Response, ResponseError, Subscribed};
pub use work::{Notify, Submit};

/// Longest user name that is taken, in bytes.
pub const USER_LEN_MAX: usize = 255;
/// Longest job id that is taken, in bytes. Old firmware takes 8.
pub const JOB_ID_LEN_MAX: usize = 64;
/// Longest other text that is taken, in bytes: user agents, passwords, messages for people.
pub const TEXT_LEN_MAX: usize = 1024;
/// Most parameters that are taken; what exceeds those that a method knows is ignored.
pub const PARAM_COUNT_MAX: usize = 16;
/// Most names in one list, of extensions or of subscriptions.
pub const NAME_COUNT_MAX: usize = 16;
/// Longest id that is taken and echoed, in bytes of JSON.
pub const ID_LEN_MAX: usize = 256;

#[cfg(test)]
mod tests;

//! The codes of errors that pools answer with, by convention.

/// Anything that has no code of its own.
pub const OTHER: i64 = 20;
/// The job was never given, or is stale.
pub const JOB_NOT_FOUND: i64 = 21;
/// The share was submitted before.
pub const DUPLICATE_SHARE: i64 = 22;
/// The share misses its target.
pub const LOW_DIFFICULTY: i64 = 23;
/// `mining.authorize` is missing, or was refused.
pub const UNAUTHORIZED: i64 = 24;
/// `mining.subscribe` is missing.
pub const NOT_SUBSCRIBED: i64 = 25;

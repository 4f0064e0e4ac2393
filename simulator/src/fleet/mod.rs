//! Many devices at once: a fleet as one model (fidelity L1).
//!
//! A [`Star`] is a pool with devices directly on it, without the roles: a device is 64 bytes and
//! one waiting event. What it shares with the roles is what decides figures: shares come by
//! exponential times, targets follow the production algorithm, messages have their exact sizes,
//! and a share is stale if the pool's tip has changed before it arrives. It leaves out loss, the
//! validity of proofs, and that a job which is sent with its tip may arrive after it: where delays
//! vary, devices as roles switch later by as much (`tests/fidelity.rs` compares them where they do
//! not).

mod device;
mod event;
mod models;
mod scenario;
mod settings;
mod sizes;
mod star;
mod tally;
#[cfg(test)]
mod tests;

pub use models::{MODEL_NAMES, MODELS, Model, model_hash_rate};
pub use scenario::{Stars, StarsOutcome, by_name, run_stars, stars};
pub use settings::{Course, StarSettings};
pub use sizes::Sizes;
pub use star::{Star, StarEvent};
pub use tally::Tally;

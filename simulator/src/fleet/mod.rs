//! Many devices at once.

mod models;

pub use models::{MODEL_NAMES, MODELS, Model, model_hash_rate};

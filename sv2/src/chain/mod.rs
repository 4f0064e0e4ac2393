//! A small chain of blocks as a pure state machine.

mod template;

pub use template::{BlockTemplate, TemplateTransaction};

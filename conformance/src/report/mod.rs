//! One stream of events, several reports.

mod json;
mod junit;
mod results;
mod terminal;

pub use json::JsonLines;
pub use junit::JUnit;
pub use results::{Changes, Results};
pub use terminal::Terminal;

use std::io;

use crate::run::RunEvent;

/// Takes the events of a run, in order.
pub trait Report {
    /// One event.
    ///
    /// # Errors
    /// Of the file or terminal behind it.
    fn event(&mut self, event: &RunEvent<'_>) -> io::Result<()>;
}

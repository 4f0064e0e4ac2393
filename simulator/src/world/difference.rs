//! Whether two runs are the same one, event by event.

use std::fmt;

use sv2::time::Instant;

use super::{Step, World};

/// The first event in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What happens in the first; `None`: it is over.
    pub one: Option<Step>,
    /// What happens in the second. If it is the same, what came of it differs.
    pub other: Option<Step>,
}

impl Difference {
    /// Lets both go on until they differ, or until the end.
    pub fn first(one: &mut World, other: &mut World, end: Instant) -> Option<Self> {
        loop {
            let (step, other_step) = (one.step(end), other.step(end));
            if step != other_step || one.digest() != other.digest() {
                return Some(Difference { one: step, other: other_step });
            }
            step.as_ref()?;
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, step) in [("one", &self.one), ("other", &self.other)] {
            write!(f, "\n  {name:<6}")?;
            match step {
                None => f.write_str("the end")?,
                Some(Step { number, at, what }) => {
                    let seconds = at.since(Instant::ZERO).as_secs_f64();
                    write!(f, "event {number} at {seconds} s: {what}")?;
                }
            }
        }
        if self.one == self.other { f.write_str("\n  with other results") } else { Ok(()) }
    }
}

//! Lines in the log about strangers: whoever opens connections by the thousand must not fill
//! the disk with what we say about it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sv2::time::Instant;

/// So many lines in each second; the rest is counted.
#[derive(Debug, Default)]
pub(crate) struct LogBudget(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    start: Instant,
    line_count: u32,
    left_out_count: u64,
}

impl LogBudget {
    /// How many lines were left out before this one; `None` if this one is to be left out.
    pub(crate) fn spend(&self, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.start) >= Duration::from_secs(1) {
            window.start = now;
            window.line_count = 0;
        }
        if window.line_count >= LINES_PER_SECOND_MAX {
            window.left_out_count += 1;
            return None;
        }
        window.line_count += 1;
        Some(std::mem::take(&mut window.left_out_count))
    }
}

const LINES_PER_SECOND_MAX: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_budget_are_counted_and_told_in_the_next_second() {
        let budget = LogBudget::default();
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);

        let told = (0..25).filter(|_| budget.spend(at(5)) == Some(0)).count();

        assert_eq!(told, 20);
        assert_eq!(budget.spend(at(6)), Some(5));
        assert_eq!(budget.spend(at(6)), Some(0));
    }
}

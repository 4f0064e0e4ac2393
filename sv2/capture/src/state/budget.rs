//! How much a capture may make us remember: limits across all connections, because a limit for
//! each says nothing where there can be any number of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many things of a kind, wherever they are held.
#[derive(Debug)]
pub(super) struct Budget {
    used: Arc<AtomicUsize>,
    max: usize,
}

/// A place in a budget; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<AtomicUsize>);

impl Budget {
    pub(super) fn new(max: usize) -> Self {
        Budget { used: Arc::default(), max }
    }

    /// A place, if there is one.
    pub(super) fn take(&self) -> Option<Slot> {
        // One thread follows a capture; the counter is atomic only so that it may move between
        // threads.
        if self.used.load(Ordering::Relaxed) >= self.max {
            return None;
        }
        self.used.fetch_add(1, Ordering::Relaxed);
        Some(Slot(Arc::clone(&self.used)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The budgets of a capture.
#[derive(Debug)]
pub(super) struct Budgets {
    pub(super) channels: Budget,
    pub(super) groups: Budget,
    pub(super) jobs: Budget,
    pub(super) shares: Budget,
    pub(super) requests: Budget,
}

impl Default for Budgets {
    fn default() -> Self {
        use super::State;
        Budgets {
            channels: Budget::new(State::CHANNELS_MAX),
            groups: Budget::new(State::GROUPS_MAX),
            jobs: Budget::new(State::JOBS_MAX),
            shares: Budget::new(State::SHARES_MAX),
            requests: Budget::new(State::REQUESTS_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_holder_goes() {
        let budget = Budget::new(1);
        let slot = budget.take();
        assert!(slot.is_some() && budget.take().is_none());

        drop(slot);

        assert!(budget.take().is_some());
    }
}

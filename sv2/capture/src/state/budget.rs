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
        let used = self.used.load(Ordering::Relaxed);
        if used >= self.max {
            return None;
        }
        self.used.store(used + 1, Ordering::Relaxed);
        Some(Slot(Arc::clone(&self.used)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        release(&self.0, 1);
    }
}

/// Places in a budget that one holder has, counted.
#[derive(Debug, Default)]
pub(super) struct Slots {
    used: Option<Arc<AtomicUsize>>,
    held: usize,
}

impl Slots {
    /// One more, if there is one.
    pub(super) fn take(&mut self, budget: &Budget) -> bool {
        let used = budget.used.load(Ordering::Relaxed);
        if used >= budget.max {
            return false;
        }
        budget.used.store(used + 1, Ordering::Relaxed);
        self.used.get_or_insert_with(|| Arc::clone(&budget.used));
        self.held += 1;
        true
    }

    /// So many less.
    pub(super) fn give_back(&mut self, count: usize) {
        if let Some(used) = &self.used {
            let count = count.min(self.held);
            self.held -= count;
            release(used, count);
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.give_back(self.held);
    }
}

/// Not one step, but there is one thread.
fn release(used: &AtomicUsize, count: usize) {
    used.store(used.load(Ordering::Relaxed).saturating_sub(count), Ordering::Relaxed);
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

    #[test]
    fn places_of_one_holder_are_free_again_one_by_one_or_with_it() {
        let budget = Budget::new(2);
        let mut slots = Slots::default();
        assert_eq!([(); 3].map(|()| slots.take(&budget)), [true, true, false]);

        slots.give_back(1);
        assert!(budget.take().is_some());

        drop(slots);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}

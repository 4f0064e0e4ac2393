//! What one device may hash: turns at the fleet's budget, one for each share that it searches for.

use std::collections::VecDeque;

use sv2::time::Instant;

use super::fleet::Fleet;

/// The turns of one device, in the order in which they come.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Hashes that were reserved for each turn that is to come.
    reserved: VecDeque<f64>,
    /// Made so far for the next share.
    hash_count: u64,
}

/// A turn that has come.
#[derive(Debug)]
pub(super) struct Turn {
    /// In hashes.
    reserved: f64,
}

impl Turns {
    /// Hashes between two looks at the socket: a third of a millisecond.
    pub(super) const HASHES_AT_ONCE: u32 = 2_048;
    /// Most shares without an answer.
    const IN_FLIGHT_MAX: usize = 4_096;
    /// Shares that wait for their turn.
    const WAITING_MAX: usize = 64;

    /// A share is due, which takes `price` hashes on average; without work there is no price.
    /// Returns when its turn comes. Who gets none is counted, with the reason.
    pub(super) fn claim(
        &mut self,
        fleet: &Fleet,
        price: Option<f64>,
        in_flight: usize,
        now: Instant,
    ) -> Option<Instant> {
        let tally = &fleet.tally;
        tally.due.add(1);
        let Some(price) = price else {
            tally.without_work.add(1);
            return None;
        };
        if in_flight >= Self::IN_FLIGHT_MAX {
            tally.over_in_flight.add(1);
            return None;
        }
        let reserved = price.min(Self::HASHES_AT_ONCE.into());
        let has_room = self.reserved.len() < Self::WAITING_MAX;
        let at = has_room.then(|| fleet.budget.reserve(reserved, now)).flatten();
        match at {
            Some(_) => self.reserved.push_back(reserved),
            None => tally.over_budget.add(1),
        }
        at
    }

    /// The turn that has come; `None` if there was none.
    pub(super) fn begin(&mut self) -> Option<Turn> {
        self.reserved.pop_front().map(|reserved| Turn { reserved })
    }

    /// There is nothing to search for any more: the pool has taken job or channel away.
    pub(super) fn give_back(fleet: &Fleet, turn: Turn) {
        fleet.budget.settle(turn.reserved, 0);
        fleet.tally.without_work.add(1);
    }

    /// A turn was used for `made` hashes. Returns when the search goes on; `None` where it has
    /// found its share.
    pub(super) fn end(
        &mut self,
        fleet: &Fleet,
        turn: Turn,
        made: u32,
        is_found: bool,
        now: Instant,
    ) -> Option<Instant> {
        let tally = &fleet.tally;
        tally.hashes.add(made.into());
        fleet.budget.settle(turn.reserved, made.into());
        self.hash_count += u64::from(made);
        if is_found {
            tally.hashes_of_found.add(std::mem::take(&mut self.hash_count));
            tally.submitted.add(1);
            return None;
        }
        let reserved = f64::from(Self::HASHES_AT_ONCE);
        self.reserved.push_back(reserved);
        Some(fleet.budget.reserve_more(reserved, now))
    }

    /// A turn that costs nothing, now.
    #[cfg(test)]
    pub(super) fn grant(&mut self) {
        self.reserved.push_back(0.0);
    }
}

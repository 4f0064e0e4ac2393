//! Which event comes next: by time, and first in, first out among those of one time.
//!
//! [`RadixQueue`] is the one to use; [`HeapQueue`] is the obvious one, which it is tested
//! against.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use sv2::time::Instant;

/// Events in the order of their time; those of the same time in the order of their insertion.
pub trait EventQueue<E> {
    /// Plans an event.
    ///
    /// # Panics
    /// If `at` lies before the event that was popped last: nothing can happen in the past.
    fn push(&mut self, at: Instant, event: E);

    /// The next event, and its time.
    fn pop(&mut self) -> Option<(Instant, E)>;

    /// As [`pop`](EventQueue::pop). `soon` is shown events that come soon, in no order, and not
    /// all: a chance to read the memory that they will want, all of it at once, where one by one
    /// each would wait for its own.
    fn pop_ahead(&mut self, soon: impl FnMut(&E)) -> Option<(Instant, E)>
    where
        Self: Sized,
    {
        let _ = soon;
        self.pop()
    }

    /// How many wait.
    fn len(&self) -> usize;

    /// Whether none waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, *Faster algorithms for the shortest path
/// problem*, 1990) with digits of six bits.
///
/// An event lies in the slot that is named by the highest digit in which its time differs from
/// the time popped last, and by the value of that digit. All events of a slot come before those
/// of the next, so only the first slot in use is ever sorted, into slots below it: an event moves
/// once a digit at most, and memory is touched in sequence, where a binary heap misses the cache
/// at every level. Equal times always share a slot and slots keep their order, which makes ties
/// first in, first out without a number for each event.
pub struct RadixQueue<E> {
    /// Of the event that was popped last.
    last: u64,
    /// Events of that very time.
    front: VecDeque<E>,
    /// `LEVEL_COUNT` times `SLOT_COUNT`, lowest digit first.
    slots: Vec<Vec<(u64, E)>>,
    /// Empty, of large slots. Which of them is large changes all the time: they lend each other
    /// the memory, and are seldom copied to grow.
    spare: Vec<Vec<(u64, E)>>,
    /// Which slots of a level hold events: bit by value of the digit.
    used: [u64; LEVEL_COUNT],
    len: usize,
}

impl<E> Default for RadixQueue<E> {
    fn default() -> Self {
        RadixQueue {
            last: 0,
            front: VecDeque::new(),
            slots: std::iter::repeat_with(Vec::new).take(LEVEL_COUNT * SLOT_COUNT).collect(),
            spare: Vec::new(),
            used: [0; LEVEL_COUNT],
            len: 0,
        }
    }
}

impl<E> EventQueue<E> for RadixQueue<E> {
    #[inline]
    fn push(&mut self, at: Instant, event: E) {
        assert!(at.0 >= self.last, "an event is planned before the one that is being handled");
        self.len += 1;
        self.place(at.0, event);
    }

    #[inline]
    fn pop(&mut self) -> Option<(Instant, E)> {
        self.pop_ahead(|_| {})
    }

    #[inline]
    fn pop_ahead(&mut self, soon: impl FnMut(&E)) -> Option<(Instant, E)> {
        if self.front.is_empty() {
            // Most often a slot holds one event, which is the next.
            if let Some(alone) = self.advance(soon)? {
                self.len -= 1;
                return Some((Instant(self.last), alone));
            }
        }
        let event = self.front.pop_front()?;
        self.len -= 1;
        Some((Instant(self.last), event))
    }

    fn len(&self) -> usize {
        self.len
    }
}

impl<E> RadixQueue<E> {
    #[inline]
    fn place(&mut self, at: u64, event: E) {
        let difference = at ^ self.last;
        if difference == 0 {
            self.front.push_back(event);
            return;
        }
        let level = (63 - difference.leading_zeros()) / DIGIT_BITS;
        let digit = (at >> (level * DIGIT_BITS)) & DIGIT_MASK;
        self.used[level as usize] |= 1 << digit;
        let slot_index = level as usize * SLOT_COUNT + digit as usize;
        let slot = &self.slots[slot_index];
        if slot.len() == slot.capacity() && slot.len() >= KEPT_CAPACITY {
            self.enlarge(slot_index);
        }
        self.slots[slot_index].push((at, event));
    }

    /// Gives a slot the memory of one that was larger, if there is one.
    #[cold]
    fn enlarge(&mut self, slot_index: usize) {
        let len = self.slots[slot_index].len();
        let Some(at) = self.spare.iter().position(|spare| spare.capacity() > len) else { return };
        let mut larger = self.spare.swap_remove(at);
        larger.append(&mut self.slots[slot_index]);
        let small = std::mem::replace(&mut self.slots[slot_index], larger);
        self.spare.push(small);
    }

    /// Goes on to the next time that has events: to the front with them, or out with the only one
    /// of its slot. Shows those of a slot that is sorted, if they are few enough to come soon.
    #[inline]
    fn advance(&mut self, mut soon: impl FnMut(&E)) -> Option<Option<E>> {
        let level = self.used.iter().position(|used| *used != 0)?;
        let digit = self.used[level].trailing_zeros() as usize;
        self.used[level] &= !(1 << digit);
        let slot_index = level * SLOT_COUNT + digit;
        if self.slots[slot_index].len() == 1 {
            let (at, event) = self.slots[slot_index].pop()?;
            self.last = at;
            return Some(Some(event));
        }
        let mut slot = std::mem::take(&mut self.slots[slot_index]);
        self.last = slot.iter().map(|(at, _)| *at).min()?;
        if slot.len() <= SOON_MAX {
            slot.iter().for_each(|(_, event)| soon(event));
        }
        for (at, event) in slot.drain(..) {
            self.place(at, event);
        }
        if slot.capacity() <= KEPT_CAPACITY {
            self.slots[slot_index] = slot;
        } else if self.spare.len() < SPARE_MAX {
            self.spare.push(slot);
        }
        Some(None)
    }
}

const DIGIT_BITS: u32 = 6;
const DIGIT_MASK: u64 = (1 << DIGIT_BITS) - 1;
const SLOT_COUNT: usize = 1 << DIGIT_BITS;
const LEVEL_COUNT: usize = 64_usize.div_ceil(DIGIT_BITS as usize);
/// Events that an empty slot keeps room for.
const KEPT_CAPACITY: usize = 256;
/// Events that are shown at once: what they want stays in the nearest caches until they come.
const SOON_MAX: usize = 512;
/// Large slots that lend their memory; that of others is given back.
const SPARE_MAX: usize = 4;

/// A binary heap with a number for each event.
pub struct HeapQueue<E> {
    last: Instant,
    heap: BinaryHeap<Reverse<Planned<E>>>,
    /// Of the event that is pushed next.
    number: u64,
}

impl<E> Default for HeapQueue<E> {
    fn default() -> Self {
        HeapQueue { last: Instant::ZERO, heap: BinaryHeap::new(), number: 0 }
    }
}

impl<E> EventQueue<E> for HeapQueue<E> {
    fn push(&mut self, at: Instant, event: E) {
        assert!(at >= self.last, "an event is planned before the one that is being handled");
        self.heap.push(Reverse(Planned { at, number: self.number, event }));
        self.number += 1;
    }

    fn pop(&mut self) -> Option<(Instant, E)> {
        let Reverse(planned) = self.heap.pop()?;
        self.last = planned.at;
        Some((planned.at, planned.event))
    }

    fn len(&self) -> usize {
        self.heap.len()
    }
}

struct Planned<E> {
    at: Instant,
    number: u64,
    event: E,
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl<E> Eq for Planned<E> {}

impl<E> PartialOrd for Planned<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Planned<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a world does between two events: plan some, each so much later than now.
    type Script = Vec<Vec<u64>>;

    fn run(queue: &mut impl EventQueue<u32>, script: &Script) -> Vec<(u64, u32)> {
        let mut order = Vec::new();
        let (mut now, mut name) = (0_u64, 0);
        let mut steps = script.iter();
        loop {
            for wait in steps.next().into_iter().flatten() {
                queue.push(Instant(now.saturating_add(*wait)), name);
                name += 1;
            }
            let mut shown = Vec::new();
            match queue.pop_ahead(|event| shown.push(*event)) {
                Some((at, event)) => {
                    now = at.0;
                    assert!(shown.iter().all(|soon| !order.iter().any(|(_, old)| old == soon)));
                    order.push((at.0, event));
                }
                None if steps.len() == 0 => return order,
                None => {}
            }
        }
    }

    fn waits() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 0..4_u64, 0..1_000_u64, 0..10_000_000_000_u64, any::<u64>()]
    }

    proptest! {
        #[test]
        fn both_queues_pop_the_same_order(
            script in prop::collection::vec(prop::collection::vec(waits(), 0..6), 0..200),
        ) {
            let radix = run(&mut RadixQueue::default(), &script);
            let heap = run(&mut HeapQueue::default(), &script);

            prop_assert_eq!(&radix, &heap);
            prop_assert!(radix.is_sorted_by_key(|(at, _)| *at));
        }
    }

    #[test]
    fn events_of_one_time_come_in_the_order_of_their_insertion() {
        let mut queue = RadixQueue::default();
        queue.push(Instant(7_000), 'b');
        queue.push(Instant(5), 'a');
        queue.push(Instant(7_000), 'c');

        assert_eq!(queue.pop(), Some((Instant(5), 'a')));
        // The time popped last has changed, and with it the slot that a push goes to.
        queue.push(Instant(7_000), 'd');

        assert_eq!(queue.len(), 3);
        let rest: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(rest, ['b', 'c', 'd'].map(|event| (Instant(7_000), event)));
    }

    #[test]
    #[should_panic(expected = "before the one that is being handled")]
    fn an_event_in_the_past_is_our_own_mistake() {
        let mut queue = RadixQueue::default();
        queue.push(Instant(5), ());
        queue.pop();

        queue.push(Instant(4), ());
    }
}

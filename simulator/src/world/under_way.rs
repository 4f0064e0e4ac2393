//! What is under way on all connections, in one place.
//!
//! Most connections carry nothing most of the time: lists in one table take room for what is
//! under way alone, and what was sent last lies where something has just arrived.

use std::num::NonZeroU32;

/// What is under way in one direction of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UnderWay {
    /// Places in the table, from 1.
    first: Option<NonZeroU32>,
    last: Option<NonZeroU32>,
}

impl UnderWay {
    pub(super) fn is_empty(self) -> bool {
        self.first.is_none()
    }
}

/// All of it. At most 2^32 messages; the memory of a machine ends before that.
#[derive(Debug)]
pub(super) struct Parcels<T> {
    places: Vec<Place<T>>,
    free: Option<NonZeroU32>,
}

#[derive(Debug)]
struct Place<T> {
    sent: Option<T>,
    /// Of the same list, or of the free ones.
    next: Option<NonZeroU32>,
}

impl<T> Default for Parcels<T> {
    fn default() -> Self {
        Parcels { places: Vec::new(), free: None }
    }
}

impl<T> Parcels<T> {
    /// At the end of a list.
    pub(super) fn push(&mut self, list: &mut UnderWay, sent: T) {
        let place = Place { sent: Some(sent), next: None };
        let name = match self.free {
            Some(name) => {
                let free = &mut self.places[index(name)];
                self.free = free.next;
                *free = place;
                name
            }
            None => {
                self.places.push(place);
                let count = u32::try_from(self.places.len()).ok().and_then(NonZeroU32::new);
                count.expect("fewer than 2^32 messages are under way")
            }
        };
        match list.last.replace(name) {
            Some(last) => self.places[index(last)].next = Some(name),
            None => list.first = Some(name),
        }
    }

    /// From the front of a list.
    pub(super) fn pop(&mut self, list: &mut UnderWay) -> Option<T> {
        let name = list.first?;
        let place = &mut self.places[index(name)];
        let sent = place.sent.take();
        list.first = std::mem::replace(&mut place.next, self.free);
        self.free = Some(name);
        if list.first.is_none() {
            list.last = None;
        }
        sent
    }

    /// At the front of a list.
    pub(super) fn front(&self, list: UnderWay) -> Option<&T> {
        self.places[index(list.first?)].sent.as_ref()
    }
}

fn index(name: NonZeroU32) -> usize {
    name.get() as usize - 1
}

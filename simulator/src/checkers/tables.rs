//! What checkers remember of connections and of channels, where it is found at once: they look at
//! every message, and most connections have one channel.

use super::Wire;

/// Something of each connection that has said anything.
#[derive(Debug)]
pub(super) struct ByWire<T> {
    /// By [`Wire::place`]. What another connection has left there counts for nothing.
    places: Vec<Option<(Wire, T)>>,
}

impl<T> Default for ByWire<T> {
    fn default() -> Self {
        ByWire { places: Vec::new() }
    }
}

impl<T: Default> ByWire<T> {
    pub(super) fn get_mut(&mut self, wire: Wire) -> Option<&mut T> {
        match self.places.get_mut(wire.place as usize) {
            Some(Some((of, found))) if *of == wire => Some(found),
            _ => None,
        }
    }

    /// The default, if there is nothing yet.
    pub(super) fn entry(&mut self, wire: Wire) -> &mut T {
        let index = wire.place as usize;
        if self.places.len() <= index {
            self.places.resize_with(index + 1, || None);
        }
        let place = &mut self.places[index];
        if place.as_ref().is_some_and(|(of, _)| *of != wire) {
            *place = None;
        }
        &mut place.get_or_insert_with(|| (wire, T::default())).1
    }

    pub(super) fn remove(&mut self, wire: Wire) -> Option<T> {
        let place = self.places.get_mut(wire.place as usize)?;
        place.take_if(|(of, _)| *of == wire).map(|(_, found)| found)
    }

    /// Forgets all connections of a server.
    pub(super) fn remove_all_of(&mut self, server: u32) {
        for place in &mut self.places {
            place.take_if(|(of, _)| of.server == server);
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Wire, &mut T)> {
        self.places.iter_mut().flatten().map(|(of, found)| (*of, found))
    }
}

/// Something of each channel, or group, of one connection.
#[derive(Debug)]
pub(super) struct ByChannel<T> {
    /// The one of the lowest id, here and not elsewhere in memory: most connections have no other.
    first: Option<(u32, T)>,
    /// In the order of ids. Servers count them up, so that a new one is mostly the last.
    others: Vec<(u32, T)>,
}

impl<T> Default for ByChannel<T> {
    fn default() -> Self {
        ByChannel { first: None, others: Vec::new() }
    }
}

impl<T> ByChannel<T> {
    pub(super) fn contains(&self, id: u32) -> bool {
        self.get(id).is_some()
    }

    pub(super) fn get(&self, id: u32) -> Option<&T> {
        match &self.first {
            Some((of, value)) if *of == id => Some(value),
            _ => self.find(id).ok().map(|at| &self.others[at].1),
        }
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let at = self.find(id);
        match &mut self.first {
            Some((of, value)) if *of == id => Some(value),
            _ => at.ok().map(|at| &mut self.others[at].1),
        }
    }

    /// In the place of what was there.
    pub(super) fn insert(&mut self, id: u32, value: T) {
        if let Some(known) = self.get_mut(id) {
            *known = value;
            return;
        }
        let row = match self.first.take_if(|(of, _)| *of > id) {
            None if self.first.is_some() => (id, value),
            displaced => {
                self.first = Some((id, value));
                let Some(displaced) = displaced else { return };
                displaced
            }
        };
        let (Ok(at) | Err(at)) = self.find(row.0);
        self.others.insert(at, row);
    }

    /// The default, if there is nothing yet.
    pub(super) fn entry(&mut self, id: u32) -> &mut T
    where
        T: Default,
    {
        if !self.contains(id) {
            self.insert(id, T::default());
        }
        self.get_mut(id).expect("it is there by now")
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<T> {
        if let Some((_, value)) = self.first.take_if(|(of, _)| *of == id) {
            self.refill();
            return Some(value);
        }
        self.find(id).ok().map(|at| self.others.remove(at).1)
    }

    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(u32, &T) -> bool) {
        self.others.retain(|(id, value)| is_kept(*id, value));
        if self.first.take_if(|(id, value)| !is_kept(*id, value)).is_some() {
            self.refill();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.first.iter().chain(&self.others).map(|(id, value)| (*id, value))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.first.iter_mut().chain(&mut self.others).map(|(id, value)| (*id, value))
    }

    /// Among the others.
    fn find(&self, id: u32) -> Result<usize, usize> {
        self.others.binary_search_by_key(&id, |(of, _)| *of)
    }

    fn refill(&mut self) {
        if !self.others.is_empty() {
            self.first = Some(self.others.remove(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(number: u64, place: u32) -> Wire {
        Wire { number, server: 7, place }
    }

    #[test]
    fn a_connection_finds_nothing_of_the_one_that_had_its_place_before() {
        let mut table = ByWire::<u32>::default();
        *table.entry(wire(1, 3)) = 5;
        assert_eq!(table.get_mut(wire(1, 3)), Some(&mut 5));

        assert_eq!(table.get_mut(wire(2, 3)), None);
        assert_eq!(table.remove(wire(2, 3)), None);
        assert_eq!(*table.entry(wire(2, 3)), 0);

        assert_eq!(table.get_mut(wire(1, 3)), None);
    }

    #[test]
    fn connections_end_with_their_server_alone() {
        let mut table = ByWire::<u32>::default();
        let of_another = Wire { server: 8, ..wire(2, 1) };
        table.entry(wire(1, 0));
        table.entry(of_another);

        table.remove_all_of(7);

        let left: Vec<Wire> = table.iter_mut().map(|(wire, _)| wire).collect();
        assert_eq!(left, [of_another]);
    }

    #[test]
    fn channels_are_found_in_whatever_order_they_came() {
        let mut table = ByChannel::default();
        for id in [5, 1, 9, 3] {
            table.insert(id, id * 10);
        }
        table.insert(9, 91);

        assert_eq!(table.remove(1), Some(10));

        let rows: Vec<(u32, u32)> = table.iter().map(|(id, value)| (id, *value)).collect();
        assert_eq!(rows, [(3, 30), (5, 50), (9, 91)]);
        assert!(table.contains(3) && table.contains(5) && !table.contains(1));
        table.retain(|id, _| id > 3);
        assert_eq!((table.get(3), table.get(5)), (None, Some(&50)));
        assert_eq!(table.remove(9), Some(91));
    }
}

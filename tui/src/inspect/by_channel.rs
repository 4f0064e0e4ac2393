//! A map for channels, by connection and id.

use std::collections::BTreeMap;

use sv2_capture::ById;

/// Values by connection and channel, in the order of both.
pub(super) struct ByChannel<T> {
    connections: ById<BTreeMap<u32, T>>,
    len: usize,
}

impl<T> Default for ByChannel<T> {
    fn default() -> Self {
        ByChannel { connections: ById::default(), len: 0 }
    }
}

impl<T> ByChannel<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, connection: u32, channel: u32) -> Option<&T> {
        self.connections.get(connection)?.get(&channel)
    }

    pub(super) fn get_mut(&mut self, connection: u32, channel: u32) -> Option<&mut T> {
        self.connections.get_mut(connection)?.get_mut(&channel)
    }

    pub(super) fn insert(&mut self, connection: u32, channel: u32, value: T) {
        let channels = self.connections.get_or_insert_with(connection, BTreeMap::new);
        self.len += usize::from(channels.insert(channel, value).is_none());
    }

    pub(super) fn get_or_default(&mut self, connection: u32, channel: u32) -> &mut T
    where
        T: Default,
    {
        let channels = self.connections.get_or_insert_with(connection, BTreeMap::new);
        channels.entry(channel).or_insert_with(|| {
            self.len += 1;
            T::default()
        })
    }

    pub(super) fn values(&self) -> impl ExactSizeIterator<Item = &T> {
        Counted { values: self.connections.values().flat_map(BTreeMap::values), left: self.len }
    }
}

/// Values whose number is known.
struct Counted<I> {
    values: I,
    left: usize,
}

impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.left = self.left.saturating_sub(1);
        self.values.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<I: Iterator> ExactSizeIterator for Counted<I> {}

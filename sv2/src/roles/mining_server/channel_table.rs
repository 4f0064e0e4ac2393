//! The channels of one connection, by their ids.

use std::ops::Index;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

use super::downstream::Served;

/// Most connections have one channel: it is kept here, where a share finds it with one look less,
/// and without a table of its own.
#[derive(Debug, Default)]
pub(super) struct ChannelTable {
    first: Option<(u32, Box<Served>)>,
    /// Where there were several. The ids are ours, so a peer cannot steer the table.
    others: Option<Box<IndexMap<u32, Box<Served>, FixedState>>>,
}

impl ChannelTable {
    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&Served> {
        match &self.first {
            Some((of, served)) if *of == id => Some(served),
            _ => self.others.as_ref()?.get(&id).map(|served| &**served),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Served> {
        match &mut self.first {
            Some((of, served)) if *of == id => Some(served),
            _ => self.others.as_mut()?.get_mut(&id).map(|served| &mut **served),
        }
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.get(id).is_some()
    }

    /// Under an id that no channel of the connection has had before.
    pub(super) fn insert(&mut self, id: u32, served: Served) {
        let served = Box::new(served);
        match &self.first {
            None => self.first = Some((id, served)),
            Some(_) => drop(self.others.get_or_insert_default().insert(id, served)),
        }
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Box<Served>> {
        match self.first.take_if(|(of, _)| *of == id) {
            Some((_, served)) => Some(served),
            None => self.others.as_mut()?.swap_remove(&id),
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |others| others.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In the order of opening, as long as none was closed.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Served)> {
        let first = self.first.iter().map(|(id, served)| (*id, &**served));
        let others = self.others.iter().flat_map(|others| others.iter());
        first.chain(others.map(|(id, served)| (*id, &**served)))
    }

    /// In the same order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Served)> {
        let first = self.first.iter_mut().map(|(id, served)| (*id, &mut **served));
        let others = self.others.iter_mut().flat_map(|others| others.iter_mut());
        first.chain(others.map(|(id, served)| (*id, &mut **served)))
    }

    /// All of them, in the same order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (u32, Box<Served>)> + use<> {
        let others = self.others.take().map(|others| *others).unwrap_or_default();
        self.first.take().into_iter().chain(others)
    }
}

impl Index<u32> for ChannelTable {
    type Output = Served;

    /// # Panics
    /// If there is no such channel.
    fn index(&self, id: u32) -> &Served {
        self.get(id).expect("the channel is open")
    }
}

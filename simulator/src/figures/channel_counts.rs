//! How many channels each connection has, of a server or of a fleet.

use std::collections::BTreeMap;

use sv2::role::ConnectionId;

/// By member and connection. Nearly all are those of one member, or the first ones of members:
/// these are lists of four bytes each, a fraction of a tree's memory, for there is one for each
/// device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ChannelCounts {
    /// Of connection 0 of each member, one more; 0 where there is none.
    firsts: Vec<u32>,
    /// The same of member 0, by connection.
    own: Vec<u32>,
    /// Of all others.
    others: BTreeMap<(u32, ConnectionId), u32>,
}

impl ChannelCounts {
    /// `None`: it is not set up.
    pub(super) fn get(&self, member: u32, connection: ConnectionId) -> Option<u32> {
        let listed = match (member, connection.0) {
            (member, 0) => self.firsts.get(member as usize),
            (0, index) => self.own.get(index as usize),
            _ => None,
        };
        match listed {
            Some(count) if *count > 0 => Some(count - 1),
            _ => self.others.get(&(member, connection)).copied(),
        }
    }

    pub(super) fn set(&mut self, member: u32, connection: ConnectionId, count: Option<u32>) {
        let (list, index) = match (member, connection.0) {
            (member, 0) => (&mut self.firsts, member),
            (_, index) => (&mut self.own, index),
        };
        let index = index as usize;
        let is_first_kind = member == 0 || connection.0 == 0;
        // No list for a few large names; and names that count up for ever, as those of sockets do,
        // leave it at its longest.
        if is_first_kind && index < list.len().max(LISTED_MIN) * 2 && index < LISTED_MAX {
            if list.len() <= index {
                list.resize(index + 1, 0);
            }
            self.others.remove(&(member, connection));
            list[index] = count.map_or(0, |count| count.saturating_add(1));
        } else if let Some(count) = count {
            self.others.insert((member, connection), count);
        } else {
            self.others.remove(&(member, connection));
        }
    }

    /// A member has ended, and its connections with it.
    pub(super) fn end(&mut self, member: u32) {
        if let Some(count) = self.firsts.get_mut(member as usize) {
            *count = 0;
        }
        if member == 0 {
            self.own.clear();
        }
        self.others.retain(|(of, _), _| *of != member);
    }

    /// Of all connections that are set up.
    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        let listed = self.firsts.iter().chain(&self.own).filter(|count| **count > 0);
        listed.map(|count| count - 1).chain(self.others.values().copied())
    }
}

/// Places that a list may have without any in use.
const LISTED_MIN: usize = 1_024;
/// In 16 MiB.
const LISTED_MAX: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lists_count_as_a_map_does(
            steps in prop::collection::vec(
                (0_u32..4, prop_oneof![0_u32..4, 4_000_u32..4_004, Just(9_000_000)], 0_u32..5), 0..200
            ),
        ) {
            let mut counts = ChannelCounts::default();
            let mut map = BTreeMap::new();
            for (member, connection, count) in steps {
                let connection = ConnectionId(connection);
                match count {
                    0 => {
                        counts.end(member);
                        map.retain(|(of, _), _| *of != member);
                    }
                    1 => {
                        counts.set(member, connection, None);
                        map.remove(&(member, connection));
                    }
                    _ => {
                        counts.set(member, connection, Some(count));
                        map.insert((member, connection), count);
                    }
                }

                prop_assert_eq!(
                    counts.get(member, connection),
                    map.get(&(member, connection)).copied()
                );
                let (mut all, mut expected) =
                    (counts.all().collect::<Vec<_>>(), map.values().copied().collect::<Vec<_>>());
                all.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(all, expected);
            }
        }
    }
}

//! A map for ids that are given in ascending order, such as those of connections: a look-up, of
//! which there are several for every message, is a step or two.

/// Values by their ids, in the order of the ids.
#[derive(Clone, Debug)]
pub struct ById<T> {
    /// Ascending.
    rows: Vec<(u32, T)>,
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        ById { rows: Vec::new() }
    }
}

impl<T> ById<T> {
    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether an id has a value.
    pub fn contains(&self, id: u32) -> bool {
        self.place(id).is_ok()
    }

    /// The value of an id.
    #[inline]
    pub fn get(&self, id: u32) -> Option<&T> {
        let place = self.place(id).ok()?;
        Some(&self.rows[place].1)
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let place = self.place(id).ok()?;
        Some(&mut self.rows[place].1)
    }

    /// The value of an id, made where there is none.
    #[inline]
    pub fn get_or_insert_with(&mut self, id: u32, make: impl FnOnce() -> T) -> &mut T {
        let place = match self.place(id) {
            Ok(place) => place,
            Err(place) => {
                self.rows.insert(place, (id, make()));
                place
            }
        };
        &mut self.rows[place].1
    }

    /// Sets the value of an id. Behind all others at no cost, in between at that of a vector.
    pub fn insert(&mut self, id: u32, value: T) {
        match self.place(id) {
            Ok(place) => self.rows[place].1 = value,
            Err(place) => self.rows.insert(place, (id, value)),
        }
    }

    /// Takes an id out.
    pub fn remove(&mut self, id: u32) -> Option<T> {
        let place = self.place(id).ok()?;
        Some(self.rows.remove(place).1)
    }

    /// Leaves out what `is_kept` does not want.
    pub fn retain(&mut self, mut is_kept: impl FnMut(u32, &T) -> bool) {
        self.rows.retain(|(id, value)| is_kept(*id, value));
    }

    /// All of them, by their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &T)> + ExactSizeIterator {
        self.rows.iter().map(|(id, value)| (*id, value))
    }

    /// The values, by their ids.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.rows.iter().map(|(_, value)| value)
    }

    /// Where an id stands, or would.
    #[inline]
    fn place(&self, id: u32) -> Result<usize, usize> {
        let Some((first, _)) = self.rows.first() else { return Err(0) };
        let Some(distance) = id.checked_sub(*first) else { return Err(0) };
        // Where no id was left out it stands here, otherwise before.
        let guess = usize::try_from(distance).unwrap_or(usize::MAX);
        match self.rows.get(guess) {
            Some((known, _)) if *known == id => Ok(guess),
            _ => self.search(id, guess),
        }
    }

    fn search(&self, id: u32, guess: usize) -> Result<usize, usize> {
        let end = guess.saturating_add(1).min(self.rows.len());
        self.rows[..end].binary_search_by_key(&id, |(known, _)| *known)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_in_the_order_of_ids(
            steps in prop::collection::vec((0..3_u8, 0..40_u32, any::<u16>()), 0..80),
        ) {
            let (mut map, mut expected) = (ById::default(), BTreeMap::new());
            for (step, id, value) in steps {
                match step {
                    0 => prop_assert_eq!(map.remove(id), expected.remove(&id)),
                    1 => {
                        map.insert(id, value);
                        expected.insert(id, value);
                    }
                    _ => {
                        let made = *map.get_or_insert_with(id, || value);
                        prop_assert_eq!(made, *expected.entry(id).or_insert(value));
                    }
                }

                prop_assert!(map.iter().eq(expected.iter().map(|(id, value)| (*id, value))));
                for id in 0..41 {
                    prop_assert_eq!(map.get(id), expected.get(&id));
                    prop_assert_eq!(map.contains(id), expected.contains_key(&id));
                }
            }
        }
    }
}

//! Proofs of work that were seen, to find the same one again: on the same channel a duplicate, on
//! another connection the leg above or below.
//!
//! A table of fixed size in sets of eight: a look-up reads one set, and where a set is full the
//! oldest of it goes. So the last 65,536 proofs are remembered, give or take how evenly they fall.
//! What nearly every look-up ends with, that a proof is new, is told by the front of its set alone,
//! for the table is larger than what a processor has at hand.

use sv2::wire::U256;

use super::Mark;
use super::legs::Place;

#[derive(Debug, Default)]
pub(super) struct Proofs {
    /// Empty until the first proof.
    fronts: Vec<Front>,
    seen: Vec<Seen>,
}

/// What a set is searched by.
#[derive(Clone, Copy, Debug)]
struct Front {
    /// Of each place, a part of its key.
    tags: [u32; Proofs::WAYS],
    /// Of each place, how many of the set are older.
    ages: [u8; Proofs::WAYS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    key: u64,
    place: Place,
    /// Numbered from 1: 0 is an empty place.
    mark: Mark,
}

impl Proofs {
    /// Proofs that have a place.
    pub(super) const MAX: usize = 65_536;
    const WAYS: usize = 8;
    const SETS: usize = Proofs::MAX / Proofs::WAYS;

    /// The same proof in the same place, and on another connection.
    pub(super) fn find(&self, hash: &U256, place: Place) -> (Option<Mark>, Option<Mark>) {
        let key = key(hash);
        let (mut here, mut elsewhere) = (None, None);
        for way in self.ways(key) {
            let seen = &self.seen[set_of(key) * Self::WAYS + way];
            if seen.key != key || seen.mark.number == 0 {
                continue;
            }
            if seen.place == place {
                here = Some(seen.mark);
            } else if seen.place.connection != place.connection {
                elsewhere = Some(seen.mark);
            }
        }
        (here, elsewhere)
    }

    /// Later ones have higher numbers.
    pub(super) fn add(&mut self, hash: &U256, place: Place, mark: Mark) {
        if self.fronts.is_empty() {
            self.fronts.resize(Self::SETS, Front::default());
            self.seen.resize(Self::MAX, Seen::default());
        }
        let key = key(hash);
        let first = set_of(key) * Self::WAYS;
        let is_same = |way: &usize| {
            let seen = &self.seen[first + way];
            seen.key == key && seen.place == place
        };
        let same = self.ways(key).find(is_same);
        let front = &mut self.fronts[set_of(key)];
        let way = same.unwrap_or_else(|| front.oldest());
        front.tags[way] = tag(key);
        front.renew(way);
        self.seen[first + way] = Seen { key, place, mark };
    }

    /// Places of the set of a key that may have it.
    fn ways(&self, key: u64) -> impl Iterator<Item = usize> {
        let tag = tag(key);
        let front = self.fronts.get(set_of(key));
        let alike = front.map_or(0, |front| front.alike(tag));
        (0..Self::WAYS).filter(move |way| alike & 1 << way != 0)
    }
}

impl Default for Front {
    fn default() -> Self {
        Front { tags: [0; Proofs::WAYS], ages: [0, 1, 2, 3, 4, 5, 6, 7] }
    }
}

impl Front {
    /// Places with a tag, a bit each.
    fn alike(&self, tag: u32) -> u8 {
        let bits = self.tags.iter().enumerate();
        bits.fold(0, |bits, (way, known)| bits | u8::from(*known == tag) << way)
    }

    fn oldest(&self) -> usize {
        self.ages.iter().position(|age| *age == 0).unwrap_or(0)
    }

    /// A place becomes the youngest.
    fn renew(&mut self, way: usize) {
        let was = self.ages[way];
        self.ages.iter_mut().for_each(|age| *age -= u8::from(*age > was));
        self.ages[way] = YOUNGEST;
    }
}

const YOUNGEST: u8 = 7;
const _: () = assert!(YOUNGEST as usize + 1 == Proofs::WAYS, "ages count from 0");

/// The low bits of a hash, which no proof of work makes zero. Two of the remembered proofs agree
/// in all of them by chance once in 10^9 captures.
fn key(hash: &U256) -> u64 {
    hash.to_limbs()[0]
}

/// Bits that do not choose the set.
fn tag(key: u64) -> u32 {
    (key >> 32) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below the number of sets")]
fn set_of(key: u64) -> usize {
    (key % Proofs::SETS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> U256 {
        U256::from_limbs([number, 0, 0, 0])
    }

    fn mark(number: u64) -> Mark {
        Mark { number, at: 0 }
    }

    #[test]
    fn a_proof_is_found_here_and_on_another_connection() {
        let (mine, other) =
            (Place { connection: 1, channel: 7 }, Place { connection: 2, channel: 7 });
        let mut proofs = Proofs::default();
        assert_eq!(proofs.find(&hash(5), mine), (None, None));

        proofs.add(&hash(5), mine, mark(10));
        proofs.add(&hash(5), other, mark(11));

        assert_eq!(proofs.find(&hash(5), mine), (Some(mark(10)), Some(mark(11))));
        assert_eq!(proofs.find(&hash(6), mine), (None, None));
    }

    #[test]
    fn the_oldest_of_a_full_set_goes() {
        let place = Place { connection: 1, channel: 7 };
        let mut proofs = Proofs::default();
        // All in one set.
        let sets = Proofs::SETS as u64;
        let hashes: Vec<U256> = (1..=9).map(|number| hash(number * sets)).collect();

        for (number, hash) in (1..).zip(&hashes) {
            proofs.add(hash, place, mark(number));
        }

        assert_eq!(proofs.find(&hashes[0], place).0, None);
        assert_eq!(proofs.find(&hashes[1], place).0, Some(mark(2)));
        assert_eq!(proofs.find(&hashes[8], place).0, Some(mark(9)));
    }

    #[test]
    fn what_came_again_is_not_the_oldest_any_more() {
        let place = Place { connection: 1, channel: 7 };
        let mut proofs = Proofs::default();
        let hashes: Vec<U256> = (1..=9).map(|number| hash(number * Proofs::SETS as u64)).collect();
        let again = [&hashes[..8], &hashes[..1], &hashes[8..]].concat();

        for (number, hash) in (1..).zip(&again) {
            proofs.add(hash, place, mark(number));
        }

        assert_eq!(proofs.find(&hashes[0], place).0, Some(mark(9)));
        assert_eq!(proofs.find(&hashes[1], place).0, None);
    }
}

//! Proofs of work that were seen, to find the same one again: on the same channel a duplicate, on
//! another connection the leg above or below.
//!
//! A table of fixed size in sets of eight: a look-up reads one set, and where a set is full the
//! oldest of it goes. So the last 65,536 proofs are remembered, give or take how evenly they fall.

use sv2::wire::U256;

use super::Mark;
use super::legs::Place;

#[derive(Debug, Default)]
pub(super) struct Proofs {
    /// Empty until the first proof.
    seen: Vec<Seen>,
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

    /// The same proof in the same place, and on another connection.
    pub(super) fn find(&self, hash: &U256, place: Place) -> (Option<Mark>, Option<Mark>) {
        let key = key(hash);
        let (mut here, mut elsewhere) = (None, None);
        let set = self.seen.get(set_at(key)..).unwrap_or_default();
        for seen in set.iter().take(Self::WAYS) {
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

    pub(super) fn add(&mut self, hash: &U256, place: Place, mark: Mark) {
        if self.seen.is_empty() {
            self.seen.resize(Self::MAX, Seen::default());
        }
        let key = key(hash);
        let at = set_at(key);
        let set = &mut self.seen[at..at + Self::WAYS];
        let same = set.iter().position(|seen| seen.key == key && seen.place == place);
        let oldest = set.iter().enumerate().min_by_key(|(_, seen)| seen.mark.number);
        if let Some(way) = same.or(oldest.map(|(way, _)| way)) {
            set[way] = Seen { key, place, mark };
        }
    }
}

/// The low bits of a hash, which no proof of work makes zero. Two of the remembered proofs agree
/// in all of them by chance once in 10^9 captures.
fn key(hash: &U256) -> u64 {
    hash.to_limbs()[0]
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below the number of sets")]
fn set_at(key: u64) -> usize {
    (key % (Proofs::MAX / Proofs::WAYS) as u64) as usize * Proofs::WAYS
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
        let sets = (Proofs::MAX / Proofs::WAYS) as u64;
        let hashes: Vec<U256> = (1..=9).map(|number| hash(number * sets)).collect();

        for (number, hash) in (1..).zip(&hashes) {
            proofs.add(hash, place, mark(number));
        }

        assert_eq!(proofs.find(&hashes[0], place).0, None);
        assert_eq!(proofs.find(&hashes[1], place).0, Some(mark(2)));
        assert_eq!(proofs.find(&hashes[8], place).0, Some(mark(9)));
    }
}

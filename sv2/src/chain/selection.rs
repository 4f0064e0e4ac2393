//! Which transactions go into a block that has not room for all: those of the best packages,
//! a package being a transaction with all its ancestors that are not in the block yet.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};

use super::TemplateTransaction;

/// What a block has for transactions other than the coinbase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Room {
    /// In weight units.
    pub weight: u64,
    pub sigops: u64,
}

/// Transactions that fit, with everything that they depend on, in the order of `candidates`.
///
/// `candidates` name what they spend from by position, and stand behind it; one that does not
/// is left out.
pub(crate) fn select(candidates: &[TemplateTransaction], room: Room) -> Vec<TemplateTransaction> {
    if fits(candidates, room) {
        return candidates.to_vec();
    }
    pick(candidates, &Selection::new(candidates).fill(room))
}

/// Whether nothing has to be left out.
pub(crate) fn fits(candidates: &[TemplateTransaction], room: Room) -> bool {
    let weight: u64 = candidates.iter().map(|candidate| u64::from(candidate.weight)).sum();
    let sigops: u64 = candidates.iter().map(|candidate| u64::from(candidate.sigops)).sum();
    let is_ordered = (0..)
        .zip(candidates)
        .all(|(position, candidate)| candidate.depends.iter().all(|depends| *depends < position));
    is_ordered && weight <= room.weight && sigops <= room.sigops
}

/// The transactions at `positions`, ascending, with `depends` renumbered.
fn pick(
    candidates: &[TemplateTransaction],
    positions: &BTreeSet<usize>,
) -> Vec<TemplateTransaction> {
    let mut renumbered = vec![0; candidates.len()];
    for (new, old) in (0..).zip(positions) {
        renumbered[*old] = new;
    }
    let picked = positions.iter().map(|position| {
        let mut transaction = candidates[*position].clone();
        for depends in &mut transaction.depends {
            *depends = renumbered[*depends as usize];
        }
        transaction
    });
    picked.collect()
}

struct Selection<'a> {
    candidates: &'a [TemplateTransaction],
    /// By position: positions of direct descendants.
    children: Vec<Vec<usize>>,
    chosen: BTreeSet<usize>,
}

impl<'a> Selection<'a> {
    fn new(candidates: &'a [TemplateTransaction]) -> Self {
        let mut children = vec![Vec::new(); candidates.len()];
        for (position, candidate) in candidates.iter().enumerate() {
            for depends in &candidate.depends {
                if (*depends as usize) < position {
                    children[*depends as usize].push(position);
                }
            }
        }
        Selection { candidates, children, chosen: BTreeSet::new() }
    }

    /// Greedy by fee rate of packages. The heap may hold outdated packages: whatever enters the
    /// block changes those of its descendants, which are then pushed anew, so that the best
    /// current package is always on the heap.
    fn fill(mut self, mut room: Room) -> BTreeSet<usize> {
        let mut heap: BinaryHeap<Package> =
            (0..self.candidates.len()).filter_map(|position| self.package(position)).collect();
        while let Some(package) = heap.pop() {
            if self.chosen.contains(&package.position) {
                continue;
            }
            let is_current = self.package(package.position).as_ref() == Some(&package);
            if !is_current || package.weight > room.weight || package.sigops > room.sigops {
                continue;
            }
            room.weight -= package.weight;
            room.sigops -= package.sigops;
            self.chosen.extend(&package.members);
            for descendant in self.descendants(&package.members) {
                heap.extend(self.package(descendant));
            }
        }
        self.chosen
    }

    /// A transaction with its ancestors outside the block; `None` if one of them does not stand
    /// before its descendant.
    fn package(&self, position: usize) -> Option<Package> {
        let mut package =
            Package { position, fee: 0, weight: 0, sigops: 0, members: BTreeSet::new() };
        let mut open = vec![position];
        while let Some(member) = open.pop() {
            if self.chosen.contains(&member) || !package.members.insert(member) {
                continue;
            }
            let candidate = &self.candidates[member];
            package.fee += u128::from(candidate.fee);
            package.weight += u64::from(candidate.weight);
            package.sigops += u64::from(candidate.sigops);
            for depends in &candidate.depends {
                let depends = *depends as usize;
                if depends >= member {
                    return None;
                }
                open.push(depends);
            }
        }
        Some(package)
    }

    fn descendants(&self, of: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut descendants = BTreeSet::new();
        let mut open: Vec<usize> = of.iter().copied().collect();
        while let Some(position) = open.pop() {
            for child in &self.children[position] {
                if !self.chosen.contains(child) && descendants.insert(*child) {
                    open.push(*child);
                }
            }
        }
        descendants
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Package {
    position: usize,
    fee: u128,
    weight: u64,
    sigops: u64,
    members: BTreeSet<usize>,
}

impl Ord for Package {
    /// By fee rate; of equals, the one that stands first is greater.
    fn cmp(&self, other: &Self) -> Ordering {
        let ours = self.fee * u128::from(other.weight);
        let theirs = other.fee * u128::from(self.weight);
        ours.cmp(&theirs).then_with(|| other.position.cmp(&self.position))
    }
}

impl PartialOrd for Package {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::{Just, Strategy, any, prop};
    use proptest::{prop_assert, proptest};

    use super::*;
    use crate::wire::U256;

    fn candidate(number: u64, fee: u64, weight: u32, depends: &[u32]) -> TemplateTransaction {
        TemplateTransaction {
            raw: Bytes::new(),
            txid: U256::from_limbs([number, 0, 0, 0]),
            wtxid: U256::from_limbs([number, 0, 0, 0]),
            fee,
            weight,
            sigops: 1,
            depends: depends.to_vec(),
        }
    }

    fn numbers(selected: &[TemplateTransaction]) -> Vec<u64> {
        selected.iter().map(|transaction| transaction.txid.to_limbs()[0]).collect()
    }

    #[test]
    fn a_rich_child_brings_its_poor_parent_in() {
        let candidates =
            [candidate(0, 0, 400, &[]), candidate(1, 300, 400, &[]), candidate(2, 1000, 400, &[0])];

        let selected = select(&candidates, Room { weight: 800, sigops: 10 });

        assert_eq!(numbers(&selected), [0, 2]);
        assert_eq!(selected[1].depends, [0]);
    }

    #[test]
    fn a_child_is_worth_more_once_its_parent_is_in() {
        // The poor parent enters with child 1; child 2 must then beat transaction 3 by itself.
        let candidates = [
            candidate(0, 0, 400, &[]),
            candidate(1, 2000, 400, &[0]),
            candidate(2, 700, 400, &[0]),
            candidate(3, 600, 400, &[]),
        ];

        let selected = select(&candidates, Room { weight: 1200, sigops: 10 });

        assert_eq!(numbers(&selected), [0, 1, 2]);
    }

    #[test]
    fn signature_operations_are_a_limit_of_their_own() {
        let candidates = [candidate(0, 10, 400, &[]), candidate(1, 20, 400, &[])];

        let selected = select(&candidates, Room { weight: 4000, sigops: 1 });

        assert_eq!(numbers(&selected), [1]);
    }

    #[test]
    fn a_candidate_that_depends_on_a_later_one_is_left_out() {
        let candidates = [candidate(0, 10, 400, &[1]), candidate(1, 20, 400, &[])];

        let selected = select(&candidates, Room { weight: 4000, sigops: 10 });

        assert_eq!(numbers(&selected), [1]);
    }

    /// Any mempool: each transaction depends on some of those before it.
    fn mempool() -> impl Strategy<Value = Vec<TemplateTransaction>> {
        prop::collection::vec((0..5000_u64, 1..2000_u32, any::<u64>()), 0..40).prop_flat_map(
            |drafts| {
                let candidates = (0..).zip(drafts).map(|(number, (fee, weight, dice))| {
                    let depends: Vec<u32> =
                        (0..number).filter(|other| (dice >> (other % 64)) & 0b111 == 0).collect();
                    candidate(u64::from(number), fee, weight, &depends)
                });
                Just(candidates.collect())
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_selected_fits_and_stands_behind_what_it_depends_on(
            candidates in mempool(), weight in 0..30_000_u64, sigops in 0..30_u64
        ) {
            let selected = select(&candidates, Room { weight, sigops });

            prop_assert!(selected.iter().map(|it| u64::from(it.weight)).sum::<u64>() <= weight);
            prop_assert!(selected.iter().map(|it| u64::from(it.sigops)).sum::<u64>() <= sigops);
            for (position, transaction) in selected.iter().enumerate() {
                let original = candidates.iter().find(|it| it.txid == transaction.txid).unwrap();
                prop_assert!(transaction.depends.len() == original.depends.len());
                for (new, old) in transaction.depends.iter().zip(&original.depends) {
                    prop_assert!((*new as usize) < position);
                    prop_assert!(selected[*new as usize].txid == candidates[*old as usize].txid);
                }
            }
        }
    }
}

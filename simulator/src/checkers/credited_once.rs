//! No server accepts one proof twice (spec 5.3.12).

use sv2::event::Event;
use sv2::time::Instant;

use super::{Card, Checker, Sight, SightKind};

/// The proofs of the last while, in two halves: when the newer one is full, the older is
/// forgotten. A share for a tip of so long ago is late anyway.
#[derive(Default)]
pub(super) struct CreditedOnce {
    newer: Proofs,
    older: Proofs,
}

impl Checker for CreditedOnce {
    fn name(&self) -> &'static str {
        "credited-once"
    }

    fn looks_at(&self) -> &'static [SightKind] {
        &[SightKind::Judged]
    }

    fn see(&mut self, _now: Instant, _hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Told { host, event: Event::ShareAccepted { hash, channel_id, .. }, .. } = sight
        else {
            return Ok(());
        };
        let [a, b, ..] = hash.to_limbs();
        // The lower half of a hash: its upper one is zeros where targets are hard.
        let proof = u128::from(a) << 64 | u128::from(b ^ u64::from(*host) << 32);
        if self.older.contains(proof) || !self.newer.insert(proof) {
            return Err(format!("the share {hash} of channel {channel_id} was accepted before"));
        }
        if self.newer.count == PROOFS_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        Ok(())
    }
}

/// A set whose keys are as good as random: open addressing with linear probing.
#[derive(Default)]
struct Proofs {
    /// A power of two, at most three quarters of them taken; zero where there is none.
    slots: Vec<u128>,
    count: usize,
}

impl Proofs {
    fn contains(&self, proof: u128) -> bool {
        !self.slots.is_empty() && self.find(proof).is_ok()
    }

    /// `false`: it was there.
    fn insert(&mut self, proof: u128) -> bool {
        if 4 * (self.count + 1) > 3 * self.slots.len() {
            self.grow();
        }
        let Err(free) = self.find(proof) else { return false };
        self.slots[free] = proof;
        self.count += 1;
        true
    }

    /// The slot of a proof, or the free one where it belongs.
    fn find(&self, proof: u128) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let mut at = (proof >> 64) as usize & mask;
        loop {
            match self.slots[at] {
                0 => return Err(at),
                taken if taken == proof => return Ok(at),
                _ => at = (at + 1) & mask,
            }
        }
    }

    #[cold]
    fn grow(&mut self) {
        let len = (2 * self.slots.len()).max(64);
        for proof in std::mem::replace(&mut self.slots, vec![0; len]) {
            if proof != 0
                && let Err(free) = self.find(proof)
            {
                self.slots[free] = proof;
            }
        }
    }
}

/// In each half: some minutes of the largest world.
const PROOFS_MAX: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_known_from_when_it_came_on() {
        let mut proofs = Proofs::default();
        // Neighbours share a slot of a small table.
        let all = (1..1_000_u128).map(|number| number << 60);
        for proof in all.clone() {
            assert!(!proofs.contains(proof));

            assert!(proofs.insert(proof), "{proof:x}");
        }

        assert!(all.clone().all(|proof| proofs.contains(proof) && !proofs.insert(proof)));
        assert_eq!(proofs.count, 999);
    }
}

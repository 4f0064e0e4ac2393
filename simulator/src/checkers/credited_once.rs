//! No server accepts one proof twice (spec 5.3.12).

use std::collections::BTreeSet;

use sv2::event::Event;
use sv2::time::Instant;

use super::{Card, Checker, Sight};

/// The proofs of the last while, in two halves: when the newer one is full, the older is
/// forgotten. A share for a tip of so long ago is late anyway.
#[derive(Default)]
pub(super) struct CreditedOnce {
    newer: BTreeSet<(u32, [u64; 4])>,
    older: BTreeSet<(u32, [u64; 4])>,
}

impl Checker for CreditedOnce {
    fn name(&self) -> &'static str {
        "credited-once"
    }

    fn see(&mut self, _now: Instant, _hosts: &[Card], sight: &Sight<'_>) -> Result<(), String> {
        let Sight::Told { host, event: Event::ShareAccepted { hash, channel_id, .. }, .. } = sight
        else {
            return Ok(());
        };
        let proof = (*host, hash.to_limbs());
        if self.older.contains(&proof) || !self.newer.insert(proof) {
            return Err(format!("the share {hash} of channel {channel_id} was accepted before"));
        }
        if self.newer.len() == PROOFS_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        Ok(())
    }
}

/// In each half: some minutes of the largest world.
const PROOFS_MAX: usize = 1 << 18;

//! Two nodes with one history: how a chain gets a twin, and how twins stay of one mind.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Chain, MEDIAN_BLOCKS};
use crate::chain::BlockRejection;
use crate::entropy::Entropy;
use crate::mining::header::{Header, double_sha256};
use crate::time::Now;
use crate::wire::U256;

impl Chain {
    /// Another node that knows the same blocks and transactions, and draws its own from
    /// `entropy`.
    #[must_use]
    pub fn twin(&self, entropy: Entropy) -> Chain {
        Chain {
            config: self.config.clone(),
            target: self.target,
            entropy,
            blocks: self.blocks.clone(),
            block_bytes: self.block_bytes,
            abandoned: self.abandoned.clone(),
            coins: self.coins.clone(),
            mempool: self.mempool.clone(),
            revision: self.revision,
            selected: self.selected.clone(),
        }
    }

    /// The blocks that are kept, serialised with witnesses, the tip last: what a twin needs to
    /// follow.
    pub fn branch(&self) -> Vec<Bytes> {
        self.blocks.iter().map(|block| block.raw.clone()).collect()
    }

    /// Follows a twin's branch if it is longer than ours; whether it was. Transactions of blocks
    /// that are given up for it wait again, as far as they are still valid.
    ///
    /// Proofs of work are not asked for: a twin has judged its blocks, and what it lets others
    /// find ([`Chain::extend_tip_unproven`]) has none.
    ///
    /// # Errors
    /// If the branches have no block in common that is still kept, or one of the twin's blocks
    /// is not valid; nothing changes then.
    pub fn adopt(&mut self, now: Now, branch: &[Bytes]) -> Result<bool, BlockRejection> {
        let hashes: Vec<U256> = branch.iter().map(|raw| hash_of(raw)).collect();
        let is_ours = |hash: &U256| self.blocks.iter().any(|block| block.hash == *hash);
        let Some(common) = hashes.iter().rposition(is_ours) else {
            let prev_hash = hashes.first().copied().unwrap_or(U256::ZERO);
            return Err(BlockRejection::UnknownPrevious { prev_hash });
        };
        let own = self.blocks.iter().rev().take_while(|block| block.hash != hashes[common]);
        let (own_count, new) = (own.count(), &branch[common + 1..]);
        if new.len() <= own_count {
            return Ok(false);
        }
        if self.blocks.len() - own_count < MEDIAN_BLOCKS {
            return Err(BlockRejection::UnknownPrevious { prev_hash: hashes[common] });
        }
        // Another chain until all of it is valid: this is rare, and a chain is small. Nothing of
        // its randomness is drawn.
        let mut adopted = self.twin(Entropy::from_seed(0));
        let mut waiting = VecDeque::new();
        for _ in 0..own_count {
            adopted.disconnect_tip(&mut waiting);
        }
        adopted.abandoned.retain(|hash| !hashes.contains(hash));
        for raw in new {
            let (candidate, changes) = adopted.judge(now, raw, false)?;
            adopted.connect(&candidate, changes, raw.clone());
        }
        adopted.refill_mempool(waiting.into());
        std::mem::swap(&mut adopted.entropy, &mut self.entropy);
        *self = adopted;
        Ok(true)
    }
}

/// What is too short for a header has the hash of nothing that anybody knows.
fn hash_of(raw: &[u8]) -> U256 {
    raw.first_chunk::<{ Header::LEN }>().map_or(U256::ZERO, |header| double_sha256(header))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{ChainConfig, TransactionShape};
    use crate::time::{Instant, UnixTime};

    const NOW: Now = Now { instant: Instant(0), unix: UnixTime(1_700_000_000) };

    fn twins() -> (Chain, Chain) {
        let config = ChainConfig::new(ChainConfig::HARD, NOW.unix);
        let chain = Chain::new(config, Entropy::from_seed(1));
        let twin = chain.twin(Entropy::from_seed(2));
        (chain, twin)
    }

    #[test]
    fn twins_have_one_history_and_transactions_of_their_own() {
        let (mut chain, mut twin) = twins();

        let drawn = [&mut chain, &mut twin]
            .map(|chain| chain.generate_transaction(TransactionShape::default()).unwrap());

        assert_eq!((chain.tip(), chain.height()), (twin.tip(), twin.height()));
        assert_ne!(drawn[0], drawn[1]);
    }

    #[test]
    fn a_twin_follows_a_longer_branch_and_its_own_transactions_wait_again() {
        let (mut chain, mut twin) = twins();
        twin.generate_transaction(TransactionShape::default()).unwrap();
        twin.extend_tip_unproven(NOW);
        chain.extend_tip_unproven(NOW);
        let tip = chain.extend_tip_unproven(NOW);

        let is_adopted = twin.adopt(NOW, &chain.branch());

        assert_eq!(is_adopted, Ok(true));
        assert_eq!((twin.tip(), twin.mempool_len()), (tip, 1));
        assert_eq!(chain.adopt(NOW, &twin.branch()), Ok(false), "they are of one mind");
    }

    #[test]
    fn of_two_branches_of_one_length_each_twin_keeps_its_own() {
        let (mut chain, mut twin) = twins();
        let tips = [chain.extend_tip_unproven(NOW), twin.extend_tip_unproven(NOW)];

        let adopted = [twin.adopt(NOW, &chain.branch()), chain.adopt(NOW, &twin.branch())];

        assert_eq!(adopted, [Ok(false), Ok(false)]);
        assert_eq!([chain.tip(), twin.tip()], tips);
    }

    #[test]
    fn a_branch_that_was_given_up_can_win_after_all() {
        let (mut chain, mut twin) = twins();
        twin.extend_tip_unproven(NOW);
        chain.extend_tip_unproven(NOW);
        let short = chain.branch();
        chain.extend_tip_unproven(NOW);
        twin.adopt(NOW, &chain.branch()).unwrap();
        let (mut third, _) = twins();
        third.adopt(NOW, &short).unwrap();
        third.extend_tip_unproven(NOW);
        let tip = third.extend_tip_unproven(NOW);

        assert_eq!(twin.adopt(NOW, &third.branch()), Ok(true));
        assert_eq!(twin.tip(), tip);
    }

    #[test]
    fn a_branch_with_an_invalid_block_or_of_another_chain_changes_nothing() {
        let (mut chain, mut twin) = twins();
        let before = twin.tip();
        chain.extend_tip_unproven(NOW);
        let mut branch = chain.branch();
        let last = branch.last_mut().unwrap();
        // A merkle root of nothing.
        let mut broken = last.to_vec();
        broken[40] ^= 1;
        *last = broken.into();
        let config = ChainConfig::new(ChainConfig::EASY, NOW.unix);
        let stranger = Chain::new(config, Entropy::from_seed(3));

        let outcomes = [twin.adopt(NOW, &branch), twin.adopt(NOW, &stranger.branch())];

        assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
        assert_eq!(twin.tip(), before);
    }
}

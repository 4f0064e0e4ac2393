//! What a chain tells who asks as one asks a node: where blocks stand, which outputs are unspent,
//! which transactions wait.

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};
use bytes::Bytes;

use super::{Chain, MEDIAN_BLOCKS, median};
use crate::chain::coins::CoinView;
use crate::chain::{ChainConfig, ChainConfigError, TemplateTransaction};
use crate::wire::U256;

/// Where a block of the branch that we follow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    /// Of the block.
    pub height: u32,
    /// Of the last eleven blocks, this one included (BIP 113), as far as they are kept.
    pub median_time: u32,
    /// The block that builds on it.
    pub next: Option<U256>,
}

/// An output that no transaction spends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnspentOutput {
    /// In satoshi.
    pub value: u64,
    /// The output's script.
    pub script: Bytes,
    /// Of the block that created it; `None` while that transaction waits.
    pub height: Option<u32>,
    /// Whether a coinbase transaction created it.
    pub is_coinbase: bool,
}

impl Chain {
    /// As the chain was configured; `nbits` are those of the next block.
    pub fn config(&self) -> &ChainConfig {
        &self.config
    }

    /// The block at a height; `None` above the tip and where it is no longer kept.
    pub fn block_hash(&self, height: u32) -> Option<U256> {
        let block_index = height.checked_sub(self.blocks.front()?.height)?;
        self.blocks.get(block_index as usize).map(|block| block.hash)
    }

    /// Where a block stands; `None` if it is not on our branch or no longer kept.
    pub fn block_place(&self, hash: &U256) -> Option<BlockPlace> {
        let block_index = self.blocks.iter().position(|block| block.hash == *hash)?;
        let last = (0..=block_index).rev().take(MEDIAN_BLOCKS);
        Some(BlockPlace {
            height: self.blocks[block_index].height,
            median_time: median(last.map(|block_index| self.blocks[block_index].ntime)),
            next: self.blocks.get(block_index + 1).map(|block| block.hash),
        })
    }

    /// All transactions that wait, parents before children; [`TemplateTransaction::depends`] are
    /// positions in this list.
    pub fn waiting(&self) -> Vec<TemplateTransaction> {
        self.mempool.candidates()
    }

    /// An output that is unspent at the tip; with `includes_mempool`, outputs of waiting
    /// transactions count, and those that they spend do not.
    pub fn unspent(&self, txid: U256, vout: u32, includes_mempool: bool) -> Option<UnspentOutput> {
        let outpoint = OutPoint { txid: Txid::from_byte_array(txid.to_le_bytes()), vout };
        let confirmed = self.coins.coin(&outpoint);
        let (coin, height) = match includes_mempool {
            false => (confirmed?, confirmed.map(|coin| coin.height)),
            true if self.mempool.is_spent(&outpoint) => return None,
            true => match self.mempool.created(&outpoint) {
                Some(coin) => (coin, None),
                None => (confirmed?, confirmed.map(|coin| coin.height)),
            },
        };
        Some(UnspentOutput {
            value: coin.value,
            script: Bytes::copy_from_slice(coin.script.as_bytes()),
            height,
            is_coinbase: coin.is_coinbase,
        })
    }

    /// Gives the next block, and all after it, another target: a new template, as on a network
    /// whose difficulty has been adjusted. Twins do not follow.
    ///
    /// # Errors
    /// If `nbits` is no target; nothing changes then.
    pub fn set_nbits(&mut self, nbits: u32) -> Result<(), ChainConfigError> {
        let config = ChainConfig { nbits, ..self.config.clone() };
        self.target = config.target()?;
        self.config = config;
        self.changed();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::TransactionShape;
    use crate::entropy::Entropy;
    use crate::time::{Instant, Now, UnixTime};
    use crate::wire::Target;

    const NOW: Now = Now { instant: Instant(0), unix: UnixTime(1_700_000_000) };

    fn chain() -> Chain {
        let config = ChainConfig::new(ChainConfig::HARD, NOW.unix);
        Chain::new(config, Entropy::from_seed(1))
    }

    #[test]
    fn blocks_are_found_by_height_as_far_as_they_are_kept() {
        let mut chain = chain();
        let below = chain.tip();
        let tip = chain.extend_tip_unproven(NOW);

        let found = [101, 102, 103].map(|height| chain.block_hash(height));

        assert_eq!(found, [Some(below), Some(tip), None]);
        let place = chain.block_place(&below).unwrap();
        // Ten minutes apart: the median of eleven is the sixth from the end.
        assert_eq!((place.height, place.next), (101, Some(tip)));
        assert_eq!(u64::from(place.median_time), NOW.unix.0 - 5 * 600);
        assert_eq!(chain.block_place(&U256::MAX), None);
    }

    #[test]
    fn an_output_is_unspent_until_a_transaction_spends_it() {
        let mut chain = chain();
        let txid = chain.generate_transaction(TransactionShape::default()).unwrap();
        let paid: Vec<_> = (0..2).filter_map(|vout| chain.unspent(txid, vout, true)).collect();
        assert!(!paid.is_empty() && paid.iter().all(|output| output.height.is_none()), "{paid:?}");
        assert_eq!(chain.unspent(txid, 0, false), None, "it waits still");
        let free = |chain: &Chain, is_mempool_seen| {
            let txid = U256::from_le_bytes([0xa5; 32]);
            let unspent = (0..500).filter_map(|vout| chain.unspent(txid, vout, is_mempool_seen));
            unspent.count()
        };
        assert!(free(&chain, true) < free(&chain, false));

        chain.extend_tip_unproven(NOW);

        let output = chain.unspent(txid, 0, false).unwrap();
        assert_eq!((output.height, output.is_coinbase), (Some(102), false));
        assert!(chain.waiting().is_empty());
    }

    #[test]
    fn other_nbits_are_those_of_the_next_block_and_no_target_is_refused() {
        let mut chain = chain();
        let before = chain.revision();

        assert_eq!(chain.set_nbits(0), Err(ChainConfigError::Bits(0)));
        assert_eq!((chain.revision(), chain.config().nbits), (before, ChainConfig::HARD));
        chain.set_nbits(ChainConfig::EASY).unwrap();

        let template = chain.template(NOW);
        assert_eq!(template.nbits, ChainConfig::EASY);
        assert_eq!(Some(template.target), Target::from_compact(ChainConfig::EASY));
        assert!(chain.revision() > before, "followers hear of it");
        chain.extend_tip_unproven(NOW);
        assert_eq!(chain.height(), 102);
    }
}

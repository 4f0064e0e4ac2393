//! Work that the suite gives to targets that dial it: a chain of its own, and jobs that are
//! blocks in the making.

use std::sync::Arc;

use bytes::Bytes;
use sv2::chain::block::height_push;
use sv2::chain::{BlockTemplate, Chain, ChainConfig, merkle};
use sv2::entropy::Entropy;
use sv2::mining::coinbase::{Coinbase, CoinbaseParts, payout};
use sv2::mining::header::{coinbase_txid, merkle_root};
use sv2::time::Now;
use sv2::wire::U256;

use crate::case::{Chain as ChainKind, WorldSettings};

/// The suite's own chain. It exists in the suite alone: no node has heard of its blocks.
pub(super) struct Mint {
    chain: Chain,
    next_job: u32,
    next_prefix: u32,
}

/// What a job says, whatever its channel.
pub(super) struct Work {
    coinbase: Coinbase,
    pub(super) path: Vec<U256>,
}

impl Mint {
    pub(super) fn new(settings: &WorldSettings, now: Now, entropy: Entropy) -> Mint {
        let nbits = match settings.chain {
            ChainKind::Hard => ChainConfig::HARD,
            ChainKind::Easy => ChainConfig::EASY,
        };
        let mut chain = Chain::new(ChainConfig::new(nbits, now.unix), entropy);
        // A merkle path has something in it then.
        for _ in 0..TRANSACTIONS {
            chain.generate_transaction(Default::default());
        }
        Mint { chain, next_job: FIRST_JOB, next_prefix: 1 }
    }

    /// A number that no job has had.
    pub(super) fn job_id(&mut self) -> u32 {
        self.next_job += 1;
        self.next_job - 1
    }

    /// A part of the search space that no channel has had.
    pub(super) fn extranonce_prefix(&mut self, len: usize) -> Bytes {
        self.next_prefix += 1;
        let mut prefix = vec![0xa5; len];
        let number = (self.next_prefix - 1).to_be_bytes();
        let tail = len.min(number.len());
        prefix[len - tail..].copy_from_slice(&number[number.len() - tail..]);
        Bytes::from(prefix)
    }

    /// Somebody else has found a block.
    pub(super) fn new_block(&mut self, now: Now) {
        self.chain.extend_tip_unproven(now);
    }

    /// The tip, and what a block on it would hold.
    pub(super) fn template(&mut self, now: Now) -> Arc<BlockTemplate> {
        self.chain.template(now)
    }

    /// Work for extranonces of so many bytes, prefix included; none fits where that is too many.
    pub(super) fn work(&mut self, now: Now, extranonce_len: usize) -> Option<Work> {
        let template = self.chain.template(now);
        let mut script_start = height_push(template.height).into_bytes();
        script_start.push(u8::try_from(extranonce_len).ok()?);
        let outputs = [
            payout(template.coinbase_value, PAYOUT_SCRIPT),
            payout(0, template.witness_commitment_script()),
        ];
        let coinbase = Coinbase::assemble(&CoinbaseParts {
            version: 2,
            script_start: &script_start,
            extranonce_len,
            sequence: u32::MAX,
            outputs: &outputs,
            locktime: 0,
        });
        let txids = template.transactions.iter().map(|transaction| transaction.txid);
        let path = merkle::path(txids);
        Some(Work { coinbase: coinbase.ok()?, path })
    }
}

impl Work {
    /// Up to the extranonce.
    pub(super) fn prefix(&self) -> Bytes {
        Bytes::copy_from_slice(self.coinbase.prefix().as_slice())
    }

    /// Behind the extranonce.
    pub(super) fn suffix(&self) -> Bytes {
        Bytes::copy_from_slice(self.coinbase.suffix().as_slice())
    }

    /// Of a header with a whole extranonce.
    pub(super) fn merkle_root(&self, extranonce: &[u8]) -> U256 {
        let (prefix, suffix) = (self.coinbase.prefix(), self.coinbase.suffix());
        let txid = coinbase_txid(prefix.as_slice(), extranonce, &[], suffix.as_slice());
        merkle_root(txid, &self.path)
    }
}

/// In the mempool from the start.
const TRANSACTIONS: usize = 3;

/// Not a number that anybody counts from.
const FIRST_JOB: u32 = 1_001;

/// Anybody may spend it: the chain is nobody's.
const PAYOUT_SCRIPT: &[u8] = &[0x51];

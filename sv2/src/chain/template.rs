//! What a node offers to be mined: the contents of `getblocktemplate` (BIP 22, 23, 145).

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::block::witness_commitment_script;
use super::selection::{Room, fits, select};
use super::{BLOCK_SIGOPS_MAX, BLOCK_WEIGHT_MAX};
use crate::wire::{Target, U256};

/// A block that lacks a coinbase transaction and a proof.
#[derive(Clone, Debug)]
pub struct BlockTemplate {
    /// Of the block to be mined.
    pub height: u32,
    /// The block to build on.
    pub prev_hash: U256,
    /// Of the header.
    pub version: u32,
    /// Compact network target of the header.
    pub nbits: u32,
    /// The largest hash that is a block.
    pub target: Target,
    /// Smallest valid header time: median of eleven plus one, seconds since the Unix epoch.
    pub min_ntime: u32,
    /// The node's time, seconds since the Unix epoch.
    pub current_time: u32,
    /// Subsidy and fees, in satoshi.
    pub coinbase_value: u64,
    /// What commits to the witnesses: see [`BlockTemplate::witness_commitment_script`].
    pub witness_commitment: WitnessCommitment,
    /// Without the coinbase transaction, in block order.
    pub transactions: Arc<Vec<TemplateTransaction>>,
}

/// A node's commitment to the witnesses of a template's transactions, or ours: made when somebody
/// asks for it, since most templates are followed by another one before anybody does.
#[derive(Clone, Debug, Default)]
pub struct WitnessCommitment(OnceLock<Bytes>);

impl WitnessCommitment {
    /// As the node says.
    pub fn given(script: Bytes) -> Self {
        WitnessCommitment(OnceLock::from(script))
    }
}

impl BlockTemplate {
    /// The script of the output that commits to the witnesses (BIP 141); empty where a node gives
    /// none.
    pub fn witness_commitment_script(&self) -> &Bytes {
        let wtxids = || self.transactions.iter().map(|transaction| transaction.wtxid);
        self.witness_commitment.0.get_or_init(|| witness_commitment_script(wtxids()))
    }

    /// Of all transactions, in satoshi.
    pub fn fees(&self) -> u64 {
        self.transactions.iter().map(|transaction| transaction.fee).sum()
    }

    /// The template with so few transactions that a block has `reserved_weight` weight units and
    /// `reserved_sigops` signature operations left for all else: header, count and coinbase.
    ///
    /// A transaction leaves with all that spend from it; value and commitment follow. The
    /// template itself where nothing has to leave; none at all where an empty block is too large.
    pub fn trimmed(
        self: &Arc<Self>,
        reserved_weight: u64,
        reserved_sigops: u64,
    ) -> Option<Arc<BlockTemplate>> {
        let room = Room {
            weight: BLOCK_WEIGHT_MAX.checked_sub(reserved_weight)?,
            sigops: BLOCK_SIGOPS_MAX.checked_sub(reserved_sigops)?,
        };
        if fits(&self.transactions, room) {
            return Some(Arc::clone(self));
        }
        let transactions = select(&self.transactions, room);
        let fees_kept: u64 = transactions.iter().map(|transaction| transaction.fee).sum();
        let fees_lost = self.fees() - fees_kept;
        Some(Arc::new(BlockTemplate {
            coinbase_value: self.coinbase_value.saturating_sub(fees_lost),
            witness_commitment: WitnessCommitment::default(),
            transactions: Arc::new(transactions),
            ..BlockTemplate::clone(self)
        }))
    }
}

/// With what commits to the witnesses, wherever that is from.
impl PartialEq for BlockTemplate {
    fn eq(&self, other: &Self) -> bool {
        let BlockTemplate {
            height,
            prev_hash,
            version,
            nbits,
            target,
            min_ntime,
            current_time,
            coinbase_value,
            witness_commitment: _,
            transactions,
        } = self;
        (height, prev_hash, version, nbits, target)
            == (&other.height, &other.prev_hash, &other.version, &other.nbits, &other.target)
            && (min_ntime, current_time) == (&other.min_ntime, &other.current_time)
            && (coinbase_value, transactions) == (&other.coinbase_value, &other.transactions)
            && self.witness_commitment_script() == other.witness_commitment_script()
    }
}

impl Eq for BlockTemplate {}

/// A transaction of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateTransaction {
    /// Serialised with witnesses.
    pub raw: Bytes,
    /// Hash without witnesses.
    pub txid: U256,
    /// Hash with witnesses.
    pub wtxid: U256,
    /// In satoshi.
    pub fee: u64,
    /// In weight units (BIP 141).
    pub weight: u32,
    /// Signature operations, as the limit of 80,000 counts them.
    pub sigops: u32,
    /// Positions in the template of transactions that this one spends from.
    pub depends: Vec<u32>,
}

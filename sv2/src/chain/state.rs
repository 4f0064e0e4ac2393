//! The chain itself: its tip, its last blocks, its coins and its mempool.

mod branch;
mod look;

use std::collections::VecDeque;
use std::sync::Arc;

use bitcoin::consensus::encode;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use bytes::Bytes;
use thiserror::Error;

use super::block;
use super::coins::{Changes, Coin, Coins, Undo};
use super::config::ChainConfig;
use super::mempool::{Mempool, TransactionShape};
use super::selection::{Room, select};
use super::template::{BlockTemplate, TemplateTransaction, WitnessCommitment};
use super::transaction::{Place, free_script};
use super::validation::{self, Candidate, Rules};
use super::{
    BLOCK_SIGOPS_MAX, BLOCK_WEIGHT_MAX, BlockRejection, COINBASE_SCRIPT_SIGOPS,
    RESERVED_WEIGHT_MIN, TransactionRejection,
};
use crate::entropy::Entropy;
use crate::mining::proof::ProofCheck;
use crate::time::{Now, UnixTime};
use crate::wire::{Target, U256};

pub use look::{BlockPlace, UnspentOutput};

/// A chain of blocks with one branch, and the transactions that wait for it.
#[derive(Debug)]
pub struct Chain {
    config: ChainConfig,
    target: Target,
    entropy: Entropy,
    /// The last ones, the tip at the back; never empty.
    blocks: VecDeque<StoredBlock>,
    /// Serialised blocks in `blocks`, in bytes.
    block_bytes: usize,
    /// Blocks that were reorganised away, the last at the back.
    abandoned: VecDeque<U256>,
    coins: Coins,
    mempool: Mempool,
    revision: u64,
    selected: Option<Selected>,
}

/// A reorganisation that would reach below the blocks that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a reorganisation of {depth} blocks is too deep, {depth_max} is the most")]
pub struct TooDeep {
    /// As asked for.
    pub depth: usize,
    /// That works.
    pub depth_max: usize,
}

#[derive(Clone, Debug)]
struct StoredBlock {
    hash: U256,
    height: u32,
    ntime: u32,
    raw: Bytes,
    undo: Undo,
}

/// What a template takes from the mempool: the same until tip or mempool change.
#[derive(Clone, Debug)]
struct Selected {
    transactions: Arc<Vec<TemplateTransaction>>,
    fees: u64,
}

/// What a block by others contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    Template,
    Nothing,
}

impl Chain {
    /// A chain at its first tip, with an empty mempool.
    ///
    /// # Panics
    /// If [`ChainConfig::check`] fails.
    pub fn new(config: ChainConfig, entropy: Entropy) -> Self {
        let target = config.target().expect("the configuration has been checked");
        config.check().expect("the configuration has been checked");
        let blocks_below = config.initial_height.min(PREMINED_MAX);
        let first_time = config.start_time.0.saturating_sub(u64::from(blocks_below) * BLOCK_TIME);
        let mut chain = Chain {
            target,
            entropy,
            blocks: VecDeque::new(),
            block_bytes: 0,
            abandoned: VecDeque::new(),
            coins: Coins::default(),
            mempool: Mempool::default(),
            revision: 0,
            selected: None,
            config,
        };
        chain.found(chain.config.initial_height - blocks_below, UnixTime(first_time));
        for block_index in 1..=u64::from(blocks_below) {
            chain.extend(UnixTime(first_time + block_index * BLOCK_TIME), Contents::Nothing);
        }
        chain
    }

    /// Hash of the last block.
    pub fn tip(&self) -> U256 {
        self.tip_block().hash
    }

    /// Height of the last block.
    pub fn height(&self) -> u32 {
        self.tip_block().height
    }

    /// The largest hash that is a block.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Rises whenever the tip or the mempool changes, and so the template.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// A block of the branch that we follow, serialised with witnesses; the last 288 are kept,
    /// or fewer if they are large.
    pub fn block(&self, hash: &U256) -> Option<&Bytes> {
        self.blocks.iter().find(|block| block.hash == *hash).map(|block| &block.raw)
    }

    /// Number of transactions that wait.
    pub fn mempool_len(&self) -> usize {
        self.mempool.len()
    }

    /// The best block to mine: all transactions that fit beside a coinbase transaction of 2,000
    /// weight units, the header included. The time is `now`, or the smallest valid one.
    pub fn template(&mut self, now: Now) -> Arc<BlockTemplate> {
        Arc::new(self.template_at(now.unix, Contents::Template))
    }

    /// Judges a block, and makes it the tip if it is valid and builds on the tip.
    ///
    /// # Errors
    /// Why the block is refused; nothing changes then.
    pub fn submit_block(&mut self, now: Now, raw: &[u8]) -> Result<U256, BlockRejection> {
        let (candidate, changes) =
            self.judge(now, raw, self.config.proof_check == ProofCheck::Hashed)?;
        let coins_after = self.coins.len_after(&changes);
        if coins_after > COINS_MAX {
            return Err(BlockRejection::CoinsFull(COINS_MAX));
        }
        let hash = candidate.hash;
        self.connect(&candidate, changes, Bytes::copy_from_slice(raw));
        Ok(hash)
    }

    /// Judges a block without its proof of work.
    ///
    /// # Errors
    /// Why the block would be refused.
    pub fn validate_block(&self, now: Now, raw: &[u8]) -> Result<U256, BlockRejection> {
        self.judge(now, raw, false).map(|(candidate, _)| candidate.hash)
    }

    /// Lets somebody else find a block of the current template, **without a proof of work**: on
    /// a hard chain nobody could. The chain accepts such blocks from itself alone.
    pub fn extend_tip_unproven(&mut self, now: Now) -> U256 {
        self.extend(now.unix, Contents::Template);
        self.tip()
    }

    /// Replaces the last `depth` blocks by `depth + 1` empty ones without a proof of work; the
    /// transactions of the replaced blocks wait again, as far as they are still valid.
    ///
    /// # Errors
    /// If so many blocks are not kept.
    pub fn reorganise(&mut self, depth: usize, now: Now) -> Result<U256, TooDeep> {
        // What is left must give the median time of the first new block.
        let depth_max = self.blocks.len().saturating_sub(MEDIAN_BLOCKS);
        if depth > depth_max {
            return Err(TooDeep { depth, depth_max });
        }
        let mut waiting = VecDeque::new();
        for _ in 0..depth {
            self.disconnect_tip(&mut waiting);
        }
        let waiting = Vec::from(waiting);
        self.refill_mempool(waiting);
        for _ in 0..=depth {
            self.extend(now.unix, Contents::Nothing);
        }
        Ok(self.tip())
    }

    /// Adds a transaction, serialised with witnesses, to the mempool.
    ///
    /// # Errors
    /// Why it is refused; among others because the embedded chain runs no scripts.
    pub fn add_transaction(&mut self, raw: &[u8]) -> Result<U256, TransactionRejection> {
        let transaction: Transaction = encode::deserialize(raw)
            .map_err(|error| TransactionRejection::Undecodable(error.to_string()))?;
        let txid = self.mempool.add(transaction, &self.coins, self.place())?;
        self.changed();
        Ok(txid)
    }

    /// Makes up a transaction and adds it to the mempool: a payment with a witness and a fee,
    /// of confirmed or waiting coins. `None` if no coin or no room is left.
    pub fn generate_transaction(&mut self, shape: TransactionShape) -> Option<U256> {
        let place = self.place();
        // A random coin may have too many ancestors: a few draws find another.
        (0..DRAWS_MAX).find_map(|_| {
            let drawn = self.mempool.generate(&self.coins, place, &mut self.entropy, shape)?;
            let txid = self.mempool.add(drawn, &self.coins, place).ok()?;
            self.changed();
            Some(txid)
        })
    }

    fn tip_block(&self) -> &StoredBlock {
        self.blocks.back().expect("a chain has a block from the start")
    }

    fn changed(&mut self) {
        self.revision += 1;
        self.selected = None;
    }

    /// Where the next block stands.
    fn place(&self) -> Place {
        let last = self.blocks.iter().rev().take(MEDIAN_BLOCKS);
        Place { height: self.height() + 1, median_time_past: median(last.map(|block| block.ntime)) }
    }

    fn rules(&self, ntime_max: u64, is_proof_needed: bool) -> Rules {
        let place = self.place();
        Rules {
            place,
            nbits: self.config.nbits,
            target: self.target,
            subsidy: block::subsidy(place.height, self.config.halving_interval),
            ntime_max,
            is_proof_needed,
        }
    }

    fn judge(
        &self,
        now: Now,
        raw: &[u8],
        is_proof_needed: bool,
    ) -> Result<(Candidate, Changes), BlockRejection> {
        let candidate = validation::decode(raw)?;
        let rules = self.rules(now.unix.0.saturating_add(NTIME_AHEAD_MAX), is_proof_needed);
        if self.is_known(&candidate.hash) {
            return Err(BlockRejection::Duplicate);
        }
        validation::check_proof(&candidate, &rules)?;
        let (prev_hash, tip) = (candidate.prev_hash, self.tip());
        if prev_hash != tip {
            return Err(match self.is_known(&prev_hash) {
                true => BlockRejection::Stale { prev_hash, tip },
                false => BlockRejection::UnknownPrevious { prev_hash },
            });
        }
        let changes = validation::check(&candidate, &rules, &self.coins)?;
        Ok((candidate, changes))
    }

    fn is_known(&self, hash: &U256) -> bool {
        self.blocks.iter().any(|block| block.hash == *hash) || self.abandoned.contains(hash)
    }

    fn template_at(&mut self, time: UnixTime, contents: Contents) -> BlockTemplate {
        let selected = match contents {
            Contents::Template => match &self.selected {
                Some(selected) => selected.clone(),
                None => self.selected.insert(Selected::new(&self.mempool.candidates())).clone(),
            },
            Contents::Nothing => Selected::new(&[]),
        };
        let place = self.place();
        let min_ntime = place.median_time_past.saturating_add(1);
        let subsidy = block::subsidy(place.height, self.config.halving_interval);
        BlockTemplate {
            height: place.height,
            prev_hash: self.tip(),
            version: VERSION,
            nbits: self.config.nbits,
            target: self.target,
            min_ntime,
            current_time: time.to_u32().max(min_ntime),
            coinbase_value: subsidy + selected.fees,
            witness_commitment: WitnessCommitment::default(),
            transactions: selected.transactions,
        }
    }

    fn extend(&mut self, time: UnixTime, contents: Contents) {
        let template = self.template_at(time, contents);
        let payout = TxOut {
            value: Amount::from_sat(template.coinbase_value),
            script_pubkey: ScriptBuf::from_bytes(self.config.payout_script.to_vec()),
        };
        // Two blocks of one height are two, and a height of one byte makes too short a script.
        let script_tail: [u8; 8] = self.entropy.bytes();
        let coinbase = block::coinbase(&template, &script_tail, vec![payout]);
        let header = block::header(&template, &coinbase);
        let raw = block::assemble(&header, &block::serialize(&coinbase), &template.transactions);
        let candidate = validation::decode(&raw).expect("our own block decodes");
        let changes = validation::check(&candidate, &self.rules(u64::MAX, false), &self.coins)
            .expect("a block of our own template is valid");
        self.connect(&candidate, changes, raw);
    }

    /// The block below which nothing is known, and the coins that exist from the start.
    fn found(&mut self, height: u32, time: UnixTime) {
        for vout in 0..self.config.free_coins {
            let outpoint = OutPoint { txid: Txid::from_byte_array([0xa5; 32]), vout };
            let (value, script) = (FREE_COIN_VALUE, free_script());
            self.coins.insert(outpoint, Coin { value, script, height, is_coinbase: false });
        }
        let template = BlockTemplate {
            height,
            prev_hash: U256::ZERO,
            version: VERSION,
            nbits: self.config.nbits,
            target: self.target,
            min_ntime: 0,
            current_time: time.to_u32(),
            coinbase_value: 0,
            witness_commitment: WitnessCommitment::default(),
            transactions: Arc::default(),
        };
        let coinbase = block::coinbase(&template, b"assay", Vec::new());
        let header = block::header(&template, &coinbase);
        let raw = block::assemble(&header, &block::serialize(&coinbase), &[]);
        let undo = self.coins.connect(Changes::default());
        self.block_bytes = raw.len();
        let (hash, ntime) = (header.hash(), header.ntime);
        self.blocks.push_back(StoredBlock { hash, height, ntime, raw, undo });
    }

    fn connect(&mut self, candidate: &Candidate, changes: Changes, raw: Bytes) {
        let undo = self.coins.connect(changes);
        self.block_bytes += raw.len();
        let (hash, height) = (candidate.hash, self.height() + 1);
        let ntime = candidate.block.header.time;
        self.blocks.push_back(StoredBlock { hash, height, ntime, raw, undo });
        while self.blocks.len() > BLOCKS_MAX
            || (self.block_bytes > BLOCK_BYTES_MAX && self.blocks.len() > BLOCKS_MIN)
        {
            let oldest = self.blocks.pop_front().expect("more than the fewest");
            self.block_bytes -= oldest.raw.len();
        }
        self.refill_mempool(Vec::new());
    }

    /// Takes the tip away; its transactions come before those that wait already.
    fn disconnect_tip(&mut self, waiting: &mut VecDeque<Transaction>) {
        let block = self.blocks.pop_back().expect("depth is below the number of blocks");
        self.block_bytes -= block.raw.len();
        self.coins.disconnect(&block.undo);
        let decoded: Block = encode::deserialize(&block.raw).expect("it was decoded before");
        for transaction in decoded.txdata.into_iter().skip(1).rev() {
            waiting.push_front(transaction);
        }
        self.abandoned.push_back(block.hash);
        if self.abandoned.len() > ABANDONED_MAX {
            self.abandoned.pop_front();
        }
    }

    /// After the tip has changed: what is confirmed or no longer valid is gone.
    fn refill_mempool(&mut self, mut waiting: Vec<Transaction>) {
        waiting.extend(self.mempool.take());
        let place = self.place();
        for transaction in waiting {
            // A transaction that is refused now is confirmed, conflicts with one that is, or
            // spends from a block that is gone: dropping it is what a node does.
            let _ = self.mempool.add(transaction, &self.coins, place);
        }
        self.changed();
    }
}

impl Selected {
    fn new(candidates: &[TemplateTransaction]) -> Self {
        let room = Room {
            weight: BLOCK_WEIGHT_MAX - RESERVED_WEIGHT_MIN,
            sigops: BLOCK_SIGOPS_MAX - COINBASE_SCRIPT_SIGOPS,
        };
        let transactions = select(candidates, room);
        Selected {
            fees: transactions.iter().map(|transaction| transaction.fee).sum(),
            transactions: Arc::new(transactions),
        }
    }
}

/// Of at least one block.
fn median(times: impl Iterator<Item = u32>) -> u32 {
    let mut times: Vec<u32> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Nothing is signalled (BIP 9).
const VERSION: u32 = 0x2000_0000;

/// Blocks whose median time is the lower limit of the next one's (BIP 113).
const MEDIAN_BLOCKS: usize = 11;

/// How far a header's time may lie ahead, in seconds.
const NTIME_AHEAD_MAX: u64 = 7_200;

/// Between blocks that exist from the start, in seconds.
const BLOCK_TIME: u64 = 600;

/// Blocks below the first tip that exist from the start.
const PREMINED_MAX: u32 = 120;

/// Of a free coin, in satoshi.
const FREE_COIN_VALUE: u64 = 10 * 100_000_000;

/// Blocks kept.
const BLOCKS_MAX: usize = 288;

/// Blocks kept whatever their size: enough for the median time and a reorganisation.
const BLOCKS_MIN: usize = 24;

/// Serialised blocks kept, in bytes.
const BLOCK_BYTES_MAX: usize = 256 << 20;

/// Hashes of abandoned blocks kept.
const ABANDONED_MAX: usize = 288;

/// Coins kept: some 100 MB.
const COINS_MAX: usize = 1_000_000;

/// Attempts at a generated transaction.
const DRAWS_MAX: usize = 8;

//! The rules of consensus that a mined block can break.
//!
//! In the order in which Bitcoin Core finds them, so that a block with two faults is refused
//! with the same word by both.

use bitcoin::consensus::encode;
use bitcoin::hashes::Hash;
use bitcoin::{Block, Transaction};

use super::block::{WITNESS_COMMITMENT_MAGIC, WITNESS_COMMITMENT_SCRIPT_LEN, height_push};
use super::coins::{Changes, Coins, Overlay};
use super::transaction::{self, Place};
use super::{BLOCK_SIGOPS_MAX, BLOCK_WEIGHT_MAX, BlockRejection, merkle};
use crate::mining::header::double_sha256;
use crate::wire::{Target, U256};

/// What a block must fit.
pub(crate) struct Rules {
    pub place: Place,
    pub nbits: u32,
    pub target: Target,
    /// In satoshi.
    pub subsidy: u64,
    /// Seconds since the Unix epoch.
    pub ntime_max: u64,
    /// Whether the header's hash must meet the target.
    pub is_proof_needed: bool,
}

/// A block that decodes: its transactions and the fields that its place is found by.
pub(crate) struct Candidate {
    pub block: Block,
    pub hash: U256,
    pub prev_hash: U256,
}

/// Decodes a whole block, and nothing behind it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Candidate, BlockRejection> {
    // No block is longer than its weight.
    if bytes.len() as u64 > BLOCK_WEIGHT_MAX {
        return Err(BlockRejection::Length);
    }
    let block: Block = encode::deserialize(bytes)
        .map_err(|error| BlockRejection::Undecodable(error.to_string()))?;
    let hash = U256::from_le_bytes(block.block_hash().to_byte_array());
    let prev_hash = U256::from_le_bytes(block.header.prev_blockhash.to_byte_array());
    Ok(Candidate { block, hash, prev_hash })
}

/// Judges a block on top of the tip; what comes back is what it would change.
pub(crate) fn check(
    candidate: &Candidate,
    rules: &Rules,
    coins: &Coins,
) -> Result<Changes, BlockRejection> {
    check_header(candidate, rules)?;
    let block = &candidate.block;
    let coinbase = check_structure(block)?;
    check_coinbase_script(coinbase, rules.place.height)?;
    check_witness_commitment(block, coinbase)?;
    let weight = block.weight().to_wu();
    if weight > BLOCK_WEIGHT_MAX {
        return Err(BlockRejection::Weight(weight));
    }
    check_transactions(block, coinbase, rules, coins)
}

/// The proof of work alone.
pub(crate) fn check_proof(candidate: &Candidate, rules: &Rules) -> Result<(), BlockRejection> {
    let nbits = candidate.block.header.bits.to_consensus();
    if nbits != rules.nbits {
        return Err(BlockRejection::WrongBits { nbits, expected: rules.nbits });
    }
    if rules.is_proof_needed && !rules.target.is_met_by(&candidate.hash) {
        return Err(BlockRejection::HighHash { hash: candidate.hash });
    }
    Ok(())
}

fn check_header(candidate: &Candidate, rules: &Rules) -> Result<(), BlockRejection> {
    check_proof(candidate, rules)?;
    let header = &candidate.block.header;
    if header.time <= rules.place.median_time_past {
        let min = rules.place.median_time_past.saturating_add(1);
        return Err(BlockRejection::TimeTooOld { ntime: header.time, min });
    }
    if u64::from(header.time) > rules.ntime_max {
        return Err(BlockRejection::TimeTooNew { ntime: header.time, max: rules.ntime_max });
    }
    let version = header.version.to_consensus();
    if version < VERSION_MIN {
        return Err(BlockRejection::Version(version.cast_unsigned()));
    }
    Ok(())
}

fn check_structure(block: &Block) -> Result<&Transaction, BlockRejection> {
    let Some((coinbase, others)) = block.txdata.split_first() else {
        return Err(BlockRejection::Length);
    };
    if !block.check_merkle_root() {
        return Err(BlockRejection::MerkleRoot);
    }
    if !coinbase.is_coinbase() {
        return Err(BlockRejection::CoinbaseMissing);
    }
    if others.iter().any(Transaction::is_coinbase) {
        return Err(BlockRejection::CoinbaseMultiple);
    }
    let script_len = coinbase.input[0].script_sig.len();
    if !COINBASE_SCRIPT_LEN.contains(&script_len) {
        return Err(BlockRejection::CoinbaseLength(script_len));
    }
    Ok(coinbase)
}

/// BIP 34.
fn check_coinbase_script(coinbase: &Transaction, height: u32) -> Result<(), BlockRejection> {
    let push = height_push(height);
    if !coinbase.input[0].script_sig.as_bytes().starts_with(push.as_bytes()) {
        return Err(BlockRejection::CoinbaseHeight(height));
    }
    Ok(())
}

/// BIP 141: the last output that looks like a commitment is one.
fn check_witness_commitment(block: &Block, coinbase: &Transaction) -> Result<(), BlockRejection> {
    let scripts = coinbase.output.iter().rev().map(|output| output.script_pubkey.as_bytes());
    let commitment = scripts
        .filter(|script| script.len() >= WITNESS_COMMITMENT_SCRIPT_LEN)
        .find_map(|script| script.strip_prefix(&WITNESS_COMMITMENT_MAGIC));
    let Some(commitment) = commitment else {
        let is_witness = |transaction: &Transaction| {
            transaction.input.iter().any(|input| !input.witness.is_empty())
        };
        let has_witness = block.txdata.iter().any(is_witness);
        return if has_witness { Err(BlockRejection::UnexpectedWitness) } else { Ok(()) };
    };
    let witness = &coinbase.input[0].witness;
    let reserved = match (witness.len(), witness.nth(0)) {
        (1, Some(reserved)) if reserved.len() == 32 => reserved,
        _ => return Err(BlockRejection::WitnessReservedValue),
    };
    let wtxids = block.txdata[1..]
        .iter()
        .map(|transaction| U256::from_le_bytes(transaction.compute_wtxid().to_byte_array()));
    let mut committed = merkle::root(U256::ZERO, wtxids).to_le_bytes().to_vec();
    committed.extend_from_slice(reserved);
    if commitment[..32] != *double_sha256(&committed).as_le_bytes() {
        return Err(BlockRejection::WitnessCommitment);
    }
    Ok(())
}

fn check_transactions(
    block: &Block,
    coinbase: &Transaction,
    rules: &Rules,
    coins: &Coins,
) -> Result<Changes, BlockRejection> {
    let height = rules.place.height;
    let mut overlay = Overlay::new(coins);
    let mut sigops = coinbase.total_sigop_cost(|_| None) as u64;
    let mut fees = 0_u64;
    for (position, transaction) in block.txdata.iter().enumerate().skip(1) {
        let cost = transaction::check(transaction, &overlay, rules.place)
            .map_err(|rejection| BlockRejection::Transaction { position, rejection })?;
        sigops = sigops.saturating_add(cost.sigops);
        fees = fees.saturating_add(cost.fee);
        overlay.apply(transaction, transaction.compute_txid(), height);
    }
    if sigops > BLOCK_SIGOPS_MAX {
        return Err(BlockRejection::Sigops(sigops));
    }
    let available = rules.subsidy.saturating_add(fees);
    let value = transaction::sum(&coinbase.output).unwrap_or(u64::MAX);
    if value > available {
        return Err(BlockRejection::CoinbaseAmount { value, available });
    }
    overlay.apply(coinbase, coinbase.compute_txid(), height);
    Ok(overlay.into_changes())
}

/// Blocks of version 1 to 3 are of the past (BIP 34, 66, 65).
const VERSION_MIN: i32 = 4;

/// In bytes.
const COINBASE_SCRIPT_LEN: std::ops::RangeInclusive<usize> = 2..=100;

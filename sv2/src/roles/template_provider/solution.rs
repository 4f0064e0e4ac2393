//! From a client's proof to a block (spec 7.7).

use bitcoin::consensus::encode;
use bitcoin::{Transaction, Witness};
use bytes::Bytes;
use thiserror::Error;

use super::client::Announced;
use super::offer::Offer;
use crate::chain::block::{self, WITNESS_RESERVED_VALUE, from_txid};
use crate::mining::VERSION_ROLLING_MASK;
use crate::mining::header::{Header, merkle_root};
use crate::mining::proof::ProofCheck;
use crate::template_distribution::SubmitSolution;
use crate::time::Instant;
use crate::wire::U256;

/// A block to be brought to the chain.
#[derive(Debug)]
pub(super) struct Solved {
    pub hash: U256,
    pub block: Bytes,
    /// Rules that the client broke and that do not cost it the block.
    pub remarks: Vec<&'static str>,
}

/// Why a solution is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Flaw {
    #[error("its coinbase_tx is no transaction: {0}")]
    Undecodable(String),
    #[error("its coinbase_tx is no coinbase transaction")]
    NotCoinbase,
    #[error("its hash {hash} is above the target")]
    AboveTarget { hash: U256 },
}

/// Completes the template. What only the chain can judge is left to it: a solution that it might
/// accept is worth a block, whatever rule of ours it breaks.
pub(super) fn solve(
    offer: &Offer,
    solution: &SubmitSolution,
    announced: Option<Announced>,
    proof_check: ProofCheck,
    now: Instant,
) -> Result<Solved, Flaw> {
    let mut remarks = Vec::new();
    let mut coinbase: Transaction = encode::deserialize(solution.coinbase_tx.as_slice())
        .map_err(|error| Flaw::Undecodable(error.to_string()))?;
    if !coinbase.is_coinbase() {
        return Err(Flaw::NotCoinbase);
    }
    let template = &offer.template;
    let header = Header {
        version: solution.version,
        prev_hash: template.prev_hash,
        merkle_root: merkle_root(from_txid(coinbase.compute_txid()), offer.merkle_path()),
        ntime: solution.header_timestamp,
        nbits: template.nbits,
        nonce: solution.header_nonce,
    };
    let hash = header.hash();
    if !proof_check.is_block(&hash, &template.target) {
        return Err(Flaw::AboveTarget { hash });
    }
    if coinbase.input[0].witness.is_empty() && !template.witness_commitment_script().is_empty() {
        coinbase.input[0].witness = Witness::from_slice(&[WITNESS_RESERVED_VALUE]);
        remarks.push("coinbase_tx came without the fields of BIP 141 (spec 3.7.3)");
    }
    if (solution.version ^ template.version) & !VERSION_ROLLING_MASK != 0 {
        remarks.push("version differs in bits that are not for rolling (spec 7.7)");
    }
    // A late solution for the last tip has the last tip's time.
    let of_tip = announced.filter(|announced| announced.prev_hash == template.prev_hash);
    if of_tip.is_some_and(|announced| !is_timely(solution.header_timestamp, announced, now)) {
        remarks.push("header_timestamp lies outside what has been announced (spec 7.7)");
    }
    let block = block::assemble(&header, &block::serialize(&coinbase), &template.transactions);
    Ok(Solved { hash, block, remarks })
}

/// Spec 7.7: from the announced time on, one second more for each since then.
fn is_timely(header_timestamp: u32, announced: Announced, now: Instant) -> bool {
    let elapsed = now.since(announced.at).as_secs();
    let first = announced.header_timestamp;
    header_timestamp >= first && u64::from(header_timestamp - first) <= elapsed
}

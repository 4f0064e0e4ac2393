//! A declaration on its way to a job: what can be judged of it before a node sees it (spec 6.4.4).

use std::collections::BTreeSet;

use bitcoin::Transaction;
use bitcoin::consensus::encode;
use bitcoin::hashes::Hash;
use bytes::Bytes;
use thiserror::Error;

use super::job::DeclaredJob;
use super::transactions::Known;
use crate::chain::block::{WITNESS_COMMITMENT_MAGIC, WITNESS_COMMITMENT_SCRIPT_LEN, from_txid};
use crate::chain::{BLOCK_WEIGHT_MAX, BlockTemplate, merkle};
use crate::job_declaration::token::JobToken;
use crate::job_declaration::{DeclareMiningJob, JobParts, JobTerms, error_code};
use crate::mining::coinbase::{Coinbase, script_height};
use crate::mining::custom_job::pays;
use crate::mining::header::double_sha256;
use crate::wire::{B16M, B32, U256};

/// A declaration as it waits for its turn: owned, so that it does not keep a read buffer alive.
#[derive(Debug)]
pub(super) struct Received {
    pub request_id: u32,
    pub token: Vec<u8>,
    version: u32,
    coinbase_tx_prefix: Bytes,
    coinbase_tx_suffix: Bytes,
    wtxid_list: Vec<U256>,
}

/// A declaration whose coinbase transaction is good.
#[derive(Debug)]
pub(super) struct Declaration {
    pub request_id: u32,
    pub token: JobToken,
    version: u32,
    coinbase: DeclaredCoinbase,
    pub wtxids: Vec<U256>,
}

/// A coinbase transaction that was cut around its extranonce.
#[derive(Debug)]
struct DeclaredCoinbase {
    prefix: Bytes,
    suffix: Bytes,
    script_start_len: usize,
    extranonce_len: usize,
    /// With an extranonce of zeros.
    transaction: Transaction,
}

/// A job that a node can judge, and what a token would say of it.
#[derive(Debug)]
pub(super) struct Complete {
    pub request_id: u32,
    pub token: JobToken,
    pub job: DeclaredJob,
    pub terms: JobTerms,
    /// What its client has sent, to be known from now on if the job is valid.
    pub provided: Vec<(U256, Known)>,
}

/// Why a declaration is not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Flaw {
    #[error("the connection did not set DECLARE_TX_DATA (spec 6.4.1)")]
    NotNegotiated,
    #[error("more than {limit} declarations wait")]
    TooMany { limit: usize },
    #[error("the declarations of all connections would take more than {limit} bytes")]
    NoRoom { limit: usize },
    #[error("the token is not one of ours")]
    UnknownToken,
    #[error("the token was allocated on another connection")]
    ForeignToken,
    #[error("the token has expired")]
    ExpiredToken,
    #[error("the token is that of a declared job")]
    DeclaredToken,
    #[error("the token has been declared, or more tokens were asked for than are kept")]
    UsedToken,
    #[error("the node has given no template yet")]
    NoTemplate,
    #[error("{count} transactions are more than a block holds")]
    TooManyTransactions { count: usize },
    #[error("coinbase_tx_prefix, {extranonce_len} bytes and coinbase_tx_suffix: {error}")]
    Undecodable { extranonce_len: usize, error: String },
    #[error("coinbase_tx_prefix is not the beginning of a coinbase transaction")]
    Prefix,
    #[error("a coinbase script of {len} bytes, 2 to 100 are valid")]
    ScriptLen { len: usize },
    #[error("room for {len} bytes of extranonce, a solution has at most 32 (spec 6.4.9)")]
    ExtranonceLen { len: usize },
    #[error("the coinbase script does not begin with a height near {expected} (BIP 34)")]
    Height { expected: u32 },
    #[error("the job is for height {height}, our tip's next is {expected}")]
    StaleHeight { height: u32, expected: u32 },
    #[error("a new block came before the job was acknowledged")]
    StaleTip,
    #[error("no output pays to the script that came with the token (spec 6.4.3)")]
    PayoutMissing,
    #[error("position {position} repeats a wtxid")]
    Repeated { position: usize },
    #[error("the coinbase has a witness commitment and no witness of 32 bytes (BIP 141)")]
    WitnessReservedValue,
    #[error("the witness commitment is not that of wtxid_list (BIP 141)")]
    WitnessCommitment,
    #[error("{provided} transactions came, {asked} were asked for")]
    ProvidedCount { provided: usize, asked: usize },
    #[error("what came for position {position} is no transaction: {error}")]
    ProvidedUndecodable { position: u16, error: String },
    #[error("what came for position {position} has another wtxid{hint}")]
    ProvidedOther { position: u16, hint: &'static str },
    #[error("the transactions that were asked for did not come within {seconds} s")]
    ProvidedLate { seconds: u64 },
    #[error("the block would have more than {max} bytes")]
    TooLarge { max: u64 },
    #[error("the node refuses the block: {reason}")]
    Invalid { reason: String },
    #[error("the node cannot judge the block: {reason}")]
    NodeFailed { reason: String },
    #[error("the node has not judged the block within {seconds} s")]
    NodeSilent { seconds: u64 },
}

impl Flaw {
    /// For `DeclareMiningJob.Error`.
    pub(super) fn error_code(&self) -> &'static str {
        match self {
            Flaw::NotNegotiated => error_code::NOT_NEGOTIATED,
            Flaw::TooMany { .. } | Flaw::NoRoom { .. } => error_code::TOO_MANY_DECLARATIONS,
            Flaw::UnknownToken => error_code::INVALID_MINING_JOB_TOKEN,
            Flaw::ForeignToken => error_code::FOREIGN_TOKEN,
            Flaw::ExpiredToken => error_code::EXPIRED_TOKEN,
            Flaw::DeclaredToken => error_code::WRONG_TOKEN_STAGE,
            Flaw::UsedToken => error_code::USED_TOKEN,
            Flaw::StaleHeight { .. } | Flaw::StaleTip => error_code::STALE_CHAIN_TIP,
            Flaw::Undecodable { .. } | Flaw::Prefix => error_code::INVALID_COINBASE_TX,
            Flaw::ScriptLen { .. }
            | Flaw::ExtranonceLen { .. }
            | Flaw::Height { .. }
            | Flaw::WitnessReservedValue => error_code::INVALID_COINBASE_TX_INPUT,
            Flaw::PayoutMissing => error_code::PAYOUT_MISSING,
            Flaw::TooManyTransactions { .. }
            | Flaw::Repeated { .. }
            | Flaw::WitnessCommitment
            | Flaw::TooLarge { .. }
            | Flaw::Invalid { .. } => error_code::INVALID_JOB,
            Flaw::ProvidedCount { .. }
            | Flaw::ProvidedUndecodable { .. }
            | Flaw::ProvidedOther { .. }
            | Flaw::ProvidedLate { .. } => error_code::MISSING_TRANSACTIONS,
            Flaw::NoTemplate | Flaw::NodeFailed { .. } | Flaw::NodeSilent { .. } => {
                error_code::INTERNAL_ERROR
            }
        }
    }
}

impl Received {
    /// # Errors
    /// It is longer than anything that is worth to be kept.
    pub(super) fn new(request: DeclareMiningJob) -> Result<Self, Flaw> {
        let count = request.wtxid_list.as_slice().len();
        if count > TRANSACTIONS_MAX {
            return Err(Flaw::TooManyTransactions { count });
        }
        Ok(Received {
            request_id: request.request_id,
            token: request.mining_job_token.as_slice().to_vec(),
            version: request.version,
            coinbase_tx_prefix: request.coinbase_tx_prefix.to_owned_bytes().as_bytes().clone(),
            coinbase_tx_suffix: request.coinbase_tx_suffix.to_owned_bytes().as_bytes().clone(),
            wtxid_list: request.wtxid_list.into_vec(),
        })
    }

    /// What it takes to keep it, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.token.len()
            + self.coinbase_tx_prefix.len()
            + self.coinbase_tx_suffix.len()
            + size_of::<U256>() * self.wtxid_list.len()
    }

    /// Everything that can be said without the transactions; the token has been judged.
    pub(super) fn examine(
        self,
        token: JobToken,
        template: &BlockTemplate,
    ) -> Result<Declaration, Flaw> {
        let coinbase = DeclaredCoinbase::new(self.coinbase_tx_prefix, self.coinbase_tx_suffix)?;
        check_height(coinbase.script_start(), template.height)?;
        if !pays(&coinbase.transaction.output, token.payout) {
            return Err(Flaw::PayoutMissing);
        }
        let mut seen = BTreeSet::new();
        for (position, wtxid) in self.wtxid_list.iter().enumerate() {
            if !seen.insert(wtxid.to_le_bytes()) {
                return Err(Flaw::Repeated { position });
            }
        }
        check_witness_commitment(&coinbase.transaction, &self.wtxid_list)?;
        Ok(Declaration {
            request_id: self.request_id,
            token,
            version: self.version,
            coinbase,
            wtxids: self.wtxid_list,
        })
    }
}

impl Declaration {
    /// What it takes to keep it, in bytes. The coinbase is held twice, once decoded.
    pub(super) fn cost(&self) -> usize {
        2 * (self.coinbase.prefix.len() + self.coinbase.suffix.len())
            + size_of::<U256>() * self.wtxids.len()
    }

    /// What a block of it is, once all transactions are there, in order.
    ///
    /// # Errors
    /// No block is so large.
    pub(super) fn complete(
        self,
        transactions: Vec<Known>,
        provided: Vec<(U256, Known)>,
        template: &BlockTemplate,
    ) -> Result<Complete, Flaw> {
        // No block is longer than its weight.
        let len: u64 = transactions.iter().map(|known| known.raw.len() as u64).sum();
        if len > BLOCK_WEIGHT_MAX {
            return Err(Flaw::TooLarge { max: BLOCK_WEIGHT_MAX });
        }
        let merkle_path = merkle::path(transactions.iter().map(|known| known.txid));
        let DeclaredCoinbase { transaction, prefix, suffix, extranonce_len, .. } = &self.coinbase;
        let terms = JobParts {
            version: self.version,
            prev_hash: template.prev_hash,
            coinbase_tx_version: transaction.version.0.cast_unsigned(),
            script_start: self.coinbase.script_start(),
            extranonce_len: *extranonce_len,
            sequence: transaction.input[0].sequence.0,
            outputs: &encode::serialize(&transaction.output),
            locktime: transaction.lock_time.to_consensus_u32(),
            merkle_path: &merkle_path,
        }
        .terms();
        let job = DeclaredJob {
            prev_hash: template.prev_hash,
            nbits: template.nbits,
            target: template.target,
            version: self.version,
            coinbase_prefix: prefix.clone(),
            coinbase_suffix: suffix.clone(),
            extranonce_len: *extranonce_len,
            merkle_path,
            transactions: transactions.into_iter().map(|known| known.raw).collect(),
            provided_bytes: provided.iter().map(|(_, known)| known.raw.len()).sum(),
        };
        Ok(Complete { request_id: self.request_id, token: self.token, job, terms, provided })
    }
}

impl Complete {
    /// What it takes to keep it, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.job.cost() + size_of::<(U256, Known)>() * self.provided.len()
    }
}

impl DeclaredCoinbase {
    /// Nothing says how long the extranonce is but the length of the input's script, so all that
    /// the prefix has not of the script is extranonce; a custom job has nothing behind it either
    /// (spec 5.3.18).
    fn new(prefix: Bytes, suffix: Bytes) -> Result<Self, Flaw> {
        // Version, then perhaps marker and flag (BIP 141).
        let inputs_at = if prefix.get(4..6) == Some(&[0, 1]) { 6 } else { 4 };
        // One input, which spends nothing: a hash and an index.
        let script_len_at = inputs_at + 1 + 36;
        let (Some(1), Some(&script_len)) = (prefix.get(inputs_at), prefix.get(script_len_at))
        else {
            return Err(Flaw::Prefix);
        };
        let script_len = usize::from(script_len);
        if !(Coinbase::SCRIPT_LEN_MIN..=Coinbase::SCRIPT_LEN_MAX).contains(&script_len) {
            return Err(Flaw::ScriptLen { len: script_len });
        }
        let script_start_len = prefix.len() - script_len_at - 1;
        let extranonce_len = script_len.checked_sub(script_start_len).ok_or(Flaw::Prefix)?;
        if extranonce_len > B32::MAX {
            return Err(Flaw::ExtranonceLen { len: extranonce_len });
        }
        let whole = [&prefix[..], &[0; B32::MAX][..extranonce_len], &suffix].concat();
        let transaction: Transaction = encode::deserialize(&whole)
            .map_err(|error| Flaw::Undecodable { extranonce_len, error: error.to_string() })?;
        if !transaction.is_coinbase() {
            return Err(Flaw::Prefix);
        }
        Ok(DeclaredCoinbase { prefix, suffix, script_start_len, extranonce_len, transaction })
    }

    fn script_start(&self) -> &[u8] {
        &self.transaction.input[0].script_sig.as_bytes()[..self.script_start_len]
    }
}

/// A declaration does not name the block that it builds on; its height does (BIP 34). Another one
/// of about the same height is a race that somebody has not heard the end of.
fn check_height(script_start: &[u8], expected: u32) -> Result<(), Flaw> {
    match script_height(script_start) {
        Some(height) if height == expected => Ok(()),
        Some(height) if height.abs_diff(expected) <= RACE_HEIGHTS => {
            Err(Flaw::StaleHeight { height, expected })
        }
        Some(_) | None => Err(Flaw::Height { expected }),
    }
}

/// BIP 141: the last output that looks like a commitment is one. A block without one must not have
/// witnesses, which the node will see.
fn check_witness_commitment(coinbase: &Transaction, wtxids: &[U256]) -> Result<(), Flaw> {
    let scripts = coinbase.output.iter().rev().map(|output| output.script_pubkey.as_bytes());
    let commitment = scripts
        .filter(|script| script.len() >= WITNESS_COMMITMENT_SCRIPT_LEN)
        .find_map(|script| script.strip_prefix(&WITNESS_COMMITMENT_MAGIC));
    let Some(commitment) = commitment else { return Ok(()) };
    let witness = &coinbase.input[0].witness;
    let reserved = match (witness.len(), witness.nth(0)) {
        (1, Some(reserved)) if reserved.len() == 32 => reserved,
        _ => return Err(Flaw::WitnessReservedValue),
    };
    let root = merkle::root(U256::ZERO, wtxids.iter().copied());
    let committed = [root.as_le_bytes(), reserved].concat();
    if commitment[..32] != *double_sha256(&committed).as_le_bytes() {
        return Err(Flaw::WitnessCommitment);
    }
    Ok(())
}

/// A transaction that was sent for a position of the list.
pub(super) fn provided(raw: &B16M, position: u16, wtxid: U256) -> Result<Known, Flaw> {
    // Spec 7.5: what a later version may append is not ours to read, and no part of a block.
    let (transaction, len): (Transaction, usize) = encode::deserialize_partial(raw.as_slice())
        .map_err(|error| Flaw::ProvidedUndecodable { position, error: error.to_string() })?;
    let txid = from_txid(transaction.compute_txid());
    if U256::from_le_bytes(transaction.compute_wtxid().to_byte_array()) != wtxid {
        // AMB-41.
        let hint = if txid == wtxid { ": wtxid_list holds its txid (spec 6.4.4)" } else { "" };
        return Err(Flaw::ProvidedOther { position, hint });
    }
    Ok(Known { raw: Bytes::copy_from_slice(&raw.as_slice()[..len]), txid })
}

/// 4,000,000 weight units by 240 of the smallest transaction that can be.
const TRANSACTIONS_MAX: usize = 16_666;

/// Further apart it is no race.
const RACE_HEIGHTS: u32 = 6;

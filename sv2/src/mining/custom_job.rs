//! What a pool asks of a `SetCustomMiningJob` before it commits to paying for it (spec 5.3.18,
//! 6.4.3).
//!
//! Everything is judged from the message, its token and the tip: a pool needs no word with the job
//! declarator server that gave the token ([`crate::job_declaration::token`]).

use std::collections::BTreeSet;

use bitcoin::consensus::encode;
use bitcoin::{Amount, TxOut};
use thiserror::Error;

use super::coinbase::{Coinbase, CoinbaseError, CoinbaseParts, script_height};
use super::job::Tip;
use super::share::NTIME_LEAD_MAX;
use super::{SetCustomMiningJob, error_code};
use crate::job_declaration::token::{
    JobToken, NotOurs, PayoutDigest, TokenId, TokenKey, TokenStage, UserDigest,
};
use crate::job_declaration::{JobParts, Term};
use crate::time::{Now, UnixTime};
use crate::wire::{Seq255, U256};

/// Judges custom jobs, and remembers which tokens have been used.
#[derive(Debug)]
pub struct CustomJobs {
    key: TokenKey,
    /// Until they expire, which comes first in the order.
    used: BTreeSet<(UnixTime, TokenId)>,
    used_max: usize,
}

/// What a job is measured against.
#[derive(Clone, Copy, Debug)]
pub struct CustomJobContext<'a> {
    /// The pool's, if it has heard of one.
    pub tip: Option<&'a Tip>,
    /// Of the block to be found, where the pool knows it.
    pub height: Option<u32>,
    /// Of the channel's whole extranonce, in bytes.
    pub extranonce_len: usize,
    /// Of the channel, if only its own tokens are good for it.
    pub user_identity: Option<&'a [u8]>,
}

/// A job that the pool will pay for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomJob {
    /// Of the header.
    pub version: u32,
    /// Smallest header time, seconds since the Unix epoch. The client's own: its node has another
    /// clock than the pool's.
    pub min_ntime: u32,
    /// From the deepest branch to the root.
    pub merkle_path: Seq255<U256>,
    /// Without an extranonce.
    pub coinbase: Coinbase,
}

/// Why a job is not paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CustomJobRefusal {
    /// Spec 5.3.18; AMB-37.
    #[error("there is no such extended channel, nor a group with one")]
    UnknownChannel,
    /// A race: the client's node was faster than the pool's.
    #[error("the pool has not heard of a tip yet")]
    NoTip,
    /// Spec 5.3.18.
    #[error("its mining_job_token is not one of ours")]
    UnknownToken,
    /// See [`crate::job_declaration::token`].
    #[error("its token expired at {expires_at} (Unix time)")]
    ExpiredToken {
        /// As the token says.
        expires_at: UnixTime,
    },
    /// Spec 6.3.2.
    #[error("its token is for full-template mode and was not declared (spec 6.3.2)")]
    NotDeclared,
    /// One token backs one job.
    #[error("its token has been used for another job")]
    UsedToken,
    /// Where the operator wants them to be the same.
    #[error("its token was given to another user than the channel's")]
    ForeignToken,
    /// A race against a new block, not a fault.
    #[error("it builds on {prev_hash}, the tip is {tip}")]
    StaleTip {
        /// Of the job.
        prev_hash: U256,
        /// The pool's.
        tip: U256,
    },
    /// The server acknowledged it on another tip.
    #[error("it was declared for another tip")]
    DeclaredOnOtherTip,
    /// Consensus.
    #[error("nbits {nbits:#010x}, but the tip's are {expected:#010x}")]
    WrongBits {
        /// Of the job.
        nbits: u32,
        /// Of the tip.
        expected: u32,
    },
    /// Consensus, as far as a pool can know.
    #[error("min_ntime {min_ntime}, but no valid time lies outside {min} to {max}")]
    MinNtime {
        /// Of the job.
        min_ntime: u32,
        /// At this moment.
        min: u32,
        /// At this moment.
        max: u32,
    },
    /// BIP 34, 66, 65.
    #[error("version {0:#010x} is none of today's blocks")]
    Version(u32),
    /// Consensus.
    #[error(
        "coinbase_prefix of {prefix_len} bytes and an extranonce of {extranonce_len}: a coinbase \
         script has 2 to 100 bytes"
    )]
    ScriptLen {
        /// Of the job.
        prefix_len: usize,
        /// Of the channel.
        extranonce_len: usize,
    },
    /// BIP 34.
    #[error("coinbase_prefix does not begin with the height {expected}")]
    Height {
        /// Of the block to be found.
        expected: u32,
    },
    /// Not an array of outputs, or worth more than there is.
    #[error("coinbase_tx_outputs are no transaction outputs, or worth more than all bitcoin")]
    Outputs,
    /// Spec 6.4.3.
    #[error("no output pays to the script that came with the token (spec 6.4.3)")]
    PayoutMissing,
    /// No block has so many transactions.
    #[error("a merkle_path of {len} hashes, no block's is longer than {max}")]
    MerklePathLen {
        /// Of the job.
        len: usize,
        /// Of any block.
        max: usize,
    },
    /// Spec 6.4.3, 6.4.5.
    #[error("it is not the job that was declared: {0:?} differs")]
    NotAsDeclared(Term),
    /// A limit of ours.
    #[error("{limit} tokens are in use, the limit")]
    TooManyTokens {
        /// Tokens that are remembered.
        limit: usize,
    },
}

impl CustomJobs {
    /// Remembers at most `used_max` tokens at a time; each takes about 40 bytes until it expires.
    pub fn new(key: TokenKey, used_max: usize) -> Self {
        CustomJobs { key, used: BTreeSet::new(), used_max }
    }

    /// Judges a job; if it is good, its token is used up, else its token stays as it was.
    ///
    /// # Errors
    /// [`CustomJobRefusal`]: the pool does not commit.
    pub fn accept(
        &mut self,
        now: Now,
        request: &SetCustomMiningJob,
        context: &CustomJobContext<'_>,
    ) -> Result<CustomJob, CustomJobRefusal> {
        self.forget_expired(now.unix);
        let token = self.open(now.unix, request, context)?;
        check_header(now, request, context.tip.ok_or(CustomJobRefusal::NoTip)?)?;
        let job = build(request, context)?;
        check_terms(request, context, &token)?;
        if !pays(&job.outputs, token.payout) {
            return Err(CustomJobRefusal::PayoutMissing);
        }
        if self.used.len() >= self.used_max {
            return Err(CustomJobRefusal::TooManyTokens { limit: self.used_max });
        }
        self.used.insert((token.expires_at, token.id));
        Ok(job.job)
    }

    fn forget_expired(&mut self, now: UnixTime) {
        while self.used.first().is_some_and(|(expires_at, _)| *expires_at <= now) {
            self.used.pop_first();
        }
    }

    fn open(
        &self,
        now: UnixTime,
        request: &SetCustomMiningJob,
        context: &CustomJobContext<'_>,
    ) -> Result<JobToken, CustomJobRefusal> {
        let token = self.key.open(request.mining_job_token.as_slice());
        let token = token.map_err(|NotOurs| CustomJobRefusal::UnknownToken)?;
        let user = context.user_identity.map(UserDigest::new);
        if token.expires_at <= now {
            Err(CustomJobRefusal::ExpiredToken { expires_at: token.expires_at })
        } else if token.stage == TokenStage::FullTemplate {
            Err(CustomJobRefusal::NotDeclared)
        } else if self.used.contains(&(token.expires_at, token.id)) {
            Err(CustomJobRefusal::UsedToken)
        } else if user.is_some_and(|user| user != token.user) {
            Err(CustomJobRefusal::ForeignToken)
        } else {
            Ok(token)
        }
    }
}

fn check_header(now: Now, request: &SetCustomMiningJob, tip: &Tip) -> Result<(), CustomJobRefusal> {
    let (prev_hash, nbits, min_ntime) = (request.prev_hash, request.nbits, request.min_ntime);
    if prev_hash != tip.prev_hash {
        return Err(CustomJobRefusal::StaleTip { prev_hash, tip: tip.prev_hash });
    }
    if nbits != tip.nbits {
        return Err(CustomJobRefusal::WrongBits { nbits, expected: tip.nbits });
    }
    // The smallest valid time is the median of eleven blocks, which no message tells a pool. The
    // tip's time is its own node's clock, and the client's node has another one.
    let min = tip.min_ntime.saturating_sub(NTIME_LEAD_MAX);
    let max = now.unix.to_u32().max(tip.min_ntime).saturating_add(NTIME_LEAD_MAX);
    if !(min..=max).contains(&min_ntime) {
        return Err(CustomJobRefusal::MinNtime { min_ntime, min, max });
    }
    if request.version.cast_signed() < VERSION_MIN {
        return Err(CustomJobRefusal::Version(request.version));
    }
    Ok(())
}

/// A job, and what its coinbase transaction pays.
struct Built {
    job: CustomJob,
    outputs: Vec<TxOut>,
}

fn build(
    request: &SetCustomMiningJob,
    context: &CustomJobContext<'_>,
) -> Result<Built, CustomJobRefusal> {
    let script_start = request.coinbase_prefix.as_slice();
    let path_len = request.merkle_path.as_slice().len();
    if path_len > MERKLE_PATH_MAX {
        return Err(CustomJobRefusal::MerklePathLen { len: path_len, max: MERKLE_PATH_MAX });
    }
    let outputs = decode_outputs(request.coinbase_tx_outputs.as_slice())?;
    let coinbase = Coinbase::assemble(&CoinbaseParts {
        version: request.coinbase_tx_version,
        script_start,
        extranonce_len: context.extranonce_len,
        sequence: request.coinbase_tx_input_n_sequence,
        outputs: &outputs,
        locktime: request.coinbase_tx_locktime,
    });
    let coinbase = coinbase.map_err(|error| match error {
        CoinbaseError::ScriptLen { .. } => CustomJobRefusal::ScriptLen {
            prefix_len: script_start.len(),
            extranonce_len: context.extranonce_len,
        },
        CoinbaseError::Outputs { .. }
        | CoinbaseError::TooShort { .. }
        | CoinbaseError::TooLong { .. } => CustomJobRefusal::Outputs,
    })?;
    if let Some(expected) = context.height
        && script_height(script_start) != Some(expected)
    {
        return Err(CustomJobRefusal::Height { expected });
    }
    let job = CustomJob {
        version: request.version,
        min_ntime: request.min_ntime,
        merkle_path: request.merkle_path.clone(),
        coinbase,
    };
    Ok(Built { job, outputs })
}

/// All outputs, and nothing behind them (spec 5.3.18).
fn decode_outputs(bytes: &[u8]) -> Result<Vec<TxOut>, CustomJobRefusal> {
    let outputs: Vec<TxOut> = encode::deserialize(bytes).map_err(|_| CustomJobRefusal::Outputs)?;
    let sum = outputs.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value));
    match sum {
        Some(sum) if sum <= Amount::MAX_MONEY && !outputs.is_empty() => Ok(outputs),
        Some(_) | None => Err(CustomJobRefusal::Outputs),
    }
}

fn check_terms(
    request: &SetCustomMiningJob,
    context: &CustomJobContext<'_>,
    token: &JobToken,
) -> Result<(), CustomJobRefusal> {
    let TokenStage::Declared(declared) = &token.stage else { return Ok(()) };
    let terms = JobParts::of_custom_job(request, context.extranonce_len).terms();
    match declared.difference(&terms) {
        None => Ok(()),
        Some(Term::PrevHash) => Err(CustomJobRefusal::DeclaredOnOtherTip),
        Some(term) => Err(CustomJobRefusal::NotAsDeclared(term)),
    }
}

/// Spec 6.4.3: the payout is found by its script, wherever it stands, and has to get something;
/// how much is between the pool and its miners.
pub(crate) fn pays(outputs: &[TxOut], payout: PayoutDigest) -> bool {
    outputs.iter().any(|output| {
        output.value > Amount::ZERO && PayoutDigest::new(output.script_pubkey.as_bytes()) == payout
    })
}

impl CustomJobRefusal {
    /// For `SetCustomMiningJob.Error`.
    pub fn error_code(&self) -> &'static str {
        use error_code::custom_job as code;
        match self {
            CustomJobRefusal::UnknownChannel => code::INVALID_CHANNEL_ID,
            CustomJobRefusal::UnknownToken => code::INVALID_MINING_JOB_TOKEN,
            CustomJobRefusal::ExpiredToken { .. } => code::EXPIRED_TOKEN,
            CustomJobRefusal::NotDeclared => code::JOB_NOT_YET_VALIDATED,
            CustomJobRefusal::UsedToken => code::USED_TOKEN,
            CustomJobRefusal::ForeignToken => code::FOREIGN_TOKEN,
            CustomJobRefusal::NoTip
            | CustomJobRefusal::StaleTip { .. }
            | CustomJobRefusal::DeclaredOnOtherTip => code::STALE_CHAIN_TIP,
            CustomJobRefusal::WrongBits { .. } => code::INVALID_NBITS,
            CustomJobRefusal::MinNtime { .. } => code::INVALID_MIN_NTIME,
            CustomJobRefusal::Version(_) => code::INVALID_VERSION,
            CustomJobRefusal::ScriptLen { .. } | CustomJobRefusal::Height { .. } => {
                code::INVALID_COINBASE_PREFIX
            }
            CustomJobRefusal::Outputs => code::INVALID_COINBASE_TX_OUTPUTS,
            CustomJobRefusal::PayoutMissing => code::PAYOUT_MISSING,
            CustomJobRefusal::MerklePathLen { .. } => code::INVALID_MERKLE_PATH,
            CustomJobRefusal::NotAsDeclared(term) => term_code(*term),
            CustomJobRefusal::TooManyTokens { .. } => code::TOO_MANY_CUSTOM_JOBS,
        }
    }
}

fn term_code(term: Term) -> &'static str {
    use error_code::custom_job as code;
    match term {
        Term::PrevHash => code::STALE_CHAIN_TIP,
        Term::Version => code::INVALID_VERSION,
        Term::CoinbaseTxVersion => code::INVALID_COINBASE_TX_VERSION,
        Term::CoinbasePrefix | Term::ExtranonceLen => code::INVALID_COINBASE_PREFIX,
        Term::Sequence => code::INVALID_COINBASE_TX_INPUT_N_SEQUENCE,
        Term::Outputs => code::INVALID_COINBASE_TX_OUTPUTS,
        Term::Locktime => code::INVALID_COINBASE_TX_LOCKTIME,
        Term::MerklePath => code::INVALID_MERKLE_PATH,
    }
}

/// Blocks of version 1 to 3 are of the past (BIP 34, 66, 65); versions are signed.
const VERSION_MIN: i32 = 4;

/// A block of 4,000,000 weight units has fewer than 2^15 transactions; with all that consensus
/// could ever mean by a block, a path of 32 is ample, and what a job holds stays small.
const MERKLE_PATH_MAX: usize = 32;

#[cfg(test)]
mod tests;

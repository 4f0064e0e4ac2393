//! Why a block or a transaction is not wanted, in the words of Bitcoin Core where it has some.

use thiserror::Error;

use crate::wire::U256;

/// Why a block is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockRejection {
    /// Not a block, or bytes behind it.
    #[error("decode-failed ({0})")]
    Undecodable(String),
    /// Known, on the branch that we follow or not.
    #[error("duplicate")]
    Duplicate,
    /// It builds on a block that is known, but not the tip: valid perhaps, but not wanted.
    #[error("inconclusive (it builds on {prev_hash}, the tip is {tip})")]
    Stale {
        /// What it builds on.
        prev_hash: U256,
        /// What it should build on.
        tip: U256,
    },
    /// It builds on a block that nobody knows.
    #[error("prev-blk-not-found ({prev_hash})")]
    UnknownPrevious {
        /// What it builds on.
        prev_hash: U256,
    },
    /// The header's `nbits` are not the chain's.
    #[error("bad-diffbits ({nbits:#010x} instead of {expected:#010x})")]
    WrongBits {
        /// As it came.
        nbits: u32,
        /// Of the chain.
        expected: u32,
    },
    /// No proof of work.
    #[error("high-hash ({hash})")]
    HighHash {
        /// Of the header.
        hash: U256,
    },
    /// Not above the median of the last eleven (BIP 113).
    #[error("time-too-old ({ntime} is below {min})")]
    TimeTooOld {
        /// Of the header.
        ntime: u32,
        /// Smallest valid time.
        min: u32,
    },
    /// More than two hours ahead.
    #[error("time-too-new ({ntime} is above {max})")]
    TimeTooNew {
        /// Of the header.
        ntime: u32,
        /// Largest valid time.
        max: u64,
    },
    /// Below 4, seen as a signed number (BIP 34, 66, 65).
    #[error("bad-version({0:#010x})")]
    Version(u32),
    /// The header's merkle root is not that of the transactions.
    #[error("bad-txnmrklroot")]
    MerkleRoot,
    /// No transaction, or bytes beyond any block.
    #[error("bad-blk-length")]
    Length,
    /// Above 4,000,000 weight units (BIP 141).
    #[error("bad-blk-weight ({0})")]
    Weight(u64),
    /// Above 80,000 signature operations (BIP 141).
    #[error("bad-blk-sigops ({0})")]
    Sigops(u64),
    /// The first transaction is no coinbase.
    #[error("bad-cb-missing")]
    CoinbaseMissing,
    /// Another transaction is a coinbase.
    #[error("bad-cb-multiple")]
    CoinbaseMultiple,
    /// The coinbase input's script does not begin with the height (BIP 34).
    #[error("bad-cb-height (expected {0})")]
    CoinbaseHeight(u32),
    /// The coinbase input's script is not 2 to 100 bytes long.
    #[error("bad-cb-length ({0} bytes)")]
    CoinbaseLength(usize),
    /// The coinbase pays more than subsidy and fees.
    #[error("bad-cb-amount ({value} of {available})")]
    CoinbaseAmount {
        /// Sum of its outputs, in satoshi.
        value: u64,
        /// Subsidy and fees, in satoshi.
        available: u64,
    },
    /// The coinbase has no witness of one 32-byte element beside its commitment (BIP 141).
    #[error("bad-witness-nonce-size")]
    WitnessReservedValue,
    /// The witness commitment is not that of the transactions (BIP 141).
    #[error("bad-witness-merkle-match")]
    WitnessCommitment,
    /// Witnesses without a commitment (BIP 141).
    #[error("unexpected-witness")]
    UnexpectedWitness,
    /// A transaction is not valid here.
    #[error("{rejection} (transaction {position})")]
    Transaction {
        /// Position in the block, the coinbase being 0.
        position: usize,
        /// Why.
        rejection: TransactionRejection,
    },
    /// The embedded chain keeps no more coins.
    #[error("the embedded chain holds at most {0} coins")]
    CoinsFull(usize),
}

impl BlockRejection {
    /// Bitcoin Core's word alone, as `submitblock` answers it (BIP 22).
    pub fn word(&self) -> String {
        word(self)
    }
}

/// Why a transaction is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransactionRejection {
    /// Not a transaction, or bytes behind it.
    #[error("decode-failed ({0})")]
    Undecodable(String),
    /// A coinbase outside a block.
    #[error("coinbase")]
    Coinbase,
    /// No input.
    #[error("bad-txns-vin-empty")]
    NoInput,
    /// No output.
    #[error("bad-txns-vout-empty")]
    NoOutput,
    /// One coin is spent twice within the transaction.
    #[error("bad-txns-inputs-duplicate")]
    DuplicateInput,
    /// An output, or their sum, is above 21 million bitcoin.
    #[error("bad-txns-txouttotal-toolarge")]
    TooMuch,
    /// A coin is not known, or spent.
    #[error("bad-txns-inputs-missingorspent")]
    MissingOrSpent,
    /// A coin of a coinbase is spent before 100 blocks stand on it.
    #[error("bad-txns-premature-spend-of-coinbase")]
    PrematureSpend,
    /// The outputs are worth more than the inputs.
    #[error("bad-txns-in-belowout")]
    InBelowOut,
    /// Its lock time has not come.
    #[error("bad-txns-nonfinal")]
    NotFinal,
    /// A relative lock time (BIP 68), which the embedded chain does not follow.
    #[error("non-BIP68-final (the embedded chain follows no relative lock times)")]
    RelativeLock,
    /// The coin's script is not one that is visibly free to be spent: the embedded chain runs no
    /// scripts.
    #[error("mandatory-script-verify-flag-failed (the embedded chain runs no scripts)")]
    Script,
    /// No block has room for it.
    #[error("bad-txns-oversize ({0} weight units)")]
    Oversize(u64),
    /// In the mempool already.
    #[error("txn-already-in-mempool")]
    Known,
    /// A coin is spent by another transaction of the mempool.
    #[error("txn-mempool-conflict")]
    Conflict,
    /// Too many unconfirmed ancestors.
    #[error("too-long-mempool-chain (limit {0})")]
    TooManyAncestors(usize),
    /// The mempool is at its limit.
    #[error("mempool full")]
    MempoolFull,
}

impl TransactionRejection {
    /// Bitcoin Core's word alone.
    pub fn word(&self) -> String {
        word(self)
    }
}

/// What we know more than the word stands behind it in brackets.
fn word(rejection: &impl ToString) -> String {
    let text = rejection.to_string();
    text.split(" (").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_rejection_is_what_other_programs_compare() {
        let prev_hash = U256::ZERO;
        let transaction = TransactionRejection::Script;
        for (rejection, expected) in [
            (BlockRejection::Stale { prev_hash, tip: U256::MAX }, "inconclusive"),
            (BlockRejection::HighHash { hash: U256::MAX }, "high-hash"),
            (BlockRejection::Version(1), "bad-version(0x00000001)"),
            (BlockRejection::MerkleRoot, "bad-txnmrklroot"),
            (
                BlockRejection::Transaction { position: 1, rejection: transaction },
                "mandatory-script-verify-flag-failed",
            ),
        ] {
            assert_eq!(rejection.word(), expected);
        }
    }
}

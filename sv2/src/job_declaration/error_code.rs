//! Error codes of `DeclareMiningJob.Error` (spec 3.5, 6.4.6): printable ASCII, the strings in use
//! in the field where there is one.

/// Not a token of ours, or none at all.
pub const INVALID_MINING_JOB_TOKEN: &str = "invalid-mining-job-token";
/// A token that has run out.
pub const EXPIRED_TOKEN: &str = "mining-job-token-expired";
/// A token that was declared before, or that went when the connection asked for too many.
pub const USED_TOKEN: &str = "mining-job-token-used";
/// A token of another connection.
pub const FOREIGN_TOKEN: &str = "mining-job-token-of-another-connection";
/// A token of a stage that is not declared: coinbase-only, or declared already.
pub const WRONG_TOKEN_STAGE: &str = "mining-job-token-not-for-declaration";
/// The connection did not set DECLARE_TX_DATA (spec 6.4.1).
pub const NOT_NEGOTIATED: &str = "declare-tx-data-not-negotiated";
/// The block that the job builds on is not ours, or not any more: a race, and no reason to leave
/// (AMB-29).
pub const STALE_CHAIN_TIP: &str = "stale-chain-tip";
/// Prefix, extranonce and suffix make no coinbase transaction.
pub const INVALID_COINBASE_TX: &str = "invalid-coinbase-tx";
/// The coinbase input is not what a block needs.
pub const INVALID_COINBASE_TX_INPUT: &str = "invalid-coinbase-tx-input";
/// No output pays to the script that came with the token (spec 6.4.3).
pub const PAYOUT_MISSING: &str = "pool-payout-missing";
/// Transactions were asked for, and did not come or were others.
pub const MISSING_TRANSACTIONS: &str = "missing-txs";
/// The job makes no valid block.
pub const INVALID_JOB: &str = "invalid-job";
/// More declarations wait for an answer than are kept.
pub const TOO_MANY_DECLARATIONS: &str = "too-many-declarations";
/// The server's own trouble: no node, no answer.
pub const INTERNAL_ERROR: &str = "internal-error";

/// Of `SetupConnection.Error`: the server demands DECLARE_TX_DATA (AMB-30).
pub const MISSING_DECLARE_TX_DATA_FLAG: &str = "missing-declare-tx-data-flag";

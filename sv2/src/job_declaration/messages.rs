//! The eight messages of the job declaration protocol, in the order of spec 6.4.

use crate::wire::{B16M, B32, B64K, B255, Seq64K, Str255, U256};
use crate::wire_message;

/// Asks for a token to declare a job with (spec 6.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocateMiningJobToken {
    /// Whom to pay, in the pool's own notation.
    pub user_identifier: Str255,
    /// Echoed in the answer.
    pub request_id: u32,
}
wire_message!(AllocateMiningJobToken { user_identifier, request_id });

/// A token, and the outputs that the pool wants (spec 6.4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocateMiningJobTokenSuccess {
    /// Of the request.
    pub request_id: u32,
    /// For one job.
    pub mining_job_token: B255,
    /// CompactSize-prefixed array of serialised outputs; the first is the pool's payout.
    pub coinbase_tx_outputs: B64K,
}
wire_message!(AllocateMiningJobTokenSuccess { request_id, mining_job_token, coinbase_tx_outputs });

/// Declares a set of transactions (spec 6.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclareMiningJob {
    /// Echoed in the answer.
    pub request_id: u32,
    /// From `AllocateMiningJobToken.Success`.
    pub mining_job_token: B255,
    /// Of the header.
    pub version: u32,
    /// The coinbase transaction up to the extranonce, with the fields of BIP 141.
    pub coinbase_tx_prefix: B64K,
    /// The coinbase transaction behind the extranonce, with the fields of BIP 141.
    pub coinbase_tx_suffix: B64K,
    /// Without the coinbase transaction.
    pub wtxid_list: Seq64K<U256>,
    /// As the template provider gave it.
    pub excess_data: B64K,
}
wire_message!(DeclareMiningJob {
    request_id,
    mining_job_token,
    version,
    coinbase_tx_prefix,
    coinbase_tx_suffix,
    wtxid_list,
    excess_data,
});

/// A declaration is acknowledged (spec 6.4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclareMiningJobSuccess {
    /// Of the request.
    pub request_id: u32,
    /// For `SetCustomMiningJob`.
    pub new_mining_job_token: B255,
}
wire_message!(DeclareMiningJobSuccess { request_id, new_mining_job_token });

/// A declaration is refused (spec 6.4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclareMiningJobError {
    /// Of the request.
    pub request_id: u32,
    /// Why, without control characters (spec 3.5).
    pub error_code: Str255,
    /// Anything that helps.
    pub error_details: B64K,
}
wire_message!(DeclareMiningJobError { request_id, error_code, error_details });

/// The server lacks transactions of a declaration (spec 6.4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvideMissingTransactions {
    /// Of the declaration.
    pub request_id: u32,
    /// Positions in `wtxid_list`, from 0.
    pub unknown_tx_position_list: Seq64K<u16>,
}
wire_message!(ProvideMissingTransactions { request_id, unknown_tx_position_list });

/// The transactions that the server lacks (spec 6.4.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvideMissingTransactionsSuccess {
    /// Of the declaration.
    pub request_id: u32,
    /// In the order in which they were asked for.
    pub transaction_list: Seq64K<B16M>,
}
wire_message!(ProvideMissingTransactionsSuccess { request_id, transaction_list });

/// A block has been found for the job that was declared last (spec 6.4.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSolution {
    /// The whole extranonce, prefix included.
    pub extranonce: B32,
    /// Of the header.
    pub prev_hash: U256,
    /// Of the header.
    pub nonce: u32,
    /// Header time, seconds since the Unix epoch.
    pub ntime: u32,
    /// Compact network target of the header.
    pub nbits: u32,
    /// Of the header.
    pub version: u32,
}
wire_message!(PushSolution { extranonce, prev_hash, nonce, ntime, nbits, version });

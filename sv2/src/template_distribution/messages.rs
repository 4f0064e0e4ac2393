//! The seven messages of the template distribution protocol, in the order of spec 7.

use crate::wire::{B16M, B64K, B255, Seq64K, Seq255, Str255, Target, U256};
use crate::wire_message;

/// How much room the client needs in the coinbase transaction (spec 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinbaseOutputConstraints {
    /// Serialised outputs, in bytes.
    pub coinbase_output_max_additional_size: u32,
    /// Signature operations of these outputs.
    pub coinbase_output_max_additional_sigops: u16,
}
wire_message!(CoinbaseOutputConstraints {
    coinbase_output_max_additional_size,
    coinbase_output_max_additional_sigops,
});

/// A block to be completed with a coinbase transaction and a proof (spec 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTemplate {
    /// Strictly increasing.
    pub template_id: u64,
    /// For a coming `SetNewPrevHash`, not for the last one.
    pub future_template: bool,
    /// Of the header.
    pub version: u32,
    /// Of the coinbase transaction.
    pub coinbase_tx_version: u32,
    /// At most 8 bytes at the beginning of the coinbase input's script.
    pub coinbase_prefix: B255,
    /// Of the coinbase transaction's input.
    pub coinbase_tx_input_sequence: u32,
    /// Subsidy and fees that the client may spend, in satoshi.
    pub coinbase_tx_value_remaining: u64,
    /// Number of outputs in `coinbase_tx_outputs`.
    pub coinbase_tx_outputs_count: u32,
    /// Serialised outputs one after the other, without a count; they come last.
    pub coinbase_tx_outputs: B64K,
    /// Of the coinbase transaction.
    pub coinbase_tx_locktime: u32,
    /// From the deepest branch to the root.
    pub merkle_path: Seq255<U256>,
}
wire_message!(NewTemplate {
    template_id,
    future_template,
    version,
    coinbase_tx_version,
    coinbase_prefix,
    coinbase_tx_input_sequence,
    coinbase_tx_value_remaining,
    coinbase_tx_outputs_count,
    coinbase_tx_outputs,
    coinbase_tx_locktime,
    merkle_path,
});

/// A new block to build on (spec 7.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetNewPrevHash {
    /// A template that was sent before as a future one.
    pub template_id: u64,
    /// Of the header.
    pub prev_hash: U256,
    /// Where to start, seconds since the Unix epoch; not the smallest valid time.
    pub header_timestamp: u32,
    /// Compact network target of the header.
    pub nbits: u32,
    /// The largest hash that is a block; may lie below what `nbits` says.
    pub target: Target,
}
wire_message!(SetNewPrevHash { template_id, prev_hash, header_timestamp, nbits, target });

/// Asks for the transactions of a template (spec 7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTransactionData {
    /// Of a `NewTemplate`.
    pub template_id: u64,
}
wire_message!(RequestTransactionData { template_id });

/// The transactions of a template (spec 7.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTransactionDataSuccess {
    /// Of the request.
    pub template_id: u64,
    /// Opaque; for the pool's validation.
    pub excess_data: B64K,
    /// Without the coinbase transaction; opaque.
    pub transaction_list: Seq64K<B16M>,
}
wire_message!(RequestTransactionDataSuccess { template_id, excess_data, transaction_list });

/// The transactions of a template cannot be had (spec 7.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTransactionDataError {
    /// Of the request.
    pub template_id: u64,
    /// Why, without control characters (spec 3.5).
    pub error_code: Str255,
}
wire_message!(RequestTransactionDataError { template_id, error_code });

/// A proof for a template (spec 7.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitSolution {
    /// Of a `NewTemplate`.
    pub template_id: u64,
    /// Of the header; only the bits of BIP 323 differ from the template's.
    pub version: u32,
    /// Header time, seconds since the Unix epoch.
    pub header_timestamp: u32,
    /// Of the header.
    pub header_nonce: u32,
    /// The whole coinbase transaction, with the fields of BIP 141.
    pub coinbase_tx: B64K,
}
wire_message!(SubmitSolution { template_id, version, header_timestamp, header_nonce, coinbase_tx });

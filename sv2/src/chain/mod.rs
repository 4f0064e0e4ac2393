//! A small chain of blocks as a pure state machine: what a node does for mining, without a node.
//!
//! It makes templates from a synthetic mempool, judges blocks with the rules of consensus that
//! mining can break, and moves its tip when told to. Any `nbits` will do: share cases need a
//! chain on which a share is hardly ever a block, block cases one on which it nearly always is.
//!
//! What it is not: a node. It has no peers and no difficulty adjustment, it follows one branch,
//! and it runs no scripts: a coin can be spent only if it is visibly free to be spent
//! ([`FREE_WITNESS_SCRIPT`]), which refuses valid spends but lets no invalid one through.

pub mod block;
mod coins;
mod config;
mod host;
mod mempool;
pub mod merkle;
mod rejection;
mod selection;
mod state;
mod template;
mod transaction;
mod validation;

#[cfg(test)]
mod tests;

pub use config::{ChainConfig, ChainConfigError};
pub use host::{ChainHost, ChainPace};
pub use mempool::TransactionShape;
pub use rejection::{BlockRejection, TransactionRejection};
pub use state::{BlockPlace, Chain, TooDeep, UnspentOutput};
pub use template::{BlockTemplate, TemplateTransaction, WitnessCommitment};
pub use transaction::{FREE_WITNESS_SCRIPT, free_script};

/// Most weight of a block, in weight units (BIP 141).
pub const BLOCK_WEIGHT_MAX: u64 = 4_000_000;

/// Most signature operations of a block; legacy ones count four times (BIP 141).
pub const BLOCK_SIGOPS_MAX: u64 = 80_000;

/// What a template leaves free of the weight even if the client asks for less (spec 7.1).
pub const RESERVED_WEIGHT_MIN: u64 = 2_000;

/// What a coinbase input's script of 100 bytes can cost in signature operations: each byte may
/// be one, and legacy ones count four times.
pub const COINBASE_SCRIPT_SIGOPS: u64 = 400;

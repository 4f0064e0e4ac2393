//! What every role does that hashes, whichever protocol it speaks: the search for proofs, its
//! pace, what became of its shares, and whom to dial next.

mod accounts;
mod dialler;
mod pace;
mod search;

pub use accounts::ShareAccounts;
pub(crate) use dialler::Dialler;
pub use dialler::{RECONNECT_WAIT_MAX, RECONNECT_WAIT_MIN};
pub use pace::ProofTiming;
pub(crate) use pace::{Pace, Running};
pub(crate) use search::{CoinbaseRest, Job, Proof, Search, Tip};

/// Most shares from one call, however easy the target: the rest is found in the next.
pub(crate) const SHARES_PER_CALL_MAX: usize = 16;

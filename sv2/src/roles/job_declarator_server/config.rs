//! What an operator decides about a job declarator server.

use std::time::Duration;

use bitcoin::consensus::encode;
use bitcoin::{Script, TxOut};
use thiserror::Error;

use crate::common::{Protocol, SetupOffer};
use crate::job_declaration::DECLARE_TX_DATA;
use crate::job_declaration::token::TokenKey;
use crate::mining::coinbase::payout;
use crate::mining::proof::ProofCheck;
use crate::wire::B64K;

/// The settings of a job declarator server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDeclaratorServerConfig {
    /// The pool's: tokens under another key are worth nothing there.
    pub token_key: TokenKey,
    /// The script that every job has to pay (spec 6.4.3).
    pub payout_script: Vec<u8>,
    /// Scripts of further outputs, worth nothing, that clients are given (spec 6.4.3). No job is
    /// refused for lacking them: the specification only protects the payout.
    pub further_scripts: Vec<Vec<u8>>,
    /// Whether clients without DECLARE_TX_DATA are refused, instead of being served in
    /// coinbase-only mode (spec 6.4.1; AMB-30).
    pub requires_transaction_data: bool,
    /// How long a token is good, whole seconds. No message tells a client, and one that keeps a
    /// few tokens in stock uses them only as fast as there are new templates: a day is what the
    /// reference implementation grants.
    pub token_lifetime: Duration,
    /// Connections at a time; more are closed at once.
    pub clients_max: usize,
    /// How long a new connection may take until `SetupConnection`.
    pub setup_timeout: Duration,
    /// How long a connection may stay without a token that is good.
    pub idle_timeout: Duration,
    /// How long a client may take to send transactions that we lack.
    pub transactions_timeout: Duration,
    /// How long a declaration may wait for the node's judgement.
    pub validation_timeout: Duration,
    /// Tokens that one connection may ask for in a minute before it is closed: "a rather slow
    /// rate" (spec 6.4.2). Each new template takes one.
    pub tokens_per_minute_max: u64,
    /// Tokens of one connection that are neither declared nor expired; the oldest goes first.
    pub tokens_per_connection_max: usize,
    /// Declarations that one connection may send in a minute before it is closed: each may cost
    /// the node the judgement of a whole block.
    pub declarations_per_minute_max: u64,
    /// Declarations of one connection that wait for their turn; more are refused.
    pub declarations_waiting_max: usize,
    /// Acknowledged jobs of one connection that solutions are tried on; the last one always is
    /// (spec 6.4.9).
    pub declared_jobs_max: usize,
    /// What these jobs may take together, in bytes; the last one is kept whatever it takes.
    pub declared_bytes_max: usize,
    /// What the declarations and acknowledged jobs of all connections may take together, in
    /// bytes, without transactions that came from the node. When it is reached, only the last
    /// job of each connection is kept; when that is not enough, declarations are refused.
    pub declarations_bytes_max: usize,
    /// Blocks that the node judges at a time; other declarations wait.
    pub validations_max: usize,
    /// Transactions that clients need not send because we know them, in bytes. At least a block,
    /// or templates would not fit.
    pub known_transactions_bytes_max: usize,
    /// Messages a minute that lead to nothing (unknown, out of place, no solution) before a
    /// connection is closed.
    pub useless_messages_per_minute_max: u64,
    /// How solutions are judged; by their hashes, unless time is simulated. Without hashes one is
    /// taken for the newest job that it fits.
    pub proof_check: ProofCheck,
}

/// A setting that no server can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JobDeclaratorServerConfigError {
    /// Nobody could spend it.
    #[error("the payout script is empty or begins with OP_RETURN: nobody could spend the reward")]
    Payout,
    /// No message could hold them.
    #[error("the outputs take {len} bytes, a message holds {max}")]
    OutputsLen {
        /// Serialised, in bytes.
        len: usize,
        /// In bytes.
        max: usize,
    },
}

impl JobDeclaratorServerConfig {
    /// Defaults, which suit a server on a small machine.
    pub fn new(token_key: TokenKey, payout_script: Vec<u8>) -> Self {
        JobDeclaratorServerConfig {
            token_key,
            payout_script,
            further_scripts: Vec::new(),
            requires_transaction_data: false,
            token_lifetime: Duration::from_secs(24 * 3600),
            clients_max: 1_000,
            setup_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            transactions_timeout: Duration::from_secs(10),
            validation_timeout: Duration::from_secs(30),
            tokens_per_minute_max: 120,
            tokens_per_connection_max: 256,
            declarations_per_minute_max: 120,
            declarations_waiting_max: 4,
            declared_jobs_max: 8,
            declared_bytes_max: 16 << 20,
            declarations_bytes_max: 512 << 20,
            validations_max: 8,
            known_transactions_bytes_max: 64 << 20,
            useless_messages_per_minute_max: 600,
            proof_check: ProofCheck::Hashed,
        }
    }

    /// Whether there can be such a server.
    ///
    /// # Errors
    /// Names the first setting that does not work.
    pub fn check(&self) -> Result<(), JobDeclaratorServerConfigError> {
        let script = Script::from_bytes(&self.payout_script);
        if script.is_empty() || script.is_op_return() {
            return Err(JobDeclaratorServerConfigError::Payout);
        }
        self.outputs().map(drop)
    }

    /// What goes with a token (spec 6.4.3): the payout first, all worth nothing.
    pub(super) fn outputs(&self) -> Result<B64K, JobDeclaratorServerConfigError> {
        let scripts = [&self.payout_script].into_iter().chain(&self.further_scripts);
        let outputs: Vec<TxOut> = scripts.map(|script| payout(0, script)).collect();
        B64K::new(encode::serialize(&outputs)).map_err(|error| {
            JobDeclaratorServerConfigError::OutputsLen { len: error.len, max: error.max }
        })
    }
}

/// Spec 6.4.1: one flag in the request, none in the answer.
pub(super) const SETUP_OFFER: SetupOffer = SetupOffer {
    protocol: Protocol::JobDeclaration,
    supported_flags: DECLARE_TX_DATA,
    answer_flags: 0,
};

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn config(payout_script: &[u8], further: &[u8]) -> JobDeclaratorServerConfig {
        let key = TokenKey::new(Zeroizing::new([1; 32]));
        JobDeclaratorServerConfig {
            further_scripts: vec![further.to_vec()],
            ..JobDeclaratorServerConfig::new(key, payout_script.to_vec())
        }
    }

    #[test]
    fn outputs_that_no_client_could_use_are_refused() {
        use JobDeclaratorServerConfigError as Error;
        let too_long = Error::OutputsLen { len: 65_557, max: 65_535 };
        for (payout_script, further, outcome) in [
            (&[0x51][..], vec![0x6a], Ok(())),
            (&[], vec![0x6a], Err(Error::Payout)),
            (&[0x6a, 0x51], vec![0x6a], Err(Error::Payout)),
            (&[0x51], vec![0x6a; 65_535], Err(too_long)),
        ] {
            assert_eq!(config(payout_script, &further).check(), outcome);
        }
    }
}

//! What an operator decides about a template provider.

use std::time::Duration;

use crate::common::{Protocol, SetupOffer};
use crate::mining::proof::ProofCheck;

/// The settings of a template provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProviderConfig {
    /// Connections at a time; more are closed at once.
    pub clients_max: usize,
    /// How long a new connection may take until `SetupConnection`.
    pub setup_timeout: Duration,
    /// How long a client may take after set-up until `CoinbaseOutputConstraints`, which is due
    /// immediately (spec 7).
    pub constraints_timeout: Duration,
    /// By how much a template must pay more than the last one to be sent on the same tip, in
    /// satoshi: what "materially" means (spec 7). 1 sends every rise.
    pub fee_rise_min: u64,
    /// Between two templates for the same tip and client, at least.
    pub fee_update_interval: Duration,
    /// How long templates of the last tip are still served and solved.
    pub stale_grace: Duration,
    /// How solutions are judged; by their hashes, unless time is simulated.
    pub proof_check: ProofCheck,
}

impl Default for TemplateProviderConfig {
    fn default() -> Self {
        TemplateProviderConfig {
            clients_max: 1_000,
            setup_timeout: Duration::from_secs(10),
            constraints_timeout: Duration::from_secs(10),
            fee_rise_min: 1,
            fee_update_interval: Duration::ZERO,
            stale_grace: Duration::from_secs(10),
            proof_check: ProofCheck::Hashed,
        }
    }
}

/// The template distribution protocol has no flags.
pub(super) const SETUP_OFFER: SetupOffer =
    SetupOffer { protocol: Protocol::TemplateDistribution, supported_flags: 0, answer_flags: 0 };

//! What an operator decides about a pool.

use std::time::Duration;

use crate::job_declaration::token::TokenKey;
use crate::role::PeerAddress;
use crate::roles::mining_server::MiningServerConfig;

/// The settings of a pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    /// Where templates come from and solutions go (spec 7).
    pub template_provider: PeerAddress,
    /// First wait before dialling the template provider again; doubles up to the last.
    pub redial_wait: (Duration, Duration),
    /// The script that the first output of a coinbase transaction pays.
    pub payout_script: Vec<u8>,
    /// Text for the coinbase input; cut where the input has no room for it.
    pub coinbase_tag: Vec<u8>,
    /// How miners are served.
    pub server: MiningServerConfig,
    /// What is asked of miners who bring their own jobs; `None`: there are none, and every
    /// `SetCustomMiningJob` is refused.
    pub custom_jobs: Option<CustomJobsConfig>,
}

/// What a pool asks of custom jobs (spec 5.3.18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomJobsConfig {
    /// Of the job declarator server: tokens under another key are worth nothing here.
    pub token_key: TokenKey,
    /// Tokens that are remembered as used, until they expire; beyond, custom jobs are refused.
    /// Each takes about 40 bytes.
    pub used_tokens_max: usize,
    /// Whether a token is good only on channels of the user that it was allocated to.
    pub own_tokens_only: bool,
}

impl CustomJobsConfig {
    /// Defaults: as many tokens as a thousand miners use in a day with a new template a minute.
    pub fn new(token_key: TokenKey) -> Self {
        CustomJobsConfig { token_key, used_tokens_max: 1 << 20, own_tokens_only: false }
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig {
            template_provider: PeerAddress {
                host: "127.0.0.1".to_owned(),
                port: 8442,
                authority: None,
            },
            redial_wait: (Duration::from_secs(1), Duration::from_secs(30)),
            // Anyone can spend: a coin that nobody would miss, on a test network.
            payout_script: vec![0x51],
            coinbase_tag: b"assay".to_vec(),
            server: MiningServerConfig::default(),
            custom_jobs: None,
        }
    }
}

//! What an operator decides about a pool.

use std::time::Duration;

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
        }
    }
}

//! What an operator decides about a proxy.

use std::time::Duration;

use crate::role::PeerAddress;
use crate::roles::mining_server::MiningServerConfig;
use crate::wire::Str255;

/// What becomes of the channels of clients (spec 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MiningProxyMode {
    /// All share one extended channel at the upstream.
    #[default]
    Aggregated,
    /// Each is a channel of its own at the upstream.
    Transparent,
}

/// The settings of a mining proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct MiningProxyConfig {
    /// What becomes of the channels of clients.
    pub mode: MiningProxyMode,
    /// Mining servers in order of preference; at least one.
    pub upstreams: Vec<PeerAddress>,
    /// First wait before the list is dialled again; doubles up to the last.
    pub redial_wait: (Duration, Duration),
    /// Who leaves a request of ours unanswered for so long is left for the next upstream.
    pub answer_timeout: Duration,
    /// Who says nothing at all for so long, while shares wait for an answer, is left as well.
    /// Shares alone have no deadline: a server may acknowledge them by count (AMB-20).
    pub silence_timeout: Duration,
    /// Whom the upstream pays for the work of all clients. Aggregated.
    pub user_identity: Str255,
    /// Bytes of the extranonce that tell our channels apart, 1 to 4. Aggregated.
    pub extranonce_index_len: u8,
    /// Bytes that every extended channel of ours can roll. With the index, this is what we ask
    /// the upstream for. Aggregated.
    pub rollable_extranonce_len: u8,
    /// Between two `UpdateChannel`s of one channel to the upstream (spec 5.3.7).
    pub update_interval: Duration,
    /// How clients are served. Aggregated: the division of extranonces follows the upstream.
    /// Transparent: flags, targets and shares are the upstream's business, and only deadlines,
    /// limits and `supported_extensions` are ours.
    pub server: MiningServerConfig,
}

impl Default for MiningProxyConfig {
    fn default() -> Self {
        MiningProxyConfig {
            mode: MiningProxyMode::default(),
            upstreams: vec![PeerAddress {
                host: "127.0.0.1".to_owned(),
                port: 34254,
                authority: None,
            }],
            redial_wait: (Duration::from_secs(1), Duration::from_secs(30)),
            answer_timeout: Duration::from_secs(30),
            silence_timeout: Duration::from_secs(600),
            user_identity: Str255::from_static("assay.proxy"),
            extranonce_index_len: 2,
            rollable_extranonce_len: 8,
            update_interval: Duration::from_secs(1),
            server: MiningServerConfig::default(),
        }
    }
}

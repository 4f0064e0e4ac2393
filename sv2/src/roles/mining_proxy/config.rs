//! What an operator decides about a proxy.

use std::time::Duration;

use crate::role::PeerAddress;
use crate::roles::mining_server::MiningServerConfig;
use crate::wire::Str255;

/// The settings of a mining proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct MiningProxyConfig {
    /// Mining servers in order of preference; at least one.
    pub upstreams: Vec<PeerAddress>,
    /// First wait before the list is dialled again; doubles up to the last.
    pub redial_wait: (Duration, Duration),
    /// Whom the upstream pays for the work of all clients.
    pub user_identity: Str255,
    /// Bytes of the extranonce that tell our channels apart, 1 to 4.
    pub extranonce_index_len: u8,
    /// Bytes that every extended channel of ours can roll. With the index, this is what we ask
    /// the upstream for.
    pub rollable_extranonce_len: u8,
    /// Between two `UpdateChannel`s to the upstream.
    pub update_interval: Duration,
    /// How clients are served. The division of extranonces follows the upstream.
    pub server: MiningServerConfig,
}

impl Default for MiningProxyConfig {
    fn default() -> Self {
        MiningProxyConfig {
            upstreams: vec![PeerAddress {
                host: "127.0.0.1".to_owned(),
                port: 34254,
                authority: None,
            }],
            redial_wait: (Duration::from_secs(1), Duration::from_secs(30)),
            user_identity: Str255::from_static("assay.proxy"),
            extranonce_index_len: 2,
            rollable_extranonce_len: 8,
            update_interval: Duration::from_secs(1),
            server: MiningServerConfig::default(),
        }
    }
}

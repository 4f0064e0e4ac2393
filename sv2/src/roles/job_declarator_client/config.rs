//! What an operator decides about a job declarator client.

use std::time::Duration;

use crate::role::PeerAddress;
use crate::roles::mining_server::MiningServerConfig;
use crate::wire::Str255;

/// The settings of a job declarator client.
#[derive(Clone, Debug, PartialEq)]
pub struct JobDeclaratorClientConfig {
    /// Of the miner's own node: where templates come from and solutions go (spec 7).
    pub template_provider: PeerAddress,
    /// In order of preference (spec 6.2). Where all fail, or there is none, blocks pay
    /// `payout_script`.
    pub upstreams: Vec<JobDeclaratorUpstream>,
    /// First wait before the template provider, or the list, is dialled again; doubles up to the
    /// last.
    pub redial_wait: (Duration, Duration),
    /// What the job declarator server is told.
    pub mode: JobDeclarationMode,
    /// Whom upstreams pay for the work of all clients.
    pub user_identity: Str255,
    /// The miner's own script: paid by all blocks that are found for no upstream.
    pub payout_script: Vec<u8>,
    /// Text for the coinbase input; cut where the input has no room for it. A pool that goes by
    /// the letter takes at most 8 bytes of script in front of the extranonce (spec 5.3.18), and
    /// height and pushes take 5 or 6 of them.
    pub coinbase_tag: Vec<u8>,
    /// Bytes of the extranonce that tell our channels apart, 1 to 4.
    pub extranonce_index_len: u8,
    /// Bytes that every extended channel of ours can roll. With the index, this is what we ask
    /// the pool for.
    pub rollable_extranonce_len: u8,
    /// Hashes per second that the pool is told to expect before clients have come.
    pub nominal_hash_rate: f32,
    /// Between two `UpdateChannel`s to the pool.
    pub update_interval: Duration,
    /// How long an upstream may take for a token, a channel or a custom job, and the template
    /// provider for the transactions of a template.
    pub answer_timeout: Duration,
    /// How long the job declarator server may take to acknowledge a job: its node may have to
    /// judge a whole block.
    pub declaration_timeout: Duration,
    /// How long after its first refusal an upstream may go on to refuse work on a tip that stays
    /// ours. Within, its node may be ahead of ours or behind, which is nobody's fault.
    pub tip_grace: Duration,
    /// From a refusal to the next attempt within the grace.
    pub retry_wait: Duration,
    /// How clients are served. The division of extranonces follows the upstream.
    pub server: MiningServerConfig,
}

/// A pool and the job declarator server that stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDeclaratorUpstream {
    /// Its mining server.
    pub pool: PeerAddress,
    /// May have an authority of its own: it can be a third party (spec 6.1).
    pub job_declarator: PeerAddress,
}

/// What the job declarator server learns of the work (spec 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobDeclarationMode {
    /// All transactions are declared, and the server publishes blocks as well.
    #[default]
    FullTemplate,
    /// Nobody but the miner's own node knows the transactions.
    CoinbaseOnly,
}

impl JobDeclaratorClientConfig {
    /// What the pool is asked for, in bytes.
    pub(super) fn extranonce_len_min(&self) -> u16 {
        u16::from(self.extranonce_index_len) + u16::from(self.rollable_extranonce_len)
    }
}

impl Default for JobDeclaratorClientConfig {
    fn default() -> Self {
        let local = |port| PeerAddress { host: "127.0.0.1".to_owned(), port, authority: None };
        JobDeclaratorClientConfig {
            template_provider: local(8442),
            upstreams: vec![JobDeclaratorUpstream {
                pool: local(34254),
                job_declarator: local(34264),
            }],
            redial_wait: (Duration::from_secs(1), Duration::from_secs(30)),
            mode: JobDeclarationMode::default(),
            user_identity: Str255::from_static("assay.jdc"),
            // Anyone can spend: a coin that nobody would miss, on a test network.
            payout_script: vec![0x51],
            coinbase_tag: Vec::new(),
            extranonce_index_len: 2,
            rollable_extranonce_len: 8,
            nominal_hash_rate: 0.0,
            update_interval: Duration::from_secs(1),
            answer_timeout: Duration::from_secs(10),
            declaration_timeout: Duration::from_secs(60),
            tip_grace: Duration::from_secs(10),
            retry_wait: Duration::from_millis(250),
            server: MiningServerConfig::default(),
        }
    }
}

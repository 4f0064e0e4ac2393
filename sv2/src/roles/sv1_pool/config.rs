//! What an operator decides about a Stratum V1 pool.

use std::time::Duration;

use crate::mining::VERSION_ROLLING_MASK;
use crate::mining::extranonce::ExtranonceLayout;
use crate::mining::proof::ProofCheck;
use crate::mining::vardiff::VardiffAlgorithm;
use crate::role::PeerAddress;
use crate::sv1::{Difficulty, ErrorForm};
use crate::wire::Target;

/// The settings of a Stratum V1 pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Sv1PoolConfig {
    /// Where templates come from and solutions go (spec 7).
    pub template_provider: PeerAddress,
    /// First wait before dialling the template provider again; doubles up to the last.
    pub redial_wait: (Duration, Duration),
    /// The script that the first output of a coinbase transaction pays.
    pub payout_script: Vec<u8>,
    /// Text for the coinbase input; cut where the input has no room for it.
    pub coinbase_tag: Vec<u8>,
    /// How the search space is divided among connections. What is behind the prefix is the
    /// extranonce2: many devices roll no more than 8 bytes.
    pub extranonce: ExtranonceLayout,
    /// Bits of the version that devices may roll (BIP 310).
    pub version_mask: u32,
    /// Users that are not served, byte for byte.
    pub refused_users: Vec<String>,
    /// What a device is taken for until its shares show better, in hashes per second.
    pub assumed_hash_rate: f64,
    /// Shares that a connection should find a minute: from this and its hash rate its
    /// difficulty follows.
    pub shares_per_minute: f64,
    /// No connection gets an easier target, whatever its hash rate, but for rounding.
    pub easiest_target: Target,
    /// No connection gets a harder target, unless it asks for it.
    pub hardest_target: Target,
    /// Follows the hash rate that shares show.
    pub vardiff: Option<VardiffAlgorithm>,
    /// Whether difficulties are rounded down to powers of two, which every firmware reads
    /// without loss.
    pub rounds_difficulty: bool,
    /// How errors are written.
    pub error_form: ErrorForm,
    /// For the answer of the template provider to `SetupConnection`.
    pub setup_timeout: Duration,
    /// How long a new connection may take until a worker is authorised.
    pub authorize_timeout: Duration,
    /// Users that one connection may authorise.
    pub users_per_connection_max: usize,
    /// Shares of one connection and tip that are remembered to refuse duplicates.
    pub shares_per_tip_max: usize,
    /// Lines a minute that earn nothing (not understood, out of place, refused) before a
    /// connection is closed.
    pub useless_lines_per_minute_max: u64,
    /// How shares are judged; by their hashes, unless time is simulated.
    pub proof_check: ProofCheck,
}

impl Default for Sv1PoolConfig {
    fn default() -> Self {
        Sv1PoolConfig {
            template_provider: PeerAddress {
                host: "127.0.0.1".to_owned(),
                port: 8442,
                authority: None,
            },
            redial_wait: (Duration::from_secs(1), Duration::from_secs(30)),
            // Anyone can spend: a coin that nobody would miss, on a test network.
            payout_script: vec![0x51],
            coinbase_tag: b"assay".to_vec(),
            extranonce: ExtranonceLayout::new(vec![0], 3, 12).expect("4 bytes of 12 and 8 rolled"),
            version_mask: VERSION_ROLLING_MASK,
            refused_users: Vec::new(),
            assumed_hash_rate: 1e6,
            shares_per_minute: 6.0,
            easiest_target: Target::from_expected_hashes(65_536.0),
            hardest_target: Target::HARDEST,
            vardiff: Some(VardiffAlgorithm::default()),
            rounds_difficulty: false,
            error_form: ErrorForm::Triple,
            setup_timeout: Duration::from_secs(10),
            authorize_timeout: Duration::from_secs(30),
            users_per_connection_max: 64,
            shares_per_tip_max: 65_536,
            useless_lines_per_minute_max: 6_000,
            proof_check: ProofCheck::Hashed,
        }
    }
}

impl Sv1PoolConfig {
    /// For a hash rate (per second); never easier than the device and the operator allow.
    pub(super) fn difficulty_for(&self, hash_rate: f64, max_target: Target) -> Difficulty {
        let target = Target::from_hash_rate(hash_rate, self.shares_per_minute)
            .min(self.easiest_target)
            .max(self.hardest_target)
            .min(max_target);
        match self.rounds_difficulty {
            true => Difficulty::power_of_two_of(target),
            false => Difficulty::of(target),
        }
    }
}

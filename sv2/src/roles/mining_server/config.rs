//! What an operator decides about serving miners, whatever the role.

use std::time::Duration;

use crate::common::{Protocol, SetupOffer};
use crate::extensions::WORKER_TRACKING;
use crate::mining::extranonce::ExtranonceLayout;
use crate::mining::proof::ProofCheck;
use crate::mining::setup_flag;
use crate::mining::vardiff::VardiffAlgorithm;
use crate::wire::Target;

/// The settings of a role towards its mining clients.
#[derive(Clone, Debug, PartialEq)]
pub struct MiningServerConfig {
    /// How the search space is divided among channels.
    pub extranonce: ExtranonceLayout,
    /// Whether clients may send `SetCustomMiningJob` (flag REQUIRES_WORK_SELECTION). An owner
    /// that takes custom jobs sets it by itself.
    pub supports_work_selection: bool,
    /// Whether standard channels are refused (flag REQUIRES_EXTENDED_CHANNELS).
    pub requires_extended_channels: bool,
    /// Whether the version of a header must stay as sent (flag REQUIRES_FIXED_VERSION).
    pub requires_fixed_version: bool,
    /// What clients may negotiate (extension 0x0001); negotiation itself is always there.
    pub supported_extensions: Vec<u16>,
    /// What clients must negotiate before anything else.
    pub required_extensions: Vec<u16>,
    /// Identities that are not served, byte for byte.
    pub refused_user_identities: Vec<Vec<u8>>,
    /// Shares that a channel should find a minute: from this and its hash rate its target
    /// follows.
    pub shares_per_minute: f64,
    /// No channel gets an easier target, whatever its hash rate.
    pub easiest_target: Target,
    /// No channel gets a harder target, unless its client asks for it.
    pub hardest_target: Target,
    /// Follows the hash rate that shares show; `None` leaves targets to what clients say.
    pub vardiff: Option<VardiffAlgorithm>,
    /// Shares that are acknowledged by one `SubmitShares.Success`.
    pub share_batch_size: u32,
    /// No share waits longer for its acknowledgement (AMB-20).
    pub share_batch_timeout: Duration,
    /// Whether a share is acknowledged only when it is on disk
    /// ([`crate::role::Request::Persist`]).
    pub persists_shares: bool,
    /// How long a new connection may take until `SetupConnection`.
    pub setup_timeout: Duration,
    /// How long a connection may stay without a channel (spec 5.3.2).
    pub idle_timeout: Duration,
    /// Channels that one connection may have open, those included that wait for work.
    pub channels_per_connection_max: usize,
    /// Shares of one channel and tip that are remembered to refuse duplicates.
    pub shares_per_tip_max: usize,
    /// Messages a minute that earn nothing (unknown, out of place, refused) before a
    /// connection is closed.
    pub useless_messages_per_minute_max: u64,
    /// How shares are judged; by their hashes, unless time is simulated.
    pub proof_check: ProofCheck,
}

impl Default for MiningServerConfig {
    fn default() -> Self {
        MiningServerConfig {
            extranonce: ExtranonceLayout::default(),
            supports_work_selection: false,
            requires_extended_channels: false,
            requires_fixed_version: false,
            supported_extensions: vec![WORKER_TRACKING],
            required_extensions: Vec::new(),
            refused_user_identities: Vec::new(),
            shares_per_minute: 6.0,
            easiest_target: Target::from_expected_hashes(65_536.0),
            hardest_target: Target::HARDEST,
            vardiff: Some(VardiffAlgorithm::default()),
            share_batch_size: 1,
            share_batch_timeout: Duration::from_secs(10),
            persists_shares: false,
            setup_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            channels_per_connection_max: 65_536,
            shares_per_tip_max: 65_536,
            useless_messages_per_minute_max: 60_000,
            proof_check: ProofCheck::Hashed,
        }
    }
}

impl MiningServerConfig {
    /// Spec 5.3.1: what the server cannot do is a flag that it does not support.
    pub(super) fn setup_offer(&self) -> SetupOffer {
        use setup_flag::{
            REQUIRES_STANDARD_JOBS, REQUIRES_VERSION_ROLLING, REQUIRES_WORK_SELECTION, success,
        };
        let flag_if = |condition: bool, flag: u32| if condition { flag } else { 0 };
        SetupOffer {
            protocol: Protocol::Mining,
            supported_flags: flag_if(!self.requires_extended_channels, REQUIRES_STANDARD_JOBS)
                | flag_if(self.supports_work_selection, REQUIRES_WORK_SELECTION)
                | flag_if(!self.requires_fixed_version, REQUIRES_VERSION_ROLLING),
            answer_flags: flag_if(self.requires_fixed_version, success::REQUIRES_FIXED_VERSION)
                | flag_if(self.requires_extended_channels, success::REQUIRES_EXTENDED_CHANNELS),
        }
    }
}

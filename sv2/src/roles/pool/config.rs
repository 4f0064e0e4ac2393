//! What an operator decides about a pool.

use std::time::Duration;

use crate::common::{Protocol, SetupOffer};
use crate::mining::setup_flag;
use crate::role::PeerAddress;

/// The settings of a pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    /// Where templates come from and solutions go (spec 7).
    pub template_provider: PeerAddress,
    /// Whether clients may send `SetCustomMiningJob` (flag REQUIRES_WORK_SELECTION).
    pub supports_work_selection: bool,
    /// Whether standard channels are refused (flag REQUIRES_EXTENDED_CHANNELS).
    pub requires_extended_channels: bool,
    /// Whether the version of a header must stay as sent (flag REQUIRES_FIXED_VERSION).
    pub requires_fixed_version: bool,
    /// How long a new connection may take until `SetupConnection`.
    pub setup_timeout: Duration,
    /// How long a connection may stay without a channel (spec 5.3.2).
    pub idle_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig {
            template_provider: PeerAddress {
                host: "127.0.0.1".to_owned(),
                port: 8442,
                authority: None,
            },
            supports_work_selection: false,
            requires_extended_channels: false,
            requires_fixed_version: false,
            setup_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
        }
    }
}

impl PoolConfig {
    /// Spec 5.3.1: what the pool cannot serve is a flag that it does not support.
    pub(super) fn setup_offer(&self) -> SetupOffer {
        let flag_if = |condition: bool, flag: u32| if condition { flag } else { 0 };
        SetupOffer {
            protocol: Protocol::Mining,
            supported_flags: flag_if(
                !self.requires_extended_channels,
                setup_flag::REQUIRES_STANDARD_JOBS,
            ) | flag_if(
                self.supports_work_selection,
                setup_flag::REQUIRES_WORK_SELECTION,
            ) | flag_if(
                !self.requires_fixed_version,
                setup_flag::REQUIRES_VERSION_ROLLING,
            ),
            answer_flags: flag_if(
                self.requires_fixed_version,
                setup_flag::success::REQUIRES_FIXED_VERSION,
            ) | flag_if(
                self.requires_extended_channels,
                setup_flag::success::REQUIRES_EXTENDED_CHANNELS,
            ),
        }
    }
}

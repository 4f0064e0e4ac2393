//! What an operator decides about a Stratum V1 device.

use std::num::{NonZeroU32, NonZeroU64};

use crate::mining::VERSION_ROLLING_MASK;
use crate::role::PeerAddress;
use crate::roles::hashing::{Pace, ProofTiming, Running};
use crate::roles::mining_device::VersionRolling;
use crate::sv1::{Configure, Difficulty, VersionRolling as AskedRolling};

/// The settings of a Stratum V1 device.
#[derive(Clone, Debug, PartialEq)]
pub struct Sv1DeviceConfig {
    /// Whom to work for. Stratum V1 has no authority keys.
    pub pool: PeerAddress,
    /// Whom the pool shall pay: `account.worker`, at most 255 bytes.
    pub user: String,
    /// Usually ignored.
    pub password: String,
    /// Name and version of the firmware.
    pub user_agent: String,
    /// Which bits of the version are rolled. Without [`VersionRolling::Off`] the device asks by
    /// `mining.configure`.
    pub version_rolling: VersionRolling,
    /// How many bits it says that it needs.
    pub min_bit_count: u8,
    /// Asked for by `mining.suggest_difficulty`.
    pub suggested_difficulty: Option<Difficulty>,
    /// Whether header times move on, once per second.
    pub rolls_ntime: bool,
    /// The most hashes in one [`crate::role::Input::Woken`].
    pub nonces_per_call: NonZeroU32,
    /// Hashes per second; `None` takes what the processor gives and asks to be woken at once,
    /// which in virtual time would never end.
    pub hash_rate_limit: Option<NonZeroU64>,
    /// What decides when a proof is found; where times are drawn, there is no further limit.
    pub proof_timing: ProofTiming,
    /// What its firmware does differently from others.
    pub dialect: Dialect,
}

/// Where firmware differs. The default is what most do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// When `mining.configure` is sent, where it is.
    pub configures: Configures,
    /// Whether all of the handshake is sent at once; otherwise each call waits for the answer
    /// to the last one.
    pub pipelines: bool,
    /// Whether other extranonces are taken (`mining.extranonce.subscribe`). A device that does
    /// not ignores them.
    pub takes_extranonces: bool,
    /// Whether a difficulty holds for the present job as well, and not only for the next one.
    pub difficulty_at_once: bool,
    /// Whether `mining.suggest_difficulty` comes before `mining.subscribe`.
    pub suggests_first: bool,
    /// Whether `mining.set_version_mask` before authorisation makes it start anew.
    pub fears_early_version_mask: bool,
    /// Longest extranonce2 that it can roll, in bytes.
    pub extranonce2_size_max: u8,
    /// Where `client.reconnect` is followed to.
    pub follows: Follows,
    /// Whether hex digits of shares are in upper case.
    pub upper_case: bool,
    /// Whether ids are strings.
    pub text_ids: bool,
    /// Whether lines end with CR and LF.
    pub crlf: bool,
    /// Parameters behind those of a share that anyone knows.
    pub extra_param_count: u8,
}

/// When a device says what it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Configures {
    /// Before `mining.subscribe`.
    First,
    /// Between `mining.subscribe` and `mining.authorize`.
    AfterSubscribe,
    /// Behind `mining.authorize`.
    Last,
}

/// Where a device lets a pool send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Nowhere.
    Never,
    /// To another port, or another host whose name ends as the pool's: a man in the middle
    /// sends devices away for good.
    SameDomain,
    /// Everywhere.
    Anywhere,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect {
            configures: Configures::First,
            pipelines: false,
            takes_extranonces: true,
            difficulty_at_once: false,
            suggests_first: false,
            fears_early_version_mask: false,
            extranonce2_size_max: 8,
            follows: Follows::SameDomain,
            upper_case: false,
            text_ids: false,
            crlf: false,
            extra_param_count: 0,
        }
    }
}

impl Sv1DeviceConfig {
    /// A device without a limit: what a user who names only a pool gets.
    pub fn new(pool: PeerAddress, user: String) -> Self {
        Sv1DeviceConfig {
            pool,
            user,
            password: "x".to_owned(),
            user_agent: concat!("assay/", env!("CARGO_PKG_VERSION")).to_owned(),
            version_rolling: VersionRolling::Allowed(VersionRolling::BIP_320),
            min_bit_count: 2,
            suggested_difficulty: None,
            rolls_ntime: true,
            nonces_per_call: const { NonZeroU32::new(10_000).expect("not zero") },
            hash_rate_limit: None,
            proof_timing: ProofTiming::Hashed,
            dialect: Dialect::default(),
        }
    }

    /// The bits that it can roll.
    pub(super) fn version_mask(&self) -> u32 {
        match self.version_rolling {
            VersionRolling::Off => 0,
            VersionRolling::Allowed(mask) | VersionRolling::Required(mask) => {
                mask & VERSION_ROLLING_MASK
            }
        }
    }

    pub(super) fn requires_version_rolling(&self) -> bool {
        matches!(self.version_rolling, VersionRolling::Required(_))
    }

    pub(super) fn pace<'a>(&self, running: &'a mut Running) -> Pace<'a> {
        Pace::new(self.proof_timing, self.nonces_per_call, self.hash_rate_limit, running)
    }

    /// `None`: it has nothing to ask for, and says nothing, like old firmware.
    pub(super) fn configure(&self) -> Option<Configure> {
        if self.version_rolling == VersionRolling::Off {
            return None;
        }
        let rolling = AskedRolling {
            mask: Some(self.version_mask()),
            min_bit_count: Some(self.min_bit_count),
        };
        Some(Configure { version_rolling: Some(rolling), ..Configure::default() })
    }
}

//! What an operator decides about a translator.

use std::time::Duration;

use thiserror::Error;

use crate::mining::VERSION_ROLLING_MASK;
use crate::mining::proof::ProofCheck;
use crate::mining::vardiff::VardiffAlgorithm;
use crate::role::PeerAddress;
use crate::wire::{Str255, Target};

/// Who shares a channel at the upstream (spec 5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TranslatorMode {
    /// All devices: each searches its own part of the channel's extranonces.
    #[default]
    Aggregated,
    /// Nobody: each device has a channel of its own.
    ChannelPerDevice,
}

/// Which difficulties devices are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DifficultySteps {
    /// Powers of two, rounded down. Firmware that reads difficulties as integers cuts the
    /// fraction off and has its shares refused; these every parser reads alike.
    #[default]
    PowersOfTwo,
    /// As computed.
    Exact,
}

/// The settings of a translator.
#[derive(Clone, Debug, PartialEq)]
pub struct TranslatorConfig {
    /// Who shares a channel.
    pub mode: TranslatorMode,
    /// Mining servers in order of preference; at least one.
    pub upstreams: Vec<PeerAddress>,
    /// First wait before the list is dialled again; doubles up to the last.
    pub redial_wait: (Duration, Duration),
    /// From a connection to the answer to `SetupConnection`.
    pub setup_timeout: Duration,
    /// Who leaves a request of ours unanswered for so long is left for the next upstream.
    pub answer_timeout: Duration,
    /// Who does not answer `RequestExtensions` for so long is taken to know no extensions.
    pub extensions_timeout: Duration,
    /// Who says nothing at all for so long, while shares wait for an answer, is left as well.
    pub silence_timeout: Duration,
    /// Between two `UpdateChannel`s of one channel (spec 5.3.7).
    pub update_interval: Duration,
    /// Whom the upstream pays: of the one channel, and of devices that have not said who they
    /// are.
    pub user_identity: Str255,
    /// Whether each share names its worker (extension 0x0002), where the upstream agrees.
    pub names_workers: bool,
    /// Whether upstreams that fix the version are refused (flag REQUIRES_VERSION_ROLLING).
    pub requires_version_rolling: bool,
    /// The most bits of the version that devices may roll.
    pub version_mask: u32,
    /// Bytes of the extranonce that tell devices on one channel apart, 1 to 4.
    pub extranonce_index_len: u8,
    /// Bytes that each device rolls, 2 to 8.
    pub extranonce2_len: u8,
    /// Which difficulties devices are given.
    pub difficulty_steps: DifficultySteps,
    /// What a device is taken for until its shares show more, in hashes per second.
    pub initial_hash_rate: f64,
    /// Shares that a device should find a minute; the upstream sees those that meet its target.
    pub shares_per_minute: f64,
    /// No device gets an easier target, unless the upstream's is easier still.
    pub easiest_target: Target,
    /// Follows the hash rate that shares show; `None` leaves difficulties to what devices ask.
    pub vardiff: Option<VardiffAlgorithm>,
    /// For so long a device is paid for what meets its former, easier target: firmware differs
    /// in when a new difficulty holds.
    pub difficulty_grace: Duration,
    /// After so long without a job or a share a device is given its job again, with the time
    /// that it is by now; `None` never.
    pub keep_alive: Option<Duration>,
    /// How long a device may take to subscribe and authorize.
    pub login_timeout: Duration,
    /// In [`TranslatorMode::ChannelPerDevice`]: how long the channel waits for the user's name
    /// once the device has subscribed. Most devices wait for the answer first, and get a channel
    /// under `user_identity`.
    pub name_wait: Duration,
    /// Devices at once.
    pub devices_max: usize,
    /// Users that one device may authorize.
    pub workers_per_device_max: usize,
    /// Shares of one device and tip that are remembered to refuse duplicates.
    pub shares_per_tip_max: usize,
    /// Lines a minute that earn nothing (unknown, out of place, refused) before a connection is
    /// closed.
    pub useless_lines_per_minute_max: u64,
    /// How shares are judged; by their hashes, unless time is simulated.
    pub proof_check: ProofCheck,
}

/// The bits of the version that all ASICs in the field roll, and pools of every revision take.
pub const BIP320_MASK: u32 = 0x1fff_e000;

impl Default for TranslatorConfig {
    fn default() -> Self {
        TranslatorConfig {
            mode: TranslatorMode::default(),
            upstreams: vec![PeerAddress {
                host: "127.0.0.1".to_owned(),
                port: 34254,
                authority: None,
            }],
            redial_wait: (Duration::from_secs(1), Duration::from_secs(30)),
            setup_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
            extensions_timeout: Duration::from_secs(5),
            silence_timeout: Duration::from_secs(600),
            update_interval: Duration::from_secs(1),
            user_identity: Str255::from_static("assay.translator"),
            names_workers: true,
            requires_version_rolling: true,
            version_mask: BIP320_MASK,
            extranonce_index_len: 2,
            extranonce2_len: 4,
            difficulty_steps: DifficultySteps::default(),
            initial_hash_rate: 1e12,
            shares_per_minute: 6.0,
            easiest_target: Target::MAX,
            vardiff: Some(VardiffAlgorithm::default()),
            difficulty_grace: Duration::from_secs(30),
            keep_alive: Some(Duration::from_secs(60)),
            login_timeout: Duration::from_secs(60),
            name_wait: Duration::from_secs(1),
            devices_max: 65_536,
            workers_per_device_max: 64,
            shares_per_tip_max: 4_096,
            useless_lines_per_minute_max: 600,
            proof_check: ProofCheck::Hashed,
        }
    }
}

impl TranslatorConfig {
    /// Whether a translator can work so.
    ///
    /// # Errors
    /// [`TranslatorConfigError`] names the setting and its range.
    pub fn check(&self) -> Result<(), TranslatorConfigError> {
        let fail = |setting, expected, got: &dyn std::fmt::Display| {
            Err(TranslatorConfigError { setting, expected, got: got.to_string() })
        };
        if self.upstreams.is_empty() {
            return fail("upstreams", "one at least", &0);
        }
        if !(1..=4).contains(&self.extranonce_index_len) {
            return fail("extranonce_index_len", "1 to 4 bytes", &self.extranonce_index_len);
        }
        if !(2..=8).contains(&self.extranonce2_len) {
            return fail("extranonce2_len", "2 to 8 bytes", &self.extranonce2_len);
        }
        if self.version_mask & !VERSION_ROLLING_MASK != 0 {
            let got = format!("{:#010x}", self.version_mask);
            return fail("version_mask", "bits of 0x1fffffe0 (BIP 323)", &got);
        }
        let is_positive = |number: f64| number.is_finite() && number > 0.0;
        if !is_positive(self.shares_per_minute) {
            return fail("shares_per_minute", "a number above 0", &self.shares_per_minute);
        }
        if !is_positive(self.initial_hash_rate) {
            return fail("initial_hash_rate", "a number above 0", &self.initial_hash_rate);
        }
        Ok(())
    }
}

/// A setting with which no translator can work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{setting}: expected {expected}, got {got}")]
pub struct TranslatorConfigError {
    /// Its name.
    pub setting: &'static str,
    /// In words.
    pub expected: &'static str,
    /// As configured.
    pub got: String,
}

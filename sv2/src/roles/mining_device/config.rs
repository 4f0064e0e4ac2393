//! What an operator decides about a mining device.

use std::num::{NonZeroU8, NonZeroU32, NonZeroU64};

use crate::common::{PROTOCOL_VERSION, Protocol, SetupConnection};
use crate::mining::{VERSION_ROLLING_MASK, setup_flag};
use crate::role::PeerAddress;
use crate::roles::hashing::{Pace, ProofTiming, Running};
use crate::wire::{B32, Str255, Target};

/// The settings of a mining device.
#[derive(Clone, Debug, PartialEq)]
pub struct MiningDeviceConfig {
    /// Whom to work for.
    pub pool: PeerAddress,
    /// Whom the pool shall pay, in the pool's own notation.
    pub user_identity: Str255,
    /// What to open.
    pub channel_kind: ChannelKind,
    /// How many channels to open on the one connection.
    pub channel_count: NonZeroU8,
    /// What each channel claims, in hashes per second; the device does not measure itself.
    pub nominal_hash_rate: f32,
    /// The easiest target that the device asks for.
    pub max_target: Target,
    /// Which bits of the version are rolled.
    pub version_rolling: VersionRolling,
    /// Whether header times move on, once per second (spec 10.2).
    pub rolls_ntime: bool,
    /// The most hashes in one [`crate::role::Input::Woken`].
    pub nonces_per_call: NonZeroU32,
    /// Hashes per second over all channels; `None` takes what the processor gives and asks to
    /// be woken at once, which in virtual time would never end.
    pub hash_rate_limit: Option<NonZeroU64>,
    /// What decides when a proof is found; where times are drawn, there is no further limit.
    pub proof_timing: ProofTiming,
    /// Manufacturer; never empty (spec 3.6.1).
    pub vendor: Str255,
    /// Model.
    pub hardware_version: Str255,
    /// Name and version.
    pub firmware: Str255,
    /// Empty unless telemetry is wanted.
    pub device_id: Str255,
    /// Told with each share of an extended channel where the pool agrees (extension 0x0002);
    /// UTF-8. Empty: no extension is asked for.
    pub worker_name: B32,
}

/// What a device opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Header-only mining (spec 5.2.1).
    Standard {
        /// Demands a job per channel (flag REQUIRES_STANDARD_JOBS), as firmware does that
        /// cannot build a coinbase. Otherwise jobs for the group are taken as well.
        requires_standard_jobs: bool,
    },
    /// The device rolls an extranonce (spec 5.2.2).
    Extended {
        /// Fewest bytes that it asks for.
        min_extranonce_size: u16,
    },
}

/// Which bits of a header's version the device changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionRolling {
    /// None.
    Off,
    /// These, where the pool and the job allow it.
    Allowed(u32),
    /// These; a pool that demands a fixed version is of no use (flag REQUIRES_VERSION_ROLLING).
    Required(u32),
}

impl VersionRolling {
    /// Bits 13 to 28, which today's hardware rolls (BIP 320; AMB-13).
    pub const BIP_320: u32 = 0x1fff_e000;
    /// Bits 5 to 28 (BIP 323).
    pub const BIP_323: u32 = VERSION_ROLLING_MASK;

    /// The bits, whatever is configured beyond those that the protocol gives away.
    pub(super) fn mask(self) -> u32 {
        match self {
            VersionRolling::Off => 0,
            VersionRolling::Allowed(mask) | VersionRolling::Required(mask) => {
                mask & VERSION_ROLLING_MASK
            }
        }
    }
}

impl MiningDeviceConfig {
    /// A standard device without a limit: what a user who names only a pool gets.
    pub fn new(pool: PeerAddress, user_identity: Str255) -> Self {
        MiningDeviceConfig {
            pool,
            user_identity,
            channel_kind: ChannelKind::Standard { requires_standard_jobs: true },
            channel_count: NonZeroU8::MIN,
            nominal_hash_rate: 1e6,
            max_target: Target::MAX,
            version_rolling: VersionRolling::Allowed(VersionRolling::BIP_323),
            rolls_ntime: true,
            nonces_per_call: const { NonZeroU32::new(10_000).expect("not zero") },
            hash_rate_limit: None,
            proof_timing: ProofTiming::Hashed,
            vendor: Str255::from_static("Assay"),
            hardware_version: Str255::from_static("mining device"),
            firmware: Str255::from_static(concat!("assay ", env!("CARGO_PKG_VERSION"))),
            device_id: Str255::default(),
            worker_name: B32::default(),
        }
    }

    /// Whether there is something to negotiate: standard shares carry no names.
    pub(super) fn asks_for_worker_tracking(&self) -> bool {
        !self.worker_name.as_slice().is_empty()
            && matches!(self.channel_kind, ChannelKind::Extended { .. })
    }

    /// Spec 5.3.1.
    pub(super) fn setup_flags(&self) -> u32 {
        let standard_jobs = match self.channel_kind {
            ChannelKind::Standard { requires_standard_jobs: true } => {
                setup_flag::REQUIRES_STANDARD_JOBS
            }
            ChannelKind::Standard { .. } | ChannelKind::Extended { .. } => 0,
        };
        let version_rolling = match self.version_rolling {
            VersionRolling::Required(_) => setup_flag::REQUIRES_VERSION_ROLLING,
            VersionRolling::Allowed(_) | VersionRolling::Off => 0,
        };
        standard_jobs | version_rolling
    }

    pub(super) fn pace<'a>(&self, running: &'a mut Running) -> Pace<'a> {
        Pace::new(self.proof_timing, self.nonces_per_call, self.hash_rate_limit, running)
    }

    /// The first message to `peer`.
    pub(super) fn setup_connection(&self, peer: &PeerAddress) -> SetupConnection {
        SetupConnection {
            protocol: Protocol::Mining as u8,
            min_version: PROTOCOL_VERSION,
            max_version: PROTOCOL_VERSION,
            flags: self.setup_flags(),
            // A name that does not fit cannot have been dialled: DNS ends at 253 bytes.
            endpoint_host: Str255::new(peer.host.clone()).unwrap_or_default(),
            endpoint_port: peer.port,
            vendor: self.vendor.clone(),
            hardware_version: self.hardware_version.clone(),
            firmware: self.firmware.clone(),
            device_id: self.device_id.clone(),
        }
    }
}

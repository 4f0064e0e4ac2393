//! What is asked of a fleet.

use std::sync::Arc;
use std::time::Duration;

use sv2::common::{PROTOCOL_VERSION, Protocol, SetupConnection};
use sv2::connection::Connection;
use sv2::message::Message;
use sv2::mining::{OpenExtendedMiningChannel, OpenStandardMiningChannel, setup_flag};
use sv2::role::PeerAddress;
use sv2::wire::{Str255, Target};
use sv2_net::tap::KeyLog;

/// A fleet, and what it does to a pool.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Whom to load.
    pub pool: PeerAddress,
    /// Devices, each with a channel of its own.
    pub device_count: u32,
    /// Connections that the devices share; `None` gives each its own.
    pub proxy_count: Option<u32>,
    /// What each device opens.
    pub channel: FleetChannel,
    /// Whom the pool shall pay: every `{}` becomes the device's number, from 0.
    pub user_identity: String,
    /// Shares that each device finds a minute on average, above 0.
    pub shares_per_minute: f64,
    /// What each channel claims, in hashes per second.
    pub nominal_hash_rate: f32,
    /// Hashes a second that the whole fleet may make, above 0.
    pub hash_budget: f64,
    /// Where arrivals come from.
    pub seed: u64,
    /// Over how long the fleet's channels are opened, one after the other.
    pub ramp: Duration,
    /// Takes the secrets of all sessions, if given.
    pub key_log: Option<Arc<KeyLog>>,
}

/// What a device of a fleet opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetChannel {
    /// Header-only mining (spec 5.2.1).
    Standard {
        /// Demands a job for each channel (flag REQUIRES_STANDARD_JOBS); otherwise the pool may
        /// send jobs to a group.
        header_only: bool,
    },
    /// The device rolls the extranonce (spec 5.2.2).
    Extended,
    /// None: the pool speaks Stratum V1, in which a connection is what a channel is here.
    Sv1,
}

impl LoadConfig {
    /// How many connections there are.
    pub fn connection_count(&self) -> u32 {
        self.proxy_count.unwrap_or(self.device_count).clamp(1, self.device_count.max(1))
    }

    /// Shares a second that the whole fleet is asked for.
    pub fn shares_per_second(&self) -> f64 {
        f64::from(self.device_count) * self.shares_per_minute / 60.0
    }

    /// Between two shares of a device, on average.
    pub(super) fn mean_interval(&self) -> Duration {
        // Years are as good as never.
        Duration::try_from_secs_f64(60.0 / self.shares_per_minute)
            .map_or(INTERVAL_MAX, |interval| interval.min(INTERVAL_MAX))
    }

    /// How long after the start a device opens its channel.
    pub(super) fn opens_after(&self, device: u32) -> Duration {
        self.ramp.mul_f64(f64::from(device) / f64::from(self.device_count.max(1)))
    }

    pub(super) fn setup_connection(&self) -> SetupConnection {
        let flags = match self.channel {
            FleetChannel::Standard { header_only: true } => setup_flag::REQUIRES_STANDARD_JOBS,
            FleetChannel::Standard { header_only: false }
            | FleetChannel::Extended
            | FleetChannel::Sv1 => 0,
        };
        SetupConnection {
            protocol: Protocol::Mining as u8,
            min_version: PROTOCOL_VERSION,
            max_version: PROTOCOL_VERSION,
            flags,
            // A name that does not fit cannot have been dialled: DNS ends at 253 bytes.
            endpoint_host: Str255::new(self.pool.host.clone()).unwrap_or_default(),
            endpoint_port: self.pool.port,
            vendor: Str255::from_static("Assay"),
            hardware_version: Str255::from_static("load"),
            firmware: Str255::from_static(concat!("assay ", env!("CARGO_PKG_VERSION"))),
            device_id: Str255::default(),
        }
    }

    /// Whom the pool shall pay for a device.
    pub(super) fn user_of(&self, device: u32) -> String {
        self.user_identity.replace("{}", &device.to_string())
    }

    /// Keeps the secrets of a session that has been established, where they are wanted.
    pub(super) fn log_keys(&self, connection: &Connection) {
        if let (Some(key_log), Some(secrets)) = (&self.key_log, connection.key_log()) {
            key_log.keep(secrets);
        }
    }

    /// The request for a device's channel.
    pub(super) fn open_channel(&self, request_id: u32, device: u32, hash_rate: f32) -> Message {
        let user_identity = Str255::new(self.user_of(device)).unwrap_or_default();
        let (nominal_hash_rate, max_target) = (hash_rate, Target::MAX);
        match self.channel {
            FleetChannel::Standard { .. } => OpenStandardMiningChannel {
                request_id,
                user_identity,
                nominal_hash_rate,
                max_target,
            }
            .into(),
            FleetChannel::Extended | FleetChannel::Sv1 => OpenExtendedMiningChannel {
                request_id,
                user_identity,
                nominal_hash_rate,
                max_target,
                min_extranonce_size: EXTRANONCE_SIZE_MIN,
            }
            .into(),
        }
    }

    /// Whether the longest identity fits its field.
    pub fn fits_user_identity(&self) -> bool {
        Str255::new(self.user_of(self.device_count)).is_ok()
    }
}

/// As much as a device needs that changes it with every share.
const EXTRANONCE_SIZE_MIN: u16 = 4;
const INTERVAL_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

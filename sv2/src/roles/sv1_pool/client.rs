//! What the pool keeps about one connection.

use crate::mining::channel::{Channel, ChannelKind};
use crate::mining::extranonce::Extranonce;
use crate::mining::vardiff::Vardiff;
use crate::roles::useless::Useless;
use crate::sv1::Difficulty;
use crate::wire::Target;

/// A device, or a proxy of devices.
#[derive(Debug)]
pub(super) struct Client {
    /// We have asked the driver to close it; nothing more is read or sent.
    pub(super) is_closing: bool,
    /// Its jobs and shares: from `mining.subscribe` on.
    pub(super) channel: Option<Channel>,
    /// As authorised, in order.
    pub(super) users: Vec<String>,
    /// Bits of the version that it may roll; `None` without `version-rolling` (BIP 310).
    pub(super) version_mask: Option<u32>,
    /// Another extranonce can be given to it.
    pub(super) takes_extranonces: bool,
    /// No easier target is given to it.
    pub(super) max_target: Target,
    /// What the difficulty was made for, in hashes per second.
    pub(super) hash_rate: f64,
    /// As told; `None`: it has no job yet.
    pub(super) difficulty: Option<Difficulty>,
    /// Since it works, and where difficulties follow shares.
    pub(super) vardiff: Option<Vardiff>,
    /// Of events: shares have no number of their own.
    pub(super) share_count: u32,
    pub(super) useless: Useless,
}

impl Client {
    pub(super) fn new(hash_rate: f64) -> Self {
        Client {
            is_closing: false,
            channel: None,
            users: Vec::new(),
            version_mask: None,
            takes_extranonces: false,
            max_target: Target::MAX,
            hash_rate,
            difficulty: None,
            vardiff: None,
            share_count: 0,
            useless: Useless::default(),
        }
    }

    /// Hashes that a share takes on average under the difficulty that it was told.
    pub(super) fn share_hashes(&self) -> f64 {
        self.difficulty.map_or(1.0, |told| told.target().expected_hashes())
    }

    /// Jobs make sense to it.
    pub(super) fn is_ready(&self) -> bool {
        !self.is_closing && self.channel.is_some() && !self.users.is_empty()
    }

    /// Jobs have been sent to it.
    pub(super) fn is_working(&self) -> bool {
        !self.is_closing && self.difficulty.is_some()
    }
}

/// Of a connection: what a channel is in Stratum V2.
pub(super) fn channel(extranonce: Extranonce, seen: (usize, u64)) -> Channel {
    // Its target is set with its first job.
    let target = Target::MAX;
    Channel::new(super::CHANNEL_ID, ChannelKind::Extended, 0, extranonce, target, seen)
}

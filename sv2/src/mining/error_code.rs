//! Error codes of the mining protocol (spec 3.5): printable ASCII, the strings in use in the
//! field where there is one.

/// Of `OpenMiningChannel.Error` (spec 5.3.6) and, where they fit, `UpdateChannel.Error`.
pub mod channel {
    /// The server takes no standard channels (flag REQUIRES_EXTENDED_CHANNELS).
    pub const STANDARD_CHANNELS_NOT_SUPPORTED: &str = "standard-channels-not-supported";
    /// A client that selects its own work uses extended channels.
    pub const STANDARD_CHANNELS_NOT_SUPPORTED_FOR_CUSTOM_WORK: &str =
        "standard-channels-not-supported-for-custom-work";
    /// A client that requires standard jobs could not read those of an extended channel.
    pub const EXTENDED_CHANNELS_NOT_SUPPORTED_FOR_STANDARD_JOBS: &str =
        "extended-channels-not-supported-for-standard-jobs";
    /// No more channels on this connection, or no more extranonce prefixes.
    pub const CHANNEL_CAPACITY_EXHAUSTED: &str = "channel-capacity-exhausted";
    /// The operator does not serve this user.
    pub const INVALID_USER_IDENTITY: &str = "invalid-user-identity";
    /// Not a number, infinite or negative.
    pub const INVALID_NOMINAL_HASHRATE: &str = "invalid-nominal-hashrate";
    /// Zero: no hash could meet it.
    pub const MAX_TARGET_OUT_OF_RANGE: &str = "max-target-out-of-range";
    /// Does not fit 32 bytes behind the server's prefix.
    pub const MIN_EXTRANONCE_SIZE_TOO_LARGE: &str = "min-extranonce-size-too-large";
    /// No such channel on this connection.
    pub const INVALID_CHANNEL_ID: &str = "invalid-channel-id";
}

/// Of `SubmitShares.Error` (spec 5.3.14).
pub mod share {
    /// No such channel on this connection, or one of the other kind.
    pub const INVALID_CHANNEL_ID: &str = "invalid-channel-id";
    /// The job was never given to this channel, or is not active yet.
    pub const INVALID_JOB_ID: &str = "invalid-job-id";
    /// The job was for an older tip.
    pub const STALE_SHARE: &str = "stale-share";
    /// Not exactly as long as agreed.
    pub const BAD_EXTRANONCE_SIZE: &str = "bad-extranonce-size";
    /// Before the tip's smallest time, or too far ahead.
    pub const INVALID_NTIME: &str = "invalid-ntime";
    /// The job has a fixed version.
    pub const VERSION_ROLLING_NOT_ALLOWED: &str = "version-rolling-not-allowed";
    /// A bit outside the mask of BIP 323 was changed.
    pub const INVALID_NON_ROLLABLE_VERSION_BIT: &str = "invalid-non-rollable-version-bit";
    /// The hash is above the job's target.
    pub const DIFFICULTY_TOO_LOW: &str = "difficulty-too-low";
    /// Paid before.
    pub const DUPLICATE_SHARE: &str = "duplicate-share";
    /// The channel has found more shares for this tip than the server remembers.
    pub const TOO_MANY_SHARES: &str = "too-many-shares";
    /// A TLV is longer than its extension allows (spec 3.4.3).
    pub const INVALID_TLV: &str = "invalid-tlv";
    /// The account could not be written.
    pub const NOT_PERSISTED: &str = "internal-error";
}

/// Of `SetCustomMiningJob.Error` (spec 5.3.20).
pub mod custom_job {
    /// The connection did not ask for work selection, or the server has none.
    pub const JD_NOT_SUPPORTED: &str = "jd-not-supported";
    /// No such extended channel or group on this connection.
    pub const INVALID_CHANNEL_ID: &str = "invalid-channel-id";
}

/// Of `CloseChannel` (spec 5.3.9).
pub mod close_reason {
    /// The operator ends service.
    pub const SERVICE_ENDS: &str = "service-ends";
    /// The upstream has divided the search space anew, and there is no room for the channel.
    pub const EXTRANONCE_CHANGED: &str = "extranonce-changed";
}

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
    /// A line of Stratum V1 whose parameters are no share; told to people alone.
    pub const MALFORMED: &str = "malformed-share";
    /// The account could not be written.
    pub const NOT_PERSISTED: &str = "internal-error";
}

/// Of `SetCustomMiningJob.Error` (spec 5.3.20).
pub mod custom_job {
    /// The connection did not ask for work selection, or the server has none.
    pub const JD_NOT_SUPPORTED: &str = "jd-not-supported";
    /// No such extended channel or group on this connection.
    pub const INVALID_CHANNEL_ID: &str = "invalid-channel-id";
    /// Not a token of ours, or none at all.
    pub const INVALID_MINING_JOB_TOKEN: &str = "invalid-mining-job-token";
    /// A token that has run out.
    pub const EXPIRED_TOKEN: &str = "mining-job-token-expired";
    /// The token backs another job already.
    pub const USED_TOKEN: &str = "mining-job-token-used";
    /// The channel belongs to another user than the token.
    pub const FOREIGN_TOKEN: &str = "mining-job-token-of-another-user";
    /// The token has to be declared first (spec 6.3.2).
    pub const JOB_NOT_YET_VALIDATED: &str = "job-not-yet-validated";
    /// The block that the job builds on is not ours, or not any more: a race, and no reason to
    /// leave.
    pub const STALE_CHAIN_TIP: &str = "stale-chain-tip";
    /// Not those of the tip.
    pub const INVALID_NBITS: &str = "invalid-nbits";
    /// Too far from the tip's time, or too far ahead.
    pub const INVALID_MIN_NTIME: &str = "invalid-min-ntime";
    /// Not a version of today's blocks, or not the declared one.
    pub const INVALID_VERSION: &str = "invalid-version";
    /// Not the declared one.
    pub const INVALID_COINBASE_TX_VERSION: &str = "invalid-coinbase-tx-version";
    /// Of a length that no coinbase transaction has, of another height, or not the declared one.
    pub const INVALID_COINBASE_PREFIX: &str = "invalid-coinbase-prefix";
    /// Not the declared one.
    pub const INVALID_COINBASE_TX_INPUT_N_SEQUENCE: &str = "invalid-coinbase-tx-input-n-sequence";
    /// No outputs, or not the declared ones.
    pub const INVALID_COINBASE_TX_OUTPUTS: &str = "invalid-coinbase-tx-outputs";
    /// No output pays to the script that came with the token (spec 6.4.3).
    pub const PAYOUT_MISSING: &str = "pool-payout-missing";
    /// Not the declared one.
    pub const INVALID_COINBASE_TX_LOCKTIME: &str = "invalid-coinbase-tx-locktime";
    /// Longer than any block's, or not the declared one.
    pub const INVALID_MERKLE_PATH: &str = "invalid-merkle-path";
    /// More tokens are in use than the server remembers.
    pub const TOO_MANY_CUSTOM_JOBS: &str = "too-many-custom-jobs";
}

/// Of `CloseChannel` (spec 5.3.9).
pub mod close_reason {
    /// The operator ends service.
    pub const SERVICE_ENDS: &str = "service-ends";
    /// The upstream has divided the search space anew, and there is no room for the channel.
    pub const EXTRANONCE_CHANGED: &str = "extranonce-changed";
    /// The upstream has given less than was asked for.
    pub const EXTRANONCE_TOO_SHORT: &str = "extranonce-too-short";
    /// The client's connection to the proxy has ended.
    pub const DOWNSTREAM_CLOSED: &str = "downstream-closed";
}

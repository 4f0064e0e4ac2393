//! The twenty-one messages of the mining protocol, in the order of spec 5.3.

use crate::wire::{B32, B64K, B255, Seq64K, Seq255, Str255, Target, U256};
use crate::wire_message;

/// Asks for a standard channel (spec 5.3.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenStandardMiningChannel {
    /// Unique within the connection; echoed in the answer.
    pub request_id: u32,
    /// Whom to pay, in the pool's own notation.
    pub user_identity: Str255,
    /// Expected hash rate in hashes per second; 0 from a proxy without devices.
    pub nominal_hash_rate: f32,
    /// The easiest target that the client can work with.
    pub max_target: Target,
}
wire_message!(OpenStandardMiningChannel {
    request_id,
    user_identity,
    nominal_hash_rate,
    max_target,
});

/// A standard channel is open (spec 5.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenStandardMiningChannelSuccess {
    /// Of the request.
    pub request_id: u32,
    /// Stable for the life of the connection, in one name space with group channels.
    pub channel_id: u32,
    /// For all jobs until the first `SetTarget`.
    pub target: Target,
    /// The whole extranonce of the channel: a standard channel rolls none of it.
    pub extranonce_prefix: B32,
    /// The group that the channel belongs to.
    pub group_channel_id: u32,
}
wire_message!(OpenStandardMiningChannelSuccess {
    request_id,
    channel_id,
    target,
    extranonce_prefix,
    group_channel_id,
});

/// Asks for an extended channel (spec 5.3.4).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenExtendedMiningChannel {
    /// Unique within the connection; echoed in the answer.
    pub request_id: u32,
    /// Whom to pay, in the pool's own notation.
    pub user_identity: Str255,
    /// Expected hash rate in hashes per second; 0 from a proxy without devices.
    pub nominal_hash_rate: f32,
    /// The easiest target that the client can work with.
    pub max_target: Target,
    /// Fewest bytes of extranonce that the client needs for itself.
    pub min_extranonce_size: u16,
}
wire_message!(OpenExtendedMiningChannel {
    request_id,
    user_identity,
    nominal_hash_rate,
    max_target,
    min_extranonce_size,
});

/// An extended channel is open (spec 5.3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenExtendedMiningChannelSuccess {
    /// Of the request.
    pub request_id: u32,
    /// Stable for the life of the connection, in one name space with group channels.
    pub channel_id: u32,
    /// For all jobs until the first `SetTarget`.
    pub target: Target,
    /// Bytes behind the prefix that the client rolls.
    pub extranonce_size: u16,
    /// The part of the extranonce that is the server's.
    pub extranonce_prefix: B32,
    /// The group that the channel belongs to.
    pub group_channel_id: u32,
}
wire_message!(OpenExtendedMiningChannelSuccess {
    request_id,
    channel_id,
    target,
    extranonce_size,
    extranonce_prefix,
    group_channel_id,
});

/// A channel is refused (spec 5.3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenMiningChannelError {
    /// Of the request.
    pub request_id: u32,
    /// Why, without control characters (spec 3.5).
    pub error_code: Str255,
}
wire_message!(OpenMiningChannelError { request_id, error_code });

/// The client's hash rate or target has changed (spec 5.3.7).
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateChannel {
    /// A channel of this connection.
    pub channel_id: u32,
    /// Expected hash rate in hashes per second.
    pub nominal_hash_rate: f32,
    /// A request, granted by `SetTarget`; smaller than the present one MUST be.
    pub maximum_target: Target,
}
wire_message!(UpdateChannel { channel_id, nominal_hash_rate, maximum_target });

/// An update is refused (spec 5.3.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateChannelError {
    /// Of the update.
    pub channel_id: u32,
    /// Why, without control characters (spec 3.5).
    pub error_code: Str255,
}
wire_message!(UpdateChannelError { channel_id, error_code });

/// A channel, or a whole group, ends (spec 5.3.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseChannel {
    /// A channel, or a group with all of its channels.
    pub channel_id: u32,
    /// Why, without control characters (spec 3.5).
    pub reason_code: Str255,
}
wire_message!(CloseChannel { channel_id, reason_code });

/// A new extranonce prefix for jobs sent from now on (spec 5.3.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetExtranoncePrefix {
    /// A standard or extended channel, not a group.
    pub channel_id: u32,
    /// Jobs that were sent before keep the old one.
    pub extranonce_prefix: B32,
}
wire_message!(SetExtranoncePrefix { channel_id, extranonce_prefix });

/// A proof of work for a standard channel (spec 5.3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitSharesStandard {
    /// A standard channel of this connection.
    pub channel_id: u32,
    /// Unique within the channel; echoed in the reply.
    pub sequence_number: u32,
    /// The job that was worked on.
    pub job_id: u32,
    /// Of the header.
    pub nonce: u32,
    /// Header time, seconds since the Unix epoch.
    pub ntime: u32,
    /// The whole version of the header, not a difference.
    pub version: u32,
}
wire_message!(SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version });

/// A proof of work for an extended channel (spec 5.3.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitSharesExtended {
    /// An extended channel of this connection.
    pub channel_id: u32,
    /// Unique within the channel; echoed in the reply.
    pub sequence_number: u32,
    /// The job that was worked on.
    pub job_id: u32,
    /// Of the header.
    pub nonce: u32,
    /// Header time, seconds since the Unix epoch.
    pub ntime: u32,
    /// The whole version of the header, not a difference.
    pub version: u32,
    /// What the client rolled behind the prefix: exactly the channel's `extranonce_size`.
    pub extranonce: B32,
}
wire_message!(SubmitSharesExtended {
    channel_id,
    sequence_number,
    job_id,
    nonce,
    ntime,
    version,
    extranonce,
});

/// One or more shares are accepted (spec 5.3.13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitSharesSuccess {
    /// Of the shares.
    pub channel_id: u32,
    /// Most recent sequence number with a correct result.
    pub last_sequence_number: u32,
    /// Shares of this batch alone.
    pub new_submits_accepted_count: u32,
    /// Sum of the difficulties of this batch alone.
    pub new_shares_sum: u64,
}
wire_message!(SubmitSharesSuccess {
    channel_id,
    last_sequence_number,
    new_submits_accepted_count,
    new_shares_sum,
});

/// A share is refused (spec 5.3.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitSharesError {
    /// Of the share.
    pub channel_id: u32,
    /// Of the share.
    pub sequence_number: u32,
    /// Why, without control characters (spec 3.5).
    pub error_code: Str255,
}
wire_message!(SubmitSharesError { channel_id, sequence_number, error_code });

/// A job for a standard channel (spec 5.3.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMiningJob {
    /// A standard channel.
    pub channel_id: u32,
    /// Not in use by another valid job of the channel.
    pub job_id: u32,
    /// Unset: a future job, active from the `SetNewPrevHash` that names it.
    pub min_ntime: Option<u32>,
    /// Bits 5 to 28 are the client's to roll (BIP 323).
    pub version: u32,
    /// As in the header.
    pub merkle_root: U256,
}
wire_message!(NewMiningJob { channel_id, job_id, min_ntime, version, merkle_root });

/// A job for an extended channel or for a group (spec 5.3.16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewExtendedMiningJob {
    /// An extended channel or a group.
    pub channel_id: u32,
    /// Not in use by another valid job of the channel.
    pub job_id: u32,
    /// Unset: a future job, active from the `SetNewPrevHash` that names it.
    pub min_ntime: Option<u32>,
    /// Of the header.
    pub version: u32,
    /// Whether bits 5 to 28 of the version are the client's to roll (BIP 323).
    pub version_rolling_allowed: bool,
    /// From the deepest branch to the root.
    pub merkle_path: Seq255<U256>,
    /// The coinbase transaction up to the extranonce, without the fields of BIP 141.
    pub coinbase_tx_prefix: B64K,
    /// The coinbase transaction behind the extranonce, without the fields of BIP 141.
    pub coinbase_tx_suffix: B64K,
}
wire_message!(NewExtendedMiningJob {
    channel_id,
    job_id,
    min_ntime,
    version,
    version_rolling_allowed,
    merkle_path,
    coinbase_tx_prefix,
    coinbase_tx_suffix,
});

/// A new block to build on (spec 5.3.17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetNewPrevHash {
    /// A channel or a group.
    pub channel_id: u32,
    /// A future job, which becomes the only valid one.
    pub job_id: u32,
    /// Of the header.
    pub prev_hash: U256,
    /// Smallest header time, seconds since the Unix epoch.
    pub min_ntime: u32,
    /// Compact network target of the header.
    pub nbits: u32,
}
wire_message!(SetNewPrevHash { channel_id, job_id, prev_hash, min_ntime, nbits });

/// A job that the client has built (spec 5.3.18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCustomMiningJob {
    /// An extended channel or a group.
    pub channel_id: u32,
    /// Echoed in the answer.
    pub request_id: u32,
    /// From the job declarator server.
    pub mining_job_token: B255,
    /// Of the header.
    pub version: u32,
    /// Of the header.
    pub prev_hash: U256,
    /// Smallest header time, seconds since the Unix epoch.
    pub min_ntime: u32,
    /// Compact network target of the header.
    pub nbits: u32,
    /// Of the coinbase transaction.
    pub coinbase_tx_version: u32,
    /// At most 8 bytes at the beginning of the coinbase input's script.
    pub coinbase_prefix: B255,
    /// Of the coinbase transaction.
    pub coinbase_tx_input_n_sequence: u32,
    /// CompactSize-prefixed array of serialised outputs.
    pub coinbase_tx_outputs: B64K,
    /// Of the coinbase transaction.
    pub coinbase_tx_locktime: u32,
    /// From the deepest branch to the root.
    pub merkle_path: Seq255<U256>,
}
wire_message!(SetCustomMiningJob {
    channel_id,
    request_id,
    mining_job_token,
    version,
    prev_hash,
    min_ntime,
    nbits,
    coinbase_tx_version,
    coinbase_prefix,
    coinbase_tx_input_n_sequence,
    coinbase_tx_outputs,
    coinbase_tx_locktime,
    merkle_path,
});

/// The pool will pay for a custom job (spec 5.3.19).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCustomMiningJobSuccess {
    /// Of the request.
    pub channel_id: u32,
    /// Of the request.
    pub request_id: u32,
    /// What shares for the job name.
    pub job_id: u32,
}
wire_message!(SetCustomMiningJobSuccess { channel_id, request_id, job_id });

/// The pool will not pay for a custom job (spec 5.3.20).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCustomMiningJobError {
    /// Of the request.
    pub channel_id: u32,
    /// Of the request.
    pub request_id: u32,
    /// Why, without control characters (spec 3.5).
    pub error_code: Str255,
}
wire_message!(SetCustomMiningJobError { channel_id, request_id, error_code });

/// A new target for jobs to come and for queued future jobs (spec 5.3.21).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetTarget {
    /// A channel or a group.
    pub channel_id: u32,
    /// The largest hash that is accepted; active jobs keep theirs.
    pub maximum_target: Target,
}
wire_message!(SetTarget { channel_id, maximum_target });

/// Puts channels into a group (spec 5.3.22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetGroupChannel {
    /// In one name space with channels.
    pub group_channel_id: u32,
    /// Open channels of this connection.
    pub channel_ids: Seq64K<u32>,
}
wire_message!(SetGroupChannel { group_channel_id, channel_ids });

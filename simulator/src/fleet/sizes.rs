//! How long messages are, in bytes of a connection: with what encrypts them, without TCP.

/// Of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// As arms of experiments are called.
    pub name: &'static str,
    /// A share.
    pub submit: u32,
    /// The answer to a batch of shares.
    pub accept: u32,
    /// The answer to a share that is refused.
    pub reject: u32,
    /// A job on the same tip.
    pub job: u32,
    /// What makes a device switch to a new tip.
    pub tip: u32,
    /// The job on a new tip that is sent ahead of it, or behind an empty one; 0 if `tip` is all.
    pub future_job: u32,
    /// A new target.
    pub target: u32,
    /// Shares that one answer can be for.
    pub batch_size_max: u32,
}

impl Sizes {
    /// Stratum V1 as JSON without spaces, a short user name and 12 branches
    /// (`mining.submit`, `mining.notify`, `mining.set_difficulty`).
    pub const SV1: Sizes = Sizes {
        name: "sv1",
        submit: 114,
        accept: 39,
        reject: 64,
        job: 1_444,
        tip: 1_444,
        future_job: 0,
        target: 63,
        batch_size_max: 1,
    };

    /// SV2 standard channels (spec 5.3).
    pub const SV2_STANDARD: Sizes = Sizes {
        name: "sv2-standard",
        submit: noise(24),
        accept: noise(20),
        reject: noise(20),
        job: noise(49),
        tip: noise(48),
        future_job: noise(45),
        target: noise(36),
        batch_size_max: u32::MAX,
    };

    /// SV2 extended channels (spec 5.3), with 8 bytes of extranonce, 12 branches and a coinbase
    /// transaction of 230 bytes.
    pub const SV2_EXTENDED: Sizes = Sizes {
        name: "sv2-extended",
        submit: noise(24 + 9),
        job: noise(EXTENDED_JOB + 4),
        future_job: noise(EXTENDED_JOB),
        ..Sizes::SV2_STANDARD
    };

    /// As [`Sizes::SV1`], where a pool sends an empty template first (a `mining.notify` without
    /// branches) and the whole one behind it.
    pub const SV1_EMPTY_FIRST: Sizes =
        Sizes { name: "sv1-empty-first", tip: 641, future_job: 1_444, ..Sizes::SV1 };

    /// As [`Sizes::SV2_EXTENDED`], where a pool did not send a job ahead of the tip: devices wait
    /// for the job as well.
    pub const SV2_EXTENDED_LATE: Sizes = Sizes {
        name: "sv2-extended-late",
        tip: noise(EXTENDED_JOB) + noise(48),
        future_job: 0,
        ..Sizes::SV2_EXTENDED
    };

    /// Ways to tell of a block that are worse than they could be, or better.
    pub const VARIANTS: [Sizes; 2] = [Sizes::SV1_EMPTY_FIRST, Sizes::SV2_EXTENDED_LATE];

    /// All that protocols are compared by.
    pub const ALL: [Sizes; 3] = [Sizes::SV1, Sizes::SV2_STANDARD, Sizes::SV2_EXTENDED];
}

/// Of a future job: fixed fields, 12 branches, prefix and suffix with their lengths.
const EXTENDED_JOB: u32 = 4 + 4 + 1 + 4 + 1 + (1 + 12 * 32) + 2 + 2 + 230;

/// A frame of so many bytes of payload on an encrypted connection (spec 4.5): header and payload,
/// each with its authentication code.
const fn noise(payload_len: u32) -> u32 {
    6 + 16 + payload_len + 16
}

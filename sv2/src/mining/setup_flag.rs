//! Flags of `SetupConnection` for the mining protocol (spec 5.3.1).

/// The client cannot process extended jobs.
pub const REQUIRES_STANDARD_JOBS: u32 = 1 << 0;
/// The client will send `SetCustomMiningJob`.
pub const REQUIRES_WORK_SELECTION: u32 = 1 << 1;
/// The client needs jobs whose version it may roll.
pub const REQUIRES_VERSION_ROLLING: u32 = 1 << 2;

/// Flags of `SetupConnection.Success`: the same bits mean other things than in the request.
pub mod success {
    /// The server takes no share whose version differs from the job's.
    pub const REQUIRES_FIXED_VERSION: u32 = 1 << 0;
    /// The server opens no standard channels.
    pub const REQUIRES_EXTENDED_CHANNELS: u32 = 1 << 1;
}

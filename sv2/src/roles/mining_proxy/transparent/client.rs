//! What the proxy keeps about one client connection.

use std::collections::BTreeSet;

use crate::extensions::RequestExtensions;
use crate::mining::setup_flag;
use crate::roles::useless::Useless;

#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) phase: Phase,
    /// As the client sent them (spec 5.3.1).
    pub(super) flags: u32,
    /// Whose upstream connection it shares, from `SetupConnection` to its end.
    pub(super) lane: Option<usize>,
    /// Those that are open.
    pub(super) channels: BTreeSet<u32>,
    /// Requests for channels that the upstream has not answered.
    pub(super) open_count: usize,
    /// Requests for custom jobs that the upstream has not answered.
    pub(super) custom_job_count: usize,
    /// What client and upstream have agreed on (extension 0x0001).
    pub(super) extensions: Vec<u16>,
    /// A request lacked something that the upstream requires.
    pub(super) was_refused: bool,
    /// Waits for what the upstream agrees on.
    pub(super) held_request: Option<RequestExtensions>,
    pub(super) useless: Useless,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    AwaitingSetup,
    /// `SetupConnection` is answered as soon as there is an upstream.
    AwaitingUpstream,
    Open,
    /// We have asked the driver to close it; nothing more is read or sent.
    Closing,
}

impl Client {
    /// Custom jobs that wait for an answer of the upstream.
    pub(super) const CUSTOM_JOBS_MAX: usize = 256;

    /// The client cannot read extended jobs, so what is sent to groups is sent to its channels.
    pub(super) fn requires_standard_jobs(&self) -> bool {
        self.flags & setup_flag::REQUIRES_STANDARD_JOBS != 0
    }

    pub(super) fn selects_work(&self) -> bool {
        self.flags & setup_flag::REQUIRES_WORK_SELECTION != 0
    }

    /// Whether fields of extensions are passed on.
    pub(super) fn keeps_tlvs(&self) -> bool {
        !self.extensions.is_empty()
    }
}

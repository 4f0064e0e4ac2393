//! What each rule must find, and what it must leave alone.

mod channels;
mod declarations;
mod framing;
mod jobs;
mod setup;
mod shares;
mod waiting;

use sv2_capture::rules::Severity;

use crate::talk::Talk;

/// A conversation with a mistake, and one that is nearly the same without it.
pub(crate) struct Case {
    pub(crate) rule: u8,
    pub(crate) severity: Severity,
    /// In a few words; names the capture.
    pub(crate) about: &'static str,
    pub(crate) wrong: fn(&mut Talk),
    pub(crate) nearly: fn(&mut Talk),
}

/// All cases, by file.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [
        framing::CASES,
        setup::CASES,
        channels::CASES,
        jobs::CASES,
        shares::CASES,
        declarations::CASES,
        waiting::CASES,
    ]
    .into_iter()
    .flatten()
}

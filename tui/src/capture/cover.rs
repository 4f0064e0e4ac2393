//! `--redact`: what is shown or written of a capture is covered first.
//!
//! Filters, and what decides about exit codes, look at what was captured; everything that leaves
//! the program is what the redacted capture says, followed and judged by itself, so that no sentence
//! about it can tell more.

use sv2_capture::read::Found;
use sv2_capture::redact::{Categories, Redactor};
use sv2_capture::rules::Policy;

use super::walk::{Follower, Seen};

/// Shows an observation, covered if there is a cover.
pub(crate) fn covered(cover: &mut Option<Cover>, seen: &Seen<'_>, show: &mut dyn FnMut(&Seen<'_>)) {
    match cover {
        Some(cover) => cover.over(seen, show),
        None => show(seen),
    }
}

/// Covers one observation after the other, all of a capture.
pub(crate) struct Cover {
    redactor: Redactor,
    follower: Follower,
}

impl Cover {
    pub(crate) fn new(categories: Categories, policy: Policy) -> Self {
        Cover { redactor: Redactor::new(categories), follower: Follower::new(policy) }
    }

    /// What is to be shown instead.
    pub(crate) fn over(&mut self, seen: &Seen<'_>, show: &mut dyn FnMut(&Seen<'_>)) {
        let Cover { redactor, follower } = self;
        redactor.cover(&seen.found.observed, &mut |covered| {
            let came = follower.follow(covered);
            let Found { places, pieces, seal, is_left_sealed, .. } = *seen.found;
            let observed = covered.clone();
            came.show(&Found { observed, places, pieces, seal, is_left_sealed }, show);
        });
    }
}

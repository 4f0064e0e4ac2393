//! The redacted capture beside the one that was read: places are the same in both, so that a filter
//! asks the one and people are shown the other.

use sv2_capture::read::Found;
use sv2_capture::redact::Categories;
use sv2_capture::rules::Policy;

use super::session::Session;
use crate::capture::{Cover, Seen};

/// What others may see of a session, held as a whole: it stands in no file.
pub(crate) struct Covered {
    cover: Cover,
    pub(crate) session: Session,
}

impl Covered {
    pub(crate) fn new(categories: Categories, policy: Policy) -> Self {
        let session = Session::new("a redacted capture".to_owned());
        Covered { cover: Cover::new(categories, policy), session }
    }

    /// Takes the next observation, as it was captured.
    pub(crate) fn take(&mut self, seen: &Seen<'_>) {
        let Covered { cover, session } = self;
        cover.over(seen, &mut |covered| {
            let Found { places, is_left_sealed, .. } = *covered.found;
            let observed = covered.found.observed.clone();
            // No file has what it says.
            let found = Found { observed, places, pieces: &[], seal: None, is_left_sealed };
            session.take(&Seen { found: &found, ..*covered });
        });
    }
}

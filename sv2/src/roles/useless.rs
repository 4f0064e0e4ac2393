//! How many messages of a client may earn nothing.

use std::time::Duration;

use crate::time::Instant;
use crate::violation::Violation;

/// Messages that earn nothing, by the minute.
#[derive(Debug, Default)]
pub(crate) struct Useless {
    since: Instant,
    count: u64,
}

impl Useless {
    const WINDOW: Duration = Duration::from_secs(60);

    /// One more.
    ///
    /// # Errors
    /// There are more than `limit` within a minute.
    pub(crate) fn count(&mut self, now: Instant, limit: u64) -> Result<(), Violation> {
        if now.since(self.since) >= Self::WINDOW {
            *self = Useless { since: now, count: 0 };
        }
        self.count += 1;
        if self.count > limit {
            return Err(Violation::Flood {
                what: "messages that earn nothing",
                count: self.count,
                seconds: Self::WINDOW.as_secs(),
                limit,
            });
        }
        Ok(())
    }
}

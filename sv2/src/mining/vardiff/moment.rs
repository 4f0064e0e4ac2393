//! Instants in four bytes, for what a million channels keep.

use crate::time::Instant;

/// A moment in milliseconds, modulo 2^32: right about times up to 49 days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment(u32);

impl Moment {
    /// Seconds from then until `now`.
    pub(super) fn seconds_until(self, now: Instant) -> f32 {
        let milliseconds = Moment::from(now).0.wrapping_sub(self.0);
        #[expect(clippy::cast_precision_loss, reason = "a ratio of seconds is an estimate")]
        let seconds = milliseconds as f32 / 1e3;
        seconds
    }
}

impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "modulo 2^32 is the purpose")]
        let moment = Moment((instant.0 / 1_000_000) as u32);
        moment
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn seconds_are_right_across_the_end_of_the_range() {
        let late = Instant::ZERO + Duration::from_millis(u64::from(u32::MAX) - 500);

        let seconds = Moment::from(late).seconds_until(late + Duration::from_secs(15));

        assert_eq!(seconds, 15.0);
    }
}

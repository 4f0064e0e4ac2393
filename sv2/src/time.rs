//! Time as an argument.
//!
//! The core never asks a clock: whoever drives it passes [`Now`]. Two clocks travel
//! together because they are two things: the monotonic one orders events and carries
//! deadlines, the Unix one dates certificates and block headers and may step.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Never goes back.
    pub instant: Instant,
    /// Civil time; a driver may step it in either direction.
    pub unix: UnixTime,
}

impl Now {
    /// The moment `elapsed` later on both clocks.
    pub fn after(self, elapsed: Duration) -> Self {
        let instant = self.instant + elapsed;
        // Whole seconds that the monotonic clock has crossed: the Unix clock has no fraction.
        let crossed = instant.0 / NANOSECONDS - self.instant.0 / NANOSECONDS;
        Now { instant, unix: UnixTime(self.unix.0.saturating_add(crossed)) }
    }
}

/// A moment of the monotonic clock: nanoseconds since an origin that the driver chose.
///
/// 64 bits last 584 years; sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// The driver's origin.
    pub const ZERO: Instant = Instant(0);

    /// How long ago `earlier` was; zero if it lies ahead.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, wait: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

/// A moment, or none, in half the room of an `Option`: where there are very many of them. The last
/// moment of the clock, to which sums saturate, is none: it never comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MaybeInstant(u64);

impl MaybeInstant {
    /// Not planned.
    pub const NONE: MaybeInstant = MaybeInstant(u64::MAX);

    /// As anybody else has it.
    #[inline]
    pub fn get(self) -> Option<Instant> {
        (self != MaybeInstant::NONE).then_some(Instant(self.0))
    }
}

impl From<Option<Instant>> for MaybeInstant {
    #[inline]
    fn from(moment: Option<Instant>) -> Self {
        moment.map_or(MaybeInstant::NONE, |Instant(at)| MaybeInstant(at))
    }
}

impl Default for MaybeInstant {
    fn default() -> Self {
        MaybeInstant::NONE
    }
}

impl fmt::Debug for MaybeInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// As block headers and certificates hold it: 32 bits, saturated (in the year 2106).
    pub fn to_u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

const NANOSECONDS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unix_clock_follows_whole_seconds_of_the_monotonic_one() {
        let start = Now { instant: Instant(900_000_000), unix: UnixTime(100) };

        let tick = start.after(Duration::from_millis(99));
        let tock = start.after(Duration::from_millis(100));

        assert_eq!((tick.unix, tock.unix), (UnixTime(100), UnixTime(101)));
    }

    #[test]
    fn a_moment_in_eight_bytes_is_the_same_moment() {
        for moment in [None, Some(Instant::ZERO), Some(Instant(u64::MAX - 1))] {
            assert_eq!(MaybeInstant::from(moment).get(), moment);
        }
        assert_eq!(MaybeInstant::from(Some(Instant(u64::MAX))).get(), None, "it never comes");
    }

    #[test]
    fn a_deadline_beyond_the_end_of_the_clock_saturates() {
        assert_eq!(Instant(5) + Duration::MAX, Instant(u64::MAX));
    }
}

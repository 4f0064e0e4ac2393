//! The two clocks of a live process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sv2::time::{Instant, Now, UnixTime};

/// Tells the time as roles want it. All copies share one origin, so that instants of several
/// hosts in one process, their logs and their captures can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: tokio::time::Instant,
}

impl Clock {
    /// The clock of this process; its origin is the first call.
    pub fn of_process() -> Self {
        static CLOCK: OnceLock<Clock> = OnceLock::new();
        *CLOCK.get_or_init(|| Clock { origin: tokio::time::Instant::now() })
    }

    /// Both clocks at this moment.
    pub fn now(self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Now { instant: Instant::ZERO + self.origin.elapsed(), unix: UnixTime(unix.as_secs()) }
    }

    /// The moment at which tokio's timers must fire for a role's deadline. Deadlines beyond the
    /// end of tokio's clock become one in thirty years.
    pub fn to_tokio(self, instant: Instant) -> tokio::time::Instant {
        let elapsed = instant.since(Instant::ZERO);
        self.origin.checked_add(elapsed).unwrap_or_else(|| self.origin + FAR)
    }
}

/// Civil time in nanoseconds since the Unix epoch. It never goes back, even where the system's clock
/// does: what is recorded stays in order.
pub fn civil_nanoseconds() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    LAST.fetch_max(now, Ordering::Relaxed).max(now)
}

const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_comes_back_as_the_moment_it_was_set_for() {
        let clock = Clock::of_process();
        let deadline = Instant(90_000_000_000);

        let at = clock.to_tokio(deadline);

        assert_eq!(at - clock.origin, Duration::from_secs(90));
    }

    #[test]
    fn a_deadline_at_the_end_of_time_does_not_overflow() {
        let clock = Clock::of_process();

        assert!(clock.to_tokio(Instant(u64::MAX)) > clock.to_tokio(clock.now().instant));
    }
}

//! The algorithm of the reference implementation: `channels_sv2`, `vardiff/classic.rs` (read at
//! stratum-mining/stratum 2680220), looked at once a minute as its pool does.
//!
//! Shares since the last step give a hash rate; a deviation from the assumed one is believed from
//! a threshold on that falls with the time since that step, not with the number of shares. Its
//! numbers are theirs, its words are ours, and its clock is monotonic where theirs is civil time.

use std::time::Duration;

use super::Aim;
use super::moment::Moment;
use crate::time::Instant;

/// Between two looks (the pool's).
pub(super) const INTERVAL: Duration = Duration::from_secs(60);
/// A window that is no longer says nothing, in seconds.
const WINDOW_MIN: f32 = 15.0;
/// Relative deviation that is believed once the window is so many seconds long.
const LADDER: [(f64, f32); 6] =
    [(1.0, 0.0), (0.6, 60.0), (0.5, 120.0), (0.45, 180.0), (0.3, 240.0), (0.15, 300.0)];
/// Where there was no share: what the hash rate is divided by.
const SILENCE: [f64; 3] = [1.5, 2.0, 3.0];
/// Above this relative deviation, a step is only a factor.
const SURGE: f64 = 10.0;
/// What the hash rate is multiplied by then.
const SURGE_STEPS: [f64; 3] = [10.0, 5.0, 3.0];
/// Windows up to 30 seconds, below a minute, and others: which of the three applies.
const TIERS: (f32, f32) = (30.0, 60.0);
/// In hashes per second.
const HASH_RATE_MIN: f64 = 1.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sri {
    since: Moment,
    share_count: u32,
}

impl Sri {
    pub(super) fn new(now: Instant) -> Self {
        Sri { since: now.into(), share_count: 0 }
    }

    pub(super) fn record(&mut self) -> bool {
        self.share_count = self.share_count.saturating_add(1);
        false
    }

    pub(super) fn judge(&mut self, now: Instant, aim: &Aim) -> Option<f64> {
        let window = self.since.seconds_until(now);
        if window <= WINDOW_MIN {
            return None;
        }
        let assumed = aim.hash_rate.max(HASH_RATE_MIN);
        // As theirs, by the present target, whichever the shares were found under.
        let shown = f64::from(self.share_count) * aim.share_hashes / f64::from(window);
        let deviation = (shown - assumed).abs() / assumed;
        let is_believed = LADDER.iter().any(|(least, age)| deviation >= *least && window >= *age);
        if !is_believed {
            return None;
        }
        let tier = match window {
            window if window <= TIERS.0 => 0,
            window if window < TIERS.1 => 1,
            _ => 2,
        };
        let hash_rate = match self.share_count {
            0 => assumed / SILENCE[tier],
            _ if deviation > SURGE => assumed * SURGE_STEPS[tier],
            _ => shown,
        };
        *self = Sri::new(now);
        Some(hash_rate.max(HASH_RATE_MIN))
    }
}

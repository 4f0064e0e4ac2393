//! The algorithm of ckpool: `add_submit` of its `stratifier.c` (as of 2026), for any rate of
//! shares where its own is 18 a minute.
//!
//! Two exponential averages of the work per second, over one and five minutes, are compared with
//! what the present difficulty should give: 72 shares or 240 seconds after the last step, when a
//! share comes, and only then. Its numbers are theirs, its words are ours; difficulties are not
//! rounded to whole numbers here.

use std::time::Duration;

use super::Aim;
use super::moment::Moment;
use crate::time::Instant;

/// Nothing happens in between: no share, no step.
pub(super) const INTERVAL: Duration = Duration::from_secs(60);
/// Time constants of the averages, in seconds.
const FAST: f32 = 60.0;
const SLOW: f32 = 300.0;
/// No step sooner, in seconds, unless as many shares have come as belong there.
const WINDOW: f32 = 240.0;
/// Share of the wanted rate that is let be: 0.15 to 0.4 a second where 0.3 are wanted.
const BAND: (f64, f64) = (0.15 / 0.3, 0.4 / 0.3);
/// Theirs is 3.33 where the rate is 0.3.
const OPTIMUM: f64 = 3.33 * 0.3;
/// Time differences below are taken for it, in seconds.
const GAP_MIN: f32 = 0.001;
/// Exponents are cut off here: e^-36 is nothing.
const EXPONENT_MAX: f32 = 36.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ckpool {
    /// Hashes per second.
    fast: f32,
    slow: f32,
    /// Of the last share, hashes.
    last_hashes: f32,
    first_share: Moment,
    last_share: Moment,
    stepped_at: Moment,
    /// Since the last step, saturated.
    share_count: u16,
    has_begun: bool,
}

impl Ckpool {
    pub(super) fn record(&mut self, now: Instant, hashes: f64) -> bool {
        if !self.has_begun {
            (self.first_share, self.stepped_at) = (now.into(), now.into());
        }
        let gap = match self.has_begun {
            true => self.last_share.seconds_until(now).max(GAP_MIN),
            // As if the last share had come long ago.
            false => f32::INFINITY,
        };
        #[expect(clippy::cast_possible_truncation, reason = "an estimate")]
        let hashes = hashes as f32;
        self.fast = decayed(self.fast, hashes, gap, FAST);
        self.slow = decayed(self.slow, hashes, gap, SLOW);
        self.last_hashes = hashes;
        self.last_share = now.into();
        self.has_begun = true;
        self.share_count = self.share_count.saturating_add(1);
        true
    }

    pub(super) fn judge(&mut self, now: Instant, aim: &Aim) -> Option<f64> {
        // A look without a share.
        if !self.has_begun || self.last_share != now.into() {
            return None;
        }
        let window_shares = f64::from(WINDOW) / 60.0 * aim.shares_per_minute;
        let is_fast = f64::from(self.share_count) >= window_shares;
        if !is_fast && self.stepped_at.seconds_until(now) < WINDOW {
            return None;
        }
        if (f64::from(self.last_hashes) / aim.share_hashes - 1.0).abs() > 1e-3 {
            self.share_count = 0;
            return None;
        }
        let age = self.first_share.seconds_until(now).max(GAP_MIN);
        let (average, period) = if is_fast { (self.fast, FAST) } else { (self.slow, SLOW) };
        let shown = f64::from(average) / f64::from(fading(age, period));
        let share_of_aim = shown / aim.share_hashes * 60.0 / aim.shares_per_minute;
        if share_of_aim > BAND.0 && share_of_aim < BAND.1 {
            return None;
        }
        let hash_rate = shown * OPTIMUM;
        // After an absence the first share says too little for an easier target.
        if hash_rate < aim.hash_rate && self.share_count == 1 {
            return None;
        }
        self.share_count = 0;
        self.stepped_at = now.into();
        Some(hash_rate)
    }
}

/// What has faded after so many seconds, of one.
fn fading(seconds: f32, period: f32) -> f32 {
    1.0 - (-(seconds / period).min(EXPONENT_MAX)).exp()
}

fn decayed(average: f32, hashes: f32, gap: f32, period: f32) -> f32 {
    let part = fading(gap, period);
    (average + hashes / gap * part) / (1.0 + part)
}

//! From shares to a hash rate, so that a server can keep the rate of shares (spec 5.3.21).
//!
//! Shares of one miner are a Poisson process: over a window in which `m` are expected, their
//! number strays by `sqrt(m)`. A deviation is believed when it passes a tolerance plus twice
//! that; until then the window grows, so that small deviations need more evidence than large.

use std::time::Duration;

use crate::time::Instant;

/// How eagerly targets follow hash rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VardiffSettings {
    /// Between two looks at all channels.
    pub interval: Duration,
    /// Shortest window that is judged.
    pub window_min: Duration,
    /// Windows start anew after this time, so that a change is not buried under history.
    pub window_max: Duration,
    /// Relative deviation that never leads to a new target.
    pub tolerance: f64,
    /// Largest factor of one step, up or down.
    pub step_max: f64,
}

impl Default for VardiffSettings {
    fn default() -> Self {
        VardiffSettings {
            interval: Duration::from_secs(30),
            window_min: Duration::from_secs(15),
            window_max: Duration::from_secs(600),
            tolerance: 0.15,
            step_max: 8.0,
        }
    }
}

/// What one channel has shown since its last target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vardiff {
    since: Instant,
    /// Hashes that the accepted shares stand for.
    hashes: f64,
}

impl Vardiff {
    /// An empty window.
    pub fn new(now: Instant) -> Self {
        Vardiff { since: now, hashes: 0.0 }
    }

    /// A share was accepted whose target takes `expected_hashes` on average.
    #[inline]
    pub fn record(&mut self, expected_hashes: f64) {
        self.hashes += expected_hashes;
    }

    /// The hash rate (per second) to set a new target for, if the window contradicts the
    /// `assumed` one.
    pub fn judge(
        &mut self,
        now: Instant,
        assumed: f64,
        shares_per_minute: f64,
        settings: &VardiffSettings,
    ) -> Option<f64> {
        let window = now.since(self.since);
        if window < settings.window_min {
            return None;
        }
        let seconds = window.as_secs_f64();
        let shown = self.hashes / seconds;
        let expected_shares = shares_per_minute * seconds / 60.0;
        let believed = settings.tolerance + 2.0 / expected_shares.sqrt();
        // With nothing assumed, whatever was shown is news.
        let ratio = if assumed > 0.0 { shown / assumed } else { f64::INFINITY };
        let is_news = (ratio - 1.0).abs() > believed && (assumed > 0.0 || shown > 0.0);
        if is_news || window >= settings.window_max {
            *self = Vardiff::new(now);
        }
        if !is_news {
            return None;
        }
        Some(match assumed > 0.0 {
            true => assumed * ratio.clamp(settings.step_max.recip(), settings.step_max),
            false => shown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES_PER_MINUTE: f64 = 6.0;

    fn after(seconds: u64, assumed: f64, shown_hashes: f64) -> Option<f64> {
        let mut vardiff = Vardiff::new(Instant::ZERO);
        vardiff.record(shown_hashes);
        let now = Instant::ZERO + Duration::from_secs(seconds);
        vardiff.judge(now, assumed, SHARES_PER_MINUTE, &VardiffSettings::default())
    }

    #[test]
    fn the_assumed_hash_rate_is_left_alone() {
        for seconds in [15, 60, 600] {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let shown = 1e6 * seconds as f64;
            assert_eq!(after(seconds, 1e6, shown), None);
        }
    }

    #[test]
    fn a_large_deviation_is_believed_soon_and_a_small_one_after_more_evidence() {
        assert_eq!(after(60, 1e6, 4e6 * 60.0), Some(4e6));
        assert_eq!(after(60, 1e6, 1.3e6 * 60.0), None);
        assert_eq!(after(599, 1e6, 1.5e6 * 599.0), Some(1.5e6));
    }

    #[test]
    fn a_silent_channel_gets_an_easier_target_step_by_step() {
        assert_eq!(after(10, 1e6, 0.0), None);
        assert_eq!(after(120, 1e6, 0.0), Some(1e6 / 8.0));
    }

    #[test]
    fn one_step_is_bounded() {
        assert_eq!(after(60, 1e6, 1e9 * 60.0), Some(8e6));
    }

    #[test]
    fn with_nothing_assumed_the_first_work_is_believed() {
        assert_eq!(after(60, 0.0, 0.0), None);
        assert_eq!(after(60, 0.0, 6e7), Some(1e6));
    }

    #[test]
    fn a_window_that_was_judged_does_not_count_twice() {
        let mut vardiff = Vardiff::new(Instant::ZERO);
        let settings = VardiffSettings::default();
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        vardiff.record(4e6 * 60.0);
        assert_eq!(vardiff.judge(at(60), 1e6, SHARES_PER_MINUTE, &settings), Some(4e6));

        vardiff.record(4e6 * 60.0);

        assert_eq!(vardiff.judge(at(120), 4e6, SHARES_PER_MINUTE, &settings), None);
    }
}

//! Our algorithm: a Gamma-Poisson estimate, and a sequential test that notices when it no longer
//! holds.
//!
//! Shares of one miner are a Poisson process, so their number under a known target says about
//! its hash rate exactly what a Gamma distribution says: `shares` found where `expected` were,
//! with a relative error of `1 / sqrt(shares)`. Two windows are kept, both in shares and
//! therefore indifferent to the rate of shares that is aimed at:
//!
//! - **known** is everything since the hash rate last changed. What stands behind an assumption
//!   stays in it as pseudo-shares (the conjugate prior), and old shares fade beyond
//!   [`MEMORY`]. Where it calls for another hash rate, a step is made if it is worth one: the
//!   loss that it saves grows with the square of the deviation and with the time until more will
//!   be known, which is as long as the window.
//! - **recent** is the window of a CUSUM (Page, *Continuous inspection schemes*, Biometrika 41,
//!   1954; for counts Lucas, *Counted data CUSUM's*, Technometrics 27, 1985): it starts anew
//!   whenever it no longer speaks for a change by a factor of [`LEAN`]. Its alarm is the
//!   generalised likelihood ratio (Siegmund and Venkatraman, Annals of Statistics 23, 1995), the
//!   Poisson deviance in nats, above a caution. The caution is what false alarms are bought with:
//!   they come once in about `exp(caution)` windows, and the delay of a true one grows only with
//!   the caution itself, divided by the information in a share (Lorden, *Procedures for reacting
//!   to a change in distribution*, Annals of Mathematical Statistics 42, 1971). It is low while
//!   little is known, since claims of clients are often wrong.
//!
//! An alarm forgets what was known and goes on from the recent window alone. Failure modes of
//! other algorithms, and what keeps them away here:
//!
//! - *Decline, silence*: looks are timed, not bought with shares, and silence is evidence.
//! - *Outage*: silence of a miner that was seen is rather an outage than a decline; steps
//!   are small, and each takes twice the silence of the one before, so that its return is no
//!   flood.
//! - *A target that is not worked on yet*: jobs keep theirs (spec 5.3.21), so expectations are
//!   those of the job that is worked on, and what was found while that changed is left out.
//! - *Limits of targets*: expectations follow the real target, not the aim.
//! - *Bursts of shares that were held back*: an early look takes [`BURST_TIME`], unless so many
//!   shares came as no line holds back.
//! - *Clock steps*: the clock is monotonic; a look that comes far too late says that we slept,
//!   not the miner.

use std::time::Duration;

use super::Aim;
use super::moment::Moment;
use crate::time::Instant;

/// Between two looks.
pub(super) const INTERVAL: Duration = Duration::from_secs(15);

/// A look that comes later than this after the last one, in seconds, has seen nothing: shares
/// may wait where we have not read them.
const DEAF: f32 = 45.0;
/// Shares for a look before it is due.
const BURST: f32 = 32.0;
/// Since the last look, in seconds, for a look before it is due.
const BURST_TIME: f32 = 5.0;
/// So many shares are worth a look at any time.
const FLOOD: f32 = 1024.0;

/// Shares that are remembered, and what a claim is worth of them.
const MEMORY: f32 = 2048.0;
const CLAIM: f32 = 1.0;
/// The factor of change that a recent window has to speak for.
const LEAN: f32 = 1.5;
/// Of a lump of shares that speaks against the recent window, in nats: from there on the window
/// starts anew with it, as after an outage.
const TURN: f32 = 2.0;
/// In nats: while nothing is known, and once [`KNOWN`] shares are.
const CAUTION: (f32, f32) = (3.0, 13.0);
const KNOWN: f32 = 60.0;
/// What an alarm leaves of its shares as knowledge: it was chosen for its deviation, which
/// therefore exaggerates.
const KEPT: f32 = 0.5;
/// Shares that silence is taken for, so that it has a rate.
const SILENT_SHARES: f32 = 0.125;
/// Largest step down of a miner that was seen and has fallen silent.
const SILENT_STEP: f32 = 0.25;
/// Most doublings of the caution in one silence.
const SILENCES_MAX: u8 = 8;
/// Steps for one doubling where no share was ever seen.
const SILENCES_UNSEEN: u8 = 4;
/// Largest steps, for numbers that a claim was made with, not a miner.
const STEP: (f32, f32) = (1.0 / 1024.0, 1e6);
/// Relative deviation that is never worth a step.
const TOLERANCE: f32 = 0.05;
/// Square of the deviation times shares, for a step to be worth it: in general, by how much more
/// where few shares are known (they may mislead), and where the memory is full (it can wait).
const WORTH: f32 = 2.0;
const WORTH_EARLY: f32 = 8.0;
const WORTH_LATE: f32 = 8.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bayes {
    looked_at: Moment,
    /// Found since, in shares of the job that is worked on.
    fresh: f32,
    /// Of the job that was worked on at the last look.
    worked_hashes: f32,
    known: Evidence,
    recent: Evidence,
    /// Whether it has ever found a share.
    is_seen: bool,
    /// Steps since the last share.
    silences: u8,
}

impl Bayes {
    pub(super) fn new(now: Instant, worked_hashes: f64) -> Self {
        Bayes {
            looked_at: now.into(),
            fresh: 0.0,
            worked_hashes: narrow(worked_hashes),
            known: Evidence::agreeing(CLAIM),
            recent: Evidence::default(),
            is_seen: false,
            silences: 0,
        }
    }

    #[inline]
    pub(super) fn record(&mut self, now: Instant, hashes: f64) -> bool {
        // A share of an older job counts for what it takes, but never as several: one alone
        // would be an alarm.
        self.fresh += (narrow(hashes) / self.worked_hashes).min(1.0);
        self.fresh >= BURST
            && (self.fresh >= FLOOD || self.looked_at.seconds_until(now) >= BURST_TIME)
    }

    pub(super) fn judge(&mut self, now: Instant, aim: &Aim) -> Option<f64> {
        let seconds = self.looked_at.seconds_until(now);
        self.looked_at = now.into();
        let shares = std::mem::take(&mut self.fresh);
        let worked_before = std::mem::replace(&mut self.worked_hashes, narrow(aim.worked_hashes));
        let is_mixed = (worked_before / self.worked_hashes - 1.0).abs() > 1e-3;
        if is_mixed || seconds > DEAF {
            return None;
        }
        if aim.hash_rate <= 0.0 {
            return self.first_hash_rate(shares, seconds, aim);
        }
        let expected = aim.hash_rate / aim.worked_hashes * f64::from(seconds);
        self.take_in(Evidence { shares, expected: narrow(expected.min(1e6)) });
        let ratio = self.alarm().or_else(|| self.correction())?;
        Some(aim.hash_rate * f64::from(ratio))
    }

    /// Nothing was claimed: whatever is shown is news.
    fn first_hash_rate(&mut self, shares: f32, seconds: f32, aim: &Aim) -> Option<f64> {
        if shares <= 0.0 || seconds <= 0.0 {
            return None;
        }
        self.known = Evidence::agreeing((shares * KEPT).max(CLAIM));
        Some(f64::from(shares / seconds) * aim.worked_hashes)
    }

    fn take_in(&mut self, lump: Evidence) {
        if lump.shares > 0.0 {
            self.is_seen = true;
            if std::mem::take(&mut self.silences) > 0 {
                // What it was before may be what it is now, or may not.
                (self.known, self.recent) = (Evidence::agreeing(CLAIM), Evidence::default());
            }
        }
        let is_turn = lump.is_excess() != self.recent.is_excess() && lump.deviance() > TURN;
        if is_turn {
            self.recent = Evidence::default();
        }
        self.recent.add(lump);
        if !self.recent.speaks_for_change() {
            self.recent = Evidence::default();
        }
        self.known.add(lump);
        self.known.fade();
    }

    /// By which factor the hash rate has changed, if the recent window leaves no other
    /// explanation.
    fn alarm(&mut self) -> Option<f32> {
        let certainty = (self.known.expected / KNOWN).min(1.0);
        // Nobody waits long for a miner that its claim has kept from ever finding a share.
        let patience = if self.is_seen { self.silences } else { self.silences / SILENCES_UNSEEN };
        let caution = CAUTION.0 + (CAUTION.1 - CAUTION.0) * certainty;
        if self.recent.deviance() <= caution * f32::from(1_u16 << patience) {
            return None;
        }
        let Evidence { shares, expected } = std::mem::take(&mut self.recent);
        if shares == 0.0 {
            self.silences = (self.silences + 1).min(SILENCES_MAX);
            let least = if self.is_seen { SILENT_STEP } else { STEP.0 };
            self.known = Evidence::agreeing(self.known.shares.min(KNOWN));
            return Some((SILENT_SHARES / expected).max(least));
        }
        self.known = Evidence::agreeing((shares * KEPT).min(MEMORY));
        let ratio = match shares > expected {
            true => (shares - 0.5).max(0.5) / expected,
            false => (shares + SILENT_SHARES) / expected,
        };
        Some(ratio.clamp(STEP.0, STEP.1))
    }

    /// By which factor the assumed hash rate is off, if that is known well enough to be worth a
    /// step.
    fn correction(&mut self) -> Option<f32> {
        let Evidence { shares, expected } = self.known;
        let ratio = shares / expected;
        let off = (ratio - 1.0).abs();
        let worth = WORTH + WORTH_EARLY / expected + WORTH_LATE * expected / MEMORY;
        // While silence lasts, only alarms make steps.
        if off <= TOLERANCE || off * off * expected <= worth || self.silences > 0 {
            return None;
        }
        self.known = Evidence::agreeing(shares);
        // What was recently expected is now expected of another hash rate.
        self.recent.expected *= ratio;
        Some(ratio)
    }
}

/// Shares that were found where others were expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Evidence {
    shares: f32,
    expected: f32,
}

impl Evidence {
    /// So many shares, all as expected.
    fn agreeing(shares: f32) -> Self {
        Evidence { shares, expected: shares }
    }

    fn add(&mut self, lump: Evidence) {
        self.shares += lump.shares;
        self.expected += lump.expected;
    }

    /// Old shares count for less, so that no more than [`MEMORY`] count.
    fn fade(&mut self) {
        let part = (MEMORY / self.expected).min(1.0);
        self.shares *= part;
        self.expected *= part;
    }

    fn is_excess(self) -> bool {
        self.shares > self.expected
    }

    /// Likelihood of the most likely rate against that of the expected one, in nats.
    fn deviance(self) -> f32 {
        let expected = self.expected.max(f32::MIN_POSITIVE);
        match self.shares > 0.0 {
            true => self.shares * (self.shares / expected).ln() - (self.shares - expected),
            false => expected,
        }
    }

    /// Whether a change by [`LEAN`] is more likely than none.
    fn speaks_for_change(self) -> bool {
        let change = if self.is_excess() { LEAN } else { LEAN.recip() };
        self.shares * change.ln() > (change - 1.0) * self.expected
    }
}

/// Estimates need no more digits, and there are a million channels.
#[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
#[inline]
fn narrow(number: f64) -> f32 {
    number as f32
}

//! From shares to a hash rate, so that a server can keep the rate of shares (spec 5.3.21).
//!
//! Three algorithms behind one narrow interface: [`bayes`] is ours, [`sri`] and [`ckpool`] are
//! what it is measured against. What a channel has shown is a [`Vardiff`] of 32 bytes; limits of
//! targets are the server's business, which tells the algorithm what is really worked on
//! ([`Aim`]). The specification says that servers control the rate of shares, not how.

mod bayes;
mod ckpool;
mod moment;
mod sri;

use std::time::Duration;

use self::bayes::Bayes;
use self::ckpool::Ckpool;
use self::sri::Sri;
use crate::time::Instant;

/// How targets follow hash rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VardiffAlgorithm {
    /// Gamma-Poisson estimate with a sequential test for changes.
    #[default]
    Bayes,
    /// That of the reference implementation (`channels_sv2`, its `classic` one).
    Sri,
    /// That of ckpool (`stratifier.c`).
    Ckpool,
}

impl VardiffAlgorithm {
    /// In the order of [`VardiffAlgorithm::NAMES`].
    pub const ALL: [VardiffAlgorithm; 3] =
        [VardiffAlgorithm::Bayes, VardiffAlgorithm::Sri, VardiffAlgorithm::Ckpool];

    /// As settings write them.
    pub const NAMES: &[&str] = &["bayes", "sri", "ckpool"];

    /// As settings write it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The algorithm of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Between two looks at every channel ([`Vardiff::judge`]).
    pub fn interval(self) -> Duration {
        match self {
            VardiffAlgorithm::Bayes => bayes::INTERVAL,
            VardiffAlgorithm::Sri => sri::INTERVAL,
            // It acts on shares alone; a look for no reason finds none.
            VardiffAlgorithm::Ckpool => ckpool::INTERVAL,
        }
    }
}

/// What a channel is held to at the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aim {
    /// What the target was made for, in hashes per second. The target may be another one, where
    /// it was limited.
    pub hash_rate: f64,
    /// Hashes that a share takes on average under the channel's target.
    pub share_hashes: f64,
    /// The same of the job that the client works on, which keeps its target (spec 5.3.21).
    pub worked_hashes: f64,
    /// Shares that the channel should find a minute.
    pub shares_per_minute: f64,
}

/// What one channel has shown since it was opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vardiff(State);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Bayes(Bayes),
    Sri(Sri),
    Ckpool(Ckpool),
}

impl Vardiff {
    /// Nothing was shown yet. `worked_hashes` is as in [`Aim`].
    pub fn new(algorithm: VardiffAlgorithm, now: Instant, worked_hashes: f64) -> Self {
        Vardiff(match algorithm {
            VardiffAlgorithm::Bayes => State::Bayes(Bayes::new(now, worked_hashes)),
            VardiffAlgorithm::Sri => State::Sri(Sri::new(now)),
            VardiffAlgorithm::Ckpool => State::Ckpool(Ckpool::default()),
        })
    }

    /// A share was accepted that takes `hashes` on average. Whether a look is worth while before
    /// the next is due.
    #[inline]
    pub fn record(&mut self, now: Instant, hashes: f64) -> bool {
        match &mut self.0 {
            State::Bayes(state) => state.record(now, hashes),
            State::Sri(state) => state.record(),
            State::Ckpool(state) => state.record(now, hashes),
        }
    }

    /// Looks at what was shown: the hash rate (per second, finite, above 0) to set a new target
    /// for, if there is reason to.
    pub fn judge(&mut self, now: Instant, aim: &Aim) -> Option<f64> {
        let judged = match &mut self.0 {
            State::Bayes(state) => state.judge(now, aim),
            State::Sri(state) => state.judge(now, aim),
            State::Ckpool(state) => state.judge(now, aim),
        };
        judged.filter(|hash_rate| hash_rate.is_finite() && *hash_rate > 0.0)
    }
}

#[cfg(test)]
mod tests;

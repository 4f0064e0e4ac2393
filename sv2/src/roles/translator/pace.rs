//! How fast a device is taken to be, and what its shares say about that.

use super::TranslatorConfig;
use crate::mining::vardiff::{Aim, Vardiff};
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Pace {
    /// What its difficulty is made for, in hashes per second.
    hash_rate: f64,
    /// What is told of it upstream: never more than shares have shown, or than a device is
    /// taken for that has shown nothing.
    proven: f64,
    /// From the first share or look on.
    vardiff: Option<Vardiff>,
    /// Since the last change of its difficulty.
    share_count: u32,
}

/// What a look at a device has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// The hash rate that its difficulty is made for is another one.
    pub(super) is_other_rate: bool,
    /// What is told of it upstream is something else.
    pub(super) is_other_proof: bool,
}

impl Pace {
    /// Nothing was shown yet.
    pub(super) fn new(config: &TranslatorConfig) -> Self {
        let rate = config.initial_hash_rate;
        Pace { hash_rate: rate, proven: rate, vardiff: None, share_count: 0 }
    }

    /// For its difficulty, in hashes per second.
    pub(super) fn hash_rate(&self) -> f64 {
        self.hash_rate
    }

    /// For the upstream, in hashes per second.
    pub(super) fn proven(&self) -> f64 {
        self.proven
    }

    /// A device knows better than we do what it is, within reason: the work of others must not
    /// become harder for what it says.
    pub(super) fn suggest(&mut self, hash_rate: f64, config: &TranslatorConfig) {
        self.hash_rate = hash_rate.min(config.initial_hash_rate * SUGGESTED_FACTOR_MAX);
        self.proven = self.proven.min(self.hash_rate);
        self.share_count = 0;
        self.restart();
    }

    /// What was shown before does not count any more.
    pub(super) fn restart(&mut self) {
        self.vardiff = None;
    }

    /// A share was accepted that takes so many hashes on average. Whether a look is worth while
    /// before the next is due.
    pub(super) fn record(&mut self, now: Instant, hashes: f64, config: &TranslatorConfig) -> bool {
        self.share_count = self.share_count.saturating_add(1);
        self.vardiff(now, hashes, config).is_some_and(|vardiff| vardiff.record(now, hashes))
    }

    fn vardiff(
        &mut self,
        now: Instant,
        share_hashes: f64,
        config: &TranslatorConfig,
    ) -> Option<&mut Vardiff> {
        let algorithm = config.vardiff?;
        Some(self.vardiff.get_or_insert_with(|| Vardiff::new(algorithm, now, share_hashes)))
    }

    /// Believes what shares have shown, if it is enough; `share_hashes` is what one takes on
    /// average under the difficulty that the device was told.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        share_hashes: f64,
        config: &TranslatorConfig,
    ) -> Judgement {
        let assumed = self.hash_rate;
        let aim = Aim {
            hash_rate: assumed,
            share_hashes,
            // Which job it works on, and under which difficulty, nobody but its firmware knows.
            worked_hashes: share_hashes,
            shares_per_minute: config.shares_per_minute,
        };
        let Some(vardiff) = self.vardiff(now, share_hashes, config) else {
            return Judgement::default();
        };
        let judged = vardiff.judge(now, &aim);
        let proven = match judged {
            // Only shares make it rise.
            Some(shown) if shown > assumed => shown,
            Some(shown) => self.proven.min(shown),
            None if self.share_count >= PROOF_SHARE_COUNT => assumed,
            None => self.proven,
        };
        if let Some(shown) = judged {
            self.hash_rate = shown;
            self.share_count = 0;
        }
        let is_other_proof = proven.to_bits() != self.proven.to_bits();
        self.proven = proven;
        Judgement { is_other_rate: judged.is_some(), is_other_proof }
    }
}

/// So many shares at a difficulty show that its hash rate is right.
const PROOF_SHARE_COUNT: u32 = 3;
/// How much faster than what we take devices for one may say that it is.
const SUGGESTED_FACTOR_MAX: f64 = 1024.0;

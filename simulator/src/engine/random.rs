//! Randomness by name: the n-th draw of a stream depends on the seed, the entity, the purpose and
//! n alone.
//!
//! So a device finds its shares at the same moments whether or not another one was added, and two
//! arms of an experiment differ in nothing but what is compared (common random numbers). Every
//! distribution here takes exactly one draw, by inversion, for the same reason: a change of a
//! parameter moves the outcome and not the stream.

use super::math;

/// What draws are for: streams of one entity are independent by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u64)]
pub enum Purpose {
    /// When the next share is found.
    Share = 1,
    /// When the network finds its next block, and who.
    Block,
    /// How long a segment is under way.
    Latency,
    /// Which segments are lost.
    Loss,
    /// What breaks, when, and for how long.
    Fault,
    /// The randomness that a role is given.
    Entropy,
    /// How much a unit differs from its model.
    HashRate,
    /// When a unit fails and how long its repair takes.
    Failure,
    /// When a member starts, or starts again.
    Start,
    /// How long a device takes to switch its work.
    WorkSwitch,
    /// Where a member stands.
    Region,
    /// Transactions and their fees.
    Transaction,
    /// The path of blocks between nodes.
    Propagation,
    /// The search for a proof.
    Proof,
    /// The shape of a drawn scenario.
    Scenario,
}

/// The streams of one purpose under one seed: what is left to name is the entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    base: u64,
}

impl Streams {
    /// Under a seed.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Streams { base: mix(mix(seed ^ START) ^ (purpose as u64)) }
    }

    /// The stream of an entity, at its n-th draw.
    #[inline]
    pub fn at(self, entity: u64, counter: u64) -> Stream {
        Stream { key: mix(self.base ^ entity.wrapping_mul(STEP)), counter }
    }
}

/// A stream of draws. 16 bytes; where these are too many, [`Streams::at`] makes one on the fly
/// from a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: u64,
    counter: u64,
}

impl Stream {
    /// At its first draw.
    pub fn new(seed: u64, entity: u64, purpose: Purpose) -> Self {
        Streams::new(seed, purpose).at(entity, 0)
    }

    /// How many draws were made.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// 64 random bits.
    ///
    /// Two rounds of a 64-bit permutation, with the key in front of each (Even and Mansour, *A
    /// construction of a cipher from a single pseudorandom permutation*, 1997): with one round,
    /// streams would be pieces of one and the same sequence.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let plain = self.counter.wrapping_mul(STEP) ^ self.key;
        self.counter = self.counter.wrapping_add(1);
        mix(mix(plain).wrapping_add(self.key))
    }

    /// Uniform above 0 and up to 1: its logarithm is finite.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits")]
        let unit = ((self.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        unit
    }

    /// Exponential with this mean, in the unit of the mean.
    #[inline]
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -math::ln_unit(self.unit()) * mean
    }

    /// Normal with mean 0 and standard deviation 1.
    pub fn normal(&mut self) -> f64 {
        // The middle of each of 2^53 intervals: neither end is infinite, and both are as far out.
        #[expect(clippy::cast_precision_loss, reason = "52 bits")]
        let probability = ((self.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
        math::normal_quantile(probability)
    }

    /// Lognormal: the median, and the standard deviation of its logarithm.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * math::exp(sigma * self.normal())
    }

    /// Pareto: the least value and the shape (tail exponent).
    pub fn pareto(&mut self, least: f64, shape: f64) -> f64 {
        least * math::exp(-math::ln(self.unit()) / shape)
    }

    /// Uniform in `0..bound`, without bias.
    ///
    /// # Panics
    /// If `bound` is zero: the range is empty.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number lies below zero");
        // Lemire, Fast random integer generation in an interval, 2019.
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        while (product as u64) < bound {
            if product as u64 >= bound.wrapping_neg() % bound {
                break;
            }
            product = u128::from(self.next_u64()) * u128::from(bound);
        }
        (product >> 64) as u64
    }
}

/// Variant 13 of Stafford, *Better bit mixing*, 2011: the finaliser of SplitMix64.
#[inline]
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// 2^64 divided by the golden ratio, odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// Any number: it keeps seed 0 from being the fixed point of [`mix`].
const START: u64 = 0x243f_6a88_85a3_08d3;

#[cfg(test)]
mod tests;

//! What an operator decides about the embedded chain.

use bytes::Bytes;
use thiserror::Error;

use super::transaction::free_script;
use crate::mining::proof::ProofCheck;
use crate::time::UnixTime;
use crate::wire::Target;

/// What a chain is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainConfig {
    /// Compact target of every block; there is no adjustment. [`ChainConfig::EASY`] and
    /// [`ChainConfig::HARD`] are the two that tests need.
    pub nbits: u32,
    /// Time of the first tip; the blocks below it lie ten minutes apart.
    pub start_time: UnixTime,
    /// Height of the first tip. Up to 120 blocks below it exist. Heights of at least 16 spare
    /// miners the short scripts of BIP 34's first blocks.
    pub initial_height: u32,
    /// Blocks between halvings of the subsidy.
    pub halving_interval: u32,
    /// Coins of 10 bitcoin that anyone can spend, from which transactions are generated.
    pub free_coins: u32,
    /// Output script that blocks by others pay to.
    pub payout_script: Bytes,
    /// Whether blocks prove their work; where shares are judged by an oracle, none does.
    pub proof_check: ProofCheck,
}

/// A setting that no chain can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChainConfigError {
    /// `nbits` is not a positive number of at most 256 bits.
    #[error("nbits {0:#010x} is not a target; the easiest in use is 0x207fffff")]
    Bits(u32),
    /// `free_coins` is above its limit.
    #[error("free_coins is {count}, the limit is {limit}")]
    FreeCoins {
        /// As it came.
        count: u32,
        /// Largest.
        limit: u32,
    },
}

impl ChainConfig {
    /// Every second hash is a block, as on regtest.
    pub const EASY: u32 = 0x207f_ffff;

    /// A block takes 2^40 hashes: a share is none.
    pub const HARD: u32 = 0x1c01_0000;

    /// Heights, subsidies and times as on a regtest node that has mined 101 blocks.
    pub fn new(nbits: u32, start_time: UnixTime) -> Self {
        ChainConfig {
            nbits,
            start_time,
            initial_height: 101,
            halving_interval: 150,
            free_coins: 500,
            payout_script: Bytes::from(free_script().into_bytes()),
            proof_check: ProofCheck::Hashed,
        }
    }

    /// Whether a chain can be made.
    ///
    /// # Errors
    /// Names the first setting that does not work.
    pub fn check(&self) -> Result<(), ChainConfigError> {
        self.target()?;
        if self.free_coins > FREE_COINS_MAX {
            let (count, limit) = (self.free_coins, FREE_COINS_MAX);
            return Err(ChainConfigError::FreeCoins { count, limit });
        }
        Ok(())
    }

    pub(super) fn target(&self) -> Result<Target, ChainConfigError> {
        Target::from_compact(self.nbits)
            .filter(|target| *target != Target::default())
            .ok_or(ChainConfigError::Bits(self.nbits))
    }
}

/// So that all coins together stay below 21 million bitcoin.
const FREE_COINS_MAX: u32 = 100_000;

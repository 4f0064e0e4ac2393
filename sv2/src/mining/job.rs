//! Jobs: what is worked on, and what a channel pins when it is given one (spec 5.1).

use std::sync::Arc;

use super::header::{CoinbaseMidstate, Header, HeaderMidstate, merkle_root};
use super::{NewExtendedMiningJob, NewMiningJob, SubmitSharesExtended, SubmitSharesStandard};
use crate::mining::coinbase::Coinbase;
use crate::mining::proof::{OracleHeader, ProofCheck, SearchSpace};
use crate::time::Instant;
use crate::wire::{B32, Seq255, Target, U256};

/// The block to build on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Of the header.
    pub prev_hash: U256,
    /// Compact network target of the header.
    pub nbits: u32,
    /// Smallest header time that is paid, seconds since the Unix epoch.
    pub min_ntime: u32,
    /// The largest hash that is a block (spec 7.3); may lie below what `nbits` says.
    pub network_target: Target,
    /// When we learnt of it.
    pub since: Instant,
    /// How headers on it are judged; as we are set up, not as anyone says.
    pub proof_check: ProofCheck,
}

/// A template with its coinbase transaction: what all channels of one full extranonce size
/// share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Whose solution a block is; `None` of a custom job, whose template its client alone knows
    /// (spec 5.3.18).
    pub template_id: Option<u64>,
    /// Smallest header time that is paid, where a client has set it: its clock is not that of
    /// the tip.
    pub min_ntime: Option<u32>,
    /// Of the header.
    pub version: u32,
    /// Whether the bits of BIP 323 are the client's to roll.
    pub version_rolling_allowed: bool,
    /// From the deepest branch to the root.
    pub merkle_path: Seq255<U256>,
    /// Without an extranonce.
    pub coinbase: Coinbase,
}

impl Work {
    /// The job for an extended channel or a group; a future one without `min_ntime`.
    pub fn extended_job(
        &self,
        channel_id: u32,
        job_id: u32,
        min_ntime: Option<u32>,
    ) -> NewExtendedMiningJob {
        NewExtendedMiningJob {
            channel_id,
            job_id,
            min_ntime,
            version: self.version,
            version_rolling_allowed: self.version_rolling_allowed,
            merkle_path: self.merkle_path.clone(),
            coinbase_tx_prefix: self.coinbase.prefix().clone(),
            coinbase_tx_suffix: self.coinbase.suffix().clone(),
        }
    }

    /// The job for a standard channel; a future one without `min_ntime`.
    pub fn standard_job(
        &self,
        channel_id: u32,
        job_id: u32,
        min_ntime: Option<u32>,
        extranonce: &B32,
    ) -> NewMiningJob {
        let merkle_root = self.merkle_root(extranonce);
        NewMiningJob { channel_id, job_id, min_ntime, version: self.version, merkle_root }
    }

    /// The root with a whole extranonce.
    pub fn merkle_root(&self, extranonce: &B32) -> U256 {
        self.root_with(&self.coinbase_midstate(extranonce), &[])
    }

    fn coinbase_midstate(&self, extranonce_prefix: &B32) -> CoinbaseMidstate {
        CoinbaseMidstate::new(self.coinbase.prefix().as_slice(), extranonce_prefix.as_slice())
    }

    fn root_with(&self, coinbase: &CoinbaseMidstate, extranonce: &[u8]) -> U256 {
        let txid = coinbase.txid(extranonce, self.coinbase.suffix().as_slice());
        merkle_root(txid, self.merkle_path.as_slice())
    }
}

/// A job with its extranonce prefix, which is that of its arrival (spec 5.3.10).
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: u32,
    pub(crate) work: Arc<Work>,
    pub(crate) extranonce_prefix: B32,
    /// Made by the first share: most jobs of most devices never see one.
    cache: Option<Box<HashCache>>,
}

/// A target with its difficulty in units of 2^-64. Aligned as numbers of 64 bits are: there are
/// several for each channel, and what stands beside them would be filled up to 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(Rust, packed(8))]
pub(crate) struct PinnedTarget {
    pub(crate) target: Target,
    pub(crate) difficulty: u128,
}

impl PinnedTarget {
    pub(crate) fn new(target: Target) -> Self {
        PinnedTarget { target, difficulty: target.difficulty_fixed() }
    }

    /// How many it takes on average to meet the target, cheaply.
    #[inline]
    pub(crate) fn expected_hashes(self) -> f64 {
        expected_hashes(self.difficulty)
    }
}

/// From difficulty in units of 2^-64; difficulty 1 takes 2^48 / 0xffff hashes.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
#[inline]
pub(crate) fn expected_hashes(difficulty: u128) -> f64 {
    difficulty as f64 * (2_f64.powi(48 - 64) / 65_535.0)
}

/// What two shares of one job have in common; empty until there is one.
#[derive(Debug, Default)]
pub(crate) enum HashCache {
    #[default]
    Empty,
    /// The merkle root alone.
    Root(U256),
    /// The merkle root, and the first compression of a header with `version`.
    Standard { root: U256, version: u32, midstate: HeaderMidstate },
    /// Boxed for the sake of standard channels, of which there are more.
    Extended(Box<CoinbaseMidstate>),
}

impl HashCache {
    /// The proof of a share of a job; the tip must be the one that the job is for.
    pub(crate) fn standard_hash(
        &mut self,
        (work, extranonce): (&Work, &B32),
        share: &SubmitSharesStandard,
        tip: &Tip,
    ) -> U256 {
        if tip.proof_check == ProofCheck::Oracle {
            let SubmitSharesStandard { version, ntime, nonce, .. } = *share;
            return oracle_hash((version, ntime, nonce), (extranonce, &[]), tip);
        }
        let midstate_of = |root: U256| {
            HeaderMidstate::new(&Header {
                version: share.version,
                prev_hash: tip.prev_hash,
                merkle_root: root,
                ntime: share.ntime,
                nbits: tip.nbits,
                nonce: share.nonce,
            })
        };
        if let HashCache::Standard { root, version, midstate } = self {
            if *version != share.version {
                (*version, *midstate) = (share.version, midstate_of(*root));
            }
            return midstate.hash(share.ntime, share.nonce);
        }
        let root = match self {
            HashCache::Root(root) => *root,
            _ => work.merkle_root(extranonce),
        };
        let midstate = midstate_of(root);
        let hash = midstate.hash(share.ntime, share.nonce);
        *self = HashCache::Standard { root, version: share.version, midstate };
        hash
    }

    /// The proof of a share of a job; the tip must be the one that the job is for.
    pub(crate) fn extended_hash(
        &mut self,
        (work, extranonce_prefix): (&Work, &B32),
        share: &SubmitSharesExtended,
        tip: &Tip,
    ) -> U256 {
        if tip.proof_check == ProofCheck::Oracle {
            let SubmitSharesExtended { version, ntime, nonce, extranonce, .. } = share;
            let extranonce = (extranonce_prefix, extranonce.as_slice());
            return oracle_hash((*version, *ntime, *nonce), extranonce, tip);
        }
        let root = if let HashCache::Extended(midstate) = self {
            work.root_with(midstate, share.extranonce.as_slice())
        } else {
            let midstate = work.coinbase_midstate(extranonce_prefix);
            let root = work.root_with(&midstate, share.extranonce.as_slice());
            *self = HashCache::Extended(Box::new(midstate));
            root
        };
        Header {
            version: share.version,
            prev_hash: tip.prev_hash,
            merkle_root: root,
            ntime: share.ntime,
            nbits: tip.nbits,
            nonce: share.nonce,
        }
        .hash()
    }
}

impl Job {
    pub(crate) fn new(id: u32, work: Arc<Work>, extranonce_prefix: B32) -> Self {
        Job { id, work, extranonce_prefix, cache: None }
    }

    /// The proof of a share; the tip must be the one that the job is for.
    pub(crate) fn extended_hash(&mut self, share: &SubmitSharesExtended, tip: &Tip) -> U256 {
        let cache = self.cache.get_or_insert_default();
        cache.extended_hash((&self.work, &self.extranonce_prefix), share, tip)
    }
}

/// See [`ProofCheck::Oracle`]. Of the extranonce, the prefix and what is rolled.
fn oracle_hash(
    (version, ntime, nonce): (u32, u32, u32),
    (prefix, rolled): (&B32, &[u8]),
    tip: &Tip,
) -> U256 {
    let space = SearchSpace::new(prefix.as_slice()).with(rolled);
    OracleHeader { prev_hash: tip.prev_hash, version, ntime, nonce, space }.hash()
}

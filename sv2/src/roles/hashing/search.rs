//! The search for proofs of work within one job.
//!
//! The order of the search rolls everything that may be rolled within a second or so: 2^16
//! nonces, then sixteen versions, then extranonces, then the other versions and nonces.
//! Hardware is in more of a hurry, and a peer that mistakes one of these fields must be found
//! out by a device that makes a million hashes per second.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::mining::header::{CoinbaseMidstate, Header, HeaderMidstate, coinbase_txid, merkle_root};
use crate::mining::job::PinnedTarget;
use crate::mining::proof::{OracleHeader, SearchSpace, mix, oracle_nonce};
use crate::mining::{NewExtendedMiningJob, NewMiningJob};
use crate::time::{Instant, MaybeInstant};
use crate::wire::{B32, Target, U256};

/// A job as it will be searched: with the extranonce prefix of its arrival (spec 5.3.10).
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: u32,
    version: u32,
    /// Bits of the version that may be changed.
    version_mask: u32,
    /// Of the extranonce's fixed part.
    space: SearchSpace,
    root: Root,
}

#[derive(Debug)]
enum Root {
    /// Header-only mining (spec 5.1.1).
    Fixed(U256),
    /// One root per extranonce (spec 5.1.2); boxed for the sake of the others, of which there are
    /// more.
    Rolled(Box<Rolled>),
}

#[derive(Debug)]
struct Rolled {
    coinbase: CoinbaseMidstate,
    rest: CoinbaseRest,
    extranonce_size: u8,
    /// Of the present batch.
    extranonce: B32,
}

/// What an extended job says about everything behind the extranonce; shared by the channels
/// of a group.
#[derive(Clone, Debug)]
pub(crate) struct CoinbaseRest {
    suffix: Bytes,
    path: Arc<[U256]>,
}

impl CoinbaseRest {
    pub(crate) fn new(suffix: Bytes, path: Arc<[U256]>) -> Self {
        CoinbaseRest { suffix, path }
    }

    /// A copy: jobs outlive the buffer in which they arrive.
    pub(crate) fn of(message: &NewExtendedMiningJob) -> Self {
        let suffix = message.coinbase_tx_suffix.to_owned_bytes().as_bytes().clone();
        CoinbaseRest::new(suffix, message.merkle_path.as_slice().into())
    }
}

impl Job {
    /// Versions of standard jobs may always be rolled (spec 5.3.15).
    pub(crate) fn standard(message: &NewMiningJob, prefix: &B32, version_mask: u32) -> Self {
        Job {
            id: message.job_id,
            version: message.version,
            version_mask,
            space: SearchSpace::new(prefix.as_slice()),
            root: Root::Fixed(message.merkle_root),
        }
    }

    /// A job for a group, as one of its standard channels works on it (spec 5.1.2.1).
    pub(crate) fn derived(message: &NewExtendedMiningJob, prefix: &B32, version_mask: u32) -> Self {
        let txid = coinbase_txid(
            message.coinbase_tx_prefix.as_slice(),
            prefix.as_slice(),
            &[],
            message.coinbase_tx_suffix.as_slice(),
        );
        Job {
            id: message.job_id,
            version: message.version,
            version_mask: if message.version_rolling_allowed { version_mask } else { 0 },
            space: SearchSpace::new(prefix.as_slice()),
            root: Root::Fixed(merkle_root(txid, message.merkle_path.as_slice())),
        }
    }

    /// A job of which an extended channel rolls the extranonce (spec 5.3.16).
    pub(crate) fn extended(
        message: &NewExtendedMiningJob,
        rest: CoinbaseRest,
        prefix: &B32,
        extranonce_size: u8,
        version_mask: u32,
    ) -> Self {
        let coinbase =
            CoinbaseMidstate::new(message.coinbase_tx_prefix.as_slice(), prefix.as_slice());
        let version_mask = if message.version_rolling_allowed { version_mask } else { 0 };
        let version = (message.version, version_mask);
        Job::rolled(message.job_id, version, (coinbase, prefix), rest, extranonce_size)
    }

    /// The same in whatever protocol; of the version, the bits that may be changed; of the
    /// coinbase, the prefix that it ends with.
    pub(crate) fn rolled(
        id: u32,
        (version, version_mask): (u32, u32),
        (coinbase, prefix): (CoinbaseMidstate, &B32),
        rest: CoinbaseRest,
        extranonce_size: u8,
    ) -> Self {
        let space = SearchSpace::new(prefix.as_slice());
        let extranonce = B32::default();
        let root = Root::Rolled(Box::new(Rolled { coinbase, rest, extranonce_size, extranonce }));
        Job { id, version, version_mask, space, root }
    }
}

/// The block to build on (spec 5.3.17).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tip {
    pub(crate) prev_hash: U256,
    pub(crate) min_ntime: u32,
    pub(crate) nbits: u32,
}

/// A proof of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    pub(crate) job_id: u32,
    pub(crate) version: u32,
    pub(crate) ntime: u32,
    pub(crate) nonce: u32,
    /// Empty in header-only mining.
    pub(crate) extranonce: B32,
    pub(crate) hash: U256,
}

/// A job that is worked on.
#[derive(Debug)]
pub(crate) struct Search {
    job: Job,
    tip: Tip,
    /// Fixed when the job became active (spec 5.3.21).
    target: PinnedTarget,
    /// Smallest time, and when the count of seconds from it begins.
    ntime_first: u32,
    since: Instant,
    rolls_ntime: bool,
    /// Where the search begins: two jobs that differ in nothing but their id do not repeat
    /// each other's hashes.
    start: u64,

    /// Of the present batch.
    version: u32,
    /// Of the next hash.
    ntime: u32,
    /// Of the next hash: the upper half is that of the batch.
    nonce: u32,
    /// Of the present batch; `None` until it is begun: most jobs end without a hash where times
    /// of proofs are drawn.
    midstate: Option<HeaderMidstate>,
    /// Counts combinations of everything but time and the lower half of the nonce.
    batch: u64,
    is_exhausted: bool,
    /// When the next proof is due, where times are drawn ([`super::ProofTiming`]).
    pub(super) proof_at: MaybeInstant,
}

impl Search {
    /// Begins at `now`, with the target that holds then.
    ///
    /// Header times: spec 5.3.11 allows the tip's `min_ntime` plus the seconds since its
    /// receipt, spec 5.3.15 demands the job's own as the first one. Counting from the greater
    /// of both at the job's activation keeps within every reading (AMB-18).
    pub(crate) fn new(
        job: Job,
        tip: &Tip,
        min_ntime: Option<u32>,
        target: PinnedTarget,
        now: Instant,
        rolls_ntime: bool,
        start: u64,
    ) -> Self {
        let ntime_first = min_ntime.unwrap_or(0).max(tip.min_ntime);
        Search {
            job,
            tip: *tip,
            target,
            ntime_first,
            since: now,
            rolls_ntime,
            start,
            version: 0,
            ntime: ntime_first,
            nonce: 0,
            midstate: None,
            batch: 0,
            is_exhausted: false,
            proof_at: MaybeInstant::NONE,
        }
    }

    /// Comes after other work. Waits for proofs have no memory: one that was drawn for the same
    /// target goes on, and nothing has to be drawn and planned anew.
    pub(crate) fn after(mut self, before: &Search) -> Self {
        if self.target.target == before.target.target {
            self.proof_at = before.proof_at;
        }
        self
    }

    pub(crate) fn job_id(&self) -> u32 {
        self.job.id
    }

    pub(crate) fn tip(&self) -> &Tip {
        &self.tip
    }

    pub(crate) fn target(&self) -> &PinnedTarget {
        &self.target
    }

    /// From the next hash on.
    pub(crate) fn set_target(&mut self, target: Target) {
        self.target = PinnedTarget::new(target);
        self.proof_at = MaybeInstant::NONE;
    }

    /// Begins anew with other bits of the version; where, says `start`.
    pub(crate) fn set_version_mask(&mut self, mask: u32, start: u64) {
        self.job.version_mask = mask;
        self.start = start;
        self.batch = 0;
        self.is_exhausted = false;
        self.midstate = None;
    }

    /// When there is something to hash; `None` if never again in this job.
    pub(crate) fn ready_at(&self, now: Instant) -> Option<Instant> {
        if !self.is_exhausted || self.ntime_at(now) != self.ntime {
            return Some(now);
        }
        let seconds = Duration::from_secs(u64::from(self.ntime - self.ntime_first) + 1);
        (self.rolls_ntime && self.ntime < u32::MAX).then_some(self.since + seconds)
    }

    /// Tries up to `nonces_max` nonces, and stops early at `proofs_max` proofs. Says how many
    /// were tried.
    pub(crate) fn advance(
        &mut self,
        now: Instant,
        nonces_max: u32,
        proofs_max: usize,
        proofs: &mut Vec<Proof>,
    ) -> u32 {
        let ntime = self.ntime_at(now);
        if ntime != self.ntime && self.is_exhausted {
            self.is_exhausted = false;
            self.batch = 0;
            self.midstate = None;
        }
        self.ntime = ntime;
        let mut tried = 0;
        while tried < nonces_max && proofs.len() < proofs_max && !self.is_exhausted {
            let Some(midstate) = &self.midstate else {
                self.begin_batch();
                continue;
            };
            let nonce = self.nonce;
            let hash = midstate.hash(ntime, nonce);
            if self.target.target.is_met_by(&hash) {
                self.proof_at = MaybeInstant::NONE;
                proofs.push(self.proof(nonce, hash));
            }
            tried += 1;
            self.nonce = nonce.wrapping_add(1);
            if self.nonce.is_multiple_of(BATCH_LEN) {
                self.batch += 1;
                self.is_exhausted = shifted(self.batch, self.batch_bits()) != 0;
                self.midstate = None;
            }
        }
        tried
    }

    /// Finds a proof that nobody has hashed for ([`crate::mining::proof::ProofCheck::Oracle`]).
    /// Searches no space, and exhausts none.
    pub(crate) fn draw(&mut self, now: Instant, proofs: &mut Vec<Proof>) {
        self.proof_at = MaybeInstant::NONE;
        self.ntime = self.ntime_at(now);
        // A header of its own for each, though its nonce may come again.
        self.batch = self.batch.wrapping_add(1);
        self.place();
        let (prev_hash, version, ntime) = (self.tip.prev_hash, self.version, self.ntime);
        let space = self.job.space.with(self.extranonce().as_slice());
        let seed = mix(self.start) ^ self.batch;
        for attempt in 0..DRAWS_MAX {
            let nonce = oracle_nonce(&self.target.target, mix(mix(seed) ^ attempt));
            let hash = OracleHeader { prev_hash, version, ntime, nonce, space }.hash();
            if self.target.target.is_met_by(&hash) {
                proofs.push(self.proof(nonce, hash));
                return;
            }
        }
    }

    /// Of the present batch and time.
    fn proof(&self, nonce: u32, hash: U256) -> Proof {
        let (job_id, extranonce) = (self.job.id, self.extranonce());
        Proof { job_id, version: self.version, ntime: self.ntime, nonce, extranonce, hash }
    }

    /// Of the present batch; empty in header-only mining.
    fn extranonce(&self) -> B32 {
        match &self.job.root {
            Root::Fixed(_) => B32::default(),
            Root::Rolled(rolled) => rolled.extranonce,
        }
    }

    fn ntime_at(&self, now: Instant) -> u32 {
        if !self.rolls_ntime {
            return self.ntime_first;
        }
        let seconds = u32::try_from(now.since(self.since).as_secs()).unwrap_or(u32::MAX);
        self.ntime_first.saturating_add(seconds)
    }

    fn begin_batch(&mut self) {
        self.place();
        let merkle_root = match &self.job.root {
            Root::Fixed(root) => *root,
            Root::Rolled(rolled) => {
                let Rolled { coinbase, rest, extranonce, .. } = &**rolled;
                merkle_root(coinbase.txid(extranonce.as_slice(), &rest.suffix), &rest.path)
            }
        };
        let Tip { prev_hash, nbits, .. } = self.tip;
        let (version, ntime, nonce) = (self.version, self.ntime, self.nonce);
        let header = Header { version, prev_hash, merkle_root, ntime, nbits, nonce };
        self.midstate = Some(HeaderMidstate::new(&header));
    }

    /// Turns the number of the batch into its version, extranonce and upper half of the nonce.
    fn place(&mut self) {
        let mut digits = self.batch;
        let mut digit = |bits: u32, start: u64| {
            let value = digits.wrapping_add(start) & low_bits(bits);
            digits = shifted(digits, bits);
            value
        };
        let version_bits = self.job.version_mask.count_ones();
        let first_bits = version_bits.min(FIRST_VERSION_BITS);
        let low_version = digit(first_bits, self.start);
        let extranonce = digit(self.extranonce_bits(), self.start >> 40);
        let high_version = digit(version_bits - first_bits, self.start >> first_bits);
        let nonce_high = digit(NONCE_HIGH_BITS, self.start >> 24);

        self.version = self.job.version & !self.job.version_mask
            | deposit(low_version | high_version << first_bits, self.job.version_mask);
        #[expect(clippy::cast_possible_truncation, reason = "a digit of 16 bits")]
        let nonce_high = nonce_high as u32;
        self.nonce = nonce_high << BATCH_BITS;
        if let Root::Rolled(rolled) = &mut self.job.root {
            let mut bytes = [0; B32::MAX];
            bytes[..8].copy_from_slice(&extranonce.to_le_bytes());
            // Channels with a longer extranonce are refused when they are opened.
            let bytes = &bytes[..usize::from(rolled.extranonce_size).min(B32::MAX)];
            rolled.extranonce = B32::new(bytes).unwrap_or_default();
        }
    }

    /// All combinations that a time has, without the lower half of the nonce, as a power of two.
    fn batch_bits(&self) -> u32 {
        self.job.version_mask.count_ones() + self.extranonce_bits() + NONCE_HIGH_BITS
    }

    /// 2^64 extranonces are more than any device can try; further bytes stay zero.
    fn extranonce_bits(&self) -> u32 {
        match &self.job.root {
            Root::Fixed(_) => 0,
            Root::Rolled(rolled) => 8 * u32::from(rolled.extranonce_size).min(8),
        }
    }
}

/// The bits of `value` at the positions that are set in `mask`, lowest first.
fn deposit(mut value: u64, mut mask: u32) -> u32 {
    let mut bits = 0;
    while mask != 0 {
        let lowest = mask & mask.wrapping_neg();
        if value & 1 == 1 {
            bits |= lowest;
        }
        value >>= 1;
        mask ^= lowest;
    }
    bits
}

fn low_bits(bits: u32) -> u64 {
    1_u64.checked_shl(bits).map_or(u64::MAX, |next| next - 1)
}

/// To the right, by any number of bits: there may be more combinations than a batch's number tells
/// apart, and than any device can try.
fn shifted(digits: u64, bits: u32) -> u64 {
    digits.checked_shr(bits).unwrap_or(0)
}

/// Rounding spoils one draw in a million; so many in a row, a target that nothing meets.
const DRAWS_MAX: u64 = 16;
/// Nonces between two changes of anything else, as a power of two.
const BATCH_BITS: u32 = 16;
const BATCH_LEN: u32 = 1 << BATCH_BITS;
const NONCE_HIGH_BITS: u32 = 32 - BATCH_BITS;
/// Bits of the version that are rolled before the extranonce.
const FIRST_VERSION_BITS: u32 = 4;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::roles::mining_device::VersionRolling;
    use crate::wire::{B64K, Seq255};

    const TIP: Tip = Tip { prev_hash: U256::ZERO, min_ntime: 1000, nbits: 0x1d00_ffff };
    const START: u64 = 0x0123_4567_89ab_cdef;

    fn extended(extranonce_size: u8, mask: u32) -> Search {
        let message = NewExtendedMiningJob {
            channel_id: 1,
            job_id: 2,
            min_ntime: None,
            version: 0x2000_0000,
            version_rolling_allowed: true,
            merkle_path: Seq255::new(vec![U256::MAX]).unwrap(),
            coinbase_tx_prefix: B64K::new(&b"prefix"[..]).unwrap(),
            coinbase_tx_suffix: B64K::new(&b"suffix"[..]).unwrap(),
        };
        let prefix = B32::new(b"pool").unwrap();
        let rest = CoinbaseRest::of(&message);
        let job = Job::extended(&message, rest, &prefix, extranonce_size, mask);
        Search::new(job, &TIP, None, PinnedTarget::new(Target::MAX), Instant::ZERO, true, START)
    }

    fn standard(mask: u32) -> Search {
        let job = Job {
            id: 2,
            version: 0x2000_0000,
            version_mask: mask,
            space: SearchSpace::new(&[]),
            root: Root::Fixed(U256::MAX),
        };
        Search::new(job, &TIP, None, PinnedTarget::new(Target::MAX), Instant::ZERO, true, START)
    }

    /// Skips the search to a batch.
    fn at_batch(mut search: Search, batch: u64) -> Search {
        search.batch = batch;
        search.begin_batch();
        search
    }

    #[test]
    fn every_batch_is_a_new_combination_until_the_time_is_exhausted() {
        // Six bits of version, one byte of extranonce, four of the sixteen nonce bits.
        let mut seen = BTreeSet::new();
        for batch in 0..1 << (6 + 8 + 4) {
            let search = at_batch(extended(1, 0x0000_07e0), batch);
            let key = (search.version, search.extranonce(), search.nonce);
            assert!(seen.insert(key), "batch {batch} repeats {key:?}");
            assert_eq!(search.version & !0x07e0, 0x2000_0000);
            assert_eq!(search.extranonce().as_slice().len(), 1);
        }
    }

    #[test]
    fn versions_and_extranonces_change_within_a_million_hashes() {
        let batches = (0..32).map(|batch| at_batch(extended(8, VersionRolling::BIP_320), batch));

        let (mut versions, mut extranonces) = (BTreeSet::new(), BTreeSet::new());
        for search in batches {
            versions.insert(search.version);
            extranonces.insert(search.extranonce());
        }

        assert_eq!((versions.len(), extranonces.len()), (16, 2));
    }

    #[test]
    fn an_exhausted_second_waits_for_the_next_one_and_begins_again() {
        let mut search = at_batch(standard(0), (1 << NONCE_HIGH_BITS) - 1);
        let mut proofs = Vec::new();

        let tried = search.advance(Instant(1), BATCH_LEN + 5, usize::MAX, &mut proofs);

        assert_eq!(tried, BATCH_LEN);
        assert_eq!(search.advance(Instant(999_999_999), 5, usize::MAX, &mut proofs), 0);
        let next_second = Instant(1_000_000_000);
        assert_eq!(search.ready_at(Instant(2)), Some(next_second));
        proofs.clear();
        assert_eq!(search.advance(next_second, 5, usize::MAX, &mut proofs), 5);
        assert!(proofs.iter().all(|proof| proof.ntime == 1001));
    }

    #[test]
    fn an_exhausted_job_without_time_rolling_is_over() {
        let mut search = at_batch(standard(0), (1 << NONCE_HIGH_BITS) - 1);
        search.rolls_ntime = false;

        search.advance(Instant(1), BATCH_LEN, usize::MAX, &mut Vec::new());

        assert_eq!(search.ready_at(Instant(1)), None);
        assert_eq!(search.ready_at(Instant(u64::MAX)), None);
    }

    #[test]
    fn a_wait_goes_on_in_the_next_job_of_the_same_target_alone() {
        let mut before = standard(0);
        before.proof_at = Some(Instant(7)).into();
        let mut harder = standard(0);
        harder.set_target(Target::DIFFICULTY_1);

        assert_eq!(standard(0).after(&before).proof_at.get(), Some(Instant(7)));
        assert_eq!(harder.after(&before).proof_at.get(), None);
    }

    #[test]
    fn the_search_stops_at_the_limit_of_proofs() {
        let mut proofs = Vec::new();

        let tried = standard(0).advance(Instant::ZERO, 1000, 3, &mut proofs);

        assert_eq!((tried, proofs.len()), (3, 3));
    }

    #[test]
    fn bits_are_deposited_in_order_of_their_weight() {
        assert_eq!(deposit(0b101, 0x0000_e000), 0x0000_a000);
        assert_eq!(deposit(u64::MAX, 0x1fff_ffe0), 0x1fff_ffe0);
        assert_eq!(deposit(0b10, 0x8000_0001), 0x8000_0000);
    }
}

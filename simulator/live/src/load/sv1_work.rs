//! The job of a Stratum V1 connection, and the search for its shares.

use sv2::mining::header::{Header, HeaderMidstate, coinbase_txid, merkle_root};
use sv2::sv1::{Difficulty, Notify, Submit, order};
use sv2::time::Instant;
use sv2::wire::{B32, Target, U256};

/// What a pool has said so far that shares follow from.
#[derive(Debug)]
pub(super) struct Sv1Work {
    extranonce1: B32,
    extranonce2_size: u8,
    /// Bits that may be rolled (BIP 310); `None` if that was not agreed on.
    pub(super) version_mask: Option<u32>,
    /// Of jobs to come.
    target: Target,
    job: Option<Job>,
    /// Counts on over all jobs: two that differ in nothing but their id do not repeat a hash.
    nonce: u32,
    share_count: u64,
}

/// The newest job, with what held when it came.
#[derive(Debug)]
struct Job {
    notify: Box<Notify>,
    extranonce1: B32,
    extranonce2_size: u8,
    target: Target,
    since: Instant,
}

/// What has come of a part of a search.
pub(super) struct Sv1Searched {
    pub(super) hash_count: u32,
    pub(super) share: Option<Submit>,
}

impl Sv1Work {
    /// Difficulty 1 until the pool says otherwise, as devices take it.
    pub(super) fn new() -> Self {
        Sv1Work {
            extranonce1: B32::default(),
            extranonce2_size: 0,
            version_mask: None,
            target: Target::DIFFICULTY_1,
            job: None,
            nonce: 0,
            share_count: 0,
        }
    }

    /// Expected hashes of a share of the present job; `None` without one.
    pub(super) fn price(&self) -> Option<f64> {
        Some(self.job.as_ref()?.target.expected_hashes())
    }

    /// For jobs to come.
    pub(super) fn set_extranonce(&mut self, extranonce1: B32, extranonce2_size: u8) {
        (self.extranonce1, self.extranonce2_size) = (extranonce1, extranonce2_size);
    }

    /// For jobs to come.
    pub(super) fn set_difficulty(&mut self, difficulty: Difficulty) {
        self.target = difficulty.target();
    }

    /// Whether the job is on another tip than the last one; the first is nobody's news.
    pub(super) fn take_job(&mut self, now: Instant, notify: Box<Notify>) -> bool {
        let before = self.job.take().map(|job| job.notify.prev_hash);
        let is_new_tip = before.is_some_and(|before| before != notify.prev_hash);
        let Sv1Work { extranonce1, extranonce2_size, target, .. } = *self;
        self.job = Some(Job { notify, extranonce1, extranonce2_size, target, since: now });
        is_new_tip
    }

    /// Tries up to `hashes_max` hashes, and stops at the first share, which `user` has found.
    pub(super) fn search(&mut self, now: Instant, hashes_max: u32, user: &str) -> Sv1Searched {
        let Some(job) = &self.job else { return Sv1Searched { hash_count: 0, share: None } };
        let notify = &job.notify;
        // Once a second, as a device that has rolled everything else.
        let seconds = u32::try_from(now.since(job.since).as_secs()).unwrap_or(u32::MAX);
        let ntime = notify.ntime.saturating_add(seconds);
        let extranonce2 = job.extranonce2(self.share_count);
        let version_bits = self.version_mask.map(|mask| rolled_bits(self.share_count, mask));
        let mask = self.version_mask.unwrap_or(0);
        let version = order::rolled_version(notify.version, mask, version_bits.unwrap_or(0));
        let header = Header {
            version,
            prev_hash: notify.prev_hash,
            merkle_root: job.merkle_root(&extranonce2),
            ntime,
            nbits: notify.nbits,
            nonce: 0,
        };
        let midstate = HeaderMidstate::new(&header);
        for tried in 1..=hashes_max {
            let nonce = self.nonce;
            self.nonce = nonce.wrapping_add(1);
            if job.target.is_met_by(&midstate.hash(ntime, nonce)) {
                self.share_count = self.share_count.wrapping_add(1);
                let share = Submit {
                    user: user.to_owned(),
                    job_id: notify.job_id.clone(),
                    extranonce2,
                    ntime,
                    nonce,
                    version_bits,
                    extra_param_count: 0,
                };
                return Sv1Searched { hash_count: tried, share: Some(share) };
            }
        }
        Sv1Searched { hash_count: hashes_max, share: None }
    }
}

impl Job {
    /// The lowest bytes of a number, as many as the device rolls; further ones are zero.
    fn extranonce2(&self, number: u64) -> B32 {
        let mut bytes = [0; B32::MAX];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        let size = usize::from(self.extranonce2_size).min(B32::MAX);
        B32::new(&bytes[..size]).unwrap_or_default()
    }

    fn merkle_root(&self, extranonce2: &B32) -> U256 {
        let Notify { coinbase_1, coinbase_2, merkle_branches, .. } = &*self.notify;
        let (first, second) = (self.extranonce1.as_slice(), extranonce2.as_slice());
        merkle_root(coinbase_txid(coinbase_1, first, second, coinbase_2), merkle_branches)
    }
}

/// The number, shifted to where the mask begins; holes in the mask are left out.
fn rolled_bits(number: u64, mask: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
    let low = number as u32;
    low.checked_shl(mask.trailing_zeros()).unwrap_or(0) & mask
}

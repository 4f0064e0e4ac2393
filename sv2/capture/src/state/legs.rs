//! What ties one connection to another: blocks, work and proofs that are the same on both.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use sv2::mining::NewExtendedMiningJob;
use sv2::mining::header::{coinbase_txid, merkle_root};
use sv2::wire::U256;

use super::Mark;
use super::job::Work;
use super::proofs::Proofs;

/// Where something was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The connection.
    pub connection: u32,
    /// The channel, or 0 where there is none.
    pub channel: u32,
}

/// A block that someone builds on.
#[derive(Clone, Copy, Debug)]
pub struct KnownTip {
    /// Of the header.
    pub prev_hash: U256,
    /// Compact network target, as first told.
    pub nbits: u32,
    /// Who told first, and when.
    pub first: Mark,
}

/// What is known across connections.
#[derive(Debug, Default)]
pub struct Legs {
    tips: VecDeque<KnownTip>,
    /// The same work goes to many channels: held once.
    works: VecDeque<KnownWork>,
    work_bytes: usize,
    proofs: Proofs,
}

/// Work of an extended job, and where it was seen first.
#[derive(Clone, Debug)]
pub struct KnownWork {
    /// What is hashed.
    pub work: Arc<Work>,
    /// The first message with it.
    pub first: Mark,
    /// Where that was.
    pub place: Place,
    /// Whether the client has made it (spec 5.3.18): then jobs below do not follow from it.
    pub is_custom: bool,
}

impl Legs {
    /// Blocks that are remembered.
    pub const TIPS_MAX: usize = 64;
    /// What the work of all jobs may take, in bytes; shares for older jobs cannot be recomputed.
    pub const WORK_BYTES_MAX: usize = 32 << 20;
    /// Works that a new one is compared with: the same goes to many channels at once.
    pub const WORKS_COMPARED_MAX: usize = 16;
    /// Proofs that are remembered, about.
    pub const PROOFS_MAX: usize = Proofs::MAX;

    /// What was first said of a block.
    pub fn tip(&self, prev_hash: &U256) -> Option<&KnownTip> {
        self.tips.iter().rev().find(|tip| tip.prev_hash == *prev_hash)
    }

    /// The block that was told of last for the first time.
    pub fn newest_tip(&self) -> Option<&KnownTip> {
        self.tips.back()
    }

    /// Work of extended jobs, from the oldest that is remembered.
    pub fn works(&self) -> impl ExactSizeIterator<Item = &KnownWork> {
        self.works.iter()
    }

    pub(super) fn add_tip(&mut self, prev_hash: U256, nbits: u32, first: Mark) {
        if self.tip(&prev_hash).is_some() {
            return;
        }
        if self.tips.len() == Self::TIPS_MAX {
            self.tips.pop_front();
        }
        self.tips.push_back(KnownTip { prev_hash, nbits, first });
    }

    /// The work of a job, shared with whoever else has it.
    pub(super) fn work(
        &mut self,
        message: &NewExtendedMiningJob,
        first: Mark,
        place: Place,
    ) -> Arc<Work> {
        let (prefix, suffix, path) = (
            message.coinbase_tx_prefix.as_slice(),
            message.coinbase_tx_suffix.as_slice(),
            message.merkle_path.as_slice(),
        );
        let mut newest_first = self.works.iter().rev().take(Self::WORKS_COMPARED_MAX);
        let known = newest_first.find(|KnownWork { work, .. }| {
            work.prefix == prefix && work.suffix == suffix && work.path == path
        });
        if let Some(known) = known {
            return Arc::clone(&known.work);
        }
        let work = Arc::new(Work {
            prefix: Bytes::copy_from_slice(prefix),
            suffix: Bytes::copy_from_slice(suffix),
            path: path.to_vec(),
        });
        let is_custom = false;
        self.add_work(KnownWork { work: Arc::clone(&work), first, place, is_custom });
        work
    }

    /// Holds work; the oldest goes where there is no room.
    pub(super) fn add_work(&mut self, known: KnownWork) {
        self.work_bytes += known.work.size();
        self.works.push_back(known);
        while self.work_bytes > Self::WORK_BYTES_MAX
            && let Some(oldest) = self.works.pop_front()
        {
            self.work_bytes -= oldest.work.size();
        }
    }

    /// The extended job whose root with a whole extranonce is `root`: of the leg above.
    /// Looks at the newest [`Legs::ROOTS_TRIED_MAX`].
    pub fn work_with_root(&self, root: &U256, extranonce: &[u8]) -> Option<&KnownWork> {
        let newest_first = self.works.iter().rev().take(Self::ROOTS_TRIED_MAX);
        newest_first.into_iter().find(|KnownWork { work, .. }| {
            let txid = coinbase_txid(&work.prefix, extranonce, &[], &work.suffix);
            merkle_root(txid, &work.path) == *root
        })
    }

    /// Extended jobs that a root is looked for in.
    pub const ROOTS_TRIED_MAX: usize = 8;

    /// The same proof in the same place, and on another connection.
    pub fn proof(&self, hash: &U256, place: Place) -> (Option<Mark>, Option<Mark>) {
        self.proofs.find(hash, place)
    }

    pub(super) fn add_proof(&mut self, hash: &U256, place: Place, mark: Mark) {
        self.proofs.add(hash, place, mark);
    }
}

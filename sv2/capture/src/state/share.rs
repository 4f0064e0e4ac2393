//! What a share proves: its header put together again, hashed, and held against the target of
//! its job and of the network (spec 5.3.11, 5.3.12).

use std::collections::BTreeMap;

use sv2::mining::header::{CoinbaseMidstate, Header, merkle_root};
use sv2::mining::share::NTIME_LEAD_MAX;
use sv2::mining::{SubmitSharesExtended, SubmitSharesStandard, VERSION_ROLLING_MASK};
use sv2::wire::{B32, Target, U256};

use super::channel::{Channel, ChannelKind, Group, RootCache};
use super::job::{Job, JobState, Tip, Work, WorkRef};
use super::{JobFacts, Mark};

/// The fields that both kinds of shares have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// As the client numbers it.
    pub sequence_number: u32,
    /// The job that was worked on.
    pub job_id: u32,
    /// Of the header.
    pub nonce: u32,
    /// Of the header.
    pub ntime: u32,
    /// Of the header.
    pub version: u32,
    /// `None` of a `SubmitSharesStandard`.
    pub extranonce: Option<B32>,
}

impl From<&SubmitSharesStandard> for Submitted {
    fn from(share: &SubmitSharesStandard) -> Self {
        let SubmitSharesStandard { sequence_number, job_id, nonce, ntime, version, .. } = *share;
        Submitted { sequence_number, job_id, nonce, ntime, version, extranonce: None }
    }
}

impl From<&SubmitSharesExtended> for Submitted {
    fn from(share: &SubmitSharesExtended) -> Self {
        Submitted {
            sequence_number: share.sequence_number,
            job_id: share.job_id,
            nonce: share.nonce,
            ntime: share.ntime,
            version: share.version,
            extranonce: Some(share.extranonce),
        }
    }
}

/// What can be said of a share before its server has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShareFacts {
    /// As sent.
    pub submitted: Submitted,
    /// The proof, where everything for it is known.
    pub proof: Option<Proof>,
    /// What is wrong with it; the first that applies.
    pub fault: Option<Fault>,
    /// The same proof on this channel before.
    pub repeats: Option<u64>,
}

/// A recomputed proof of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proof {
    /// What was hashed.
    pub header: Header,
    /// Its hash.
    pub hash: U256,
    /// Of the hash.
    pub difficulty: f64,
    /// The job's: that of its activation or arrival.
    pub target: Target,
    /// What shares must meet now, where it is another.
    pub present_target: Target,
    /// Whether it meets `nbits`.
    pub is_block: bool,
}

impl Proof {
    /// A block is a block, though the channel's target be harder than the network's (AMB-19).
    fn is_missed(&self) -> bool {
        !self.is_block && !self.target.is_met_by(&self.hash)
    }
}

/// Why a share earns nothing, as far as the capture tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The channel was never given the job.
    UnknownJob,
    /// The job waits for its block.
    FutureJob,
    /// A newer block came first.
    StaleJob {
        /// The message that told of it.
        by: Mark,
    },
    /// A share of the other kind of channel.
    WrongKind,
    /// Not as many bytes as agreed (spec 5.3.12).
    ExtranonceLen {
        /// Of the share.
        len: usize,
        /// Of the channel.
        agreed: usize,
    },
    /// Below the job's smallest time.
    NtimeTooEarly {
        /// Of the job or its tip.
        min: u32,
    },
    /// Ahead of the capture's clock by more than consensus allows.
    NtimeTooLate {
        /// At this moment.
        max: u32,
    },
    /// The job's version is fixed.
    VersionFixed {
        /// Of the job.
        fixed: u32,
    },
    /// Changed outside of the mask of BIP 323.
    VersionBits {
        /// Of the job.
        job: u32,
    },
    /// The hash is above the target of the job.
    AboveTarget,
}

impl Fault {
    /// Whether it follows from what was not said, and not from what was.
    pub(super) fn is_of_what_is_missing(&self) -> bool {
        matches!(self, Fault::UnknownJob | Fault::FutureJob)
    }

    /// One word, as in filters and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Fault::UnknownJob => "unknown-job",
            Fault::FutureJob => "future-job",
            Fault::StaleJob { .. } => "stale",
            Fault::WrongKind => "wrong-kind",
            Fault::ExtranonceLen { .. } => "extranonce-size",
            Fault::NtimeTooEarly { .. } => "ntime-too-early",
            Fault::NtimeTooLate { .. } => "ntime-too-late",
            Fault::VersionFixed { .. } => "version-fixed",
            Fault::VersionBits { .. } => "version-bits",
            Fault::AboveTarget => "above-target",
        }
    }
}

/// Looks a share up and hashes it; with the job that it names, where that is known.
pub(super) fn examine(
    channel: &mut Channel,
    groups: &BTreeMap<u32, Group>,
    submitted: Submitted,
    fixed_version: bool,
    sent: Mark,
) -> (ShareFacts, Option<JobFacts>) {
    let mut facts = ShareFacts { submitted, proof: None, fault: None, repeats: None };
    let mut job_facts = None;
    let mut cache = channel.cache.take().unwrap_or_default();
    let view = channel.view(groups);
    if let Some(job) = view.job(submitted.job_id) {
        let state = view.state(job);
        job_facts = Some(JobFacts { id: job.id, given: job.arrived, state });
        if let Some(tip) = view.tip_of(job) {
            let setting = Setting { channel, groups, job, tip };
            facts.fault = setting.fault(&submitted, fixed_version, sent, state);
            facts.proof = setting.proof(&submitted, &mut cache);
            let is_missed = facts.proof.as_ref().is_some_and(Proof::is_missed);
            if facts.fault.is_none() && is_missed {
                facts.fault = Some(Fault::AboveTarget);
            }
        } else if state == JobState::Future {
            facts.fault = Some(Fault::FutureJob);
        }
    } else if !view.has_forgotten() {
        facts.fault = Some(Fault::UnknownJob);
    }
    channel.cache = Some(cache);
    (facts, job_facts)
}

/// A job with all that a share for it is judged by.
struct Setting<'a> {
    channel: &'a Channel,
    groups: &'a BTreeMap<u32, Group>,
    job: &'a Job,
    tip: &'a Tip,
}

impl Setting<'_> {
    fn fault(
        &self,
        share: &Submitted,
        fixed_version: bool,
        sent: Mark,
        state: JobState,
    ) -> Option<Fault> {
        let (channel, job) = (self.channel, self.job);
        let agreed = usize::from(channel.rollable_extranonce_size);
        let changed = share.version ^ job.version;
        // AMB-18: a job's own smallest time may lie before or behind the tip's.
        let min = job.min_ntime.unwrap_or(self.tip.min_ntime).min(self.tip.min_ntime);
        let max = self.latest_ntime(sent);
        let is_kind = share.extranonce.is_some() == (channel.kind == ChannelKind::Extended);
        if !is_kind {
            return Some(Fault::WrongKind);
        }
        match (state, share.extranonce) {
            (JobState::Retired { by }, _) => Some(Fault::StaleJob { by }),
            (JobState::Future, _) => Some(Fault::FutureJob),
            (_, Some(extranonce)) if extranonce.as_slice().len() != agreed => {
                Some(Fault::ExtranonceLen { len: extranonce.as_slice().len(), agreed })
            }
            _ if share.ntime < min => Some(Fault::NtimeTooEarly { min }),
            _ if share.ntime > max => Some(Fault::NtimeTooLate { max }),
            _ if changed & !VERSION_ROLLING_MASK != 0 => {
                Some(Fault::VersionBits { job: job.version })
            }
            _ if changed != 0 && (fixed_version || !job.version_rolling_allowed) => {
                Some(Fault::VersionFixed { fixed: job.version })
            }
            _ => None,
        }
    }

    /// By the capture's clock, or as time has passed since the tip was told (spec 10.2).
    fn latest_ntime(&self, sent: Mark) -> u32 {
        let seconds = |nanoseconds: u64| u32::try_from(nanoseconds / 1_000_000_000);
        let clock = seconds(sent.at).unwrap_or(u32::MAX).saturating_add(NTIME_LEAD_MAX);
        let elapsed = seconds(sent.since(self.tip.told)).unwrap_or(u32::MAX);
        let own = self.job.min_ntime.unwrap_or(0).max(self.tip.min_ntime);
        // A second of grace: the sender's clock is not the capture's.
        clock.max(own.saturating_add(elapsed).saturating_add(1))
    }

    fn proof(&self, share: &Submitted, cache: &mut RootCache) -> Option<Proof> {
        let merkle_root = self.root(share.extranonce.unwrap_or_default(), cache)?;
        let header = Header {
            version: share.version,
            prev_hash: self.tip.prev_hash,
            merkle_root,
            ntime: share.ntime,
            nbits: self.tip.nbits,
            nonce: share.nonce,
        };
        let hash = header.hash();
        let activated = self.job.activated?;
        let target = self.channel.target_at(self.groups, activated.number);
        let network = Target::from_compact(self.tip.nbits);
        Some(Proof {
            header,
            hash,
            difficulty: Target(hash).difficulty(),
            target,
            present_target: self.channel.target(self.groups),
            is_block: network.is_some_and(|network| network.is_met_by(&hash)),
        })
    }

    /// `None` where the work is not remembered any more.
    fn root(&self, extranonce: B32, cache: &mut RootCache) -> Option<U256> {
        let work = match &self.job.work {
            WorkRef::Root(root) => return Some(*root),
            WorkRef::Shared(work) => work.upgrade()?,
        };
        let Work { prefix, suffix, path } = &*work;
        let arrived = self.job.arrived.number;
        // Spec 5.3.10: the prefix of the job's arrival.
        let own_prefix = self.channel.extranonce_prefix.at(arrived);
        let key = (arrived, self.channel.extranonce_prefix.since());
        if cache.key != key {
            *cache = RootCache { key, ..Default::default() };
        }
        if let Some((_, root)) = cache.root.filter(|(known, _)| *known == extranonce) {
            return Some(root);
        }
        let midstate = cache
            .midstate
            .get_or_insert_with(|| CoinbaseMidstate::new(prefix, own_prefix.as_slice()));
        let root = merkle_root(midstate.txid(extranonce.as_slice(), suffix), path);
        cache.root = Some((extranonce, root));
        Some(root)
    }
}

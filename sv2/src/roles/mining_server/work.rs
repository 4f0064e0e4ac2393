//! What jobs are made of: a template, or the job of an upstream.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::TxOut;
use thiserror::Error;

use crate::mining::NewExtendedMiningJob;
use crate::mining::coinbase::{Coinbase, CoinbaseError};
use crate::mining::extranonce::ExtranonceLayout;
use crate::mining::job::{Tip, Work};
use crate::template_distribution::NewTemplate;

/// Work for channels, whatever the length of their extranonces.
///
/// It belongs to the extranonce layout that it is handed in under: channels that come later,
/// with another prefix, get none of it ([`super::MiningServer::set_extranonce_layout`]).
#[derive(Debug)]
pub(crate) struct WorkSource {
    work_id: u64,
    /// Later than that of the tip, where an upstream has set it.
    min_ntime: u32,
    recipe: Option<TemplateRecipe>,
    /// What was made already, by the length of the whole extranonce, which the coinbase
    /// transaction contains.
    works: Vec<(usize, Arc<Work>)>,
    /// The extranonce prefixes have changed since: see [`Stock::outdate`].
    is_outdated: bool,
}

/// A template, and what the server adds to it.
#[derive(Debug)]
struct TemplateRecipe {
    template: NewTemplate,
    tag: Vec<u8>,
    outputs: Vec<TxOut>,
    version_rolling_allowed: bool,
}

impl WorkSource {
    /// Work on a template, under the template's id: `outputs` stand in front of its own, and
    /// `tag` in the coinbase input, cut where there is no room for it.
    ///
    /// # Errors
    /// No valid coinbase transaction can be made of it.
    pub(crate) fn from_template(
        mut template: NewTemplate,
        tag: &[u8],
        outputs: Vec<TxOut>,
        version_rolling_allowed: bool,
    ) -> Result<Self, CoinbaseError> {
        template.coinbase_tx_outputs = template.coinbase_tx_outputs.to_owned_bytes();
        template.coinbase_prefix = template.coinbase_prefix.to_owned_bytes();
        let recipe =
            TemplateRecipe { template, tag: tag.to_vec(), outputs, version_rolling_allowed };
        // The longest extranonce decides: with a shorter one there is more room.
        recipe.coinbase(ExtranonceLayout::FULL_LEN_MAX)?;
        Ok(WorkSource {
            work_id: recipe.template.template_id,
            min_ntime: 0,
            recipe: Some(recipe),
            works: Vec::new(),
            is_outdated: false,
        })
    }

    /// The job of an upstream, for extranonces of exactly `full_len` bytes: `work_id` is the
    /// caller's own number, since upstreams use job ids again.
    ///
    /// # Errors
    /// Its parts are no coinbase transaction.
    pub(crate) fn from_job(
        work_id: u64,
        job: &NewExtendedMiningJob,
        full_len: usize,
    ) -> Result<Self, CoinbaseError> {
        let work = Work {
            template_id: Some(work_id),
            min_ntime: None,
            version: job.version,
            version_rolling_allowed: job.version_rolling_allowed,
            merkle_path: job.merkle_path.clone(),
            coinbase: Coinbase::from_parts(&job.coinbase_tx_prefix, &job.coinbase_tx_suffix)?,
        };
        Ok(WorkSource {
            work_id,
            min_ntime: job.min_ntime.unwrap_or_default(),
            recipe: None,
            works: vec![(full_len, Arc::new(work))],
            is_outdated: false,
        })
    }

    pub(crate) fn work_id(&self) -> u64 {
        self.work_id
    }

    /// `None`: there is none for this length, or none any more.
    pub(crate) fn work(&mut self, full_len: usize) -> Option<Arc<Work>> {
        if self.is_outdated {
            return None;
        }
        if let Some((_, work)) = self.works.iter().find(|(len, _)| *len == full_len) {
            return Some(work.clone());
        }
        let recipe = self.recipe.as_ref()?;
        let work = Arc::new(Work {
            template_id: Some(self.work_id),
            min_ntime: None,
            version: recipe.template.version,
            version_rolling_allowed: recipe.version_rolling_allowed,
            merkle_path: recipe.template.merkle_path.clone(),
            coinbase: recipe.coinbase(full_len).expect("the longest extranonce was tried"),
        });
        self.works.push((full_len, work.clone()));
        Some(work)
    }

    /// The smallest header time of a job on this tip.
    pub(crate) fn min_ntime(&self, tip: &Tip) -> u32 {
        self.min_ntime.max(tip.min_ntime)
    }
}

impl TemplateRecipe {
    fn coinbase(&self, full_len: usize) -> Result<Coinbase, CoinbaseError> {
        Coinbase::new(&self.template, &self.tag, &self.outputs, full_len)
    }
}

/// A tip names work that the server does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("work {work_id} is not known")]
pub(crate) struct UnknownWork {
    /// As named.
    pub(crate) work_id: u64,
}

/// The work that there is.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    pub(crate) tip: Option<Tip>,
    /// The newest for the tip.
    pub(crate) current: Option<WorkSource>,
    /// For a coming tip, by work id.
    pub(crate) futures: BTreeMap<u64, WorkSource>,
}

impl Stock {
    /// Future work that is kept; the oldest goes first.
    const FUTURES_MAX: usize = 16;

    /// A channel that is opened now gets a job.
    pub(crate) fn is_ready(&self) -> bool {
        self.tip.is_some() && self.current.as_ref().is_some_and(|source| !source.is_outdated)
    }

    pub(crate) fn add_future(&mut self, source: WorkSource) {
        if self.futures.len() == Self::FUTURES_MAX {
            self.futures.pop_first();
        }
        self.futures.insert(source.work_id, source);
    }

    /// The named work becomes the current one, and all other work ends (spec 5.3.17).
    pub(crate) fn advance(&mut self, work_id: u64) -> Result<(), UnknownWork> {
        let is_named = |source: &WorkSource| source.work_id == work_id;
        let current = match self.futures.remove(&work_id) {
            Some(source) => source,
            // Not a future one, so its sender was free to keep it for the same height.
            None => {
                self.current.take_if(|source| is_named(source)).ok_or(UnknownWork { work_id })?
            }
        };
        self.futures.clear();
        self.current = Some(current);
        Ok(())
    }

    /// Channels keep the jobs that they have, with the prefix of each job's arrival; jobs with
    /// a new prefix are not made of work that whoever judges them knows under the old one
    /// (spec 5.3.10).
    pub(super) fn outdate(&mut self) {
        for source in self.current.iter_mut().chain(self.futures.values_mut()) {
            source.is_outdated = true;
        }
    }
}

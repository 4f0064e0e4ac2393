//! One client: what it asked for, and the work that it got.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::offer::{Constraints, Offer};
use crate::time::Instant;
use crate::violation::Violation;
use crate::wire::U256;

#[derive(Debug)]
pub(super) struct Client {
    pub phase: Phase,
    pub constraints: Option<Constraints>,
    /// What it mines on.
    pub announced: Option<Announced>,
    issued: BTreeMap<u64, Issued>,
    /// Ids of templates that were issued and are gone.
    forgotten: BTreeSet<u64>,
    requests: Requests,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    AwaitingSetup,
    Open,
    /// We have asked the driver to close it; nothing more is read or sent.
    Closing,
}

/// The last words about the tip.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    pub prev_hash: U256,
    pub header_timestamp: u32,
    /// Of `SetNewPrevHash`.
    pub at: Instant,
    /// Of the last template, in satoshi.
    pub value: u64,
    /// Of the last template.
    pub template_at: Instant,
}

#[derive(Debug)]
struct Issued {
    offer: Arc<Offer>,
    /// When another tip took its place.
    retired_at: Option<Instant>,
}

/// What is known of a template id.
#[derive(Debug)]
pub(super) enum Known {
    Kept(Arc<Offer>),
    Stale,
    Never,
}

impl Client {
    pub(super) fn new(phase: Phase) -> Self {
        Client {
            phase,
            constraints: None,
            announced: None,
            issued: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            requests: Requests::default(),
        }
    }

    /// Counts a message that costs us more than the client, as `cost` requests for data.
    pub(super) fn count_request(
        &mut self,
        now: Instant,
        what: &'static str,
        cost: u64,
    ) -> Result<(), Violation> {
        self.requests.count(now, what, cost)
    }

    /// Spec 7: the work that was given is tracked.
    pub(super) fn remember(&mut self, template_id: u64, offer: Arc<Offer>) {
        if self.issued.len() >= TEMPLATES_MAX
            && let Some((oldest, _)) = self.issued.pop_first()
        {
            self.forget(oldest);
        }
        self.issued.insert(template_id, Issued { offer, retired_at: None });
    }

    /// After a change of the tip: what builds on another block is kept for the grace only.
    pub(super) fn retire(&mut self, now: Instant, prev_hash: U256) {
        for issued in self.issued.values_mut() {
            if issued.offer.template.prev_hash != prev_hash {
                issued.retired_at.get_or_insert(now);
            }
        }
    }

    /// Drops what has been retired for the whole grace.
    pub(super) fn drop_stale(&mut self, now: Instant, grace: Duration) {
        let is_stale =
            |issued: &Issued| issued.retired_at.is_some_and(|retired_at| now >= retired_at + grace);
        let stale: Vec<u64> =
            self.issued.iter().filter(|(_, issued)| is_stale(issued)).map(|(id, _)| *id).collect();
        for template_id in stale {
            self.issued.remove(&template_id);
            self.forget(template_id);
        }
    }

    pub(super) fn template(&self, template_id: u64) -> Known {
        match self.issued.get(&template_id) {
            Some(issued) => Known::Kept(Arc::clone(&issued.offer)),
            None if self.forgotten.contains(&template_id) => Known::Stale,
            None => Known::Never,
        }
    }

    fn forget(&mut self, template_id: u64) {
        self.forgotten.insert(template_id);
        if self.forgotten.len() > FORGOTTEN_MAX {
            self.forgotten.pop_first();
        }
    }
}

/// Expensive messages within a window of time.
#[derive(Debug, Default)]
struct Requests {
    since: Instant,
    count: u64,
}

impl Requests {
    fn count(&mut self, now: Instant, what: &'static str, cost: u64) -> Result<(), Violation> {
        if now.since(self.since) >= REQUEST_WINDOW {
            *self = Requests { since: now, count: 0 };
        }
        self.count += cost;
        if self.count > REQUESTS_MAX {
            let (count, seconds) = (self.count, REQUEST_WINDOW.as_secs());
            return Err(Violation::Flood { what, count, seconds, limit: REQUESTS_MAX });
        }
        Ok(())
    }
}

/// Templates kept for one client. Their transactions are shared, the lists of them only among
/// clients with the same constraints.
const TEMPLATES_MAX: usize = 64;

/// Ids kept to tell a stale template from an unknown one.
const FORGOTTEN_MAX: usize = 1_024;

/// See [`REQUESTS_MAX`].
const REQUEST_WINDOW: Duration = Duration::from_secs(10);

/// Requests for data within the window: each costs us up to 4 MB.
const REQUESTS_MAX: u64 = 200;

/// Of constraints, in requests for data: a selection from a full mempool takes up to 40 ms.
pub(super) const CONSTRAINTS_COST: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{Chain, ChainConfig};
    use crate::entropy::Entropy;
    use crate::roles::template_provider::offer::Offers;
    use crate::template_distribution::CoinbaseOutputConstraints;
    use crate::time::{Now, UnixTime};

    fn offer() -> Arc<Offer> {
        let now = Now { instant: Instant(0), unix: UnixTime(1_700_000_000) };
        let config = ChainConfig::new(ChainConfig::EASY, now.unix);
        let template = Chain::new(config, Entropy::from_seed(7)).template(now);
        let constraints = Constraints::new(&CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: 0,
            coinbase_output_max_additional_sigops: 0,
        });
        Offers::new(template, now.instant).get(constraints.unwrap())
    }

    #[test]
    fn the_oldest_template_leaves_when_too_many_are_kept() {
        let (mut client, offer) = (Client::new(Phase::Open), offer());

        for template_id in 0..=TEMPLATES_MAX as u64 {
            client.remember(template_id, Arc::clone(&offer));
        }

        assert!(matches!(client.template(0), Known::Stale));
        assert!(matches!(client.template(1), Known::Kept(_)));
        assert!(matches!(client.template(TEMPLATES_MAX as u64), Known::Kept(_)));
    }

    #[test]
    fn forgotten_ids_are_bounded() {
        let mut client = Client::new(Phase::Open);

        (0..=FORGOTTEN_MAX as u64).for_each(|template_id| client.forget(template_id));

        assert_eq!(client.forgotten.len(), FORGOTTEN_MAX);
        assert!(matches!(client.template(0), Known::Never));
    }
}

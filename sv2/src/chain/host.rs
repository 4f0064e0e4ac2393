//! The embedded chain in the place of a node: what every driver needs to serve roles from it.
//!
//! A driver hands over each [`Request`], delivers the answer, and then delivers
//! [`ChainHost::news`], if there is any, to all roles that follow the chain.

use std::time::Duration;

use super::{Chain, TransactionShape};
use crate::entropy::Entropy;
use crate::role::{Answer, ChainEvent, Request};
use crate::time::{Instant, Now};

/// How often something happens on the chain by itself. Waits are drawn evenly between half and
/// three halves of these means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainPace {
    /// Between blocks by others; `None`: never.
    pub block_interval: Option<Duration>,
    /// Between new transactions; `None`: never.
    pub transaction_interval: Option<Duration>,
}

/// A chain and what its followers know of it.
#[derive(Debug)]
pub struct ChainHost {
    chain: Chain,
    told_revision: Option<u64>,
    blocks: Clock,
    transactions: Clock,
    entropy: Entropy,
}

impl ChainHost {
    /// A chain on which nothing happens by itself.
    pub fn new(chain: Chain) -> Self {
        // Nothing is drawn for a pace of never.
        ChainHost::with_pace(chain, ChainPace::default(), Entropy::from_seed(0))
    }

    /// A chain that goes on by itself, from the first [`ChainHost::wake`] on.
    pub fn with_pace(chain: Chain, pace: ChainPace, entropy: Entropy) -> Self {
        ChainHost {
            chain,
            told_revision: None,
            blocks: Clock::new(pace.block_interval),
            transactions: Clock::new(pace.transaction_interval),
            entropy,
        }
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The chain, to be changed; what changes is news.
    pub fn chain_mut(&mut self) -> &mut Chain {
        &mut self.chain
    }

    /// Does what a role asks of the chain; `None` if it asks for something else.
    pub fn answer(&mut self, now: Now, request: &Request) -> Option<Answer> {
        let judged = match request {
            Request::SubmitBlock { block } => self.chain.submit_block(now, block),
            Request::ValidateBlock { block } => self.chain.validate_block(now, block),
            Request::Persist { .. } => return None,
        };
        Some(match judged {
            Ok(hash) => Answer::BlockAccepted { hash },
            Err(rejection) => Answer::BlockRejected { reason: rejection.to_string() },
        })
    }

    /// The template, if it has changed since the last call.
    pub fn news(&mut self, now: Now) -> Option<ChainEvent> {
        let revision = self.chain.revision();
        if self.told_revision == Some(revision) {
            return None;
        }
        self.told_revision = Some(revision);
        Some(self.current(now))
    }

    /// The template as it stands, for a role that starts now.
    pub fn current(&mut self, now: Now) -> ChainEvent {
        ChainEvent::Template(self.chain.template(now))
    }

    /// When [`ChainHost::wake`] wants to be called.
    pub fn wake_at(&self) -> Option<Instant> {
        [self.blocks.next_at, self.transactions.next_at].into_iter().flatten().min()
    }

    /// Lets happen by itself what is due; it is news afterwards. Called once at the start.
    pub fn wake(&mut self, now: Now) {
        if self.transactions.strikes(now, &mut self.entropy) {
            // Without a free coin there is no transaction this time; a block will bring some.
            let _ = self.chain.generate_transaction(TransactionShape::default());
        }
        if self.blocks.strikes(now, &mut self.entropy) {
            self.chain.extend_tip_unproven(now);
        }
    }
}

#[derive(Debug)]
struct Clock {
    interval: Option<Duration>,
    next_at: Option<Instant>,
}

impl Clock {
    fn new(interval: Option<Duration>) -> Self {
        // Due at once, so that the first call sets the first wait.
        Clock { interval, next_at: interval.map(|_| Instant::ZERO) }
    }

    /// Whether the time has come; never at the first call.
    fn strikes(&mut self, now: Now, entropy: &mut Entropy) -> bool {
        let (Some(interval), Some(next_at)) = (self.interval, self.next_at) else {
            return false;
        };
        if now.instant < next_at {
            return false;
        }
        let mean = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX / 4).max(2);
        let wait = Duration::from_nanos(mean / 2 + entropy.below(mean));
        self.next_at = Some(now.instant + wait);
        next_at != Instant::ZERO
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::chain::ChainConfig;
    use crate::mining::share_record::{ShareOutcome, ShareRecord};
    use crate::time::UnixTime;
    use crate::wire::Str255;

    const START: Now = Now { instant: Instant(5), unix: UnixTime(1_700_000_000) };

    fn chain() -> Chain {
        Chain::new(ChainConfig::new(ChainConfig::HARD, START.unix), Entropy::from_seed(7))
    }

    #[test]
    fn a_change_is_news_once() {
        let mut host = ChainHost::new(chain());
        assert!(host.news(START).is_some(), "the first template is news");
        assert_eq!(host.news(START), None);

        let tip = host.chain_mut().extend_tip_unproven(START);

        let Some(ChainEvent::Template(template)) = host.news(START) else { panic!("no news") };
        assert_eq!(template.prev_hash, tip);
        assert_eq!(host.news(START), None);
    }

    #[test]
    fn a_block_that_is_none_is_rejected_in_words() {
        let mut host = ChainHost::new(chain());

        let answer = host.answer(START, &Request::SubmitBlock { block: Bytes::from_static(b"x") });

        let Some(Answer::BlockRejected { reason }) = answer else { panic!("{answer:?}") };
        assert!(reason.starts_with("decode-failed"), "{reason}");
    }

    #[test]
    fn what_is_no_business_of_the_chain_is_left_to_others() {
        let mut host = ChainHost::new(chain());
        let record = Box::new(ShareRecord {
            at: START.unix,
            user_identity: Str255::default(),
            worker: Bytes::new(),
            outcome: ShareOutcome::Rejected { error_code: "stale-share" },
        });

        assert_eq!(host.answer(START, &Request::Persist { record }), None);
    }

    #[test]
    fn blocks_and_transactions_come_at_their_pace() {
        let pace = ChainPace {
            block_interval: Some(Duration::from_secs(60)),
            transaction_interval: Some(Duration::from_secs(1)),
        };
        let mut host = ChainHost::with_pace(chain(), pace, Entropy::from_seed(7));
        let (mut now, mut transaction_count, mut waiting) = (START, 0, 0);
        host.wake(now);

        while now.instant < START.instant + Duration::from_secs(600) {
            now = now.after(host.wake_at().unwrap() - now.instant);
            host.wake(now);
            transaction_count += host.chain().mempool_len().saturating_sub(waiting);
            waiting = host.chain().mempool_len();
        }

        let blocks = host.chain().height() - 101;
        assert!((7..=20).contains(&blocks), "{blocks} blocks in 600 s, one a minute");
        assert!((400..=1200).contains(&transaction_count), "{transaction_count}, one a second");
    }
}

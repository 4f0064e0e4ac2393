//! The embedded chain as the world of hosted roles: no node, no files, every event on demand.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sv2::chain::{Chain, ChainHost, ChainPace, TooDeep};
use sv2::entropy::Entropy;
use sv2::role::{Answer, ChainEvent, Request};
use sv2::time::Now;
use sv2::wire::U256;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep_until;

use crate::clock::Clock;
use crate::feed::{Feed, Follower};
use crate::host::Injector;
use crate::world::{Reply, World};

/// A chain that roles follow and submit blocks to. Clones are the same chain.
#[derive(Clone)]
pub struct EmbeddedChain(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// Bounded by the open requests of the hosts that the chain serves.
    requests: mpsc::UnboundedSender<(Request, Reply)>,
    /// Lets happen by itself what the chain's pace asks for.
    pace: JoinHandle<()>,
}

struct Shared {
    clock: Clock,
    host: Mutex<ChainHost>,
    feed: Feed,
}

impl EmbeddedChain {
    /// Starts to let happen what the chain does by itself. Must be called within a tokio runtime.
    pub fn new(host: ChainHost) -> Self {
        let clock = Clock::of_process();
        let shared = Arc::new(Shared { clock, host: Mutex::new(host), feed: Feed::new() });
        shared.change(|host, now| host.wake(now));
        let pace = tokio::spawn(keep_pace(Arc::clone(&shared)));
        let (requests, queue) = mpsc::unbounded_channel();
        tokio::spawn(answer_in_order(Arc::clone(&shared), queue));
        EmbeddedChain(Arc::new(Inner { shared, requests, pace }))
    }

    /// Tells a role the template, now and whenever it changes, until the follower is dropped.
    pub fn follow(&self, role: Injector) -> Follower {
        self.0.shared.feed.follow(role)
    }

    /// Lets somebody else find a block, without a proof of work.
    pub fn new_block(&self) -> U256 {
        self.change(|chain, now| chain.extend_tip_unproven(now))
    }

    /// Replaces the last `depth` blocks by one more than these.
    ///
    /// # Errors
    /// If so many blocks are not kept.
    pub fn reorganise(&self, depth: usize) -> Result<U256, TooDeep> {
        self.change(|chain, now| chain.reorganise(depth, now))
    }

    /// The chain's news, for somebody who is no role.
    pub fn news(&self) -> watch::Receiver<Option<ChainEvent>> {
        self.0.shared.feed.watch()
    }

    /// Another node with the same blocks, of whose later blocks and transactions this one knows
    /// nothing. Must be called within a tokio runtime.
    pub fn twin(&self, pace: ChainPace, entropy: Entropy) -> Self {
        let drawn = entropy.fork("chain", 0);
        let chain = self.change(|chain, _| chain.twin(drawn));
        EmbeddedChain::new(ChainHost::with_pace(chain, pace, entropy))
    }

    /// Lets a twin follow this one's blocks, until the relay is dropped; another relay leads the
    /// other way. Transactions are not passed on.
    pub fn relay_to(&self, twin: &EmbeddedChain) -> Relay {
        let (from, to) = (self.clone(), twin.clone());
        let mut news = self.0.shared.feed.watch();
        news.mark_changed();
        Relay(tokio::spawn(async move {
            while news.changed().await.is_ok() {
                let (tip, branch) = from.change(|chain, _| (chain.tip(), chain.branch()));
                let adopted = to.change(|chain, now| match chain.block(&tip) {
                    Some(_) => Ok(false),
                    None => chain.adopt(now, &branch),
                });
                if let Err(error) = adopted {
                    tracing::warn!(%tip, %error, "a node does not follow the block of another");
                }
            }
        }))
    }

    /// Looks at the chain or changes it in any way; followers hear of changes.
    pub fn change<T>(&self, change: impl FnOnce(&mut Chain, Now) -> T) -> T {
        self.0.shared.change(|host, now| change(host.chain_mut(), now))
    }
}

/// Blocks on their way from one node to another; ends when dropped.
#[derive(Debug)]
pub struct Relay(JoinHandle<()>);

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl World for EmbeddedChain {
    fn take(&self, request: Request, reply: Reply) {
        // A worker that is gone drops the reply, which answers.
        let _ = self.0.requests.send((request, reply));
    }
}

/// One after the other: of two blocks of one height, the first that was found wins.
async fn answer_in_order(
    shared: Arc<Shared>,
    mut requests: mpsc::UnboundedReceiver<(Request, Reply)>,
) {
    while let Some((request, reply)) = requests.recv().await {
        let shared = Arc::clone(&shared);
        // A full block takes longer to judge than an executor's thread should be held.
        let judged = spawn_blocking(move || {
            shared.change(|host, now| {
                let answer = host.answer(now, &request);
                // Before the news: who has found a block hears that first.
                reply.answer(
                    answer.unwrap_or_else(|| Answer::Failed("a chain keeps no accounts".into())),
                );
            });
        });
        let _ = judged.await;
    }
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut ChainHost, Now) -> T) -> T {
        let now = self.clock.now();
        let mut host = self.lock();
        let outcome = change(&mut host, now);
        if let Some(news) = host.news(now) {
            self.feed.tell(news);
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, ChainHost> {
        // A chain is as good after a panic as before: it changes at the end of a call.
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.pace.abort();
    }
}

impl fmt::Debug for EmbeddedChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.shared.lock();
        f.debug_struct("EmbeddedChain").field("tip", &host.chain().tip()).finish_non_exhaustive()
    }
}

async fn keep_pace(shared: Arc<Shared>) {
    loop {
        // Only the pace sets this, and only below: with no pace there is nothing to wait for.
        let Some(wake_at) = shared.lock().wake_at() else { return };
        sleep_until(shared.clock.to_tokio(wake_at)).await;
        shared.change(|host, now| host.wake(now));
    }
}

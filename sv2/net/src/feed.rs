//! News of a chain, on its way to the roles that follow it.

use sv2::role::{ChainEvent, Input};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::host::Injector;

/// The latest news of a chain. Whoever is slow misses what has been overtaken, and nobody waits
/// for it.
#[derive(Debug)]
pub(crate) struct Feed(watch::Sender<Option<ChainEvent>>);

impl Feed {
    pub(crate) fn new() -> Self {
        Feed(watch::Sender::new(None))
    }

    /// Tells all followers.
    pub(crate) fn tell(&self, event: ChainEvent) {
        self.0.send_replace(Some(event));
    }

    /// News from now on, for somebody who is no role.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<ChainEvent>> {
        self.0.subscribe()
    }

    /// Tells a role what is known, and from then on what is new, until the follower is dropped
    /// or the role ends.
    pub(crate) fn follow(&self, role: Injector) -> Follower {
        let mut news = self.0.subscribe();
        news.mark_changed();
        Follower(tokio::spawn(async move {
            while news.changed().await.is_ok() {
                let latest = news.borrow_and_update().clone();
                if let Some(event) = latest
                    && role.inject(Input::Chain(event)).await.is_err()
                {
                    return;
                }
            }
        }))
    }
}

/// A role's subscription to a chain; ends when dropped.
#[derive(Debug)]
pub struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

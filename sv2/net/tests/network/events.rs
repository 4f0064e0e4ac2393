//! Waiting for what roles tell.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use libtest_mimic::Failed;
use sv2::event::Event;
use tokio::sync::broadcast;
use tokio::time::timeout;

/// The events of one hosted role, in order.
pub(crate) struct Events {
    role: &'static str,
    receiver: broadcast::Receiver<Event>,
    /// For the message when what is waited for does not come.
    seen: VecDeque<Event>,
}

impl Events {
    pub(crate) fn new(role: &'static str, receiver: broadcast::Receiver<Event>) -> Self {
        Events { role, receiver, seen: VecDeque::new() }
    }

    /// The first event from now on of which `pick` makes something.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, Failed> {
        let picked = timeout(PATIENCE, async {
            loop {
                let event = self.receiver.recv().await?;
                let picked = pick(&event);
                if self.seen.len() == SEEN_MAX {
                    self.seen.pop_front();
                }
                self.seen.push_back(event);
                if let Some(picked) = picked {
                    return Ok::<_, broadcast::error::RecvError>(picked);
                }
            }
        });
        match picked.await {
            Ok(Ok(picked)) => Ok(picked),
            Ok(Err(error)) => Err(self.failed(what, &error.to_string())),
            Err(_) => Err(self.failed(what, "it did not come in time")),
        }
    }

    fn failed(&self, what: &str, why: &str) -> Failed {
        let mut text = format!("{} of the {}: {why}; the last events:", what, self.role);
        for event in &self.seen {
            let _ = write!(text, "\n  {event}");
        }
        text.into()
    }
}

/// Not a measure of anything: so long that only what will never come is given up.
const PATIENCE: Duration = Duration::from_secs(180);
const SEEN_MAX: usize = 30;

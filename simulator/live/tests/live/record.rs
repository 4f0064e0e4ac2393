//! What a network has told, and what must be true of it whatever happened.

use std::collections::BTreeSet;
use std::time::Duration;

use libtest_mimic::Failed;
use simulator::scenario::Scenario;
use simulator_live::{Happening, Network, Subject, What};
use sv2::event::Event;
use tokio::time::timeout;

/// Everything that was told so far.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) happenings: Vec<Happening>,
    /// Nodes whose first tip is known: it was there before the network.
    nodes: BTreeSet<Subject>,
    tips: BTreeSet<[u8; 32]>,
}

impl Record {
    /// Listens until what has happened is enough.
    pub(crate) async fn until(
        &mut self,
        network: &mut Network,
        is_enough: impl Fn(&Record) -> bool,
    ) -> Result<(), Failed> {
        while !is_enough(self) {
            let happening = timeout(PATIENCE, network.next())
                .await
                .map_err(|_| format!("nothing happened; before that: {}", self.last_words()))?;
            self.take(happening);
        }
        Ok(())
    }

    /// Of the network, that a node has taken.
    pub(crate) fn block_count(&self) -> usize {
        self.tips.len()
    }

    fn take(&mut self, happening: Happening) {
        if let What::Tip { hash, .. } = &happening.what
            && !self.nodes.insert(happening.subject)
        {
            self.tips.insert(*hash.as_le_bytes());
        }
        self.happenings.push(happening);
    }

    /// Of the role or fleet of this name.
    pub(crate) fn events<'r>(
        &'r self,
        scenario: &'r Scenario,
        role: &'r str,
    ) -> impl Iterator<Item = &'r Event> + 'r {
        self.happenings.iter().filter_map(move |happening| match &happening.what {
            What::Event(event)
                if happening.subject.name(scenario).split('.').next() == Some(role) =>
            {
                Some(event)
            }
            _ => None,
        })
    }

    /// Shares that a server has refused for another reason than that they came late, in words.
    pub(crate) fn wrong_shares(&self) -> Vec<String> {
        let refused = self.happenings.iter().filter(|happening| {
            matches!(&happening.what, What::Event(Event::ShareRejected { error_code, .. })
                if *error_code != "stale-share")
        });
        refused.map(|happening| happening.what.to_string()).collect()
    }

    fn last_words(&self) -> String {
        let last = self.happenings.iter().rev().take(20).rev();
        last.map(|happening| format!("{happening:?}\n")).collect()
    }
}

/// Between two happenings; networks that mine have several a second.
const PATIENCE: Duration = Duration::from_secs(120);

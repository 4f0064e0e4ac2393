//! Which messages wait on their way: those that a filter takes. What passes is followed from the
//! start, so that a filter asked later knows channels, jobs and users.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sv2_capture::Direction;
use sv2_capture::filter::{Entry, Expression, Filter};
use sv2_capture::observed::{Integrity, Observed, What};
use sv2_capture::rules::Inspector;
use sv2_net::clock::civil_nanoseconds;
use sv2_net::relay::{self, Passing, Side};

use crate::inspect::describe;

/// The filter of whoever looks, and what it is asked about; both halves share it.
#[derive(Clone, Default)]
pub(super) struct Chooser {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    inspector: Inspector,
    /// `None`: nothing waits.
    filter: Option<Filter>,
    number: u64,
    last_at: BTreeMap<u64, u64>,
}

impl Chooser {
    /// Messages that this takes wait from now on; with an empty one, none.
    ///
    /// # Errors
    /// In words: no filter, or one that asks for what is known later.
    pub(super) fn set(&self, text: &str) -> Result<(), String> {
        let filter = Filter::parse(text)
            .map_err(|error| format!("filter {text}: at {}: {error}", error.span.start))?;
        if filter.expression().is_some_and(Expression::needs_hindsight) {
            return Err(format!(
                "filter {text}: what becomes of a message is not known while it is on its way"
            ));
        }
        self.lock().filter = Some(filter).filter(|filter| filter.expression().is_some());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl relay::Chooser for Chooser {
    fn opened(&mut self, session: u64, client: SocketAddr, server: SocketAddr) {
        let (from_the_start, is_selection, is_redacted) = (true, false, false);
        let what = What::Opened { client, server, from_the_start, is_selection, is_redacted };
        self.lock().observe(session, what);
    }

    fn takes(&mut self, passing: &Passing<'_>) -> bool {
        let direction = match passing.from {
            Side::Client => Direction::ClientToServer,
            Side::Server => Direction::ServerToClient,
        };
        let (frame, integrity) = (passing.frame, Integrity::Verified);
        self.lock().observe(passing.session, What::Frame { direction, frame, integrity })
    }

    fn closed(&mut self, session: u64) {
        let mut inner = self.lock();
        inner.observe(session, What::Closed { by: Direction::ClientToServer, reset: false });
        inner.last_at.remove(&session);
    }
}

impl Inner {
    /// Follows what passes; whether the filter takes it.
    fn observe(&mut self, session: u64, what: What<'_>) -> bool {
        self.number += 1;
        let (number, at) = (self.number, civil_nanoseconds());
        let previous_at = self.last_at.insert(session, at);
        let connection = u32::try_from(session).unwrap_or(u32::MAX);
        let observed = Observed { number, at, connection, what };
        let report = self.inspector.observe(&observed);
        let Some(filter) = &self.filter else { return false };
        let info = describe::info(&observed.what, &report.facts);
        let standing = self.inspector.state().standing(&observed, &report.facts);
        let (observed, report, info) = (&observed, &report, info.as_str());
        filter.takes(&Entry { observed, report, standing: standing.as_ref(), previous_at, info }, 0)
    }
}

#[cfg(test)]
mod tests {
    use sv2::message::Message;
    use sv2::mining::CloseChannel;
    use sv2::wire::{Frame, Str255, Tlvs};
    use sv2_net::relay::Chooser as _;

    use super::*;

    fn frame(channel_id: u32) -> Frame {
        let reason_code = Str255::from_static("bye");
        Message::from(CloseChannel { channel_id, reason_code }).to_frame(&Tlvs::NONE)
    }

    #[test]
    fn messages_that_the_filter_takes_wait_and_none_without_one() {
        let mut chooser = Chooser::default();
        let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
        chooser.opened(0, address, address);
        let frames = [frame(7), frame(8)];
        let mut taken = |filter: &str| {
            chooser.set(filter).unwrap();
            frames.each_ref().map(|frame| {
                chooser.takes(&Passing { session: 0, from: Side::Client, place: 1, frame })
            })
        };

        assert_eq!(taken("ch == 7"), [true, false]);
        assert_eq!(taken("msg == CloseChannel && dir == up"), [true, true]);
        assert_eq!(taken("dir == down"), [false, false]);
        assert_eq!(taken(" "), [false, false]);
    }

    #[test]
    fn filters_that_nobody_can_answer_in_time_are_refused() {
        let chooser = Chooser::default();
        for (text, expected) in [("rejected", "is not known"), ("ch ==", "at 5")] {
            let error = chooser.set(text).unwrap_err();

            assert!(error.contains(expected), "{error}");
        }
    }
}

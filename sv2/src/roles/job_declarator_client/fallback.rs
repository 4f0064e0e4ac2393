//! Whom we work for, and when we leave (spec 6.2).
//!
//! An upstream that cannot be reached or does not answer is left for now; one that refuses jobs
//! or shares on a tip that has not changed, or breaks a rule, is left for good. Until the next one
//! has given a channel and a token, and where none is left, blocks pay the miner.

use std::collections::BTreeSet;
use std::time::Duration;

use super::upstream::Session;
use super::{JobDeclaratorClient, Timer};
use crate::event::Event;
use crate::role::{CloseReason, Outbox};
use crate::time::Now;

/// Where we stand in the list of upstreams.
#[derive(Debug)]
pub(super) struct Standing {
    /// Who is dialled or worked with; `None` while the list has come to its end.
    at: Option<usize>,
    /// Who has broken its word: not dialled again.
    distrusted: BTreeSet<usize>,
    /// Before the list is tried again.
    wait: Duration,
    /// Whom the newest jobs pay; `None` before there are any, and `Some(None)` for ourselves.
    pub(super) payee: Option<Option<usize>>,
}

/// Why an upstream is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    broke_word: bool,
    reason: CloseReason,
}

impl Departure {
    /// It may be tried again.
    pub(super) fn gone(reason: CloseReason) -> Self {
        Departure { broke_word: false, reason }
    }

    /// It is not mined for again.
    pub(super) fn broke_word(reason: CloseReason) -> Self {
        Departure { broke_word: true, reason }
    }

    /// A connection has ended, by whomever.
    pub(super) fn of_closed(reason: CloseReason) -> Self {
        let broke_word = matches!(reason, CloseReason::Violation(_) | CloseReason::Undecodable(_));
        Departure { broke_word, reason }
    }
}

impl Standing {
    pub(super) fn new(wait: Duration) -> Self {
        Standing { at: None, distrusted: BTreeSet::new(), wait, payee: None }
    }

    pub(super) fn at(&self) -> Option<usize> {
        self.at
    }
}

impl JobDeclaratorClient {
    /// From the head of the list; what is mined meanwhile stays.
    pub(super) fn start_round(&mut self, now: Now, out: &mut Outbox) {
        self.client.timers.cancel(Timer::Round);
        self.turn_to_next(now, 0, &CloseReason::ByUs, out);
    }

    /// The first upstream from this place on that has not broken its word.
    fn turn_to_next(&mut self, now: Now, from: usize, reason: &CloseReason, out: &mut Outbox) {
        let client = &mut self.client;
        let standing = &mut client.standing;
        let count = client.config.upstreams.len();
        standing.at = (from..count).find(|at| !standing.distrusted.contains(at));
        client.pool.turn_to(now, standing.at, reason.clone(), out);
        client.declarator.turn_to(now, standing.at, reason.clone(), out);
        if standing.at.is_none() && standing.distrusted.len() < count {
            client.timers.set(Timer::Round, now.instant + standing.wait);
            standing.wait = (2 * standing.wait).min(client.config.redial_wait.1);
        }
    }

    /// Leaves the present upstream for the next in the list, or for nobody.
    pub(super) fn leave(&mut self, now: Now, departure: Departure, out: &mut Outbox) {
        let Some(upstream) = self.client.standing.at else { return };
        let Departure { broke_word, reason } = departure;
        if broke_word {
            self.client.standing.distrusted.insert(upstream);
        }
        let words = reason.to_string();
        out.tell(Event::UpstreamLeft { upstream, broke_word, reason: words });
        let was_paid = self.end_session(out);
        self.turn_to_next(now, upstream + 1, &reason, out);
        // Whoever works for the miner already is not disturbed by one more that cannot be had.
        if was_paid || self.client.standing.payee.is_none() {
            self.renew_work(now, out);
        }
    }

    pub(super) fn leave_silent(&mut self, now: Now, message: &'static str, out: &mut Outbox) {
        self.leave(now, Departure::gone(CloseReason::Unanswered(message)), out);
    }

    /// The upstream refuses what it must not.
    pub(super) fn leave_refuser(&mut self, now: Now, out: &mut Outbox) {
        let reason = "it refuses work on a tip that has not changed (spec 6.2)".to_owned();
        self.leave(now, Departure::broke_word(CloseReason::RefusedByPeer(reason)), out);
    }

    /// One side of the upstream has sent us elsewhere (spec 3.6.5): what was open is not.
    pub(super) fn restart_session(&mut self, now: Now, out: &mut Outbox) {
        if self.end_session(out) {
            self.renew_work(now, out);
        }
    }

    /// Nothing of the upstream is worth anything any more. Returns whether clients work for it.
    fn end_session(&mut self, out: &mut Outbox) -> bool {
        let client = &mut self.client;
        for timer in [Timer::Channel, Timer::Token, Timer::Answer, Timer::Retry, Timer::Suspicion] {
            client.timers.cancel(timer);
        }
        let was_paid = client.session.payee_outputs().is_some();
        client.session = Session::default();
        client.shares.lose_all(out);
        if was_paid {
            client.jobs.drop_upstream();
            let hardest_target = client.config.server.hardest_target;
            self.server.set_hardest_target(hardest_target, out);
            self.server.forget_futures();
        }
        was_paid
    }

    /// The upstream has given all that work for it needs.
    pub(super) fn handle_standing_firm(&mut self) {
        self.client.standing.wait = self.client.config.redial_wait.0;
    }
}

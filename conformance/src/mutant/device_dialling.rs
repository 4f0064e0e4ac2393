//! Bugs of programs that dial: when they come back, and to whom.

use std::time::Duration;

use sv2::message::Message;
use sv2::role::{Input, Outbox, Output, Role};
use sv2::time::{Instant, Now};

use super::Mutant;

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "device-redials-at-once",
            "Firmware that dials in a loop, without a wait where the pool is of no use",
            |inner| Box::new(Impatient { inner, skew: Duration::ZERO }),
        ),
        Mutant::in_code(
            "device-gives-up",
            "Firmware that waits for somebody to push a button when its pool has gone",
            |inner| Box::new(GivesUp { inner, has_given_up: false }),
        ),
        Mutant::in_code(
            "device-waits-for-good",
            "Firmware that waits for the answer about extensions, which pools need not give",
            |inner| Box::new(WaitsForGood { inner, is_waiting: false }),
        ),
    ]
}

/// The end of a connection makes its clock jump past whatever it wanted to wait.
struct Impatient {
    inner: Box<dyn Role>,
    skew: Duration,
}

impl Role for Impatient {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let is_end = is_end(&input);
        let skewed = |skew| Now { instant: now.instant + skew, unix: now.unix };
        self.inner.handle(skewed(self.skew), input, out);
        if is_end {
            self.skew += WAIT_MAX;
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let skew = u64::try_from(self.skew.as_nanos()).unwrap_or(u64::MAX);
        self.inner.wake_at().map(|at| Instant(at.0.saturating_sub(skew)))
    }
}

struct GivesUp {
    inner: Box<dyn Role>,
    has_given_up: bool,
}

impl Role for GivesUp {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.has_given_up |= is_end(&input);
        if !self.has_given_up {
            self.inner.handle(now, input, out);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at().filter(|_| !self.has_given_up)
    }
}

/// Its clock stands from its question until somebody says something.
struct WaitsForGood {
    inner: Box<dyn Role>,
    is_waiting: bool,
}

impl Role for WaitsForGood {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.is_waiting &= matches!(input, Input::Woken);
        let mut inner_out = Outbox::new();
        self.inner.handle(now, input, &mut inner_out);
        for output in inner_out.take() {
            let asks = |message: &Message| matches!(message, Message::RequestExtensions(_));
            self.is_waiting |= matches!(&output, Output::Send { message, .. } if asks(message));
            out.put(output);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at().filter(|_| !self.is_waiting)
    }
}

fn is_end(input: &Input) -> bool {
    matches!(input, Input::Closed { .. } | Input::DialFailed { .. })
}

/// Longer than any wait of ours between two dials.
const WAIT_MAX: Duration = Duration::from_secs(100);

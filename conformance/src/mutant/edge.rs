//! Around a role: a place for mutants that are written in Rust.

use sv2::role::{Input, Outbox, Output, Role};
use sv2::time::{Instant, Now};

/// What a mutant does at the edge of its role.
pub(super) trait Tamper {
    /// What the role hears in place of `input`, in order; `out` is what the mutant answers by
    /// itself.
    fn hear(&mut self, input: Input, out: &mut Outbox) -> Vec<Input> {
        let _ = out;
        vec![input]
    }

    /// What goes out in place of `output`.
    fn say(&mut self, output: Output) -> Option<Output> {
        Some(output)
    }
}

/// A role that hears and speaks through a [`Tamper`].
struct Edge<T> {
    inner: Box<dyn Role>,
    tamper: T,
    inner_out: Outbox,
}

/// Puts `tamper` around `inner`.
pub(super) fn edge<T: Tamper + 'static>(inner: Box<dyn Role>, tamper: T) -> Box<dyn Role> {
    Box::new(Edge { inner, tamper, inner_out: Outbox::new() })
}

impl<T: Tamper> Role for Edge<T> {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        for input in self.tamper.hear(input, out) {
            self.inner.handle(now, input, &mut self.inner_out);
        }
        for output in self.inner_out.take() {
            if let Some(output) = self.tamper.say(output) {
                out.put(output);
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at()
    }
}

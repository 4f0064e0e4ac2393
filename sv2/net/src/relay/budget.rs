//! Memory for frames that are still arriving, shared by all connections of a relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;

/// Bytes that all connections together may hold beyond what each has for itself.
#[derive(Debug)]
pub(super) struct Budget {
    max: usize,
    held: AtomicUsize,
}

/// A part of a budget; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Hold {
    budget: Arc<Budget>,
    len: usize,
}

/// A connection has begun a frame for which there is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("frames that are still arriving hold {max} bytes, which is the limit of all connections")]
pub struct OutOfBudget {
    /// Of all connections, in bytes.
    pub max: usize,
}

impl Budget {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Budget { max, held: AtomicUsize::new(0) })
    }

    pub(super) fn hold(self: &Arc<Self>) -> Hold {
        Hold { budget: Arc::clone(self), len: 0 }
    }
}

impl Hold {
    /// Holds what a buffer of `buffered_len` bytes has beyond [`OWN_LEN`].
    pub(super) fn resize(&mut self, buffered_len: usize) -> Result<(), OutOfBudget> {
        let len = buffered_len.saturating_sub(OWN_LEN);
        let Budget { max, held } = &*self.budget;
        if len > self.len {
            let more = len - self.len;
            if held.fetch_add(more, Ordering::Relaxed) + more > *max {
                held.fetch_sub(more, Ordering::Relaxed);
                return Err(OutOfBudget { max: *max });
            }
        } else {
            held.fetch_sub(self.len - len, Ordering::Relaxed);
        }
        self.len = len;
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.len, Ordering::Relaxed);
    }
}

/// What each direction of a connection may buffer without asking, in bytes.
pub(super) const OWN_LEN: usize = 1 << 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_frame_is_refused_while_others_hold_everything_and_taken_after() {
        let budget = Budget::new(1_000);
        let (mut one, mut other) = (budget.hold(), budget.hold());
        one.resize(OWN_LEN + 900).unwrap();

        assert_eq!(other.resize(OWN_LEN + 200), Err(OutOfBudget { max: 1_000 }));
        assert_eq!(other.resize(OWN_LEN), Ok(()));
        drop(one);

        assert_eq!(other.resize(OWN_LEN + 1_000), Ok(()));
    }
}

//! From a case in which a rule is broken to a smaller one in which it still is.

use super::Case;

/// Leaves out, one after the other, what does not matter: faults, settings, lines of the network,
/// half of the time. `rings` says whether a scenario still shows what was found.
pub fn shrink(case: &Case, mut rings: impl FnMut(&str) -> bool) -> Case {
    let mut small = case.clone();
    let mut tries = TRIES_MAX;
    loop {
        let mut is_smaller = false;
        let mut index = 0;
        while let Some(smaller) = without(&small, index) {
            if tries == 0 {
                return small;
            }
            tries -= 1;
            if rings(&smaller.text()) {
                small = smaller;
                is_smaller = true;
            } else {
                index += 1;
            }
        }
        if !is_smaller {
            return small;
        }
    }
}

/// The case without its part of this number; `None` if it has not as many.
fn without(case: &Case, index: usize) -> Option<Case> {
    let mut smaller = case.clone();
    if index == 0 {
        // A second is left as it is, and so is no reason to go on.
        if case.seconds == 1 {
            return without_part(case, 0);
        }
        smaller.seconds = case.seconds / 2;
        return Some(smaller);
    }
    without_part(case, index - 1)
}

fn without_part(case: &Case, mut index: usize) -> Option<Case> {
    let mut smaller = case.clone();
    if index < case.faults.len() {
        smaller.faults.remove(index);
        return Some(smaller);
    }
    index -= case.faults.len();
    if index < case.network.len() {
        smaller.network.remove(index);
        return Some(smaller);
    }
    index -= case.network.len();
    if index < case.settings.len() {
        smaller.settings.remove(index);
        return Some(smaller);
    }
    None
}

/// Runs of one case.
const TRIES_MAX: usize = 200;

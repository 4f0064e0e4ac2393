//! Networks that nobody has thought of: drawn from seeds, run with all checkers, and made smaller
//! where one of them rings.
//!
//! A case is a scenario in words, so that what was found can be kept (`vectors/seeds.toml`), read
//! and run again whatever becomes of the drawing.

mod case;
mod draw;
mod shrink;

use std::panic::{AssertUnwindSafe, catch_unwind};

use sv2::time::Instant;

use crate::checkers::Violation;
use crate::mutant::Mutant;
use crate::scenario::{Overrides, Scenario};
use crate::world::{QueueKind, World, WorldSettings};

pub use case::Case;
pub use shrink::shrink;

/// What a run of a case has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Events of the world that were handled.
    pub event_count: u64,
    /// The rule that does not hold, if one does not; a panic is called one as well.
    pub violation: Option<Violation>,
}

/// Runs a scenario, with all checkers, for as long as it says, and with roles that do wrong if
/// there is a mutant.
///
/// # Errors
/// If it is no scenario, or has no world.
pub fn try_out(text: &str, mutant: Option<&'static Mutant>) -> Result<Verdict, String> {
    let scenario = Scenario::load("case.toml", text, &Overrides::default())
        .map_err(|error| error.to_string())?;
    let mut read = |path: &std::path::Path| Err(format!("{}: not read here", path.display()));
    let casting = mutant.map(Mutant::casting);
    let settings =
        WorldSettings { queue: QueueKind::Radix, read: &mut read, casting, has_checks: true };
    let mut world = World::with(&scenario, settings).map_err(|error| error.to_string())?;
    let end = Instant::ZERO + scenario.virtual_time.run.length;
    let run = catch_unwind(AssertUnwindSafe(|| while world.run(end, SLICE) {}));
    let event_count = world.event_count();
    let violation = match run {
        Ok(()) => world.violation().cloned(),
        Err(panic) => Some(Violation {
            checker: "panic",
            what: words(panic.as_ref()),
            at: world.now(),
            event_number: event_count,
        }),
    };
    Ok(Verdict { event_count, violation })
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

/// Events between two looks at the end.
const SLICE: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_a_scenario_whatever_the_seed() {
        for seed in 0..300 {
            let text = Case::draw(seed).text();
            let loaded = Scenario::load("case.toml", &text, &Overrides::default());
            let scenario = loaded.unwrap_or_else(|error| panic!("{seed}: {error}\n{text}"));
            assert_eq!(scenario.seed, seed);
            assert!(World::new(&scenario, QueueKind::Radix).is_ok(), "{seed}");
        }
    }

    #[test]
    fn a_seed_is_always_the_same_case() {
        assert_eq!(Case::draw(7).text(), Case::draw(7).text());
        assert_ne!(Case::draw(7).text(), Case::draw(8).text());
    }

    #[test]
    fn what_does_not_matter_is_left_out_of_a_case() {
        let needed = "kind = \"reconnect-storm\"";
        let rings = |text: &str| text.contains(needed);
        let case = (0..)
            .map(Case::draw)
            .find(|case| rings(&case.text()) && case.text().matches("[[fault]]").count() > 2);
        let case = case.expect("there is one");

        let small = shrink(&case, rings);

        assert_eq!(small.text().matches("[[fault]]").count(), 1, "{}", small.text());
        assert!(rings(&small.text()) && small.text().len() < case.text().len());
    }
}

//! What is said of a world in which a rule does not hold.

use std::fmt::Write as _;

use simulator::checkers::Violation;
use simulator::world::World;
use sv2::time::Instant;

/// The rule, the command that runs it again, and what happened before. `again` is a world like the
/// one that was run, from its start.
pub(super) fn text(violation: &Violation, again: &mut World, end: Instant, replay: &str) -> String {
    let mut text = format!("a rule does not hold: {violation}\n");
    // Writing to a string does not fail.
    let _ = writeln!(text, "  again: {replay}");
    let _ = writeln!(text, "  before:");
    let first = violation.event_number.saturating_sub(EVENTS_TOLD);
    again.run(end, first);
    again.keep_happenings();
    while let Some(step) = step_to(again, end, violation.event_number) {
        let at = step.at.since(Instant::ZERO).as_secs_f64();
        let _ = writeln!(text, "  {:>9} {at:>15.9} s  {}", step.number, step.what);
        for happening in again.take_happenings() {
            let role = &again.scenario().role(happening.role).name;
            let _ = writeln!(text, "{:31}{role} {}: {}", "", happening.member, happening.event);
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn step_to(world: &mut World, end: Instant, last: u64) -> Option<simulator::world::Step> {
    if world.event_count() >= last { None } else { world.step(end) }
}

/// Up to the one that shows it.
const EVENTS_TOLD: u64 = 100;

//! `assay simulate --swarm`: networks that nobody has thought of, until one breaks a rule.

use std::io::IsTerminal as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use simulator::mutant::Mutant;
use simulator::swarm::{Case, Verdict, shrink, try_out};
use simulator::units::parse_duration;

use super::BROKEN;
use super::options::{Simulate, mutant_again};
use crate::interruption::{self, INTERRUPTED};
use crate::outcome::Outcome;

/// Draws cases from one seed after the other.
pub(super) fn run(arguments: &Simulate) -> Result<Outcome, Outcome> {
    let limit = match arguments.duration.as_deref().map(parse_duration).transpose() {
        Ok(limit) => limit.unwrap_or(DEFAULT_LENGTH),
        Err(error) => return Err(Outcome::usage(format!("--for: {error}"))),
    };
    let interrupted = interruption::flag()?;
    let (started, first) = (Instant::now(), arguments.seed.unwrap_or_default());
    let (mut seed, mut events) = (first, 0_u64);
    while seed == first || started.elapsed() < limit {
        if interrupted.load(Ordering::Relaxed) {
            crate::print::text(said(first, seed, events, started.elapsed()));
            return Ok(Outcome::Code(INTERRUPTED));
        }
        let case = Case::draw(seed);
        let verdict = try_silently(&case.text(), arguments.mutant)
            .map_err(|error| Outcome::Internal(format!("seed {seed}: {error}")))?;
        events += verdict.event_count;
        if let Some(violation) = &verdict.violation {
            let rule = violation.checker;
            let small = shrink(&case, |text| {
                let found =
                    try_silently(text, arguments.mutant).ok().and_then(|verdict| verdict.violation);
                found.is_some_and(|found| found.checker == rule)
            });
            return found(arguments, &case, &small, violation.to_string());
        }
        seed += 1;
        if std::io::stderr().is_terminal() {
            anstream::eprint!("\r\x1b[K{}", said(first, seed, events, started.elapsed()).trim());
        }
    }
    if std::io::stderr().is_terminal() {
        anstream::eprint!("\r\x1b[K");
    }
    crate::print::text(said(first, seed, events, started.elapsed()));
    Ok(Outcome::Done)
}

fn found(
    arguments: &Simulate,
    case: &Case,
    small: &Case,
    violation: String,
) -> Result<Outcome, Outcome> {
    let folder = arguments.output.clone().unwrap_or_default();
    let path = folder.join(format!("found-{}.toml", case.seed()));
    let written = match folder.as_os_str().is_empty() {
        true => Ok(()),
        false => std::fs::create_dir_all(&folder),
    };
    written
        .and_then(|()| std::fs::write(&path, small.text()))
        .map_err(|error| Outcome::usage(format!("cannot write {}: {error}", path.display())))?;
    let (seed, path) = (case.seed(), path.display());
    let mutant = mutant_again(arguments.mutant);
    let text = format!(
        "seed {seed}: a rule does not hold: {violation}\n  as drawn: assay simulate --swarm \
         --seed {seed} --for 1ms{mutant}\n  again, as small as it could be made: \
         assay simulate {path}{mutant}"
    );
    Ok(Outcome::Said(text, BROKEN))
}

/// A panic is one of the things that are looked for: what it says stands in the verdict.
fn try_silently(text: &str, mutant: Option<&'static Mutant>) -> Result<Verdict, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let verdict = try_out(text, mutant);
    std::panic::set_hook(hook);
    verdict
}

fn said(first: u64, next: u64, events: u64, elapsed: Duration) -> String {
    format!(
        "{} networks drawn from seeds {first} to {}, {events} events in {:.1} s: every rule holds\n",
        next - first,
        next.saturating_sub(1).max(first),
        elapsed.as_secs_f64()
    )
}

/// Without `--for`.
const DEFAULT_LENGTH: Duration = Duration::from_secs(60);

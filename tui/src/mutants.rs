//! `assay check ROLE --mutants`: the kill matrix. Each case against each mutant, in memory.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use conformance::case::{Suite, TargetRole};
use conformance::clause::Registry;
use conformance::matrix::{Matrix, all_duels, duel};
use conformance::run::RunOptions;
use conformance::runner::Context;
use conformance::runner::probe::probe;
use conformance::world::MemoryTarget;

use crate::outcome::Outcome;
use crate::print;
use crate::progress::Progress;

/// Prints which cases notice which mutant. Fails if a mutant survives all of them, or a case
/// that says it kills it; of some cases alone, only the latter.
pub(crate) fn run(
    suite: &Suite,
    registry: &Registry,
    role: TargetRole,
    options: &RunOptions,
    progress: &Progress,
) -> Outcome {
    let own = MemoryTarget::of(role);
    let probed = match probe(&own, registry, options.seed, options.hash_budget) {
        Ok(probed) => probed,
        Err(error) => return Outcome::Internal(format!("our own {}: {error}", role.title())),
    };
    let context = Context {
        registry,
        facts: &probed.facts,
        seed: options.seed,
        hash_budget: options.hash_budget,
        within: Duration::from_secs(5),
        time_budget: Duration::MAX,
        is_over: &|| false,
    };
    let chosen: Vec<_> = all_duels(suite)
        .filter(|(case, _)| options.filter.as_ref().is_none_or(|one| one.selects(case, registry)))
        .collect();
    progress.start(chosen.len());
    let (queue, matrix) = (Mutex::new(chosen.into_iter()), Mutex::new(Matrix::default()));
    std::thread::scope(|scope| {
        for _ in 0..options.parallel.max(1) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((case, mutant)) = next else { return };
                    let duel = duel(case, mutant, role, &context);
                    progress.step();
                    matrix.lock().unwrap_or_else(PoisonError::into_inner).add(&duel);
                }
            });
        }
    });
    progress.finish();
    let mut matrix = matrix.into_inner().unwrap_or_else(PoisonError::into_inner);
    matrix.mutants.sort();
    print::text(matrix.to_text(suite));
    let unnoticed = matrix.unnoticed();
    print::line(format_args!(
        "{} mutants, {} survive every case that was chosen",
        matrix.mutants.len(),
        unnoticed.len()
    ));
    let is_whole = options.filter.is_none();
    match (unnoticed.is_empty() || !is_whole) && matrix.survivors.is_empty() {
        true => Outcome::Done,
        false => Outcome::Code(1),
    }
}

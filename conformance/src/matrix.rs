//! The kill matrix: which case notices which mutant.

use crate::case::{Case, Suite};
use crate::mutant::Mutant;
use crate::runner::{Context, Outcome, run};
use crate::verdict::Verdict;
use crate::world::MemoryTarget;

/// What a mutant has come to under a case.
#[derive(Debug)]
pub struct Duel {
    /// Of the case.
    pub case: String,
    /// Of the mutant.
    pub mutant: String,
    /// The permutation that noticed it, with what it found; `None` if it survived.
    pub killer: Option<Outcome>,
}

/// Lets all permutations of a case loose on a mutant, until one notices it. An inconclusive
/// verdict, an error of ours or a skip is no kill: an alarm must ring.
pub fn duel(case: &Case, mutant: &Mutant, context: &Context<'_>) -> Duel {
    let target = MemoryTarget::mutant(mutant.clone());
    let killer = case
        .permutations()
        .iter()
        .map(|permutation| run(permutation, &target, context))
        .find(|outcome| matches!(outcome.verdict, Verdict::Fail | Verdict::Warn));
    Duel { case: case.id.clone(), mutant: mutant.id.clone(), killer }
}

/// The duels that the cases name.
pub fn named_duels<'a>(suite: &'a Suite) -> impl Iterator<Item = (&'a Case, &'a Mutant)> + use<'a> {
    suite.cases.iter().flat_map(move |case| {
        case.kills.iter().filter_map(move |id| Some((case, suite.mutants.get(id)?)))
    })
}

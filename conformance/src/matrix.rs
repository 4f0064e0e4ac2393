//! The kill matrix: which case notices which mutant.

use crate::case::{Case, Suite, TargetRole};
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
    /// Whether the case says that it kills this mutant.
    pub is_named: bool,
    /// The run that noticed it, with what it found; `None` if it survived.
    pub killer: Option<Outcome>,
    /// The worst verdict of the runs that did not notice it.
    pub otherwise: Verdict,
}

/// Lets all permutations of a case loose on a mutant, until one notices it. An inconclusive
/// verdict, an error of ours or a skip is no kill: an alarm must ring.
///
/// The mutant is our own of a role that the case concerns.
pub fn duel(case: &Case, mutant: &Mutant, role: TargetRole, context: &Context<'_>) -> Duel {
    let target = MemoryTarget::mutant(role, mutant.clone());
    let mut otherwise = Verdict::Pass;
    let mut killer = None;
    for permutation in case.permutations() {
        let outcome = run(&permutation, &target, context);
        if outcome.verdict.is_finding() {
            killer = Some(outcome);
            break;
        }
        otherwise = otherwise.max(outcome.verdict);
    }
    let is_named = case.kills.contains(&mutant.id);
    Duel { case: case.id.clone(), mutant: mutant.id.clone(), is_named, killer, otherwise }
}

/// The duels that the cases name.
pub fn named_duels<'a>(suite: &'a Suite) -> impl Iterator<Item = (&'a Case, &'a Mutant)> + use<'a> {
    suite.cases.iter().flat_map(move |case| {
        case.kills.iter().filter_map(move |id| Some((case, suite.mutants.get(id)?)))
    })
}

/// Every case against every mutant.
pub fn all_duels<'a>(suite: &'a Suite) -> impl Iterator<Item = (&'a Case, &'a Mutant)> + use<'a> {
    suite.cases.iter().flat_map(move |case| suite.mutants.values().map(move |one| (case, one)))
}

/// What duels have shown, counted.
#[derive(Debug, Default)]
pub struct Matrix {
    /// Each mutant and the cases that killed it.
    pub mutants: Vec<(String, Vec<String>)>,
    /// Pairs that a case names, and that survived: case, mutant.
    pub survivors: Vec<(String, String)>,
}

impl Matrix {
    /// Takes note of a duel.
    pub fn add(&mut self, duel: &Duel) {
        let index = match self.mutants.iter().position(|(mutant, _)| *mutant == duel.mutant) {
            Some(index) => index,
            None => {
                self.mutants.push((duel.mutant.clone(), Vec::new()));
                self.mutants.len() - 1
            }
        };
        match duel.killer {
            Some(_) => self.mutants[index].1.push(duel.case.clone()),
            None if duel.is_named => {
                self.survivors.push((duel.case.clone(), duel.mutant.clone()));
            }
            None => {}
        }
    }

    /// Mutants that nothing has noticed.
    pub fn unnoticed(&self) -> Vec<&str> {
        let unnoticed = self.mutants.iter().filter(|(_, killers)| killers.is_empty());
        unnoticed.map(|(mutant, _)| mutant.as_str()).collect()
    }

    /// One line for each mutant: how many cases have killed it, and the first of them.
    pub fn to_text(&self, suite: &Suite) -> String {
        let mut text = String::new();
        for (mutant, killers) in &self.mutants {
            let stands_for = suite.mutants.get(mutant).map_or("", |one| one.stands_for.as_str());
            let first = killers.first().map_or("SURVIVES", String::as_str);
            text += &format!("{:>4}  {mutant}\n      {stands_for}\n      {first}\n", killers.len());
        }
        for (case, mutant) in &self.survivors {
            text += &format!("{case} says that it kills {mutant}, and does not\n");
        }
        text
    }
}

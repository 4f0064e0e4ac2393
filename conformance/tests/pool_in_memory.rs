//! All cases for a pool: our own passes them in virtual time, and each catches the bugs that
//! it says it catches.

use std::collections::BTreeMap;
use std::time::Duration;

use conformance::case::Suite;
use conformance::clause::Registry;
use conformance::matrix::{duel, named_duels};
use conformance::runner::{Context, run};
use conformance::verdict::Verdict;
use conformance::world::MemoryTarget;

fn suite(registry: &Registry) -> Suite {
    match Suite::built_in(&|id| registry.clause(id).is_some()) {
        Ok(suite) => suite,
        Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", errors.join("\n"));
        }
    }
}

#[test]
fn our_pool_passes_every_case() {
    let registry = Registry::embedded();
    let (suite, facts) = (suite(&registry), BTreeMap::new());
    let context = Context {
        registry: &registry,
        facts: &facts,
        seed: 1,
        hash_budget: 20_000_000,
        within: Duration::from_secs(5),
    };
    let target = MemoryTarget::pool();

    let mut failures = Vec::new();
    for case in &suite.cases {
        for permutation in case.permutations() {
            let outcome = run(&permutation, &target, &context);
            if !matches!(outcome.verdict, Verdict::Pass | Verdict::Info) {
                failures.push(format!(
                    "{}: {} {:#?}\n{}{}",
                    outcome.name,
                    outcome.verdict,
                    outcome.finding,
                    outcome.exchange.to_text(),
                    outcome.told.join("\n")
                ));
            }
        }
    }

    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn every_case_kills_the_mutants_that_it_names() {
    let registry = Registry::embedded();
    let (suite, facts) = (suite(&registry), BTreeMap::new());
    let context = Context {
        registry: &registry,
        facts: &facts,
        seed: 1,
        hash_budget: 20_000_000,
        within: Duration::from_secs(5),
    };

    let survivors: Vec<String> = named_duels(&suite)
        .map(|(case, mutant)| duel(case, mutant, &context))
        .filter(|duel| duel.killer.is_none())
        .map(|duel| format!("{} does not notice {}", duel.case, duel.mutant))
        .collect();

    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}

#[test]
fn every_case_names_a_mutant_and_every_mutant_has_a_case() {
    let registry = Registry::embedded();
    let suite = suite(&registry);

    let toothless: Vec<&str> = suite
        .cases
        .iter()
        .filter(|case| case.kills.is_empty())
        .map(|case| case.id.as_str())
        .collect();
    let unhunted: Vec<&String> = suite
        .mutants
        .keys()
        .filter(|mutant| !suite.cases.iter().any(|case| case.kills.contains(mutant)))
        .collect();

    assert!(toothless.is_empty(), "cases that were never heard to ring: {toothless:?}");
    assert!(unhunted.is_empty(), "mutants that no case is after: {unhunted:?}");
}

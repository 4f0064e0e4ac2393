//! The registry held against the cases: every rule is asked by a case or says why not.

use conformance::case::Suite;
use conformance::clause::{Citations, Registry, Role};

fn citations(registry: &Registry) -> Citations {
    let suite = Suite::built_in(&|id| registry.clause(id).is_some()).expect("every case loads");
    Citations::of(registry, &suite).expect("every case cites clauses of this registry")
}

#[test]
fn every_clause_is_asked_by_a_case_or_says_why_not() {
    let registry = Registry::embedded();
    let citations = citations(&registry);

    let unexplained: Vec<&str> = registry
        .clauses()
        .iter()
        .filter(|clause| !citations.is_tested(clause) && clause.untested.is_none())
        .map(|clause| clause.id.as_str())
        .collect();

    assert_eq!(unexplained, Vec::<&str>::new());
}

#[test]
fn no_case_asks_what_the_registry_calls_invisible() {
    let registry = Registry::embedded();

    let citations = citations(&registry);

    assert_eq!(registry.contradictions(&citations), []);
}

#[test]
fn cases_count_for_the_role_that_they_are_written_for() {
    let registry = Registry::embedded();
    let citations = citations(&registry);

    for role in [
        Role::Pool,
        Role::Jds,
        Role::TemplateProvider,
        Role::MiningDevice,
        Role::Proxy,
        Role::Translator,
        Role::Jdc,
        Role::Sv1Device,
    ] {
        let coverage = registry.role_coverage(role, &citations);
        assert!(coverage.testable_tested_count > 0, "no case cites a testable clause of {role}");
        assert!(coverage.testable_tested_count <= coverage.testable_count);
    }
}

//! All cases: our own of each role passes them in virtual time, and each catches the bugs that
//! it says it catches.

use std::collections::BTreeMap;
use std::time::Duration;

use conformance::case::value::Value;
use conformance::case::{Suite, TargetRole};
use conformance::clause::Registry;
use conformance::matrix::{duel, named_duels};
use conformance::runner::probe::probe;
use conformance::runner::{Context, run, run_on};
use conformance::verdict::Verdict;
use conformance::world::MemoryTarget;

fn suite(registry: &Registry) -> Suite {
    let is_clause = |id: &str| registry.clause(id).is_some();
    let suite = Suite::built_in(&is_clause).and_then(|suite| {
        // Cases that are not part of the program yet. For authors.
        match std::env::var_os("CASES_FOLDER") {
            Some(folder) => suite.add_folder(folder.as_ref(), &is_clause),
            None => Ok(suite),
        }
    });
    match suite {
        Ok(suite) => suite,
        Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", errors.join("\n"));
        }
    }
}

/// What the probe learns of our own.
fn facts(role: TargetRole, registry: &Registry) -> BTreeMap<String, Value> {
    let probe = probe(&MemoryTarget::of(role), registry, 1, HASH_BUDGET);
    probe.expect("our own answers").facts
}

/// Cases whose id contains what `CASES` names; all of them if it is unset. For authors.
fn is_selected(id: &str) -> bool {
    std::env::var("CASES").map_or(true, |word| id.contains(&word))
}

const HASH_BUDGET: u64 = 20_000_000;

#[test]
fn the_probe_learns_every_fact_about_our_pool() {
    let registry = Registry::embedded();

    let probe = probe(&MemoryTarget::pool(), &registry, 1, HASH_BUDGET).unwrap();

    let facts: Vec<String> =
        probe.facts.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    assert_eq!(probe.gaps, [""; 0], "{}", probe.exchange.to_text());
    insta::assert_snapshot!(facts.join("\n"), @r#"
    extensions.negotiation = true
    extensions.required = []
    extensions.supported = [1, 2]
    mining.extended_channels = true
    mining.extranonce_len = 20
    mining.extranonce_size = 16
    mining.flags = 0
    mining.group_channels = true
    mining.requires_extended_channels = false
    mining.requires_fixed_version = false
    mining.share.batch = 1
    mining.share.price = 4096
    mining.share.price_at_1e5 = 100000
    mining.standard_channels = true
    mining.supports_standard_jobs = true
    mining.supports_version_rolling = true
    mining.supports_work_selection = false
    mining.unsupported_flags = 4294967290
    protocol.version = 2
    wire.channel_bits = "table"
    "#);
}

fn context<'a>(registry: &'a Registry, facts: &'a BTreeMap<String, Value>) -> Context<'a> {
    Context {
        registry,
        facts,
        seed: 1,
        hash_budget: HASH_BUDGET,
        within: Duration::from_secs(5),
        time_budget: Duration::MAX,
        is_over: &|| false,
    }
}

#[track_caller]
fn check_passes(role: TargetRole) {
    let registry = Registry::embedded();
    let (suite, facts) = (suite(&registry).for_role(role), facts(role, &registry));
    let (context, target) = (context(&registry, &facts), MemoryTarget::of(role));

    let mut failures = Vec::new();
    for case in suite.cases.iter().filter(|case| is_selected(&case.id)) {
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

#[track_caller]
fn check_kills(role: TargetRole) {
    let registry = Registry::embedded();
    let (suite, facts) = (suite(&registry).for_role(role), facts(role, &registry));
    let context = context(&registry, &facts);

    let survivors: Vec<String> = named_duels(&suite)
        .filter(|(case, _)| is_selected(&case.id))
        .map(|(case, mutant)| duel(case, mutant, role, &context))
        .filter(|duel| duel.killer.is_none())
        .map(|duel| format!("{} does not notice {}: {:?}", duel.case, duel.mutant, duel.otherwise))
        .collect();

    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}

#[test]
fn our_pool_passes_every_case() {
    check_passes(TargetRole::Pool);
}

#[test]
fn our_job_declarator_server_passes_every_case() {
    check_passes(TargetRole::JobDeclaratorServer);
}

#[test]
fn our_template_provider_passes_every_case() {
    check_passes(TargetRole::TemplateProvider);
}

#[test]
fn our_mining_device_passes_every_case() {
    check_passes(TargetRole::MiningDevice);
}

#[test]
fn a_device_that_dials_once_is_asked_by_one_case_after_the_other() {
    let role = TargetRole::MiningDevice;
    let registry = Registry::embedded();
    let (suite, facts) = (suite(&registry).for_role(role), facts(role, &registry));
    let context = context(&registry, &facts);
    let target = MemoryTarget::of(role).keeping_connections();
    let mut kept = None;

    let (mut dialled, mut failures) = (0, Vec::new());
    for case in &suite.cases {
        for permutation in case.permutations() {
            let outcome = run_on(&permutation, &target, &context, &mut kept);
            let text = outcome.exchange.to_text();
            dialled += usize::from(!text.contains("goes on where the case before has ended"));
            if !matches!(outcome.verdict, Verdict::Pass | Verdict::Info) {
                failures.push(format!("{}: {:#?}\n{text}", outcome.name, outcome.finding));
            }
        }
    }

    let runs: usize = suite.cases.iter().map(|case| case.permutations().len()).sum();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(dialled < runs, "each of {runs} runs had a connection of its own");
}

#[test]
fn our_sv1_device_passes_every_case() {
    check_passes(TargetRole::Sv1Device);
}

#[test]
fn every_case_for_sv1_devices_kills_the_mutants_that_it_names() {
    check_kills(TargetRole::Sv1Device);
}

#[test]
fn our_translator_passes_every_case() {
    check_passes(TargetRole::Translator);
}

#[test]
fn every_case_for_translators_kills_the_mutants_that_it_names() {
    check_kills(TargetRole::Translator);
}

#[test]
fn our_job_declarator_client_passes_every_case() {
    check_passes(TargetRole::JobDeclaratorClient);
}

#[test]
fn every_case_for_job_declarator_clients_kills_the_mutants_that_it_names() {
    check_kills(TargetRole::JobDeclaratorClient);
}

#[test]
fn our_mining_proxy_passes_every_case() {
    check_passes(TargetRole::MiningProxy);
}

#[test]
fn every_case_for_mining_devices_kills_the_mutants_that_it_names() {
    check_kills(TargetRole::MiningDevice);
}

#[test]
fn every_case_for_mining_proxies_kills_the_mutants_that_it_names() {
    check_kills(TargetRole::MiningProxy);
}

#[test]
fn every_case_for_pools_kills_the_mutants_that_it_names() {
    check_kills(TargetRole::Pool);
}

#[test]
fn every_case_for_job_declarator_servers_kills_the_mutants_that_it_names() {
    check_kills(TargetRole::JobDeclaratorServer);
}

#[test]
fn every_case_for_template_providers_kills_the_mutants_that_it_names() {
    check_kills(TargetRole::TemplateProvider);
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

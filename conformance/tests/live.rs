//! The same cases over real TCP and Noise: our own of each role passes them there too.

use std::time::Duration;

use conformance::case::{Suite, TargetRole};
use conformance::clause::Registry;
use conformance::runner::probe::probe;
use conformance::runner::{Context, run};
use conformance::verdict::Verdict;
use conformance::world::OwnLiveTarget;
use sv2::entropy::Entropy;

#[test]
fn our_pool_passes_every_case_over_tcp() {
    check(TargetRole::Pool);
}

#[test]
fn our_job_declarator_server_passes_every_case_over_tcp() {
    check(TargetRole::JobDeclaratorServer);
}

#[test]
fn our_template_provider_passes_every_case_over_tcp() {
    check(TargetRole::TemplateProvider);
}

#[track_caller]
fn check(role: TargetRole) {
    let registry = Registry::embedded();
    let suite = Suite::built_in(&|id| registry.clause(id).is_some()).expect("the cases are right");
    let suite = suite.for_role(role);
    let target = OwnLiveTarget::of(role, None, Entropy::from_seed(1)).expect("a loopback");
    let probe = probe(&target, &registry, 1, HASH_BUDGET).expect("our own answers");
    let context = Context {
        registry: &registry,
        facts: &probe.facts,
        seed: 1,
        hash_budget: HASH_BUDGET,
        within: Duration::from_secs(10),
        time_budget: Duration::MAX,
        is_over: &|| false,
    };

    let mut failures = Vec::new();
    for case in suite.cases.iter().filter(|case| !case.tags.iter().any(|tag| tag == "slow")) {
        for permutation in case.permutations() {
            let outcome = run(&permutation, &target, &context);
            if !matches!(outcome.verdict, Verdict::Pass | Verdict::Info | Verdict::Skip(_)) {
                failures.push(format!(
                    "{}: {} {:#?}\n{}",
                    outcome.name,
                    outcome.verdict,
                    outcome.finding,
                    outcome.exchange.to_text(),
                ));
            }
        }
    }

    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

const HASH_BUDGET: u64 = 20_000_000;

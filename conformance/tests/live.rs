//! The same cases over real TCP and Noise: our own of each role passes them there too.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use conformance::case::{Case, Permutation, Suite, TargetRole};
use conformance::clause::Registry;
use conformance::runner::probe::probe;
use conformance::runner::{Context, run};
use conformance::verdict::Verdict;
use conformance::world::{OwnClientTarget, OwnLiveTarget, Target};
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

#[test]
fn our_mining_device_passes_every_case_over_tcp() {
    check(TargetRole::MiningDevice);
}

#[test]
fn our_sv1_device_passes_every_case_over_tcp() {
    check(TargetRole::Sv1Device);
}

#[test]
fn our_translator_passes_every_case_over_tcp() {
    check(TargetRole::Translator);
}

#[test]
fn our_mining_proxy_passes_every_case_over_tcp() {
    check(TargetRole::MiningProxy);
}

#[test]
fn our_job_declarator_client_passes_every_case_over_tcp() {
    check(TargetRole::JobDeclaratorClient);
}

fn own(role: TargetRole) -> Box<dyn Target> {
    let entropy = Entropy::from_seed(1);
    match role.dials() {
        true => Box::new(OwnClientTarget::new(role, entropy).expect("a loopback")),
        false => Box::new(OwnLiveTarget::of(role, None, entropy).expect("a loopback")),
    }
}

#[track_caller]
fn check(role: TargetRole) {
    let registry = Registry::embedded();
    let suite = Suite::built_in(&|id| registry.clause(id).is_some()).expect("the cases are right");
    let suite = suite.for_role(role);
    let target = own(role);
    let probe = probe(&*target, &registry, 1, HASH_BUDGET).expect("our own answers");
    let context = Context {
        registry: &registry,
        facts: &probe.facts,
        seed: 1,
        hash_budget: HASH_BUDGET,
        within: Duration::from_secs(10),
        time_budget: Duration::MAX,
        is_over: &|| false,
    };

    let cases = suite.cases.iter().filter(|case| !case.tags.iter().any(|tag| tag == "slow"));
    let permutations: Vec<Permutation<'_>> = cases.flat_map(Case::permutations).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // Each has a target of its own, and waits most of the time.
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(permutation) = permutations.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let outcome = run(permutation, &*target, &context);
                    if !matches!(outcome.verdict, Verdict::Pass | Verdict::Info | Verdict::Skip(_))
                    {
                        failures.lock().expect("no worker panics").push(format!(
                            "{}: {} {:#?}\n{}",
                            outcome.name,
                            outcome.verdict,
                            outcome.finding,
                            outcome.exchange.to_text(),
                        ));
                    }
                }
            });
        }
    });

    let failures = failures.into_inner().expect("no worker panics");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

const HASH_BUDGET: u64 = 20_000_000;

/// Cases at a time.
const WORKERS: usize = 8;

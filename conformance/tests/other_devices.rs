//! What a mining device may do and ours does not by default: each such device passes every case
//! that concerns it, and is not asked what does not.

use std::time::Duration;

use conformance::case::{Suite, TargetRole, WorldSettings};
use conformance::clause::Registry;
use conformance::mutant::{Make, Mutant};
use conformance::runner::probe::probe;
use conformance::runner::{Context, run};
use conformance::verdict::Verdict;
use conformance::world::MemoryTarget;

#[track_caller]
fn check(target: &MemoryTarget, skipped_max: usize) {
    let registry = Registry::embedded();
    let suite = Suite::built_in(&|id| registry.clause(id).is_some()).expect("every case loads");
    let suite = suite.for_role(TargetRole::MiningDevice);
    let facts = probe(target, &registry, 1, HASH_BUDGET).expect("it dials").facts;
    let context = Context {
        registry: &registry,
        facts: &facts,
        seed: 1,
        hash_budget: HASH_BUDGET,
        within: Duration::from_secs(5),
        time_budget: Duration::MAX,
        is_over: &|| false,
    };

    let (mut failures, mut skipped) = (Vec::new(), 0);
    // Where our own is set up for the case, it is not this device that is asked.
    for case in suite.cases.iter().filter(|case| case.world == WorldSettings::default()) {
        for permutation in case.permutations() {
            let outcome = run(&permutation, target, &context);
            match outcome.verdict {
                Verdict::Pass | Verdict::Info => {}
                Verdict::Skip(_) => skipped += 1,
                verdict => failures.push(format!(
                    "{}: {verdict} {:#?}\n{}",
                    outcome.name,
                    outcome.finding,
                    outcome.exchange.to_text()
                )),
            }
        }
    }

    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(skipped <= skipped_max, "{skipped} are not asked");
}

fn set_up(change: fn(&mut WorldSettings)) -> MemoryTarget {
    let (id, stands_for) = ("legal".to_owned(), "A legal way".to_owned());
    let other = Mutant { id, stands_for, make: Make::Settings(change) };
    MemoryTarget::mutant(TargetRole::MiningDevice, other)
}

/// Our device doing `deed` (rules as in a case's file).
fn doing(deed: &str) -> MemoryTarget {
    let registry = Registry::embedded();
    let is_clause = |id: &str| registry.clause(id).is_some();
    let mut suite = Suite::built_in(&is_clause).expect("every case loads");
    let carrier = format!(
        "format = 1\nid = \"carrier.of-a-deed\"\ntitle = \"t\"\nrole = \"mining-device\"\n\
         severity = \"low\"\nclauses = [\"CP-3.6.1-01\"]\n[[step]]\naccept = \"noise\"\n\
         clause = \"CP-3.6.1-01\"\n\
         [[mutant]]\nid = \"legal\"\nstands_for = \"A legal way\"\n{deed}\n"
    );
    suite.add("carrier.toml", &carrier, &is_clause).expect("the carrier can be read");
    MemoryTarget::mutant(TargetRole::MiningDevice, suite.mutants["legal"].clone())
}

#[test]
fn device_with_an_extended_channel_passes_what_concerns_it() {
    check(&set_up(|settings| settings.is_extended = true), 30);
}

#[test]
fn device_with_three_channels_of_a_group_passes_what_concerns_it() {
    let target = set_up(|settings| {
        settings.takes_group_jobs = true;
        settings.further_channels = 2;
    });

    check(&target, 10);
}

#[test]
fn device_that_tells_its_hash_rate_again_and_again_passes() {
    let deed = "say = \"SubmitSharesStandard\"\n\
                also = { message = \"UpdateChannel\", fields = { nominal_hash_rate = 2e4, \
                maximum_target = \"u256:max\" } }";

    check(&doing(deed), 10);
}

#[test]
fn device_that_asks_for_an_extension_passes() {
    let deed = "hear = \"SetupConnection.Success\"\n\
                also = { message = \"RequestExtensions\", fields = { request_id = 7, \
                requested_extensions = [2] } }";

    check(&doing(deed), 10);
}

const HASH_BUDGET: u64 = 20_000_000;

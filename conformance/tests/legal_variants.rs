//! What a server may do and ours does not: the cases that only say something about servers
//! that do it must pass those that do it rightly.

use std::time::Duration;

use conformance::case::{Suite, TargetRole};
use conformance::clause::Registry;
use conformance::runner::probe::probe;
use conformance::runner::{Context, run};
use conformance::verdict::Verdict;
use conformance::world::MemoryTarget;

/// Our pool doing `deed` (rules as in a case's file) passes the case, and does not just leave
/// it without anything to look at.
fn passes(case_id: &str, deed: &str) {
    let registry = Registry::embedded();
    let is_clause = |id: &str| registry.clause(id).is_some();
    let mut suite = Suite::built_in(&is_clause).expect("the built-in cases can be read");
    let carrier = format!(
        "format = 1\nid = \"carrier.of-a-deed\"\ntitle = \"t\"\nrole = \"pool\"\nseverity = \"low\"\n\
         clauses = [\"CP-3.6.1-02\"]\n[[step]]\nuse = \"noise/handshake\"\n\
         [[step]]\nsend = \"SetupConnection\"\n[[step]]\nexpect = \"SetupConnection.Success\"\n\
         [[mutant]]\nid = \"legal\"\nstands_for = \"A legal way\"\n{deed}\n"
    );
    suite.add("carrier.toml", &carrier, &is_clause).expect("the carrier can be read");
    let facts = probe(&MemoryTarget::pool(), &registry, 1, HASH_BUDGET).expect("it answers").facts;
    let context = Context {
        registry: &registry,
        facts: &facts,
        seed: 1,
        hash_budget: HASH_BUDGET,
        within: Duration::from_secs(5),
        time_budget: Duration::MAX,
        is_over: &|| false,
    };
    let case = suite.case(case_id).expect("the case exists");
    let target = MemoryTarget::mutant(TargetRole::Pool, suite.mutants["legal"].clone());

    for permutation in case.permutations() {
        let outcome = run(&permutation, &target, &context);
        assert_eq!(outcome.verdict, Verdict::Pass, "{:#?}", outcome.finding);
    }
}

#[test]
fn server_that_gives_a_channel_another_prefix_passes() {
    let deed = "say = \"mining.SetNewPrevHash\"\nskip = 2\ntimes = 1\n\
                also = { message = \"SetExtranoncePrefix\", \
                fields = { channel_id = 3, extranonce_prefix = \"hex:80000000\" } }";

    passes("extranonce.change.names-a-channel-and-overlaps-none", deed);
}

#[test]
fn server_that_judges_shares_by_the_prefix_of_their_job_passes() {
    let deed = "say = \"mining.SetNewPrevHash\"\nskip = 1\ntimes = 1\n\
                also = { message = \"SetExtranoncePrefix\", \
                fields = { channel_id = 2, extranonce_prefix = \"hex:80000000\" } }";

    passes("extranonce.change.earlier-jobs-keep-their-prefix", deed);
}

#[test]
fn server_that_regroups_channels_of_one_size_passes() {
    let deed = "say = \"mining.SetNewPrevHash\"\nskip = 3\ntimes = 1\n\
                also = { message = \"SetGroupChannel\", \
                fields = { group_channel_id = 900, channel_ids = [2, 5] } }";

    passes("group.set-group-channel.names-open-channels-of-one-size", deed);
}

#[test]
fn server_that_addresses_targets_to_the_group_and_means_it_passes() {
    // The channel that the case looks at takes the update that the group is told of.
    let deed = "rules = [\n\
                { hear = \"UpdateChannel\", set = { channel_id = 3 } },\n\
                { say = \"SetTarget\", set = { channel_id = 1 } },\n]";

    passes("target.group.holds-for-every-member", deed);
}

#[test]
fn server_that_says_why_it_closes_passes() {
    let deed = "hear = \"CloseChannel\"\n\
                also = { message = \"CloseChannel\", fields = { reason_code = \"group-closed\" } }";

    passes("close.by-the-server.reason-is-readable", deed);
}

const HASH_BUDGET: u64 = 20_000_000;

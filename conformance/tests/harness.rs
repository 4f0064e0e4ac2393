//! The suite under test: it is quiet about what is allowed, and every alarm rings.

use std::time::Duration;

use conformance::case::{Suite, TargetRole};
use conformance::clause::{Level, Registry};
use conformance::explain::explain;
use conformance::run::{RunOptions, select};
use conformance::runner::probe::probe;
use conformance::runner::{Context, Outcome, run};
use conformance::verdict::{Skip, Verdict};
use conformance::world::MemoryTarget;

const MUST: &str = "MP-5.3.3-01";
const ANOTHER_MUST: &str = "MP-5.3.14-01";

/// Runs a case that consists of `steps`, and perhaps a mutant, against our pool or that mutant.
fn outcome_citing(clauses: &[&str], steps: &str) -> Outcome {
    let registry = Registry::embedded();
    let is_clause = |id: &str| registry.clause(id).is_some();
    let mut suite = Suite::built_in(&is_clause).expect("the cases are right");
    let head = format!(
        "format = 1\nid = \"test.case\"\ntitle = \"A test\"\nrole = \"pool\"\nseverity = \"low\"\n\
         clauses = {clauses:?}\n"
    );
    if let Err(error) = suite.add("test.toml", &(head + steps), &is_clause) {
        panic!("{error}");
    }
    let case = suite.case("test.case").expect("it was just added");
    let target = match case.mutants.first() {
        Some(recipe) => MemoryTarget::mutant(TargetRole::Pool, recipe.mutant()),
        None => MemoryTarget::pool(),
    };
    let facts = Default::default();
    let context = Context {
        registry: &registry,
        facts: &facts,
        seed: 1,
        hash_budget: 1_000_000,
        within: Duration::from_secs(5),
        time_budget: Duration::MAX,
        is_over: &|| false,
    };
    run(&case.permutations()[0], &target, &context)
}

fn outcome(steps: &str) -> Outcome {
    outcome_citing(&[MUST], steps)
}

#[track_caller]
fn check(steps: &str, verdict: Verdict, because: &str) -> Outcome {
    let outcome = outcome(steps);
    let found = outcome.finding.as_ref().map_or("", |finding| finding.because.as_str());
    assert!(
        outcome.verdict == verdict && found.contains(because),
        "{}: {found}\n{}",
        outcome.verdict,
        outcome.exchange.to_text()
    );
    outcome
}

const SETUP: &str = r#"
[[step]]
use = "mining/setup"
with = { flags = 1 }
"#;

const OPEN: &str = r#"
[[step]]
send = "OpenStandardMiningChannel"
fields = { request_id = 7 }
"#;

const EXPECT_OPENED: &str = r#"
[[step]]
expect = "OpenStandardMiningChannel.Success"
fields = { request_id = 7 }
save = { ch = "channel_id" }
"#;

fn mutant(rule: &str) -> String {
    format!("[[mutant]]\nid = \"test-mutant\"\nstands_for = \"A test\"\n{rule}\n")
}

#[test]
fn what_a_server_sends_unasked_is_passed_over() {
    let chatty = mutant("say = \"NewMiningJob\"\nalso = { message = \"SetTarget\" }");
    let late = r#"
[[step]]
expect = "mining.SetNewPrevHash"
fields = { channel_id = "$ch" }
"#;

    check(&[SETUP, OPEN, EXPECT_OPENED, late, &chatty].concat(), Verdict::Pass, "");
}

#[test]
fn what_a_case_forbids_in_between_is_a_failure() {
    let strict = r#"
[[step]]
expect = "mining.SetNewPrevHash"
noise = []
"#;

    check(&[SETUP, OPEN, EXPECT_OPENED, strict].concat(), Verdict::Fail, "NewMiningJob");
}

#[test]
fn a_wrong_field_decides_at_once_without_waiting() {
    let wrong = mutant("say = \"OpenStandardMiningChannel.Success\"\nset = { request_id = 8 }");

    let outcome = check(
        &[SETUP, OPEN, EXPECT_OPENED, &wrong].concat(),
        Verdict::Fail,
        "request_id is 8, expected 7",
    );

    assert_eq!(outcome.elapsed, Duration::ZERO);
}

#[test]
fn the_answer_to_another_request_of_ours_is_passed_over() {
    let first = OPEN.replace('7', "6");

    check(&[SETUP, &first, OPEN, EXPECT_OPENED].concat(), Verdict::Pass, "");
}

#[test]
fn the_opposite_answer_decides_at_once() {
    let refusal = mutant(
        "hear = \"OpenStandardMiningChannel\"\n\
         instead = { message = \"OpenMiningChannel.Error\" }",
    );

    let outcome = check(
        &[SETUP, OPEN, EXPECT_OPENED, &refusal].concat(),
        Verdict::Fail,
        "it answers the request otherwise",
    );

    assert_eq!(outcome.elapsed, Duration::ZERO);
}

#[test]
fn silence_is_a_failure_when_the_wait_is_over() {
    let silent = mutant("hear = \"OpenStandardMiningChannel\"\ndrop = true");

    let outcome = check(
        &[SETUP, OPEN, EXPECT_OPENED, &silent].concat(),
        Verdict::Fail,
        "nothing that fits came in time",
    );

    assert_eq!(outcome.elapsed, Duration::from_secs(5));
}

#[test]
fn the_end_of_the_connection_fails_whatever_waits_for_a_message() {
    let gone = mutant("hear = \"OpenStandardMiningChannel\"\nclose = \"before\"");

    check(
        &[SETUP, OPEN, EXPECT_OPENED, &gone].concat(),
        Verdict::Fail,
        "the connection was closed",
    );
}

#[test]
fn a_failure_in_a_fixture_says_nothing_about_the_clause() {
    let unfit = mutant("say = \"SetupConnection.Success\"\ndrop = true");

    let outcome = check(
        &[SETUP, OPEN, EXPECT_OPENED, &unfit].concat(),
        Verdict::Inconclusive,
        "SetupConnection.Success",
    );

    let fixture = outcome.finding.and_then(|finding| finding.fixture);
    assert_eq!(fixture.as_deref(), Some("mining/setup"));
}

#[test]
fn a_clause_that_was_not_observed_is_never_a_pass() {
    let another_way = r#"
[[step]]
expect = "OpenMiningChannel.Error"
clause = "MP-5.3.14-01"
[[step.or]]
expect = "OpenStandardMiningChannel.Success"
clause = "MP-5.3.3-01"
"#;

    let outcome = outcome_citing(&[MUST, ANOTHER_MUST], &[SETUP, OPEN, another_way].concat());

    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    assert_eq!(outcome.observed, [MUST]);
}

#[test]
fn a_broken_should_is_a_warning() {
    let registry = Registry::embedded();
    let should = registry.clauses().iter().find(|clause| clause.level == Level::Should);
    let should = should.expect("the specification has SHOULDs").id.clone();
    let wrong = mutant("say = \"OpenStandardMiningChannel.Success\"\nset = { request_id = 8 }");

    let outcome = outcome_citing(&[&should], &[SETUP, OPEN, EXPECT_OPENED, &wrong].concat());

    assert_eq!(outcome.verdict, Verdict::Warn);
}

#[test]
fn a_message_that_may_not_come_is_noticed() {
    let none = "[[step]]\nexpect_none = \"SetTarget\"\n";
    let retargets = mutant("say = \"NewMiningJob\"\nalso = { message = \"SetTarget\" }\n");

    check(&[SETUP, OPEN, none].concat(), Verdict::Pass, "");
    check(&[SETUP, OPEN, none, &retargets].concat(), Verdict::Fail, "SetTarget");
}

#[test]
fn silence_of_a_target_that_has_gone_proves_nothing() {
    let none = "[[step]]\nexpect_none = \"SetTarget\"\n";
    let gone = mutant("hear = \"OpenStandardMiningChannel\"\nclose = \"before\"");

    let outcome = outcome(&[SETUP, OPEN, none, &gone].concat());

    assert_eq!(outcome.verdict, Verdict::Inconclusive);
}

#[test]
fn order_matters_only_where_a_case_says_so() {
    let step =
        |name: &str, order: &str| format!("[[step]]\nexpect = \"{name}\"\norder = \"{order}\"\n");
    let backwards = |order: &str| {
        let (prev, job) = ("mining.SetNewPrevHash", "NewMiningJob");
        [SETUP, OPEN, &step(prev, "any"), &step(job, order)].concat()
    };

    check(&backwards("any"), Verdict::Pass, "");
    check(&backwards("strict"), Verdict::Fail, "nothing that fits");
}

#[test]
fn a_case_that_asks_for_what_is_not_there_is_not_run() {
    let needs = "[requires]\nidentities = [\"nobody\"]\n";

    let outcome = outcome(&[needs, SETUP, OPEN, EXPECT_OPENED].concat());

    assert_eq!(outcome.verdict, Verdict::Skip(Skip::NoControl));
}

#[test]
fn a_case_that_is_wrong_is_our_error_and_not_the_targets() {
    let nonsense = "[[step]]\ncheck = { \"$job.nothing\" = 1 }\n";

    let outcome = outcome(&[SETUP, OPEN, nonsense].concat());

    assert_eq!(outcome.verdict, Verdict::Error);
}

/// An invariant is silent about our pool and rings for a pool that breaks it.
#[track_caller]
fn check_invariant(name: &str, rule: &str) {
    let case = format!(
        "{SETUP}{OPEN}{EXPECT_OPENED}
        [[step]]\ncall = \"fence\"\n
        [[step]]\nsend = \"SubmitSharesStandard\"\nfields = {{ job_id = 999 }}\n
        [[step]]\ncall = \"fence\"\n
        [[step]]\ncheck = \"{name}\"\n"
    );
    check(&case, Verdict::Pass, "");
    let broken = outcome(&(case + &mutant(rule)));
    assert_eq!(broken.verdict, Verdict::Fail, "{name}: {:?}", broken.finding);
}

#[test]
fn every_invariant_rings() {
    let say = |message: &str, deed: &str| format!("say = \"{message}\"\n{deed}");
    let success = "OpenStandardMiningChannel.Success";
    for (name, rule) in [
        ("channel-bits", say("NewMiningJob", "frame = { extension_type = 0 }")),
        ("extension-types", say("NewMiningJob", "frame = { extension_type = 0x4242 }")),
        ("well-formed", say("NewMiningJob", "frame = { keep = 9 }")),
        ("no-trailing-bytes", say("NewMiningJob", "frame = { trailing = \"hex:00\" }")),
        ("known-messages", say("NewMiningJob", "frame = { message_type = 0x1e }")),
        ("no-extension-unasked", say("NewMiningJob", "frame = { trailing = \"hex:00\" }")),
        ("known-channels", say("NewMiningJob", "set = { channel_id = 4000 }")),
        ("no-control-chars", say("SubmitShares.Error", "set = { error_code = \"hex:0a\" }")),
        ("printable", say("SubmitShares.Error", "set = { error_code = \"hex:c3a4\" }")),
        ("unique-job-ids", say("NewMiningJob", "twice = true")),
        ("known-jobs", say("mining.SetNewPrevHash", "set = { job_id = 4000 }")),
        ("one-answer-each", say("SubmitShares.Error", "twice = true")),
        ("client-messages-only-answered", say(success, "also = { message = \"SetupConnection\" }")),
    ] {
        check_invariant(name, &rule);
    }
}

#[test]
fn targets_above_what_the_client_asked_for_ring() {
    let case = r#"
[[step]]
use = "mining/setup"
with = { flags = 1 }
[[step]]
send = "OpenStandardMiningChannel"
fields = { request_id = 7, max_target = "hashes:1000000" }
[[step]]
expect = "OpenStandardMiningChannel.Success"
[[step]]
check = "targets-within-max"
"#;
    let generous =
        mutant("hear = \"OpenStandardMiningChannel\"\nset = { max_target = \"u256:max\" }");

    check(case, Verdict::Pass, "");
    check(&[case, &generous].concat(), Verdict::Fail, "max_target was");
}

#[test]
fn channels_that_share_extranonces_ring() {
    let case = [
        SETUP,
        OPEN,
        EXPECT_OPENED,
        &OPEN.replace('7', "8"),
        &EXPECT_OPENED.replace('7', "8"),
        "[[step]]\ncheck = \"disjoint-extranonces\"\n",
    ]
    .concat();
    let same = mutant(
        "say = \"OpenStandardMiningChannel.Success\"\nset = { extranonce_prefix = \"fill:20\" }",
    );

    check(&case, Verdict::Pass, "");
    check(&(case.clone() + &same), Verdict::Fail, "share extranonces");
}

#[test]
fn the_same_seed_sends_the_same_bytes() {
    let steps = [SETUP, OPEN, EXPECT_OPENED].concat();

    let bytes = |outcome: Outcome| -> Vec<_> {
        outcome.exchange.segments.into_iter().map(|segment| segment.bytes).collect()
    };

    assert_eq!(bytes(outcome(&steps)), bytes(outcome(&steps)));
}

#[test]
fn a_target_that_serves_nobody_is_told_before_any_case_runs() {
    let registry = Registry::embedded();
    let is_clause = |id: &str| registry.clause(id).is_some();
    let mut suite = Suite::built_in(&is_clause).expect("the cases are right");
    let deaf = mutant("hear = \"SetupConnection\"\ndrop = true");
    let case = [
        "format = 1\nid = \"test.case\"\ntitle = \"A test\"\nrole = \"pool\"\nseverity = \"low\"\n\
         clauses = [\"MP-5.3.3-01\"]\n",
        SETUP,
        OPEN,
        EXPECT_OPENED,
        &deaf,
    ]
    .concat();
    suite.add("test.toml", &case, &is_clause).expect("it is a case");

    let target = MemoryTarget::mutant(TargetRole::Pool, suite.mutants["test-mutant"].clone());
    let error = probe(&target, &registry, 1, 1_000_000).expect_err("nobody answers");

    insta::assert_snapshot!(
        error,
        @"the target does not serve its clients: SetupConnection was not answered"
    );
}

#[test]
fn a_case_is_explained_without_running_it() {
    let registry = Registry::embedded();
    let suite = Suite::built_in(&|id| registry.clause(id).is_some()).expect("the cases are right");
    let case = suite.case("M-SNPH-2").expect("an alias finds it");

    insta::assert_snapshot!(explain(case, &registry), @r"
    mining.submit-standard.stale-job-is-refused
      A share for a job that SetNewPrevHash made stale gets SubmitShares.Error
      role pool, severity high
      tags: shares
      also known as: M-SNPH-2

    It proves
      MP-5.3.14-01 (§5.3.14, MUST): Each bad share gets its own error.
      CP-3.5-06 (§3.5, MUST NOT): Codes contain no control characters.

    It needs
      the control new-block
      mining.standard_channels: true
      shares that the hash budget allows: 1

    Steps
      use mining/standard-channel
        use mining/setup
          connect with Noise
          send SetupConnection protocol=0 flags=$flags
          expect SetupConnection.Success
        use mining/open-standard
          send OpenStandardMiningChannel user_identity=$user nominal_hash_rate=$nominal_hash_rate max_target=$max_target
          expect OpenStandardMiningChannel.Success request_id: $opened.request_id
            or OpenMiningChannel.Error request_id: $opened.request_id -> inconclusive: the target refused the channel
          expect SetNewPrevHash channel_id: one of [$ch, $group]
      call mine-share()
      ask the world: new-block, 1 times
      expect SetNewPrevHash channel_id: one of [$ch, $group]
      send SubmitSharesStandard with the fields of $share
      expect SubmitShares.Error channel_id: $ch; sequence_number: $share.sequence_number [MP-5.3.14-01]
        or SubmitShares.Success -> fail: the target paid for a stale share
      check $code without control characters [CP-3.5-06]

    It has been shown to catch
      pays-stale-shares: A pool that looks jobs up without asking whether the tip has changed
    ");
}

#[test]
fn the_side_that_a_target_takes_of_an_ambiguity_is_told() {
    let either = r#"
[[step]]
expect = "OpenMiningChannel.Error"
reading = { ambiguity = "AMB-01", side = "one" }
[[step.or]]
expect = "OpenStandardMiningChannel.Success"
reading = { ambiguity = "AMB-01", side = "the other" }
"#;

    let outcome = check(&[SETUP, OPEN, either].concat(), Verdict::Pass, "");

    let sides: Vec<&str> = outcome.readings.iter().map(|reading| reading.side.as_str()).collect();
    assert_eq!(sides, ["the other"]);
}

#[test]
fn a_convention_is_tested_only_where_its_profile_is_asked_for() {
    let registry = Registry::embedded();
    let is_clause = |id: &str| registry.clause(id).is_some();
    let mut suite = Suite::built_in(&is_clause).expect("the cases are right");
    let case = [
        "format = 1\nid = \"test.case\"\ntitle = \"A test\"\nrole = \"pool\"\nseverity = \"low\"\n\
         clauses = [\"MP-5.3.3-01\"]\nprofiles = [\"sri-codes\"]\n",
        SETUP,
        OPEN,
        EXPECT_OPENED,
    ]
    .concat();
    suite.add("test.toml", &case, &is_clause).expect("it is a case");

    let is_selected = |profiles: &[&str]| {
        let profiles = profiles.iter().map(|&name| name.to_owned()).collect();
        let options = RunOptions { profiles, ..RunOptions::default() };
        select(&suite, &registry, &options).iter().any(|case| case.id == "test.case")
    };

    assert!(!is_selected(&[]) && is_selected(&["sri-codes"]));
}

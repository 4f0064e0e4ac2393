use std::collections::BTreeSet;
use std::path::Path;

use super::drift::{Drift, DriftKind, Specification};
use super::*;

const REGISTRY: &str = r#"[chapter]
file = "7.md"
title = "Made up"
commit = "abc"

[chapter.sections]
"7" = "0000000000000000000000000000000000000000000000000000000000000000"

[[clause]]
id = "MU-7.1-01"
section = "7.1"
roles = ["server"]
level = "MUST"
basis = "explicit"
observe = "peer"
rule = "Servers answer a greeting."
how = "greet"
untested = { reason = "not-yet", why = "no case" }
fingerprint = "0000000000000000000000000000000000000000000000000000000000000000"

[[clause]]
id = "MU-7.2-01"
section = "7.2"
roles = ["client"]
level = "MAY"
basis = "implicit"
observe = "record"
rule = "Nothing resembles this."
untested = { reason = "untestable", why = "a permission" }
ambiguities = ["AMB-01"]
fingerprint = "0000000000000000000000000000000000000000000000000000000000000000"

[[ambiguity]]
id = "AMB-01"
sections = ["7.2"]
question = "Which?"
readings = [{ name = "this", means = "one" }, { name = "that", means = "the other" }]
"#;

const SPECIFICATION: &str = "\
# 7 Made up
It is short.
## 7.1 Greeting
The server MUST answer a greeting. A greeting has three words.
## 7.2 Else
Text.
";

fn registry(text: &str) -> Result<Registry, String> {
    Registry::load(&[Source { name: "made-up.toml", text }]).map_err(|error| error.to_string())
}

/// The made-up registry with the fingerprints of the made-up specification.
fn accepted() -> Registry {
    let specification = Specification::from_texts(&[("7.md", SPECIFICATION)]);
    let text = registry(REGISTRY).expect("loads").accept(REGISTRY, &specification);
    registry(&text).expect("loads")
}

fn drift_in(specification: &str) -> Vec<Drift> {
    accepted().drift(&Specification::from_texts(&[("7.md", specification)]))
}

fn drift(section: &str, clause: Option<&str>, kind: DriftKind) -> Drift {
    Drift {
        file: "7.md".to_owned(),
        section: section.to_owned(),
        clause: clause.map(str::to_owned),
        kind,
    }
}

#[test]
fn the_embedded_registry_loads_and_has_every_row() {
    let registry = Registry::embedded();

    let of_specification = |clause: &&Clause| !clause.id.starts_with("S1-");
    assert_eq!(registry.clauses().iter().filter(of_specification).count(), 566);
    assert_eq!(registry.ambiguities().len(), 54);
}

#[test]
fn every_file_of_the_folder_is_embedded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clauses");
    let on_disk: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder is part of the package")
        .map(|entry| {
            let name = entry.expect("readable").file_name();
            format!("conformance/clauses/{}", name.to_string_lossy())
        })
        .collect();

    let embedded: BTreeSet<String> =
        load::EMBEDDED.iter().map(|source| source.name.to_owned()).collect();

    assert_eq!(embedded, on_disk);
}

#[test]
fn every_ambiguity_names_sections_that_the_registry_knows() {
    let registry = Registry::embedded();
    let known: BTreeSet<&str> = registry
        .chapters()
        .iter()
        .flat_map(|chapter| chapter.sections.keys().map(String::as_str))
        .collect();

    for ambiguity in registry.ambiguities() {
        for section in &ambiguity.sections {
            assert!(known.contains(section.as_str()), "{} names section {section}", ambiguity.id);
        }
    }
}

#[test]
fn what_is_testable_as_the_pools_peer_is_enough_for_its_suite() {
    let coverage = Registry::embedded().role_coverage(Role::Pool, &Citations::default());

    assert!(coverage.testable_count >= 200, "{}", coverage.testable_count);
    assert_eq!(coverage.tested_count, 0);
}

#[test]
fn a_wrong_row_is_an_error_with_line_and_column() {
    let check = |from: &str, to: &str, expected: &str| {
        let text = REGISTRY.replacen(from, to, 1);
        assert_ne!(text, REGISTRY, "{from} is not in the registry");
        assert_eq!(registry(&text).expect_err(to), expected);
    };

    check(
        "\"MU-7.2-01\"",
        "\"MU-7.1-01\"",
        "made-up.toml:22:6: MU-7.1-01 is defined already, in made-up.toml:10",
    );
    check(
        "\"AMB-01\"]",
        "\"AMB-02\"]",
        "made-up.toml:30:16: ambiguity AMB-02 is cited but not defined",
    );
    check(
        "\"MUST\"",
        "\"MUSTN'T\"",
        "made-up.toml:13:9: \"MUSTN'T\" is no level; expected one of: MUST, MUST NOT, SHOULD, SHOULD NOT, MAY",
    );
    check(
        "how = ",
        "why = ",
        "made-up.toml:17:1: unknown field `why`, expected one of `id`, `section`, `roles`, `level`, `basis`, `observe`, `rule`, `how`, `untested`, `ambiguities`, `sentence`, `fingerprint`",
    );
    check("\"no case\"", "\" \"", "made-up.toml:18:40: expected words");
    check(
        "section = \"7.1\"",
        "section = \"7.3\"",
        "made-up.toml:10:6: an id of section 7.3 looks like XX-7.3-01",
    );
    check("[\"server\"]", "[]", "made-up.toml:12:9: expected at least one role");
    check(
        "fingerprint = \"00",
        "fingerprint = \"0x",
        "made-up.toml:19:15: expected a SHA-256 as 64 hexadecimal digits",
    );
    check(
        ", { name = \"that\", means = \"the other\" }",
        "",
        "made-up.toml:37:12: an ambiguity has at least two readings",
    );
}

#[test]
fn accepting_fills_in_the_sentence_and_leaves_no_drift() {
    let registry = accepted();

    assert_eq!(registry.clause("MU-7.1-01").map(|clause| clause.sentence), Some(Some(2)));
    assert_eq!(registry.clause("MU-7.2-01").map(|clause| clause.sentence), Some(None));
    assert_eq!(drift_in(SPECIFICATION), []);
}

#[test]
fn accepting_changes_only_the_lines_of_clauses_that_drifted() {
    let before = REGISTRY.lines().filter(|line| !line.contains("00000"));
    let specification = Specification::from_texts(&[("7.md", SPECIFICATION)]);

    let after = registry(REGISTRY).expect("loads").accept(REGISTRY, &specification);

    let kept: Vec<&str> = after
        .lines()
        .filter(|line| {
            !line.starts_with("sentence")
                && !line.starts_with("fingerprint")
                && !line.starts_with("\"7")
        })
        .collect();
    assert_eq!(kept, before.collect::<Vec<_>>());
}

#[test]
fn markup_and_line_breaks_are_no_drift() {
    let text = SPECIFICATION.replace("MUST answer", "**MUST**\nanswer");

    assert_eq!(drift_in(&text), []);
}

#[test]
fn a_changed_sentence_is_reported_with_what_comes_nearest_now() {
    let text = SPECIFICATION.replace("MUST answer", "SHOULD answer");

    let nearest = Some("The server SHOULD answer a greeting.".to_owned());
    assert_eq!(drift_in(&text), [drift("7.1", Some("MU-7.1-01"), DriftKind::Changed { nearest })]);
}

#[test]
fn a_changed_section_is_reported_for_a_clause_without_a_sentence() {
    let text = SPECIFICATION.replace("Text.", "Other text.");

    let kind = DriftKind::Changed { nearest: None };
    assert_eq!(drift_in(&text), [drift("7.2", Some("MU-7.2-01"), kind)]);
}

#[test]
fn a_sentence_in_another_section_is_reported_as_moved() {
    let sentence = "The server MUST answer a greeting. ";
    let text = SPECIFICATION.replace(sentence, "").replace("It is", &format!("{sentence}It is"));

    let moved = DriftKind::Moved { to: "7".to_owned() };
    assert_eq!(
        drift_in(&text),
        [drift("7.1", Some("MU-7.1-01"), moved), drift("7", None, DriftKind::OtherText)]
    );
}

#[test]
fn text_without_a_clause_is_watched_too() {
    let text = SPECIFICATION.replace("three words", "four words");

    assert_eq!(drift_in(&text), [drift("7.1", None, DriftKind::OtherText)]);
}

#[test]
fn new_and_missing_sections_and_files_are_reported() {
    let text = SPECIFICATION.replace("## 7.2 Else", "## 7.3 New");

    assert_eq!(
        drift_in(&text),
        [
            drift("7.2", Some("MU-7.2-01"), DriftKind::SectionMissing),
            drift("7.3", None, DriftKind::NewSection),
        ]
    );
    assert_eq!(
        accepted().drift(&Specification::from_texts(&[("8.md", SPECIFICATION)])),
        [drift("", None, DriftKind::FileMissing)]
    );
}

#[test]
fn a_folder_without_a_specification_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");

    let error = accepted().check_drift(folder.path()).expect_err("it is empty");

    assert_eq!(
        error.to_string(),
        format!("{}: no Markdown file in the folder", folder.path().display())
    );
}

#[test]
fn a_citation_of_no_clause_is_refused_with_the_nearest_id() {
    let registry = accepted();

    let unknown = Citations::new(&registry, [("greeting", ["MU-7.1-02"])]).expect_err("no clause");

    assert_eq!(
        unknown[0].to_string(),
        "case greeting cites MU-7.1-02, which is no clause; did you mean MU-7.1-01?"
    );
}

#[test]
fn a_cited_clause_is_tested_and_the_others_are_counted_by_reason() {
    let registry = accepted();
    let citations = Citations::new(&registry, [("greeting", ["MU-7.1-01"])]).expect("known");

    let pool = registry.role_coverage(Role::Pool, &citations);
    let client = registry.role_coverage(Role::Jdc, &citations);

    assert_eq!((pool.clause_count, pool.testable_tested_count), (1, 1));
    assert_eq!((client.clause_count, client.testable_count), (1, 0));
    assert_eq!(client.untested_counts.get(&Reason::Untestable), Some(&1));
}

#[test]
fn a_row_without_case_and_reason_is_named() {
    let text = REGISTRY.replacen("untested = { reason = \"not-yet\", why = \"no case\" }\n", "", 1);

    let coverage = registry(&text).expect("loads").role_coverage(Role::Pool, &Citations::default());

    assert_eq!(coverage.unexplained, ["MU-7.1-01"]);
}

#[test]
fn a_case_for_what_nobody_can_see_is_a_contradiction() {
    let text = REGISTRY.replacen("observe = \"peer\"", "observe = \"never\"", 1);
    let registry = registry(&text).expect("loads");
    let citations = Citations::new(&registry, [("greeting", ["MU-7.1-01"])]).expect("known");

    assert_eq!(registry.contradictions(&citations), [("MU-7.1-01", &["greeting".to_owned()][..])]);
}

#[test]
fn a_list_holds_what_the_filter_asks_for() {
    let registry = accepted();
    let citations = Citations::new(&registry, [("greeting", ["MU-7.1-01"])]).expect("known");
    let all = Filter::default();
    let check = |filter: Filter, expected: &str| {
        assert_eq!(list(&registry, &citations, &filter), expected);
    };
    let first = "MU-7.1-01  MUST        tested        Servers answer a greeting.\n";
    let second = "MU-7.2-01  MAY         untestable    Nothing resembles this.\n";

    check(all.clone(), &format!("{first}{second}2 clauses, 1 tested\n"));
    check(
        Filter { role: Some(Role::Pool), ..all.clone() },
        &format!("{first}1 clauses, 1 tested\n"),
    );
    check(
        Filter { section: Some("7.2".to_owned()), ..all.clone() },
        &format!("{second}1 clauses, 0 tested\n"),
    );
    check(Filter { section: Some("7.".to_owned()), ..all.clone() }, "0 clauses, 0 tested\n");
    check(
        Filter { level: Some(Level::May), ..all.clone() },
        &format!("{second}1 clauses, 0 tested\n"),
    );
    check(
        Filter { status: Some(Status::Tested), ..all.clone() },
        &format!("{first}1 clauses, 1 tested\n"),
    );
    check(
        Filter { status: "untestable".parse().ok(), ..all.clone() },
        &format!("{second}1 clauses, 0 tested\n"),
    );
    check(Filter { testable: true, ..all }, &format!("{first}1 clauses, 1 tested\n"));
}

#[test]
fn coverage_as_json_counts_what_the_table_counts() {
    let registry = accepted();
    let citations = Citations::new(&registry, [("greeting", ["MU-7.1-01"])]).expect("known");
    let coverage = registry.coverage(&citations);

    let json = coverage_json(&coverage);
    let table = print_coverage(&coverage);

    assert_eq!(json["tested"], 1);
    assert_eq!(json["roles"][0]["role"], "pool");
    assert_eq!(json["roles"][0]["testable_tested"], 1);
    assert!(table.contains("pool                      1         1         1 100 %\n"), "{table}");
    assert!(table.ends_with("1 of 2 clauses are tested\n"), "{table}");
}

#[test]
fn a_clause_is_shown_with_its_case_or_with_its_reason() {
    let registry = accepted();
    let citations = Citations::new(&registry, [("greeting", ["MU-7.1-01"])]).expect("known");

    let tested = show(&registry, &citations, "MU-7.1-01").expect("known");
    let untested = show(&registry, &citations, "MU-7.2-01").expect("known");

    assert!(tested.contains("  case       greeting\n") && !tested.contains("untested"), "{tested}");
    assert!(untested.contains("  untested   untestable: a permission\n"), "{untested}");
    assert!(untested.contains("  ambiguity  AMB-01: Which?\n"), "{untested}");
    assert_eq!(show(&registry, &citations, "MU-9-01"), None);
}

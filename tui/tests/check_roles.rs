//! `assay check` for each role of a server: our own passes, and its cases can be listed and
//! explained.

use std::process::{Command, Output};

fn assay(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder for evidence");
    Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .expect("the program starts")
}

#[track_caller]
fn check(arguments: &[&str], expected: &str) {
    let output = assay(arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(text.contains(expected), "{text}");
}

#[test]
fn our_own_of_each_role_passes_its_first_cases_in_memory() {
    for role in ["job-declarator-server", "jds", "template-provider", "pool"] {
        check(&["check", role, "--memory", "--filter", "tag(smoke)", "--verbose"], "pass");
    }
}

#[test]
fn each_role_lists_and_explains_its_own_cases() {
    check(&["check", "jds", "--list"], "declaration.tokens.success-echoes-request-id");
    check(&["check", "template-provider", "--list"], "templates.start.first-pair");
    check(
        &["check", "jds", "--explain", "declaration.tokens.success-echoes-request-id"],
        "job-declarator-server",
    );
    let stranger = assay(&["check", "jds", "--explain", "templates.start.first-pair"]);
    assert_eq!(stranger.status.code(), Some(4), "a case of another role");
}

//! `assay check pool --target FILE` with a program that the file has started: our own pool, as
//! anybody else's program.

use std::path::Path;
use std::process::{Command, Output};

const TARGET: &str = r#"
program = "pool.recipe.toml"
expectations = "known.toml"
[identities]
user = "assay"
[template_provider]
chain = "hard"
"#;

/// Without a key of its own the pool shows the one of the reference implementation's examples.
const RECIPE: &str = r#"
name = "a pool of ours"
command = [
  "ASSAY", "node", "pool", "--listen", "${miners}",
  "--template-provider", "stratum2+tcp://${template-provider}/${template-provider.authority}",
]
needs = ["template-provider"]
[listens.miners]
authority = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
[ready]
listen = "miners"
by = "setup"
protocol = "mining"
"#;

const KNOWN: &str = r#"
[[skip]]
case = "common.setup.unknown-protocols-are-refused"
reason = "the test wants to see that this file is read"
"#;

fn folder(recipe: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let recipe = recipe.replace("ASSAY", env!("CARGO_BIN_EXE_assay"));
    for (name, text) in
        [("target.toml", TARGET), ("pool.recipe.toml", &recipe), ("known.toml", KNOWN)]
    {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_assay"))
        .current_dir(folder)
        .args(["check", "pool", "--target", "target.toml"])
        .args(arguments)
        .output()
        .expect("it runs")
}

#[test]
fn a_program_is_started_checked_and_compared_with_the_last_run() {
    let folder = folder(RECIPE);
    let filter = "common.setup.*";

    let first = check(folder.path(), &["--filter", filter, "--report", "results=then.toml"]);
    let then = std::fs::read_to_string(folder.path().join("then.toml")).unwrap();
    let worse = then.replacen("= \"pass\"", "= \"fail\"", 1);
    std::fs::write(folder.path().join("then.toml"), worse).unwrap();
    let second = check(folder.path(), &["--filter", filter, "--baseline", "then.toml"]);

    let (first_text, second_text) =
        (String::from_utf8_lossy(&first.stdout), String::from_utf8_lossy(&second.stdout));
    assert_eq!(first.status.code(), Some(0), "{first_text}");
    assert!(then.contains("common.setup.unknown-protocols-are-refused/protocol=3\" = \"skip"));
    assert!(second_text.contains("1 verdicts changed"), "{second_text}");
    assert!(second_text.contains("fail -> pass"), "{second_text}");
}

#[test]
fn a_program_that_does_not_run_is_named_with_its_last_words() {
    let folder = folder(&RECIPE.replace("\"--listen\"", "\"--lisen\""));

    let output = check(folder.path(), &[]);

    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{words}");
    assert!(words.contains("a pool of ours ended with"), "{words}");
    assert!(words.contains("unexpected argument '--lisen'"), "{words}");
}

#[test]
fn a_recipe_that_cannot_be_read_is_named_with_its_place() {
    let folder = folder(&RECIPE.replace("by = \"setup\"", "by = \"hope\""));

    let output = check(folder.path(), &[]);

    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{words}");
    assert!(words.contains("target.toml:2:11: pool.recipe.toml:12:6: unknown variant"), "{words}");
}

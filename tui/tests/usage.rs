//! A command line that is refused, by its exit code: 4, whoever refuses it. What help and the version
//! are asked for is no error.

#![allow(clippy::unwrap_used, reason = "a test runs a program")]

use std::process::{Command, Output};

fn assay(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(words).env_remove("SV2KEYLOGFILE").output().unwrap()
}

#[test]
fn what_the_parser_refuses_ends_with_4_and_is_said_on_standard_error() {
    let rows: [(&[&str], &str); 8] = [
        (&["--lisen"], "unexpected argument '--lisen'"),
        (&["chek"], "unrecognized subcommand 'chek'"),
        (&["check"], "required arguments were not provided"),
        (&["check", "pool", "--lisen"], "unexpected argument '--lisen'"),
        (&["check", "pol"], "invalid value 'pol'"),
        (&["check", "pool", "--memory", "--target", "pool.toml"], "cannot be used with"),
        (&["rules", "run.pcapng", "--fail-on", "hope"], "chat, note, warning or error"),
        // Help, but nobody has asked for it.
        (&[], "Usage: assay"),
    ];
    for (words, expected) in rows {
        let output = assay(words);

        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{words:?}: {said}");
        assert_eq!(output.status.code(), Some(4), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn help_and_the_version_end_with_0_and_are_on_standard_output() {
    let rows: [(&[&str], &str); 5] = [
        (&["--help"], "Usage: assay"),
        (&["help", "check"], "Usage: assay check"),
        (&["check", "-h"], "Usage: assay check"),
        (&["node", "pool", "--help"], "Usage: assay node pool"),
        (&["--version"], "assay "),
    ];
    for (words, expected) in rows {
        let output = assay(words);

        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(expected), "{words:?}: {said}");
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(output.stderr.is_empty(), "{words:?}");
    }
}

//! Captures without a terminal, as somebody runs the commands: forms, exit codes, pipes.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test runs a program")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use serde_json::Value;
use sv2_capture::sample::ShareCapture;

/// Of `vectors/captures`.
fn capture(name: &str) -> String {
    format!("{}/../vectors/captures/{name}.pcapng", env!("CARGO_MANIFEST_DIR"))
}

/// What is printed, and the exit code; paths are cut to their names.
fn assay(words: &[&str]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    let output = command.args(words).env_remove("SV2KEYLOGFILE").output().unwrap();
    let folder = capture("").replace(".pcapng", "");
    let text = String::from_utf8(output.stdout).unwrap();
    (text.replace(&folder, ""), output.status.code().unwrap())
}

/// A capture that is read, followed and printed on three threads, and the folder that it is in.
fn long() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shares.pcapng");
    let bytes = ShareCapture::new(3, false).next_piece(40_000);
    assert!(bytes.len() > 4 << 20);
    std::fs::write(&file, bytes).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

#[test]
fn a_capture_is_counted() {
    let file = capture("21-good-share-refused");

    let (text, code) = assay(&["stats", &file]);
    insta::assert_snapshot!("stats", text);
    assert_eq!(code, 0);

    let (text, _) = assay(&["stats", &file, "--json"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["shares"]["refused"]["difficulty-too-low"], 1);
    assert_eq!(json["latencies"]["SubmitShares.Error"]["p50_us"], 1_000);
}

#[test]
fn a_copy_of_nothing_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.pcapng");
    for (filter, expected) in [("ch == 99", true), ("msg == SetupConnection", false)] {
        for form in [&[][..], &["--plain"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
            let words = ["decode", &capture("21-good-share-refused"), "--filter", filter, "-w"];

            let output = command.args(words).arg(&copy).args(form).output().unwrap();

            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(said.contains("takes nothing"), expected, "{filter} {form:?}: {said}");
            assert_eq!(output.status.code(), Some(0));
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_finds_no_room_is_an_error() {
    let file = capture("21-good-share-refused");
    for command in ["decode", "stats", "rules", "ladder", "inspect"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_assay"));

        let output = program.args([command, &file]).stdout(full).output().unwrap();

        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("No space left on device"), "{command}: {said}");
        assert_eq!(output.status.code(), Some(4), "{command}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn long_output_that_finds_no_room_is_an_error() {
    let (_folder, file) = long();
    for form in ["text", "jsonl", "csv"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_assay"));

        let output = program.args(["decode", &file, "-o", form]).stdout(full).output().unwrap();

        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("No space left on device"), "{form}: {said}");
        assert_eq!(output.status.code(), Some(4), "{form}");
    }
}

#[test]
fn a_capture_is_judged() {
    let file = capture("21-good-share-refused");

    let (text, code) = assay(&["rules", &file]);
    insta::assert_snapshot!("rules", text);
    assert_eq!(code, 1, "W21 is a warning");
    assert_eq!(assay(&["rules", &file, "--fail-on", "error"]).1, 0);
    assert_eq!(assay(&["rules", &file, "--allow", "21"]).1, 0);
    assert_eq!(assay(&["rules", &file, "--filter", "rule == 33"]).1, 1, "the same message");

    insta::assert_snapshot!("rules_junit", assay(&["rules", &file, "-o", "junit"]).0);
    let sarif: Value = serde_json::from_str(&assay(&["rules", &file, "-o", "sarif"]).0).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[1]["ruleId"], "SV2-21");
    assert_eq!(results[1]["level"], "warning");
    for line in assay(&["rules", &file, "-o", "jsonl"]).0.lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        assert_eq!(finding["n"], 9);
    }
}

#[test]
fn rules_are_listed_and_explained_without_a_capture() {
    let (list, code) = assay(&["rules", "--list"]);
    assert_eq!((list.lines().count(), code), (36, 0));

    let (text, code) = assay(&["rules", "--explain", "19"]);
    assert!(text.contains("5.3.17") && text.contains("Hint"), "{text}");
    assert_eq!(code, 0);
    assert_eq!(assay(&["rules", "--explain", "E19"]).0, text, "as findings are called");
    assert_eq!(assay(&["rules", "--explain", "99"]).1, 4);
    assert_eq!(assay(&["rules"]).1, 4);
}

#[test]
fn reports_for_machines_say_what_nobody_has_judged() {
    let folder = tempfile::tempdir().unwrap();
    let keyless = folder.path().join("keyless.pcapng");
    let sealed = ShareCapture::new(1, true).next_piece(2);
    std::fs::write(&keyless, sealed).unwrap();
    let keyless = keyless.to_str().unwrap();
    let stripped = folder.path().join("stripped.pcapng");
    let stripped = stripped.to_str().unwrap();
    assert_eq!(assay(&["decode", keyless, "-w", stripped, "--strip-keys"]).1, 0);

    let (text, file) = (concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), keyless);
    for (file, is_whole) in [(text, false), (stripped, false), (file, true)] {
        let (junit, code) = assay(&["rules", file, "-o", "junit", "--fail-on", "error"]);
        let errors = if is_whole { "errors=\"0\"" } else { "errors=\"1\"" };
        assert!(junit.contains(errors), "{file}: {junit}");
        let (sarif, _) = assay(&["rules", file, "-o", "sarif"]);
        let sarif: Value = serde_json::from_str(&sarif).unwrap();
        let invocation = &sarif["runs"][0]["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], is_whole, "{file}");
        assert_eq!(code == 0, is_whole, "{file}");
    }
    let (junit, _) = assay(&["rules", keyless, "-o", "junit", "--allow", "19,21"]);
    assert!(junit.contains("skipped=\"2\""), "{junit}");
}

#[test]
fn what_was_found_up_to_an_interruption_is_printed() {
    let bytes = std::fs::read(capture("21-good-share-refused")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["rules", "-", "--verbose"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut capture = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    capture.write_all(&bytes).unwrap();
    out.read_line(&mut line).unwrap();
    assert!(line.contains("#9"), "{line}");

    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    line.clear();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("ending"), "{line}");
    // Another section of the same.
    capture.write_all(&bytes).unwrap();
    capture.flush().unwrap();

    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("assay rules --explain"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_grows_is_judged_finding_by_finding() {
    let file = capture("21-good-share-refused");
    for form in ["text", "junit", "sarif"] {
        assert_eq!(assay(&["rules", "--follow", &file, "-o", form]).1, 4, "{form}");
    }
}

#[cfg(unix)]
#[test]
fn copies_are_their_owners_and_have_names() {
    use std::os::unix::fs::PermissionsExt as _;

    let (folder, file) = (tempfile::tempdir().unwrap(), capture("tap-jd_client_sv2-assay-pool"));
    for form in [&[][..], &["--plain"], &["--redact", "all"]] {
        let copy = folder.path().join(format!("copy{}.pcapng", form.len()));
        let words = [&["decode", &file, "-w", copy.to_str().unwrap()], form].concat();

        assert_eq!(assay(&words).1, 0);

        let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{form:?}");
    }
    assert_eq!(assay(&["decode", &file, "-w", "-"]).1, 4);
}

#[test]
fn a_key_log_without_a_key_is_named() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));

    let words = ["decode", &capture("21-good-share-refused"), "--key-log", here];
    let output = command.args(words).output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("Cargo.toml: there is no key in it"), "{said}");
}

#[test]
fn a_capture_is_drawn() {
    let file = capture("tap-jd_client_sv2-assay-pool");
    for form in ["text", "mermaid", "markdown"] {
        let (text, code) = assay(&["ladder", &file, "--filter", "n >= 43 && n < 50", "-o", form]);

        insta::assert_snapshot!(format!("ladder_{form}"), text);
        assert_eq!(code, 0);
    }
}

#[test]
fn two_captures_are_compared() {
    let [one, other] = ["21-good-share-refused", "22-share-paid-twice"].map(capture);

    assert_eq!(assay(&["compare", &one, &one]), ("the same: 8 messages\n".to_owned(), 0));
    let (text, code) = assay(&["compare", &one, &other]);
    assert!(text.contains("SubmitShares.Error, channel 1 of it: 1 / 0 of them"), "{text}");
    assert!(text.ends_with(" differences\n"), "{text}");
    assert_eq!(code, 1);
    let (json, _) = assay(&["compare", &one, &other, "-o", "jsonl"]);
    let last: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!((last["same"].as_bool(), json.lines().count() > 1), (Some(false), true));
    assert_eq!(assay(&["compare", &one, "/dev/null"]).1, 3);
    assert_eq!(assay(&["compare", &one, &other, "--ignore", "ntimes"]).1, 4);
}

#[test]
fn what_is_no_capture_is_an_exit_code_of_its_own() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for command in ["decode", "stats", "rules", "ladder", "inspect"] {
        assert_eq!(assay(&[command, here]).1, 3, "{command}");
        assert_eq!(assay(&[command, "no-such-file"]).1, 3, "{command}");
        assert_eq!(assay(&[command]).1, 4, "{command}");
    }
}

/// A reader that goes away early, such as `head`, is no error.
#[test]
fn a_pipe_that_closes_ends_quietly() {
    let (_folder, long) = long();
    let short = capture("tap-mining_device-pool_sv2");
    for words in [["decode", &short, "-vvx"], ["decode", &long, "-ojsonl"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_assay"))
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();

        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();

        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{words:?}");
        assert!(output.status.success(), "{words:?}");
    }
}

#[test]
fn standard_input_is_read_as_it_comes() {
    let bytes = std::fs::read(capture("21-good-share-refused")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["decode", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let (first, second) = bytes.split_at(bytes.len() - 40);

    // All but the last block: what it holds is printed before the end comes.
    std::io::Write::write_all(&mut input, first).unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut text = String::new();
    while text.lines().count() < 8 {
        let mut some = [0; 1024];
        let len = out.read(&mut some).unwrap();
        assert_ne!(len, 0, "{text}");
        text.push_str(std::str::from_utf8(&some[..len]).unwrap());
    }
    std::io::Write::write_all(&mut input, second).unwrap();
    drop(input);
    out.read_to_string(&mut text).unwrap();

    assert!(text.contains("W21"), "{text}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_file_that_grows_is_shown_as_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.pcapng");
    let mut sample = ShareCapture::new(1, true);
    std::fs::write(&file, sample.next_piece(1)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["decode", "--follow", "-o", "csv", "--fields", "msg,seq"])
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut is_shown = |wanted: &str| out.any(|line| line.unwrap().trim_end() == wanted);

    assert!(is_shown("SubmitSharesExtended,1"));
    let mut growing = std::fs::OpenOptions::new().append(true).open(&file).unwrap();
    growing.write_all(&sample.next_piece(1)).unwrap();
    assert!(is_shown("SubmitSharesExtended,2"));

    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_socket_of_a_tap_is_read_like_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("tap.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["decode", "-o", "csv", "--fields", "msg,mac,seq"])
        .arg(format!("tap:{}", socket.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();

    let (mut stream, _) = listener.accept().unwrap();
    std::io::Write::write_all(&mut stream, &ShareCapture::new(1, true).next_piece(2)).unwrap();
    drop(stream);
    let output = child.wait_with_output().unwrap();

    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("SubmitSharesExtended,ok,1\r\nSubmitSharesExtended,ok,2\r\n"), "{text}");
}

#[test]
fn json_of_every_capture_keeps_to_the_schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../vectors/decode.schema.json")).unwrap();
    let known = schema["properties"].as_object().unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(capture("").replace(".pcapng", "")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "pcapng") {
            continue;
        }
        let (text, code) = assay(&["decode", "-o", "jsonl", "--raw", path.to_str().unwrap()]);
        assert_eq!(code, 0, "{}", path.display());
        for line in text.lines() {
            let object: Value = serde_json::from_str(line).unwrap();
            for (key, value) in object.as_object().unwrap() {
                let row = known.get(key).unwrap_or_else(|| panic!("{key} is not in the schema"));
                assert!(is_of_type(value, row), "{key} of {line}");
            }
            count += 1;
        }
    }
    assert!(count > 1_000, "{count} lines");
}

/// As far as the schema's types go.
fn is_of_type(value: &Value, row: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("integer") => value.is_u64(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("null") => value.is_null(),
        other => panic!("a type that is not known here: {other:?}"),
    };
    match (&row["enum"], &row["type"]) {
        (Value::Array(words), _) => words.contains(value),
        (_, Value::Array(kinds)) => kinds.iter().any(is),
        (_, Value::Null) => *value == row["const"],
        (_, kind) => is(kind),
    }
}

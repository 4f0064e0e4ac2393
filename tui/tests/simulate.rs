//! `assay simulate` as a process: what it leaves behind, and what it says where a rule is broken.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn simulate(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.current_dir(folder).arg("simulate").args(arguments.split_whitespace());
    command.output().unwrap()
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What follows `key` on its line.
fn said<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(key));
    line.unwrap_or_else(|| panic!("nothing after {key:?} in {text}"))
}

/// The rule and the event that a complaint names.
fn rule_and_event(text: &str) -> (&str, &str) {
    let (_, violation) = text.split_once("a rule does not hold: ").unwrap();
    let (rule, _) = violation.split_once(": ").unwrap();
    let (_, event) = violation.split_once("(event ").unwrap();
    (rule, event.split_once(',').unwrap().0)
}

#[test]
fn a_broken_rule_is_named_with_what_came_before_and_the_command_that_shows_it_again() {
    let folder = tempfile::tempdir().unwrap();

    let output = simulate(
        folder.path(),
        "config-b --for 1h --seed 5 --mutant pool-pays-too-much --output run",
    );

    let text = complaint(&output);
    let (rule, event) = rule_and_event(&text);
    assert_eq!(rule, "work");
    let before: Vec<&str> =
        text.lines().skip_while(|line| !line.contains("before:")).skip(1).collect();
    let numbered = before.iter().filter(|line| line.trim_start().starts_with(char::is_numeric));
    assert_eq!(numbered.count(), event.parse::<usize>().unwrap().min(100), "{text}");
    let last = before.iter().rfind(|line| line.trim_start().starts_with(char::is_numeric));
    assert!(last.unwrap().trim_start().starts_with(event), "{text}");
    let summary = std::fs::read_to_string(folder.path().join("run/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["is_partial"], true);

    let again = said(&text, "again: assay simulate ");
    let second = complaint(&simulate(folder.path(), again));
    assert_eq!(rule_and_event(&second), (rule, event));
}

#[test]
fn a_swarm_stops_at_what_it_finds_and_makes_it_small() {
    let folder = tempfile::tempdir().unwrap();

    let output =
        simulate(folder.path(), "--swarm --seed 3 --for 1h --mutant pool-names-jobs-alike");

    let text = complaint(&output);
    let (rule, _) = rule_and_event(&text);
    assert_eq!(rule, "job-ids");
    for key in ["as drawn: assay simulate ", "again, as small as it could be made: assay simulate "]
    {
        let again = complaint(&simulate(folder.path(), said(&text, key)));
        assert_eq!(rule_and_event(&again).0, rule, "{key}");
    }
    let small = said(&text, "again, as small as it could be made: assay simulate ");
    let file = small.split(' ').next().unwrap();
    let small = std::fs::read_to_string(folder.path().join(file)).unwrap();
    assert!(!small.contains("[[fault]]"), "no fault is needed for it: {small}");
}

#[test]
fn two_runs_of_a_seed_leave_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    for run in ["one", "other"] {
        let arguments = format!("config-d --for 20min --seed 9 --output {run} --events");
        assert!(simulate(folder.path(), &arguments).status.success());
    }

    let read = |run: &str, file: &str| std::fs::read(folder.path().join(run).join(file)).unwrap();
    let events = read("one", "events.jsonl");
    assert!(!events.is_empty());
    assert_eq!(events, read("other", "events.jsonl"));
    let digest = |run: &str| {
        let summary: Value = serde_json::from_slice(&read(run, "summary.json")).unwrap();
        summary["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(digest("one"), digest("other"));
    let page = String::from_utf8(read("one", "report.html")).unwrap();
    for part in ["share to answer", "tip to device", "SubmitSharesExtended", "mining.submit"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn an_interrupted_run_leaves_what_it_has_and_says_that_it_is_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    std::fs::create_dir(&run).unwrap();
    // Whoever reads the first event knows that the run has begun.
    let events = run.join("events.jsonl");
    assert!(Command::new("mkfifo").arg(&events).status().unwrap().success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.current_dir(folder.path()).args(["simulate", "config-d", "--for", "1000d"]);
    command.args(["--output", "run", "--events"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let mut events = BufReader::new(std::fs::File::open(&events).unwrap());
    events.read_line(&mut String::new()).unwrap();

    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    std::io::copy(&mut events, &mut std::io::sink()).unwrap();

    assert!(told.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let summary = std::fs::read(run.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary["is_partial"], true);
    assert!(run.join("report.html").exists());
}

#[test]
fn a_capture_of_a_run_is_decoded_whole_and_says_what_the_summary_says() {
    let folder = tempfile::tempdir().unwrap();
    let assay = |arguments: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        let output = command.current_dir(folder.path()).args(arguments.split_whitespace()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments}: {output:?}");
        output.stdout
    };
    for run in ["one", "other"] {
        assay(&format!("simulate config-d --for 3min --seed 4 --output {run} --capture"));
    }
    let read = |path: &str| std::fs::read(folder.path().join(path)).unwrap();
    assert_eq!(read("one/run.pcapng"), read("other/run.pcapng"));

    // Every message is read back, and found as often as it was sent.
    let decoded = String::from_utf8(assay("decode one/run.pcapng -o jsonl")).unwrap();
    let mut found = BTreeMap::<String, u64>::new();
    for line in decoded.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(message) = line["msg"].as_str() {
            *found.entry(message.to_owned()).or_default() += 1;
        }
    }
    let summary: Value = serde_json::from_slice(&read("one/summary.json")).unwrap();
    let mut sent = BTreeMap::new();
    for row in summary["traffic"].as_array().unwrap() {
        let message = row["message"].as_str().unwrap();
        if !message.starts_with("the ") && !message.starts_with("mining.") && message != "response"
        {
            sent.insert(message.to_owned(), row["count"].as_u64().unwrap());
        }
    }
    assert!(sent.len() > 15, "{sent:?}");
    assert_eq!(found, sent);

    // No rule finds an error.
    assay("rules one/run.pcapng");
}

#[test]
fn what_cannot_be_simulated_is_said_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let network = "[chain]\n[role.provider]\nkind = \"template-provider\"\n\
                   [role.pool]\nkind = \"pool\"\n";
    for (text, place, said) in [
        ("[chain]\n[role.pool]\nkind = \"pool\"\n", "2:7", "add [role.template-provider]"),
        (&format!("{network}[fleet.farm]\ncount = 3\n"), "6:8", "farm\" mines for nobody"),
        (&format!("{network}[network]\nbandwidth = \"0bit\"\n"), "7:13", "nothing passes"),
    ] {
        std::fs::write(folder.path().join("bad.toml"), text).unwrap();

        let output = simulate(folder.path(), "bad.toml");

        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{text}: {error}");
        assert!(error.contains(&format!("bad.toml:{place}: ")), "{text}: {error}");
        assert!(error.contains(said), "{text}: {error}");
    }
    let fleet = "[fleet.farm]\nupstream = \"pool\"\nmodel = \"s21\"\ncount = 3\n";
    std::fs::write(folder.path().join("bad.toml"), format!("{network}{fleet}")).unwrap();
    let output = simulate(folder.path(), "bad.toml");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{error}");
    assert!(error.contains("[chain] nbits: its devices would find"), "{error}");

    let output = simulate(folder.path(), "config-b --proofs oracle --output run --capture");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{error}");
    assert!(error.contains("--proofs hashed"), "{error}");

    let output = simulate(folder.path(), "config-b --devices 4000000000");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{error}");
    assert!(error.contains("GiB are free"), "{error}");
}

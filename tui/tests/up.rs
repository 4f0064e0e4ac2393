//! `assay up` as its users see it: figures, exit codes, errors, and nothing left behind.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn up(arguments: &[&str]) -> Output {
    command(arguments).output().expect("it runs")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.arg("up").args(arguments);
    command
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

#[test]
fn a_network_runs_until_its_goal_and_tells_machines_all_about_it() {
    let output = up(&["pool", "--until", "shares=3", "--for", "120s", "--free-ports", "--json"]);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = lines(&output);
    let of_kind = |kind: &str| lines.iter().filter(move |line| line["kind"] == kind).count();
    assert_eq!((of_kind("started"), of_kind("endpoint"), of_kind("summary")), (1, 2, 1));
    let summary = lines.last().unwrap();
    assert!(summary["shares"].as_u64().unwrap() >= 3, "{summary}");
    assert_eq!(summary["ending"], "goal reached");
    let share = lines.iter().find(|line| line["kind"] == "share-submitted").unwrap();
    assert!(share["fields"]["job_id"].is_u64(), "{share}");
}

#[test]
fn networks_with_devices_of_stratum_v1_say_where_such_devices_can_join() {
    for name in ["config-c", "config-d"] {
        let output = up(&[name, "--until", "shares=3", "--for", "120s", "--free-ports", "--json"]);

        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        let lines = lines(&output);
        let endpoint = lines.iter().find(|line| line["subject"] == "translator").unwrap();
        let url = endpoint["url"].as_str().unwrap();
        assert!(url.starts_with("stratum+tcp://127.0.0.1:"), "{name}: {url}");
    }
}

#[test]
fn a_goal_that_is_not_reached_in_time_fails_the_run() {
    let output = up(&["pool", "--until", "blocks=1000", "--for", "1s", "--free-ports"]);

    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("goal missed after 1."), "{text}");
}

#[test]
fn a_network_ends_when_it_is_told_to() {
    let mut child = command(&["pool", "--free-ports"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let stdout = child.stdout.take().unwrap();
    let mut stdout = std::io::BufReader::new(stdout);
    // It runs once it says what it is.
    std::io::BufRead::read_line(&mut stdout, &mut first).unwrap();

    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();

    assert!(told.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
    assert!(rest.contains("interrupted after"), "{rest}");
}

#[test]
fn two_networks_on_the_same_ports_are_told_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = folder.path().join("taken.toml");
    let text = format!(
        "[role.template-provider]\nkind = \"template-provider\"\nlisten = \"127.0.0.1:{port}\"\n"
    );
    std::fs::write(&file, text).unwrap();

    let output = up(&[file.to_str().unwrap(), "--for", "1s"]);

    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(&port.to_string()) && error.contains("--port-offset"), "{error}");
}

#[test]
fn what_cannot_be_started_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "[role.pool]\nkind = \"pol\"\n").unwrap();
    for (arguments, expected) in [
        (&["confg-b"][..], "did you mean \"config-b\"?"),
        (&["missing.toml"], "cannot read missing.toml"),
        (&[file.to_str().unwrap()], "wrong.toml:2:8"),
        (&["pool", "--until", "block=3"], "did you mean \"blocks\"?"),
        (&["pool", "--for", "3"], "expected a duration"),
        (&["pool", "--replace", "pol=x.toml"], "did you mean \"pool\"?"),
        (&["pool", "--replace", "pool"], "expected ROLE="),
    ] {
        let output = up(arguments);

        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

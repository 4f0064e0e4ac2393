//! A pool of ours, and taps in front of it, as processes.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A process that ends with the test.
pub(crate) struct Program {
    pub(crate) child: Child,
    lines: Receiver<String>,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Program {
        let mut child = assay(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        // Nobody listens any more once the test has seen enough.
        std::thread::spawn(move || output.map_while(Result::ok).all(|it| tell.send(it).is_ok()));
        Program { child, lines }
    }

    /// Not a measure of anything: so long that only what will never come is given up.
    fn next_line(&mut self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("the program says something more")
    }

    /// The rest of the first line that begins so.
    pub(crate) fn line(&mut self, beginning: &str) -> String {
        loop {
            if let Some(rest) = self.next_line().strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    }

    /// Reads until a tap has told the end of so many connections.
    pub(crate) fn wait_for_ends(&mut self, count: usize) {
        self.wait_for(count, " frames from the client, ");
    }

    /// The same of their beginnings, which come in any order.
    pub(crate) fn wait_for_beginnings(&mut self, count: usize) {
        self.wait_for(count, " to 127.0.0.1:");
    }

    fn wait_for(&mut self, mut count: usize, words: &str) {
        while count > 0 {
            count -= usize::from(self.next_line().contains(words));
        }
    }

    /// Ends as Ctrl-C ends it.
    pub(crate) fn interrupt(mut self) {
        let id = i32::try_from(self.child.id()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Begins another file.
    pub(crate) fn hang_up(&self) {
        let id = i32::try_from(self.child.id()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::HUP).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pool with a template provider and miners of its own, and its address.
pub(crate) fn pool() -> (Program, String) {
    network("pool", "pool")
}

/// A network of ours, and the address of one of its parts.
pub(crate) fn network(scenario: &str, part: &str) -> (Program, String) {
    let mut network = Program::start(&["up", scenario, "--free-ports", "--json"]);
    loop {
        let line: serde_json::Value = serde_json::from_str(&network.next_line()).unwrap();
        if line["kind"] == "endpoint" && line["subject"] == part {
            return (network, line["url"].as_str().unwrap().to_owned());
        }
    }
}

/// A tap in front of a pool: its address, and the first file that it records in.
pub(crate) fn tap(upstream: &str, directory: &Path, more: &[&str]) -> (Program, String, PathBuf) {
    let records = directory.join("captures");
    let key = directory.join("tap.key");
    let mut arguments = vec!["tap", "--listen", "127.0.0.1:0", "--upstream", upstream];
    arguments.extend(["--record", records.to_str().unwrap()]);
    let has_key = |option: &&str| !["--pass-through", "--plain-down"].contains(option);
    if upstream.starts_with("stratum2") && more.iter().all(has_key) {
        arguments.extend(["--new-authority", key.to_str().unwrap()]);
    }
    arguments.extend(more);
    let mut tap = Program::start(&arguments);
    let scheme =
        if upstream.starts_with("stratum2") { "stratum2+tcp://" } else { "stratum+tcp://" };
    let url = format!("{scheme}{}", tap.line(scheme));
    let file = PathBuf::from(tap.line("records in "));
    (tap, url, file)
}

/// A fleet that finds shares for a second; it has seen no error.
pub(crate) fn fleet(url: &str, devices: &str) -> serde_json::Value {
    let arguments = ["load", url, "--devices", devices, "--ramp", "200ms", "--for", "1s", "--json"];
    let output = run(&[&arguments[..], &["--shares-per-minute", "600"]].concat());
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    assay(arguments).output().unwrap()
}

fn assay(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    command.args(arguments).env_remove("SV2KEYLOGFILE").stdin(Stdio::null());
    command
}

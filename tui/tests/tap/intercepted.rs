//! Somebody who decides about messages on their way, as an inspector does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::capture::Capture;
use super::programs::{Program, fleet, pool, run, tap};

/// The line to a tap.
struct Line {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Line {
    fn open(socket: &Path) -> Line {
        let stream = UnixStream::connect(socket).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = Line { stream, reader };
        line.until("assay-tap 1");
        line
    }

    fn say(&mut self, words: &str) {
        self.stream.write_all(format!("{words}\n").as_bytes()).unwrap();
    }

    /// The rest of the next line that begins so.
    fn until(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).unwrap() > 0, "{beginning}: nothing comes");
            if let Some(rest) = line.trim_end().strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    }

    fn held(&mut self) -> String {
        self.until("held ").split(' ').next().unwrap().to_owned()
    }
}

/// A tap that lets others decide, and where.
fn open_tap(upstream: &str, directory: &Path) -> (Program, String, PathBuf, PathBuf) {
    let socket = directory.join("live.sock");
    let more = ["--socket", socket.to_str().unwrap(), "--allow-intercept"];
    let (mut tap, url, file) = tap(upstream, directory, &more);
    tap.line("live at ");
    (tap, url, file, directory.join("live.sock.intercept"))
}

#[test]
fn shares_that_are_held_go_as_was_decided_and_all_of_them_when_nobody_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let (mut tap, url, file, socket) = open_tap(&upstream, directory.path());
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    fleet(&url, "1");
    let mut line = Line::open(&socket);
    line.say("filter msg == SubmitSharesStandard");
    line.until("done filter");
    tap.line("messages wait: msg == SubmitSharesStandard");

    let arguments = ["load", &url, "--devices", "1", "--ramp", "100ms", "--for", "2s", "--json"];
    let arguments = [&arguments[..], &["--shares-per-minute", "600"]].concat();
    let loaded = std::thread::scope(|scope| {
        let loading = scope.spawn(|| run(&arguments));
        let first = line.held();
        line.say(&format!("drop {first}"));
        assert_eq!(line.until(&format!("gone {first} ")), "dropped");
        let second = line.held();
        line.say(&format!("forward {second}"));
        assert_eq!(line.until(&format!("gone {second} ")), "forwarded");
        line.held();
        // As if it had crashed.
        drop(line);
        loading.join().unwrap()
    });
    tap.line("the inspector is gone: messages pass");
    tap.interrupt();

    let text = String::from_utf8(loaded.stdout).unwrap();
    let summary: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let of = |name: &str| summary["shares"][name].as_u64().unwrap();
    assert!(of("accepted") > 2, "{summary}");
    assert_eq!(of("submitted") - of("accepted") - of("stale") - of("in_flight"), 1, "{summary}");
    let comments = Capture::read(&file).comments.join("\n");
    for words in ["then dropped", "then forwarded", "for nobody looks any more"] {
        assert!(comments.contains("assay tap: intercepted: held for "), "{comments}");
        assert!(comments.contains(words), "{words}: {comments}");
    }
    assert!(!socket.exists());
}

#[test]
fn nothing_that_is_said_to_a_tap_stops_it() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let (tap, url, _, socket) = open_tap(&upstream, directory.path());
    let mut line = Line::open(&socket);
    for (words, expected) in [
        ("", "filter, forward"),
        ("gibberish", "filter, forward"),
        ("filter ch ==", "filter ch ==: at 5"),
        ("filter rejected", "is not known while it is on its way"),
        ("forward", "a number"),
        ("drop 7", "7 does not wait"),
        ("again here there up 00", "again CLIENT SERVER"),
        ("again 1.2.3.4:5 1.2.3.4:6 up zz", "again CLIENT SERVER"),
        ("again 1.2.3.4:5 1.2.3.4:6 up 000000020000", "the length of the frame"),
        ("again 1.2.3.4:5 1.2.3.4:6 up 000000000000", "not open any more"),
        ("\u{1b}[2J\u{0}", "filter, forward"),
    ] {
        line.say(words);
        let error = line.until("error ");
        assert!(error.contains(expected), "{words}: {error}");
    }
    let flood = vec![b'x'; 1 << 20];
    // The tap may have closed before it has all of it.
    let _ = line.stream.write_all(&flood);
    assert!(line.until("error ").contains("a line of more than"));

    // Somebody else decides now, and without a filter nothing waits.
    let _line = Line::open(&socket);
    fleet(&url, "2");
    tap.interrupt();
}

#[test]
fn what_only_passes_through_cannot_be_held_and_that_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let [records, socket] = ["captures", "live.sock"].map(|name| directory.path().join(name));
    let (records, socket) = (records.to_str().unwrap(), socket.to_str().unwrap());
    let rows = [
        ("stratum+tcp://127.0.0.1:1", &[][..], "cannot be held"),
        ("stratum2+tcp://127.0.0.1:1", &["--pass-through"], "cannot be used with"),
    ];
    // A file that the environment names for all commands is no wish.
    let passing = ["tap", "--upstream", "stratum2+tcp://127.0.0.1:1", "--pass-through"];
    let output = run(&[&passing[..], &["--key-log", "keys"]].concat());
    assert!(String::from_utf8(output.stderr).unwrap().contains("--key-log: of bytes"));
    assert_eq!(output.status.code(), Some(4));

    for (upstream, more, expected) in rows {
        let arguments = ["tap", "--upstream", upstream, "--record", records, "--socket", socket];
        let output = run(&[&arguments[..], &["--allow-intercept"], more].concat());

        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
        assert_eq!(output.status.code(), Some(4));
    }
}

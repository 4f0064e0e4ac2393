//! `assay tap` as its users see it: between a fleet and a pool of ours, and what its files hold.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, whose parts clippy does not know")]

mod capture;
mod inspected;
mod intercepted;
mod programs;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use capture::Capture;
use inspected::Inspected;
use programs::{fleet, network, pool, run, tap};
use sv2::message::Message;

#[test]
fn both_legs_of_a_fleet_are_recorded_and_say_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let (mut tap, url, file) = tap(&upstream, directory.path(), &[]);

    let summary = fleet(&url, "8");
    tap.wait_for_ends(8 + PROBES);
    tap.interrupt();

    let capture = Capture::read(&file);
    assert_eq!(capture.interfaces, ["down", "up"]);
    assert_eq!(capture.streams.len(), 2 * (8 + PROBES));
    let shares = same_on_both_legs(&capture);
    assert_eq!(shares, summary["shares"]["submitted"].as_u64().unwrap());
    assert_eq!(capture.statistics.iter().map(|(_, dropped)| dropped).sum::<u64>(), 0);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_tap_that_was_killed_leaves_a_file_that_can_be_read_and_decrypted() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let (mut tap, url, file) = tap(&upstream, directory.path(), &[]);
    fleet(&url, "4");

    tap.child.kill().unwrap();
    tap.child.wait().unwrap();

    let capture = Capture::read(&file);
    assert_eq!(capture.streams.len(), 2 * (4 + PROBES));
    assert!(same_on_both_legs(&capture) > 0);
}

#[test]
fn bytes_that_pass_through_are_recorded_once_and_without_keys() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let (mut tap, url, file) = tap(&upstream, directory.path(), &["--pass-through"]);

    let summary = fleet(&url, "4");
    tap.wait_for_ends(4 + PROBES);
    tap.interrupt();

    let capture = Capture::read(&file);
    assert_eq!((capture.streams.len(), capture.secrets.as_str()), (4 + PROBES, ""));
    assert!(summary["shares"]["accepted"].as_u64().unwrap() > 0);
}

#[test]
fn a_rule_that_is_written_while_the_tap_runs_drops_a_share_and_the_capture_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let rules = directory.path().join("rules.toml");
    let text =
        "[[rule]]\nname = \"lost\"\nmessage = \"SubmitSharesStandard\"\ntimes = 1\ndrop = true\n";
    fs::write(&rules, "").unwrap();
    let more = ["--rules", rules.to_str().unwrap()];
    let (mut tap, url, file) = tap(&upstream, directory.path(), &more);
    fleet(&url, "1");
    fs::write(&rules, "[[rule]]\ndorp = true").unwrap();
    tap.line(&format!("{}:2:1: unknown key \"dorp\"; did you mean \"drop\"", rules.display()));
    fs::write(&rules, text).unwrap();
    tap.line("1 rules from ");

    let arguments = ["load", &url, "--devices", "1", "--ramp", "100ms", "--for", "1s", "--json"];
    let output = run(&[&arguments[..], &["--shares-per-minute", "600"]].concat());
    tap.interrupt();

    let text = String::from_utf8(output.stdout).unwrap();
    let summary: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let of = |name: &str| summary["shares"][name].as_u64().unwrap();
    assert_eq!(of("submitted") - of("accepted") - of("stale") - of("in_flight"), 1, "{summary}");
    let comments = Capture::read(&file).comments;
    assert!(comments.contains(&"assay tap: rule \"lost\": dropped".to_owned()), "{comments:?}");
}

#[test]
fn a_live_reader_has_the_whole_file_and_goes_on_with_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let socket = directory.path().join("live.sock");
    let more = ["--socket", socket.to_str().unwrap()];
    let (mut tap, url, _) = tap(&upstream, directory.path(), &more);
    tap.line("live at ");
    fleet(&url, "2");
    let mut reader = UnixStream::connect(&socket).unwrap();
    let mut bytes = vec![0; 28];
    reader.read_exact(&mut bytes).unwrap();
    let reading = std::thread::spawn(move || {
        reader.read_to_end(&mut bytes).unwrap();
        bytes
    });
    fleet(&url, "2");
    tap.hang_up();
    tap.line("records in ");
    fleet(&url, "2");

    tap.interrupt();

    let capture = Capture::parse(&reading.join().unwrap());
    let stream_count = 3 * 2 * (2 + PROBES);
    assert_eq!((capture.section_count, capture.streams.len()), (2, stream_count));
    assert!(same_on_both_legs(&capture) > 0);
    assert!(!socket.exists());
}

#[test]
fn a_recording_without_room_delays_nobody_and_counts_what_it_leaves_out() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let (mut tap, url, file) = tap(&upstream, directory.path(), &["--queue", "1"]);

    fleet(&url, "2");
    tap.wait_for_ends(2 + PROBES);
    tap.interrupt();

    let capture = Capture::read(&file);
    assert_eq!(capture.streams.len(), 2 * (2 + PROBES));
    assert!(capture.streams.iter().all(|stream| stream.bytes.concat().is_empty()));
    let dropped: u64 = capture.statistics.iter().map(|(_, dropped)| dropped).sum();
    assert!(dropped > 20, "{dropped}");
}

#[test]
fn a_recording_without_room_lets_nothing_pass_if_it_shall_fail_closed() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let more = ["--queue", "1", "--fail-closed"];
    let (mut tap, url, _) = tap(&upstream, directory.path(), &more);

    let output = run(&["load", &url, "--devices", "1", "--ramp", "100ms", "--for", "1s"]);

    assert_ne!(output.status.code(), Some(0), "{output:?}");
    let _ = tap.line("127.0.0.1:");
    tap.interrupt();
}

#[test]
fn lines_of_stratum_v1_pass_and_are_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let (_network, upstream) = network("config-c", "translator");
    let (mut tap, url, file) = tap(&upstream, directory.path(), &[]);

    fleet(&url, "2");
    tap.wait_for_ends(2 + PROBES);
    tap.interrupt();

    let capture = Capture::read(&file);
    assert_eq!(capture.streams.len(), 2 + PROBES);
    for (side, word) in [(0, "mining.subscribe"), (1, "mining.notify")] {
        for stream in &capture.streams {
            let text = String::from_utf8_lossy(&stream.bytes[side]);
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn two_taps_with_a_leg_in_clear_between_them_serve_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let (inner, clear, _) = tap(&upstream, directory.path(), &["--plain-down"]);
    let outer_directory = directory.path().join("outer");
    fs::create_dir(&outer_directory).unwrap();
    let (mut outer, url, file) = tap(&clear, &outer_directory, &["--plain-up"]);

    fleet(&url, "2");
    outer.wait_for_ends(2 + PROBES);
    outer.interrupt();
    inner.interrupt();

    let capture = Capture::read(&file);
    let streams = &capture.streams;
    let sealed = streams.iter().find(|stream| stream.interface == 0).unwrap();
    let clear = streams.iter().find(|stream| stream.interface == 1).unwrap();
    let [client, _] = capture.frames(sealed);
    let is_set_up = |frame: &sv2::wire::Frame| frame.message_type == 0;
    assert!(client.first().is_some_and(is_set_up));
    // Core extension, SetupConnection: no act 1 before it.
    assert_eq!(clear.bytes[0][..3], [0, 0, 0]);
}

#[test]
fn a_file_that_begins_while_a_fleet_is_there_can_be_read_without_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let (mut tap, url, first) = tap(&upstream, directory.path(), &[]);
    let running = std::thread::spawn(move || fleet(&url, "4"));
    // The probe has come and gone, and three of the devices are there.
    tap.wait_for_beginnings(4);

    tap.hang_up();
    let second = PathBuf::from(tap.line("records in "));
    running.join().unwrap();
    tap.interrupt();

    for file in [first, second] {
        let inspected = Inspected::read(&file);
        assert!(inspected.frame_count > 20, "{}: {inspected:?}", file.display());
        // In each direction of each leg the file may begin within a frame.
        let directions = 2 * 2 * (4 + PROBES);
        assert!(inspected.opaque_count <= directions, "{}: {inspected:?}", file.display());
    }
}

#[test]
fn a_capture_without_keys_has_none() {
    let directory = tempfile::tempdir().unwrap();
    let (_pool, upstream) = pool();
    let (tap, url, file) = tap(&upstream, directory.path(), &["--no-keys"]);

    fleet(&url, "1");
    tap.interrupt();

    let capture = Capture::read(&file);
    assert_eq!((capture.streams.len(), capture.secrets.as_str()), (2 * (1 + PROBES), ""));
}

#[test]
fn an_old_authority_is_never_overwritten_and_a_pool_without_a_key_never_believed() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("tap.key");
    fs::write(&key, "old").unwrap();
    let key = key.to_str().unwrap();
    let upstream = "stratum2+tcp://127.0.0.1:9/9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72";

    let over = run(&["tap", "--upstream", upstream, "--new-authority", key]);
    let without = run(&["tap", "--upstream", "127.0.0.1:9"]);

    assert_eq!((over.status.code(), without.status.code()), (Some(4), Some(4)));
    assert_eq!(fs::read_to_string(key).unwrap(), "old");
    let said = String::from_utf8(without.stderr).unwrap();
    assert!(said.contains("add /KEY, or --insecure-upstream"), "{said}");
}

#[test]
fn captures_of_the_reference_implementation_decode_and_both_legs_say_the_same() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/captures"));
    for name in [
        "tap-mining_device-pool_sv2",
        "tap-translator_sv2-pool_sv2",
        "tap-jd_client_sv2-assay-pool",
        "tap-jd_client_sv2-assay-job-declarator-server",
    ] {
        let capture = Capture::read(&folder.join(name).with_extension("pcapng"));

        same_on_both_legs(&capture);
        let inspected = Inspected::read(&folder.join(name).with_extension("pcapng"));
        assert_eq!((inspected.opaque_count, inspected.gap_count), (0, 0), "{name}: {inspected:?}");
        assert_eq!(inspected.errors, [""; 0], "{name}");
        for stream in &capture.streams {
            for frame in capture.frames(stream).concat() {
                let decoded = Message::decode(&frame).unwrap_or_else(|e| panic!("{name}: {e}"));
                let payload = decoded.message.to_frame(&decoded.tlvs).payload;
                assert_eq!(payload, frame.payload, "{name}: {:?}", decoded.message);
            }
        }
    }
}

/// Compares the legs of each client, and counts the shares that passed.
fn same_on_both_legs(capture: &Capture) -> u64 {
    let frames = |interface: u32| {
        let of_leg = capture.streams.iter().filter(move |stream| stream.interface == interface);
        let mut frames: Vec<_> = of_leg.map(|stream| capture.frames(stream)).collect();
        frames.sort_by_key(|frames| format!("{frames:?}"));
        frames
    };
    let (down, up) = (frames(0), frames(1));
    assert!(!down.is_empty());
    for ([down_client, down_server], [up_client, up_server]) in down.iter().zip(&up) {
        // What was heard last may not have been said any more.
        assert!(down_client.starts_with(up_client), "{down_client:?}\n{up_client:?}");
        assert!(up_server.starts_with(down_server), "{up_server:?}\n{down_server:?}");
    }
    let is_share = |frame: &&sv2::wire::Frame| {
        Message::decode(frame).unwrap().message.name().starts_with("SubmitSharesStandard")
    };
    down.iter().map(|[client, _]| client.iter().filter(is_share).count() as u64).sum()
}

/// Connections of a fleet that ask the pool what its shares cost, before the devices come.
const PROBES: usize = 1;

use clap::Parser;
use sv2::common::{SetupConnection, SetupConnectionSuccess};
use sv2::message::Message;
use sv2::mining::{CloseChannel, SetTarget};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{Str255, Target, Tlvs};
use sv2_capture::{Capture, Direction};

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    compare: Compare,
}

/// A capture of one connection.
fn written(folder: &Path, name: &str, messages: &[(Direction, Message)]) -> String {
    let mut capture = Capture::new("assay");
    let now = Now { instant: Instant(0), unix: UnixTime(1_700_000_000) };
    let [client, server] = ["10.0.0.1:50000", "10.0.0.2:34254"].map(|it| it.parse().unwrap());
    let stream = capture.open(now, client, server);
    for (direction, message) in messages {
        let mut bytes = Vec::new();
        message.write_frame(&Tlvs::NONE, &mut bytes);
        capture.bytes(now, stream, *direction, "", &bytes);
    }
    let path = folder.join(name);
    std::fs::write(&path, capture.take()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn scenario(vendor: &'static str, targets: &[(u32, f64)]) -> Vec<(Direction, Message)> {
    let (up, down) = (Direction::ClientToServer, Direction::ServerToClient);
    let vendor = Str255::from_static(vendor);
    let setup = SetupConnection { min_version: 2, max_version: 2, vendor, ..Default::default() };
    let success = SetupConnectionSuccess { used_version: 2, flags: 0 };
    let mut all = vec![(up, setup.into()), (down, success.into())];
    for (channel_id, difficulty) in targets {
        let maximum_target = Target::from_expected_hashes(*difficulty);
        all.push((down, SetTarget { channel_id: *channel_id, maximum_target }.into()));
    }
    all
}

/// All differences, and whether the verdict is that there are some.
fn compared(one: &str, other: &str, more: &[&str]) -> (Vec<String>, u8) {
    let words = [&["compare", one, other][..], more].concat();
    let options = Line::try_parse_from(words).unwrap().compare;
    let ignored = Ignored::new(&options.ignore, options.strict).unwrap();
    let read = |file: &Path| {
        let input = Input { files: vec![file.to_owned()], ..Input::default() };
        Conversations::read(&input, &ignored).unwrap()
    };
    let mut lines = Vec::new();
    differences(&read(&options.one), &read(&options.other), &mut |difference| {
        lines.push(match options.output {
            Form::Text => difference.to_string(),
            Form::Jsonl => difference.to_json(),
        });
    });
    let code = match compare(&options) {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Code(code)) => code,
        other => panic!("{other:?}"),
    };
    (lines, code)
}

#[test]
fn the_same_scenario_is_the_same_whatever_ids_its_channels_have() {
    let folder = tempfile::tempdir().unwrap();
    let one = written(folder.path(), "one", &scenario("x", &[(7, 4.0), (8, 8.0), (7, 16.0)]));
    let other = written(folder.path(), "other", &scenario("x", &[(1, 4.0), (1, 16.0), (2, 8.0)]));

    assert_eq!(compared(&one, &other, &[]), (vec![], 0));
    let (strict, code) = compared(&one, &other, &["--strict"]);
    assert_eq!((strict.len(), code), (3, 1), "{strict:?}");
    assert!(strict[0].contains("channel_id 7 / 1"), "{strict:?}");
}

#[test]
fn fields_and_messages_that_differ_are_told_and_can_be_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let one = written(folder.path(), "one", &scenario("x", &[(7, 4.0), (7, 4.0)]));
    let mut longer = scenario("y", &[(7, 4.0), (7, 8.0), (7, 2.0)]);
    let reason_code = Str255::from_static("bye");
    longer.push((Direction::ClientToServer, CloseChannel { channel_id: 7, reason_code }.into()));
    let other = written(folder.path(), "other", &longer);

    let (lines, code) = compared(&one, &other, &[]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("differences", lines.join("\n"));
    insta::assert_snapshot!("jsonl", compared(&one, &other, &["-o", "jsonl"]).0.join("\n"));

    let ignore = "--ignore=SetupConnection.vendor,SetTarget,CloseChannel";
    assert_eq!(compared(&one, &other, &[ignore]), (vec![], 0));
    let ignore = "--ignore=vendor,SetTarget.maximum_target";
    assert_eq!(
        compared(&one, &other, &[ignore]).0.len(),
        2,
        "one more, and one that was not there"
    );
}

#[test]
fn what_cannot_be_ignored_is_said_with_what_was_probably_meant() {
    for (name, expected) in [("ntimes", "ntime"), ("SetTarget.vendor", "--ignore SetTarget.vendor")]
    {
        let error = Ignored::new(&[name.to_owned()], false).unwrap_err();

        assert!(error.contains(expected), "{error}");
    }
    let known = ["SubmitShares.Success", "SubmitShares.Success.new_shares_sum", "flags"];
    assert!(Ignored::new(&known.map(str::to_owned), false).is_ok());
}

#[test]
fn a_sealed_capture_is_the_same_as_itself_and_without_keys_as_far_as_it_goes() {
    let folder = format!("{}/../vectors/captures", env!("CARGO_MANIFEST_DIR"));
    let one = format!("{folder}/tap-translator_sv2-pool_sv2.pcapng");
    let other = format!("{folder}/tap-mining_device-pool_sv2.pcapng");

    assert_eq!(compared(&one, &one, &["--strict"]), (vec![], 0));
    let (lines, code) = compared(&one, &other, &[]);
    assert!(code == 1 && lines.iter().any(|line| line.contains("OpenStandardMiningChannel")));
}

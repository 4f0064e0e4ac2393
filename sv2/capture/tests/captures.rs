//! Captures in files, read and judged: those of `vectors/captures` give what their index says,
//! and those of real programs what was found and explained in `tap.md`.

#![allow(clippy::unwrap_used, reason = "a test says where it failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sv2::message::Message;
use sv2_capture::observed::What;
use sv2_capture::read::{Dissector, Item, PacketReader, Sink};
use sv2_capture::rules::{Finding, Inspector, Policy};

/// Everything that is found in a file, as codes.
fn codes(file: &Path) -> BTreeSet<String> {
    let mut inspector = Inspector::new(Policy::default());
    let mut codes = BTreeSet::new();
    walk(file, &mut |found| {
        let report = inspector.observe(&found.observed);
        codes.extend(report.findings.iter().map(Finding::code));
    });
    codes
}

fn walk(file: &Path, sink: &mut Sink<'_>) {
    let bytes = read(file);
    let mut reader = PacketReader::new(&bytes[..]);
    let mut dissector = Dissector::new(0, None);
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Packet(packet) => dissector.packet(0, &packet, sink),
            Item::Secrets(text) => dissector.key_log(text),
            Item::Skipped(_) | Item::Other => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the files are what is judged")]
fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

fn folder() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/captures")).to_owned()
}

#[test]
fn captures_in_files_give_what_their_index_says() {
    let index = String::from_utf8(read(&folder().join("index.toml"))).unwrap();
    let index: toml::Table = index.parse().unwrap();
    let captures = index["capture"].as_array().unwrap();
    assert!(captures.len() > 70, "{} captures", captures.len());
    let mut wrong = Vec::new();
    for capture in captures {
        let file = capture["file"].as_str().unwrap();
        let finds = capture["finds"].as_array().unwrap().iter();
        let expected: BTreeSet<_> = finds.map(|code| code.as_str().unwrap().to_owned()).collect();

        let found = codes(&folder().join(file));

        if found != expected {
            wrong.push(format!("{file}: {found:?} instead of {expected:?}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// Both legs of a tap carry the same tokens, and shares that are blocks may miss their channel's
/// target: neither is told of.
#[test]
fn captures_of_real_programs_give_only_what_is_explained() {
    for (name, expected) in TAPS {
        let found = codes(&folder().join(format!("tap-{name}.pcapng")));

        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn messages_of_real_programs_are_decoded_all_and_encoded_again_to_the_same_bytes() {
    let mut count = 0;
    for (name, _) in TAPS {
        walk(&folder().join(format!("tap-{name}.pcapng")), &mut |found| {
            let What::Frame { frame, .. } = found.observed.what else { return };
            let number = found.observed.number;
            let decoded = Message::decode(frame).unwrap_or_else(|error| {
                panic!("{name}, {number}: {error}");
            });
            assert_eq!(decoded.message.to_frame(&decoded.tlvs), *frame, "{name}, {number}");
            count += 1;
        });
    }
    assert!(count > 300, "{count} messages");
}

/// Recorded by `assay tap` between programs of the reference implementation, and what the rules
/// find in them.
const TAPS: [(&str, &[&str]); 4] = [
    ("jd_client_sv2-assay-job-declarator-server", &["W35"]),
    ("jd_client_sv2-assay-pool", &["W30", "W35"]),
    ("mining_device-pool_sv2", &["W30", "W35"]),
    ("translator_sv2-pool_sv2", &["C30", "C35"]),
];

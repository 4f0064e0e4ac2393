//! Inputs that the fuzzer starts from, one folder for each target in `fuzz/`. How an input is
//! laid out stands at the property that reads it.

use serde_json::Value as Json;
use sv2::message::DESCRIPTORS;
use sv2::wire::FrameHeader;
use sv2_capture::sample::ShareCapture;

use super::{File, Outcome, Test, messages, noise, transport, unhex};

/// An input for a target.
pub(super) struct Seed {
    pub(super) target: &'static str,
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

pub(super) fn generate(files: &[(&'static str, File)]) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for group in files.iter().flat_map(|(_, file)| &file.groups) {
        for test in &group.tests {
            match group.operation.as_str() {
                messages::DECODE => of_message(test, &mut seeds),
                super::frames::STREAM => of_stream(test, "frame", &[], &mut seeds),
                noise::ACT_2 => of_act_2(test, &mut seeds),
                transport::OPEN => of_stream(test, "connection", &[3], &mut seeds),
                _ => {}
            }
        }
    }
    seeds.extend(of_transport());
    seeds.extend(of_captures());
    seeds
}

/// The usual and the odd, not the long: a fuzzer is quickest with short inputs.
fn of_message(test: &Test, seeds: &mut Vec<Seed>) {
    let Some(frame) = bytes(&test.input["frame"]) else { return };
    let name = test.id.replace('/', "-");
    if test.id.ends_with("/odd-1") || test.id.ends_with("/random-1") {
        let row = DESCRIPTORS
            .iter()
            .position(|row| test.id.starts_with(&messages::id_prefix(row)))
            .and_then(|row| u8::try_from(row).ok());
        if let Some(row) = row {
            let input = [&[row], &frame[FrameHeader::LEN..]].concat();
            seeds.push(Seed { target: "message", name: name.clone(), bytes: input });
        }
    }
    if test.id.ends_with("/tlv") || (test.result == Outcome::Invalid && test.id.ends_with("/cut")) {
        seeds.push(Seed { target: "dissect", name, bytes: frame });
    }
}

/// The segments in one piece, behind the choices of the target and a segment length of 7.
fn of_stream(test: &Test, target: &'static str, choices: &[u8], seeds: &mut Vec<Seed>) {
    let segments = test.input["segments"].as_array().into_iter().flatten();
    let stream: Vec<u8> = segments.filter_map(bytes).flatten().collect();
    let input = [choices, &[7], &stream].concat();
    seeds.push(Seed { target, name: test.id.replace('/', "-"), bytes: input });
}

/// As an act 2 to an initiator, and its beginning as an act 1 to a responder.
fn of_act_2(test: &Test, seeds: &mut Vec<Seed>) {
    let Some(act_2) = bytes(&test.input["act_2"]) else { return };
    if !matches!(test.id.as_str(), "act-2/good" | "act-2/mirrored" | "act-2/170-bytes") {
        return;
    }
    let name = test.id.replace('/', "-");
    let act_1 = &act_2[..64];
    seeds.push(Seed {
        target: "noise_handshake",
        name: name.clone(),
        bytes: [&[1], act_1].concat(),
    });
    seeds.push(Seed { target: "connection", name, bytes: [&[1, 0], &act_2[..]].concat() });
    if test.id == "act-2/good" {
        let genuine =
            Seed { target: "noise_handshake", name: "genuine".to_owned(), bytes: vec![0] };
        let altered = [&[0][..], &[0; 100], &[1]].concat();
        let altered =
            Seed { target: "noise_handshake", name: "altered".to_owned(), bytes: altered };
        seeds.extend([genuine, altered]);
    }
}

fn of_transport() -> [Seed; 3] {
    let seed = |name: &str, bytes: Vec<u8>| Seed {
        target: "noise_transport",
        name: name.to_owned(),
        bytes,
    };
    [
        seed("genuine", vec![5]),
        seed("first-header", vec![0, 1]),
        seed("third-payload", [&[9][..], &[0; 90], &[0x80]].concat()),
    ]
}

/// A capture in clear and an encrypted one, and segments in order, out of order and repeated:
/// flags, two bytes of sequence number, length, bytes.
fn of_captures() -> [Seed; 4] {
    let seed = |target, name: &str, bytes| Seed { target, name: name.to_owned(), bytes };
    let file = |is_sealed| ShareCapture::new(1, is_sealed).next_piece(9);
    let syn = [2, 0, 9, 0, 0x92, 0, 9, 0];
    let line = b"{\"id\":1}\n";
    let segments = [
        &syn[..],
        &[0x10, 0, 19, 9],
        line,
        &[0x10, 0, 10, 9],
        line,
        &[0x10, 0, 10, 9],
        line,
        &[0x11, 0, 60, 9],
        line,
    ];
    let frame = [0x10, 0, 10, 12, 0, 0, 1, 6, 0, 0, 2, 0, 0, 0, 0, 0];
    [
        seed("capture_file", "plain", file(false)),
        seed("capture_file", "sealed", file(true)),
        seed("capture_stream", "lines", segments.concat()),
        seed("capture_stream", "frame", [&syn[..], &frame].concat()),
    ]
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    json.as_str().and_then(unhex)
}

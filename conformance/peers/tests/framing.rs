//! Frames of an unencrypted stream and TLVs, held against the reference implementation's.

use codec_sv2::{Decoded, Decoder};
use parsers_sv2::TlvList;
use peers::vectors;
use serde_json::{Value as Json, json};

/// What their decoder finds in the segments: whole frames, header first.
fn their_frames(segments: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut decoder, mut frames) = (Decoder::new(), Vec::new());
    let stream = segments.concat();
    let mut rest = &stream[..];
    // They say how much they want to read next; a driver gives them no more.
    loop {
        let wanted = decoder.writable_len().min(rest.len());
        if wanted == 0 || wanted < decoder.writable_len() {
            return frames;
        }
        decoder.writable().copy_from_slice(&rest[..wanted]);
        rest = &rest[wanted..];
        match decoder.next_frame().unwrap() {
            Decoded::Frame(frame) => frames.push(frame.as_bytes().to_vec()),
            Decoded::Incomplete(_) => {}
        }
    }
}

#[test]
fn every_stream_vector_has_the_same_frames() {
    for test in vectors::tests("frames.json", "read stream") {
        if test["result"] == "invalid" {
            // Refused for its length alone; they have no limit but that of the length field.
            continue;
        }
        let segments: Vec<Vec<u8>> =
            test["input"]["segments"].as_array().unwrap().iter().map(vectors::bytes).collect();

        let frames = their_frames(&segments);

        let payloads: Vec<Vec<u8>> = frames.iter().map(|frame| frame[6..].to_vec()).collect();
        let expected: Vec<Vec<u8>> = test["expected"]["frames"]
            .as_array()
            .unwrap()
            .iter()
            .map(|frame| vectors::bytes(&frame["payload"]))
            .collect();
        assert_eq!(payloads, expected, "{}", test["id"]);
        let rest = segments.concat().len() - frames.concat().len();
        assert_eq!(rest, vectors::bytes(&test["expected"]["rest"]).len(), "{}", test["id"]);
    }
}

/// Theirs is little-endian, one of the two readings (AMB-03).
#[test]
fn tlvs_are_read_as_the_little_endian_vectors_say() {
    for test in vectors::tests("tlvs.json", "read tlvs") {
        if test["input"]["order"] != "little-endian" {
            continue;
        }
        let bytes = vectors::bytes(&test["input"]["bytes"]);

        let list = TlvList::from_bytes(&bytes);
        let whole = list.iter().map_while(Result::ok);
        let fields: Vec<Json> = whole
            .map(|tlv| {
                let value: String = tlv.value.iter().map(|byte| format!("{byte:02x}")).collect();
                let (extension, field) = (tlv.r#type.extension_type, tlv.r#type.field_type);
                json!({ "extension": extension, "field": field, "value": value })
            })
            .collect();

        let expected = &test["expected"];
        if expected.get("error").is_some() {
            // Of a row that is cut they give what is whole and are silent about the rest.
            assert_eq!(fields.len(), usize::from(test["id"] == "little-endian/cut-second"));
        } else {
            assert_eq!(json!({ "fields": fields }), *expected, "{}", test["id"]);
        }
    }
}

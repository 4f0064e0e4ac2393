//! Vectors of the frame layer: spec 3.2.

use bytes::BytesMut;
use serde_json::{Value as Json, json};
use sv2::wire::{FrameDecoder, FrameError};

use super::{File, Outcome, Test, hex, new_file, new_group, unhex};

/// Segments of an unencrypted stream to frames.
pub(super) const STREAM: &str = "read stream";

pub(super) fn generate() -> File {
    let tests = vec![
        good(
            "one",
            "one whole frame: CloseChannel of channel 1",
            &["00801807000000010000000261", "62"],
        ),
        good(
            "glued",
            "three frames in one segment",
            &["000001060000020000000000010002030000010061018018000000"],
        ),
        good(
            "split-everywhere",
            "one byte at a time",
            &["00", "80", "18", "03", "00", "00", "aa", "bb", "cc"],
        ),
        good("split-in-header", "the header arrives in two segments", &["000001", "0200001234"]),
        good(
            "split-in-length",
            "the three bytes of the length arrive one by one",
            &["00000102", "00", "00", "1234"],
        ),
        good("zero-length", "a frame without payload is a frame", &["000070000000"]),
        good("zero-length-twice", "two frames without payload", &["000070000000000071000000"]),
        good("incomplete-header", "five bytes are no frame yet", &["0000010600"]),
        good(
            "incomplete-payload",
            "one byte is missing; what has arrived is kept",
            &["000001060000 0200000000".replace(' ', "").as_str()],
        ),
        good("unknown-type", "a number that no message has", &["0000ff01000000"]),
        good("reserved-type", "0x1e is reserved (spec 8)", &["00801e0400000d000000"]),
        good(
            "unknown-extension",
            "extension 0x4321 with the channel bit",
            &["21c30004000001000000"],
        ),
        good(
            "channel-bit-alone",
            "extension 0 with the channel bit and a payload too short for a channel id",
            &["008015020000ffff"],
        ),
        good(
            "length-little-endian",
            "a length of 0x000102: 258 bytes",
            &[&format!("000001020100{}", "5a".repeat(258))],
        ),
        good(
            "at-the-limit",
            "as long as the limit allows",
            &[&format!("000001e80300{}", "00".repeat(1000))],
        ),
        bad(
            "over-the-limit",
            "one byte more than the limit: refused when the header has arrived",
            &["000001e90300"],
            1001,
        ),
        bad("longest", "2^24 - 1 bytes are announced", &["000001ffffff"], 0xff_ffff),
        bad(
            "length-big-endian",
            "a length of 6 in the wrong byte order reads as 393,216",
            &["00000100000602000000000 0".replace(' ', "").as_str()],
            0x06_0000,
        ),
    ];
    new_file(
        "frames in an unencrypted stream, however it was cut into segments",
        &[(
            "limit",
            "the reader takes payloads of at most `payload_len_max` bytes; the limit is its own choice",
        )],
        vec![new_group(STREAM, json!({ "payload_len_max": PAYLOAD_LEN_MAX }), tests)],
    )
}

const PAYLOAD_LEN_MAX: u32 = 1000;

fn good(id: &str, comment: &str, segments: &[&str]) -> Test {
    let expected = read(segments).expect("within the limit");
    Test::new(id, comment, json!({ "segments": segments }), expected, Outcome::Valid, &[])
}

fn bad(id: &str, comment: &str, segments: &[&str], payload_len: u32) -> Test {
    let expected = json!({ "error": { "payload_len": payload_len } });
    Test::new(id, comment, json!({ "segments": segments }), expected, Outcome::Invalid, &["limit"])
}

/// What our implementation makes of the segments.
fn read(segments: &[&str]) -> Result<Json, Json> {
    let decoder = FrameDecoder::new(PAYLOAD_LEN_MAX);
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for segment in segments {
        let bytes = unhex(segment).ok_or_else(|| json!("a segment is not hexadecimal"))?;
        buffer.extend_from_slice(&bytes);
        loop {
            match decoder.next_frame(&mut buffer) {
                Ok(Some(frame)) => frames.push(json!({
                    "extension": frame.header().extension(),
                    "channel_bit": frame.header().has_channel_bit(),
                    "message_type": frame.message_type,
                    "channel_id": frame.channel_id(),
                    "payload": hex(&frame.payload),
                })),
                Ok(None) => break,
                Err(FrameError::TooLong { payload_len, .. }) => {
                    return Err(json!({ "error": { "payload_len": payload_len } }));
                }
            }
        }
    }
    Ok(json!({ "frames": frames, "rest": hex(buffer) }))
}

pub(super) fn verify(test: &Test) -> Result<(), String> {
    let segments: Vec<&str> = test.input["segments"]
        .as_array()
        .and_then(|segments| segments.iter().map(Json::as_str).collect())
        .ok_or("input.segments is no list of texts")?;
    test.judge(read(&segments))
}

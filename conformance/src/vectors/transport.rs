//! Vectors of sealed frames: spec 4.6. Part of the file of the handshake.

use bytes::BytesMut;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use sv2::noise::{
    CHUNK_LEN_MAX, CipherKey, CipherSuite, MAC_LEN, Opener, SEALED_HEADER_LEN, Sealer,
    TransportError, sealed_payload_len,
};
use sv2::wire::FrameHeader;

use super::{Group, Outcome, Test, hex, new_group, unhex};

/// Length of a payload to its length on the wire.
pub(super) const LENGTH: &str = "sealed length";
/// A frame to what goes over the wire.
pub(super) const SEAL: &str = "seal frame";
/// What comes over the wire to frames.
pub(super) const OPEN: &str = "open stream";

pub(super) fn groups() -> Vec<Group> {
    vec![lengths(), seals(), opens()]
}

fn lengths() -> Group {
    let chunk = CHUNK_LEN_MAX;
    let tests = [0, 1, 24, 1000, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 1, 0xff_ffff]
        .map(|payload_len| {
            let input = json!({ "payload_len": payload_len });
            let expected = show_length(payload_len);
            let id = format!("sealed-length/{payload_len}");
            Test::new(id, "", input, expected, Outcome::Valid, &["chunks"])
        });
    new_group(LENGTH, json!({ "chunk_len_max": chunk, "mac_len": MAC_LEN }), tests.into())
}

fn show_length(payload_len: usize) -> Json {
    json!({
        "sealed_payload_len": sealed_payload_len(payload_len),
        "sealed_frame_len": SEALED_HEADER_LEN + sealed_payload_len(payload_len),
    })
}

fn seals() -> Group {
    let chunk = CHUNK_LEN_MAX;
    let tests = [
        ("first", 0_u64, 24, "the first frame of a session"),
        ("empty", 7, 0, "a frame without payload is a sealed header: no MAC follows"),
        ("later", 2, 24, "the nonce of the header is 2, that of the payload 3"),
        ("nonce-256", 255, 4, "the nonce of the payload needs a second byte"),
        ("nonce-2^32", 0xffff_ffff, 4, "the nonce of the payload needs a fifth byte"),
        ("one-chunk", 0, chunk, "the longest payload of one chunk"),
        ("two-chunks", 0, chunk + 1, "a second chunk of one byte"),
        ("three-chunks", 0, 2 * chunk + 100, "three chunks: nonces 1, 2 and 3"),
    ]
    .map(|(id, nonce, payload_len, comment)| {
        let input = json!({
            "key": KEY,
            "nonce": nonce,
            "header": hex(header(payload_len).to_bytes()),
            "payload_fill": "5a",
            "payload_len": payload_len,
        });
        let expected = seal(&input).expect("a key and a header");
        let flags: &[&str] = if payload_len >= chunk { &["chunks"] } else { &[] };
        Test::new(format!("seal/{id}"), comment, input, expected, Outcome::Valid, flags)
    });
    new_group(SEAL, json!({ "suite": CipherSuite::ChaChaPoly.protocol_name() }), tests.into())
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn header(payload_len: usize) -> FrameHeader {
    let payload_len = u32::try_from(payload_len).expect("below 2^24");
    FrameHeader { extension_type: 0x8000, message_type: 0x1a, payload_len }
}

/// Long frames are shown by their hash.
fn seal(input: &Json) -> Result<Json, String> {
    let header = input["header"].as_str().and_then(unhex).and_then(|bytes| bytes.try_into().ok());
    let header = FrameHeader::from_bytes(header.ok_or("input.header is not 6 bytes")?);
    let fill = input["payload_fill"].as_str().and_then(unhex).ok_or("input.payload_fill")?;
    let payload = fill.repeat(header.payload_len as usize);
    let mut sealed = Vec::new();
    let nonce = input["nonce"].as_u64().ok_or("input.nonce is no number")?;
    Sealer::at(key(input)?, nonce)
        .seal(header, &payload, &mut sealed)
        .map_err(|error| error.to_string())?;
    let mut expected =
        json!({ "sealed_len": sealed.len(), "sealed_sha256": hex(Sha256::digest(&sealed)) });
    if sealed.len() < 1000 {
        expected["sealed"] = json!(hex(sealed));
    }
    Ok(expected)
}

fn key(input: &Json) -> Result<CipherKey, String> {
    let secret = input["key"].as_str().and_then(unhex).and_then(|bytes| bytes.try_into().ok());
    Ok(CipherKey::new(CipherSuite::ChaChaPoly, &secret.ok_or("input.key is not 32 bytes")?))
}

fn opens() -> Group {
    let secret = unhex(KEY).and_then(|bytes| bytes.try_into().ok()).expect("32 bytes");
    let frames = |lens: &[usize]| -> Vec<Vec<u8>> {
        let mut sealer = Sealer::new(CipherKey::new(CipherSuite::ChaChaPoly, &secret));
        lens.iter()
            .map(|len| {
                let mut sealed = Vec::new();
                sealer.seal(header(*len), &vec![0x5a; *len], &mut sealed).expect("a fresh session");
                sealed
            })
            .collect()
    };
    let good = frames(&[4, 0, 8]);
    let flipped = |at: usize| {
        let mut stream = good.concat();
        stream[at] ^= 0x80;
        vec![stream]
    };
    let bytewise: Vec<Vec<u8>> = good.concat().iter().map(|byte| vec![*byte]).collect();
    let plain = {
        let mut plain = header(16).to_bytes().to_vec();
        plain.extend([0; 16]);
        vec![plain]
    };
    let rows: [(&str, &str, Vec<Vec<u8>>, &str); 15] = [
        ("three", "three frames, the second without payload", good.clone(), ""),
        ("glued", "the same in one segment", vec![good.concat()], ""),
        ("bytewise", "the same, byte by byte", bytewise, ""),
        ("header-alone", "a header whose payload has not come", vec![good[0][..22].to_vec()], ""),
        ("cut-header", "21 of the 22 bytes of a header", vec![good[0][..21].to_vec()], ""),
        (
            "cut-mac",
            "the last byte of the payload's MAC is missing",
            vec![good[0][..41].to_vec()],
            "",
        ),
        ("header", "the sealed header is altered", flipped(0), "mac"),
        ("header-mac", "the MAC of the header is altered", flipped(21), "mac"),
        ("payload", "the sealed payload is altered", flipped(22), "mac"),
        ("payload-mac", "the MAC of the payload is altered", flipped(41), "mac"),
        (
            "later-frame",
            "the third frame is altered: the first two still arrive",
            flipped(70),
            "mac",
        ),
        ("replayed", "the first frame twice", vec![good[0].clone(), good[0].clone()], "mac"),
        (
            "reordered",
            "the third frame in place of the second",
            vec![good[0].clone(), good[2].clone()],
            "mac",
        ),
        ("second-first", "the first frame is lost", vec![good[1].clone()], "mac"),
        ("plain", "a frame that was never sealed", plain, "mac"),
    ];
    let tests = rows.map(|(id, comment, segments, flag)| {
        let segments: Vec<String> = segments.iter().map(hex).collect();
        let input = json!({ "key": KEY, "segments": segments });
        let (Ok(expected) | Err(expected)) = open(&input).expect("a key and segments");
        let result = if flag.is_empty() { Outcome::Valid } else { Outcome::Invalid };
        let flags: &[&str] = if flag.is_empty() { &[] } else { &[flag] };
        Test::new(format!("open/{id}"), comment, input, expected, result, flags)
    });
    new_group(OPEN, json!({ "suite": CipherSuite::ChaChaPoly.protocol_name() }), tests.into())
}

/// What our implementation makes of the segments; outside, that the test cannot be read.
fn open(input: &Json) -> Result<Result<Json, Json>, String> {
    let mut opener = Opener::new(key(input)?);
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for segment in input["segments"].as_array().ok_or("input.segments is no list")? {
        let bytes = segment.as_str().and_then(unhex).ok_or("a segment is not hexadecimal")?;
        buffer.extend_from_slice(&bytes);
        loop {
            match opener.next_frame(&mut buffer) {
                Ok(Some(frame)) => {
                    let mut bytes = Vec::new();
                    frame.write(&mut bytes);
                    frames.push(hex(bytes));
                }
                Ok(None) => break,
                Err(error) => {
                    return Ok(Err(json!({ "frames": frames, "error": reason(error) })));
                }
            }
        }
    }
    Ok(Ok(json!({ "frames": frames })))
}

fn reason(error: TransportError) -> String {
    match error {
        TransportError::HeaderMac { nonce } => format!("mac of the header at nonce {nonce}"),
        TransportError::PayloadMac { nonce } => format!("mac of the payload at nonce {nonce}"),
        other @ (TransportError::TooLong { .. } | TransportError::NonceExhausted) => {
            other.to_string()
        }
    }
}

pub(super) fn verify(operation: &str, test: &Test) -> Result<(), String> {
    test.judge(match operation {
        LENGTH => {
            let len = test.input["payload_len"].as_u64().and_then(|len| usize::try_from(len).ok());
            Ok(show_length(len.ok_or("input.payload_len is no length")?))
        }
        SEAL => Ok(seal(&test.input)?),
        OPEN => open(&test.input)?,
        other => return Err(format!("no operation is called `{other}`")),
    })
}

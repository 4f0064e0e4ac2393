//! Vectors of every message: spec 3.1, 8 and the field tables.

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value as Json, json};
use sv2::entropy::Entropy;
use sv2::message::{DESCRIPTORS, DecodeError, Descriptor, Message, dissect_frame};
use sv2::wire::arbitrary::{Shape, arbitrary_payload};
use sv2::wire::compose::compose;
use sv2::wire::dissect::{Node, dissect};
use sv2::wire::{Frame, FrameDecoder, FrameHeader, Kind, Tlv, TlvOrder, Tlvs};

use super::{File, Group, Outcome, Test, hex, new_file, new_group, value};

/// A frame to a message.
pub(super) const DECODE: &str = "decode message";

/// Bounds lengths and counts of the maximal messages: above 255, so that lengths of two bytes
/// use both.
const LEN_MAX: usize = 260;

pub(super) fn generate() -> File {
    new_file(
        "every message of the specification and of extension 0x0001: frame to field values and back",
        &[
            (
                "not-canonical",
                "legal, but a sender writes it differently: a BOOL with upper bits, which have no meaning (spec 3.1)",
            ),
            (
                "not-utf8",
                "text with bytes that are not UTF-8; the specification does not say that it has to be",
            ),
            (
                "tlvs",
                "bytes follow the last field: TLVs, or nothing that this side knows; they are kept, or ignored (spec 3.4.3)",
            ),
            ("cut", "the payload ends within a field"),
            ("length-lie", "a length or count says more than there is, or than its type allows"),
            (
                "channel-bit",
                "the channel bit is not as the table says; receivers may ignore it (spec 3.2.1, AMB-26)",
            ),
        ],
        DESCRIPTORS.iter().map(|row| group(row)).collect(),
    )
}

fn group(row: &Descriptor) -> Group {
    let fields: Vec<Json> = row
        .fields
        .iter()
        .map(|field| json!({ "name": field.name, "type": field.kind.spec_name() }))
        .collect();
    let parameters = json!({
        "message": row.name,
        "chapter": format!("{:?}", row.chapter),
        "extension": row.extension,
        "message_type": row.number,
        "channel_bit": row.channel_bit,
        "sender": format!("{:?}", row.sender).to_lowercase(),
        "fields": fields,
    });
    new_group(DECODE, parameters, tests(row))
}

fn tests(row: &Descriptor) -> Vec<Test> {
    let entropy = Entropy::from_seed(0).fork(row.name, u64::from(row.number));
    let mut tests = Vec::new();
    let payload_of =
        |purpose: &str, shape| arbitrary_payload(row.fields, &mut entropy.fork(purpose, 0), shape);

    for (id, comment, shape) in [
        ("minimal", "zeros, and nothing in every field that can be empty", Shape::Minimal),
        ("maximal", "largest numbers, long fields", Shape::Maximal { len_max: LEN_MAX }),
        ("odd-1", "edges and unusual values", Shape::Odd),
        ("odd-2", "edges and unusual values", Shape::Odd),
        ("random-1", "random values", Shape::Random),
        ("random-2", "random values", Shape::Random),
    ] {
        tests.push(good(row, id, comment, &frame(row, payload_of(id, shape))));
    }

    let plain = payload_of("random-1", Shape::Random);
    let tlv = Tlv { extension: 0x7fff, field: 9, value: Bytes::from_static(b"unknown") };
    let behind = Tlvs::encode(&[tlv], TlvOrder::LittleEndian);
    let with_tlv = [&plain[..], &behind.as_bytes()[..]].concat();
    tests.push(good(
        row,
        "tlv",
        "random-1, and a field of an extension that nobody knows",
        &frame(row, with_tlv),
    ));

    let mut flipped = frame(row, plain.clone());
    flipped.extension_type ^= FrameHeader::CHANNEL_BIT;
    tests.push(good(
        row,
        "channel-bit",
        "random-1 with the channel bit the wrong way round",
        &flipped,
    ));

    tests.push(bad(row, "empty", "no payload", "cut", Vec::new()));
    let last = plain.len() - 1;
    tests.push(bad(row, "cut", "random-1 without its last byte", "cut", plain[..last].to_vec()));

    let minimal = payload_of("minimal", Shape::Minimal);
    for (name, at, width) in prefixes(&dissect(row.fields, &minimal).nodes) {
        let mut payload = minimal.clone();
        payload[at..at + width].fill(0xff);
        payload.truncate(at + width);
        let comment = format!("`{name}` is as long as its length can say, and missing");
        tests.push(bad(row, &format!("length-{name}"), &comment, "length-lie", payload));
    }
    tests
}

/// Lengths and counts: name of the field, place and width in bytes.
fn prefixes(nodes: &[Node]) -> Vec<(String, usize, usize)> {
    nodes
        .iter()
        .filter_map(|node| {
            let width = match node.kind {
                Kind::Bytes { prefix, .. } | Kind::Sequence { prefix, .. } => usize::from(*prefix),
                Kind::Text | Kind::Option { .. } => 1,
                Kind::Bool | Kind::Int { .. } | Kind::F32 | Kind::U256 | Kind::Target => {
                    return None;
                }
            };
            Some((node.name.to_string(), node.span.start, width))
        })
        .collect()
}

fn frame(row: &Descriptor, payload: Vec<u8>) -> Frame {
    Frame {
        extension_type: row.extension_type(),
        message_type: row.number,
        payload: payload.into(),
    }
}

fn id(row: &Descriptor, id: &str) -> String {
    format!("{}{id}", id_prefix(row))
}

/// What all ids of a message's tests begin with. Two messages are called SetNewPrevHash.
pub(super) fn id_prefix(row: &Descriptor) -> String {
    format!("{:04x}-{:02x}-{}/", row.extension, row.number, row.name)
}

fn input(frame: &Frame) -> Json {
    let mut bytes = Vec::new();
    frame.write(&mut bytes);
    json!({ "frame": hex(bytes) })
}

fn good(row: &Descriptor, name: &str, comment: &str, frame: &Frame) -> Test {
    let expected = decode(frame).expect("built from the field list");
    let mut flags = Vec::new();
    let has = |values: &Json, wanted: fn(&Json) -> bool| any(values, wanted);
    if expected["canonical_payload"] != Json::Null {
        flags.push("not-canonical");
    }
    if has(&expected["values"], |value| value.get("hex").is_some()) {
        let utf8 = |value: &Json| {
            value["hex"]
                .as_str()
                .and_then(super::unhex)
                .is_some_and(|bytes| std::str::from_utf8(&bytes).is_err())
        };
        if any(&expected["values"], utf8) {
            flags.push("not-utf8");
        }
    }
    if expected["tlvs"] != json!("") {
        flags.push("tlvs");
    }
    let has_wrong_bit = frame.extension_type != row.extension_type();
    if has_wrong_bit {
        flags.push("channel-bit");
    }
    let is_open = has_wrong_bit || flags.contains(&"not-utf8");
    let result = if is_open { Outcome::Acceptable } else { Outcome::Valid };
    Test::new(id(row, name), comment, input(frame), expected, result, &flags)
}

fn bad(row: &Descriptor, name: &str, comment: &str, flag: &str, payload: Vec<u8>) -> Test {
    let frame = frame(row, payload);
    let expected = decode(&frame).expect_err("cut or lying");
    Test::new(id(row, name), comment, input(&frame), expected, Outcome::Invalid, &[flag])
}

/// Whether a value, or an element of it, is `wanted`.
fn any(value: &Json, wanted: impl Fn(&Json) -> bool + Copy) -> bool {
    wanted(value) || value.as_array().is_some_and(|all| all.iter().any(|each| any(each, wanted)))
}

/// What our implementation makes of a frame.
fn decode(frame: &Frame) -> Result<Json, Json> {
    let decoded = Message::decode(frame).map_err(|error| match error {
        DecodeError::Malformed { finding, .. } => {
            json!({ "error": { "field": finding.path, "offset": finding.offset, "problem": finding.problem.to_string() } })
        }
        unknown @ DecodeError::Unknown { .. } => json!({ "error": unknown.to_string() }),
    })?;
    let (_, dissection) = dissect_frame(frame).expect("what decodes is in the table");
    let values: Vec<Json> = dissection
        .nodes
        .iter()
        .map(|node| value::to_json(node.kind, &node.value(&frame.payload)))
        .collect();
    let mut expected = json!({ "values": values, "tlvs": hex(decoded.tlvs.as_bytes()) });
    if !decoded.is_canonical {
        let mut payload = Vec::new();
        decoded.message.write(&mut payload);
        expected["canonical_payload"] = json!(hex(payload));
    }
    Ok(expected)
}

pub(super) fn verify(parameters: &Map<String, Json>, test: &Test) -> Result<(), String> {
    let bytes = test.bytes("frame")?;
    let frame = FrameDecoder::new(0xff_ffff)
        .next_frame(&mut BytesMut::from(&bytes[..]))
        .map_err(|error| error.to_string())?
        .ok_or("input.frame is not a whole frame")?;
    let outcome = decode(&frame);
    let was_accepted = outcome.is_ok();
    test.judge(outcome)?;
    if was_accepted {
        encode(parameters, test, &frame)?;
    }
    Ok(())
}

/// From the values back to the payload, by way of the field names.
fn encode(parameters: &Map<String, Json>, test: &Test, frame: &Frame) -> Result<(), String> {
    let number = parameters["message_type"].as_u64();
    let extension = parameters["extension"].as_u64();
    let row = DESCRIPTORS
        .iter()
        .find(|row| {
            (Some(u64::from(row.extension)), Some(u64::from(row.number))) == (extension, number)
        })
        .ok_or("the group names a message that is not in the table")?;
    let values = test.expected["values"].as_array().ok_or("expected.values is no list")?;
    let value_of = |name: &str| {
        let index = row.fields.iter().position(|field| field.name == name)?;
        value::from_json(row.fields[index].kind, values.get(index)?)
    };
    let mut payload = compose(row.fields, value_of).map_err(|error| error.to_string())?;
    if let Some(canonical) = test.expected.get("canonical_payload") {
        return if *canonical == json!(hex(&payload)) {
            Ok(())
        } else {
            Err(format!("the values encode to {}", hex(payload)))
        };
    }
    payload.extend(
        super::unhex(test.expected["tlvs"].as_str().unwrap_or_default()).unwrap_or_default(),
    );
    if payload == frame.payload {
        Ok(())
    } else {
        Err(format!("the values encode to {}", hex(payload)))
    }
}

//! Vectors of the fields that extensions add behind a message: spec 3.4.3, extension 0x0002.

use serde_json::{Value as Json, json};
use sv2::wire::{TlvOrder, Tlvs};

use super::{File, Group, Outcome, Test, hex, new_file, new_group};

/// Bytes behind a message to TLVs.
pub(super) const READ: &str = "read tlvs";

pub(super) fn generate() -> File {
    new_file(
        "TLV fields behind a message, in both readings of the specification",
        &[
            (
                "AMB-03",
                "spec 3.1 says little-endian, the examples of 3.4.3 and of extension 2 are big-endian: a receiver may take either, and must then keep to it",
            ),
            ("cut", "the bytes end within a TLV"),
        ],
        vec![group(TlvOrder::LittleEndian), group(TlvOrder::BigEndian)],
    )
}

fn group(order: TlvOrder) -> Group {
    let number = |number: u16| match order {
        TlvOrder::LittleEndian => number.to_le_bytes(),
        TlvOrder::BigEndian => number.to_be_bytes(),
    };
    let tlv = |extension, field: u8, len, value: &[u8]| {
        [&number(extension)[..], &[field], &number(len), value].concat()
    };
    let worker = tlv(2, 1, 10, b"Worker_001");
    let long = tlv(0x0102, 0xff, 0x0102, &[0x5a; 0x0102]);
    let rows: Vec<(&str, &str, Vec<u8>)> = vec![
        ("none", "nothing stands behind the message", Vec::new()),
        ("worker", "the user identity of extension 2, as in its example", worker.clone()),
        ("empty-value", "a value of no bytes", tlv(2, 1, 0, b"")),
        ("both-bytes", "extension and length use both bytes: the readings differ", long.clone()),
        ("two", "two fields, ordered by extension", [&worker[..], &long].concat()),
        ("twice", "the same field twice: the layout allows it", [&worker[..], &worker].concat()),
        ("cut-header", "four of five bytes of type and length", worker[..4].to_vec()),
        ("cut-value", "the last byte of the value is missing", worker[..14].to_vec()),
        ("cut-second", "the second field is cut", [&worker[..], &worker[..6]].concat()),
        ("no-tlv", "text that was never a TLV", b"hello".to_vec()),
    ];
    let tests = rows
        .into_iter()
        .map(|(id, comment, bytes)| {
            let is_cut = id.starts_with("cut") || id == "no-tlv";
            let (Ok(expected) | Err(expected)) = read(&bytes, order);
            let (result, flags): (_, &[&str]) = match is_cut {
                true => (Outcome::Invalid, &["cut"]),
                false if bytes.is_empty() => (Outcome::Valid, &[]),
                false => (Outcome::Acceptable, &["AMB-03"]),
            };
            let input = json!({ "bytes": hex(bytes), "order": name(order) });
            Test::new(format!("{}/{id}", name(order)), comment, input, expected, result, flags)
        })
        .collect();
    new_group(READ, json!({ "order": name(order) }), tests)
}

fn name(order: TlvOrder) -> &'static str {
    match order {
        TlvOrder::LittleEndian => "little-endian",
        TlvOrder::BigEndian => "big-endian",
    }
}

/// What our implementation makes of the bytes.
fn read(bytes: &[u8], order: TlvOrder) -> Result<Json, Json> {
    let fields = Tlvs::from_bytes(bytes.to_vec().into())
        .fields(order)
        .map_err(|error| json!({ "error": error.to_string() }))?;
    let fields = fields.iter().map(
        |tlv| json!({ "extension": tlv.extension, "field": tlv.field, "value": hex(&tlv.value) }),
    );
    Ok(json!({ "fields": fields.collect::<Vec<_>>() }))
}

pub(super) fn verify(test: &Test) -> Result<(), String> {
    let order = match test.text("order")? {
        "little-endian" => TlvOrder::LittleEndian,
        "big-endian" => TlvOrder::BigEndian,
        other => return Err(format!("no byte order is called `{other}`")),
    };
    test.judge(read(&test.bytes("bytes")?, order))
}

//! Field values as JSON, readable by people and exact to the bit.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use sv2::wire::dissect::Value;
use sv2::wire::{Kind, Target, U256};

use super::{hex, unhex};

/// The JSON form of a value: what the README says under "Values".
pub(super) fn to_json(kind: &Kind, value: &Value) -> Json {
    match value {
        Value::Bool(flag) => json!(flag),
        // Beyond 2^53 many JSON readers round.
        Value::Int(number) if matches!(kind, Kind::Int { bytes: 8 }) => json!(number.to_string()),
        Value::Int(number) => json!(number),
        // As text: some JSON readers are off by one bit.
        Value::F32(number) if number.is_finite() => json!(format!("{number:?}")),
        Value::F32(number) => json!(format!("{:#010x}", number.to_bits())),
        Value::U256(number) | Value::Target(Target(number)) => json!(number.to_string()),
        Value::Bytes(bytes) => json!(hex(bytes)),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') => {
                json!(text)
            }
            _ => json!({ "hex": hex(bytes) }),
        },
        Value::Sequence(elements) => match kind {
            Kind::Option { item } => {
                elements.first().map_or(Json::Null, |only| to_json(item, only))
            }
            Kind::Sequence { item, .. } => {
                elements.iter().map(|element| to_json(item, element)).collect()
            }
            _ => panic!("only a sequence or an option has elements"),
        },
    }
}

/// Reads what [`to_json`] writes.
pub(super) fn from_json(kind: &Kind, json: &Json) -> Option<Value> {
    Some(match kind {
        Kind::Bool => Value::Bool(json.as_bool()?),
        Kind::Int { bytes: 8 } => Value::Int(json.as_str()?.parse().ok()?),
        Kind::Int { .. } => Value::Int(json.as_u64()?),
        Kind::F32 => Value::F32(match json.as_str()?.strip_prefix("0x") {
            Some(bits) => f32::from_bits(u32::from_str_radix(bits, 16).ok()?),
            None => json.as_str()?.parse().ok()?,
        }),
        Kind::U256 => Value::U256(U256::from_hex(json.as_str()?)?),
        Kind::Target => Value::Target(Target(U256::from_hex(json.as_str()?)?)),
        Kind::Bytes { .. } => Value::Bytes(unhex(json.as_str()?)?.into()),
        Kind::Text => Value::Text(match json {
            Json::String(text) => Bytes::from(text.clone()),
            other => unhex(other.get("hex")?.as_str()?)?.into(),
        }),
        Kind::Sequence { item, .. } => Value::Sequence(
            json.as_array()?
                .iter()
                .map(|element| from_json(item, element))
                .collect::<Option<_>>()?,
        ),
        Kind::Option { item } => match json {
            Json::Null => Value::Sequence(Vec::new()),
            only => Value::Sequence(vec![from_json(item, only)?]),
        },
    })
}

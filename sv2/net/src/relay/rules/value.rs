//! Values of fields as a rules file writes them.

use bytes::Bytes;
use sv2::wire::dissect::Value;
use sv2::wire::hex::bytes_from_hex;
use sv2::wire::{Kind, Target, U256};
use sv2_document::{Data, Document, LoadError, Node};

/// A value for a field of shape `kind`. Bytes are `"hex:00ff"` or a text; hashes and targets are
/// 64 digits as people read them, or a number.
pub(super) fn value(document: &Document, node: &Node, kind: &Kind) -> Result<Value, LoadError> {
    let unfit = |got: &str| {
        document.error(node.at, format!("the field is a {}, got {got}", kind.spec_name()))
    };
    Ok(match (kind, &node.data) {
        (Kind::Bool, Data::Bool(flag)) => Value::Bool(*flag),
        (Kind::Int { bytes }, Data::Integer(_)) => {
            let max = u64::MAX >> (64 - 8 * u32::from(*bytes));
            let number = document.integer::<u64>(node)?;
            if number > max {
                return Err(unfit(&number.to_string()));
            }
            Value::Int(number)
        }
        #[expect(clippy::cast_possible_truncation, reason = "the field has no more digits")]
        (Kind::F32, Data::Float(number)) => Value::F32(*number as f32),
        #[expect(clippy::cast_precision_loss, reason = "the field has no more digits")]
        (Kind::F32, Data::Integer(number)) => Value::F32(*number as f32),
        (Kind::U256, _) => Value::U256(u256(document, node, kind)?),
        (Kind::Target, _) => Value::Target(Target(u256(document, node, kind)?)),
        (Kind::Bytes { .. }, Data::Text(text)) => Value::Bytes(bytes(document, node, text)?),
        (Kind::Text, Data::Text(text)) => Value::Text(bytes(document, node, text)?),
        (Kind::Sequence { item, .. }, Data::List(items)) => Value::Sequence(
            items.iter().map(|each| value(document, each, item)).collect::<Result<_, _>>()?,
        ),
        (Kind::Option { item }, Data::List(items)) if items.len() <= 1 => Value::Sequence(
            items.iter().map(|each| value(document, each, item)).collect::<Result<_, _>>()?,
        ),
        (Kind::Option { item }, _) => Value::Sequence(vec![value(document, node, item)?]),
        _ => return Err(unfit("something else")),
    })
}

fn u256(document: &Document, node: &Node, kind: &Kind) -> Result<U256, LoadError> {
    let number = match &node.data {
        Data::Text(digits) => U256::from_hex(digits),
        Data::Integer(number) => {
            u64::try_from(*number).ok().map(|number| U256::from_limbs([number, 0, 0, 0]))
        }
        _ => None,
    };
    number.ok_or_else(|| {
        let kind = kind.spec_name();
        document.error(node.at, format!("the field is a {kind}: expected 64 hexadecimal digits"))
    })
}

/// Bytes from `hex:` and digits, or those of a text.
pub(super) fn bytes(document: &Document, node: &Node, text: &str) -> Result<Bytes, LoadError> {
    let Some(digits) = text.strip_prefix("hex:") else {
        return Ok(Bytes::copy_from_slice(text.as_bytes()));
    };
    bytes_from_hex(digits).map(Bytes::from).ok_or_else(|| {
        document.error(node.at, "expected an even number of hexadecimal digits behind hex:")
    })
}

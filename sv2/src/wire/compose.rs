//! From named values to a payload: what [`dissect`](mod@super::dissect) takes apart.
//!
//! For conformance cases and vectors, which name fields instead of using structs.

use thiserror::Error;

use super::dissect::Value;
use super::{Field, Kind};

/// Builds a payload from `value_of(field name)`.
///
/// # Errors
/// A missing field, a value of another type, or one that does not fit.
pub fn compose(
    fields: &[Field],
    mut value_of: impl FnMut(&'static str) -> Option<Value>,
) -> Result<Vec<u8>, ComposeError> {
    let mut out = Vec::new();
    for field in fields {
        let value = value_of(field.name).ok_or(ComposeError::Missing { field: field.name })?;
        write(field.kind, &value, &mut out).map_err(|cause| ComposeError::Unfit {
            field: field.name,
            kind: field.kind.spec_name(),
            cause,
        })?;
    }
    Ok(out)
}

/// Why values do not make a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ComposeError {
    /// A field has no value.
    #[error("field `{field}` has no value")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A value is not of the field's type.
    #[error("field `{field}` is a {kind}: {cause}")]
    Unfit {
        /// Its name.
        field: &'static str,
        /// Its type, as the specification names it.
        kind: String,
        /// What is wrong.
        cause: String,
    },
}

fn write(kind: &Kind, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
    match (kind, value) {
        (Kind::Bool, Value::Bool(flag)) => out.push(u8::from(*flag)),
        (Kind::Int { bytes }, Value::Int(number)) => {
            if *bytes < 8 && number >> (8 * u32::from(*bytes)) != 0 {
                return Err(format!("{number} does not fit"));
            }
            out.extend_from_slice(&number.to_le_bytes()[..usize::from(*bytes)]);
        }
        (Kind::F32, Value::F32(number)) => out.extend_from_slice(&number.to_le_bytes()),
        (Kind::U256 | Kind::Target, Value::U256(number)) => {
            out.extend_from_slice(number.as_le_bytes());
        }
        (Kind::U256 | Kind::Target, Value::Target(target)) => {
            out.extend_from_slice(target.0.as_le_bytes());
        }
        (Kind::Bytes { prefix, max }, Value::Bytes(bytes)) => {
            write_len(bytes.len(), *prefix, *max as usize, out)?;
            out.extend_from_slice(bytes);
        }
        (Kind::Text, Value::Text(bytes)) => {
            write_len(bytes.len(), 1, 255, out)?;
            out.extend_from_slice(bytes);
        }
        (Kind::Sequence { prefix, item }, Value::Sequence(elements)) => {
            write_len(elements.len(), *prefix, (1 << (8 * u32::from(*prefix))) - 1, out)?;
            elements.iter().try_for_each(|element| write(item, element, out))?;
        }
        (Kind::Option { item }, Value::Sequence(elements)) => {
            write_len(elements.len(), 1, 1, out)?;
            elements.iter().try_for_each(|element| write(item, element, out))?;
        }
        (_, other) => return Err(format!("got {}", type_name(other))),
    }
    Ok(())
}

fn write_len(len: usize, prefix: u8, max: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if len > max {
        return Err(format!("{len} is more than {max}"));
    }
    out.extend_from_slice(&len.to_le_bytes()[..usize::from(prefix)]);
    Ok(())
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "a truth value",
        Value::Int(_) => "an integer",
        Value::F32(_) => "a fraction",
        Value::U256(_) | Value::Target(_) => "a 256-bit number",
        Value::Bytes(_) => "bytes",
        Value::Text(_) => "a text",
        Value::Sequence(_) => "a list",
    }
}

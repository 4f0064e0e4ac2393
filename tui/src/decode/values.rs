//! Values of fields as text and as JSON, read where they lie in the payload. What peers have
//! written is escaped: a terminal and a parser are safe from it.

use std::fmt::Write as _;

use sv2::wire::dissect::Node;
use sv2::wire::{Field, Kind, U256};

/// As text.
pub(super) fn write_text(out: &mut String, node: &Node, payload: &[u8]) {
    let bytes = &payload[node.span.clone()];
    match node.kind {
        Kind::Bool => out.push_str(if bytes[0] & 1 == 1 { "true" } else { "false" }),
        Kind::Int { .. } => write_int(out, little_endian(bytes)),
        Kind::F32 => {
            let _ = write!(out, "{}", f32_of(bytes));
        }
        Kind::U256 | Kind::Target => write_u256(out, bytes),
        Kind::Bytes { prefix, .. } => {
            write_hex(out, &bytes[usize::from(*prefix)..]);
        }
        Kind::Text => {
            out.push('"');
            let _ = write!(out, "{}", String::from_utf8_lossy(&bytes[1..]).escape_debug());
            out.push('"');
        }
        Kind::Sequence { .. } | Kind::Option { .. } => {
            out.push('[');
            for (index, child) in node.children.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_text(out, child, payload);
            }
            out.push(']');
        }
    }
}

/// As JSON: U64 and U256 as strings, for many readers have doubles only; bytes as hexadecimal.
pub(super) fn write_json(out: &mut String, node: &Node, payload: &[u8]) {
    match node.kind {
        Kind::Sequence { .. } | Kind::Option { .. } => {
            out.push('[');
            for (index, child) in node.children.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write_json(out, child, payload);
            }
            out.push(']');
        }
        kind => write_json_value(out, kind, &payload[node.span.clone()]),
    }
}

/// One that has no parts.
fn write_json_value(out: &mut String, kind: &Kind, bytes: &[u8]) {
    match kind {
        Kind::Bool => out.push_str(if bytes[0] & 1 == 1 { "true" } else { "false" }),
        Kind::Int { bytes: 8 } => {
            out.push('"');
            write_int(out, little_endian(bytes));
            out.push('"');
        }
        Kind::Int { .. } => write_int(out, little_endian(bytes)),
        Kind::F32 => {
            let value = f32_of(bytes);
            let quote = if value.is_finite() { "" } else { "\"" };
            let _ = write!(out, "{quote}{value}{quote}");
        }
        Kind::U256 | Kind::Target => {
            out.push('"');
            write_u256(out, bytes);
            out.push('"');
        }
        Kind::Bytes { prefix, .. } => {
            out.push('"');
            write_hex(out, &bytes[usize::from(*prefix)..]);
            out.push('"');
        }
        Kind::Text => match std::str::from_utf8(&bytes[1..]) {
            Ok(text) => write_json_string(out, text),
            Err(_) => {
                out.push_str("{\"hex\":\"");
                write_hex(out, &bytes[1..]);
                out.push_str("\"}");
            }
        },
        Kind::Sequence { .. } | Kind::Option { .. } => {}
    }
}

/// The fields of a payload as JSON, as [`write_json`] has them, where there is nothing to say about
/// any of them; how long they are, or `None`, and then what was appended makes no sense.
pub(super) fn write_sound_fields(
    out: &mut String,
    fields: &[Field],
    payload: &[u8],
) -> Option<usize> {
    let mut at = 0;
    for (index, field) in fields.iter().enumerate() {
        out.push_str(if index > 0 { ",\"" } else { "\"" });
        out.push_str(field.name);
        out.push_str("\":");
        at += write_sound(out, field.kind, payload.get(at..)?)?;
    }
    Some(at)
}

fn write_sound(out: &mut String, kind: &'static Kind, bytes: &[u8]) -> Option<usize> {
    let prefixed = |prefix: u8, max: usize| {
        let prefix = usize::from(prefix);
        let len = usize::try_from(little_endian(bytes.get(..prefix)?)).ok()?;
        (len <= max).then(|| bytes.get(prefix..prefix.checked_add(len)?)).flatten()
    };
    let len = match kind {
        Kind::Bool => {
            let text = match bytes.first()? {
                0 => "false",
                1 => "true",
                _ => return None,
            };
            out.push_str(text);
            return Some(1);
        }
        Kind::Int { bytes } => usize::from(*bytes),
        Kind::F32 => 4,
        Kind::U256 | Kind::Target => 32,
        Kind::Bytes { prefix, max } => {
            usize::from(*prefix) + prefixed(*prefix, *max as usize)?.len()
        }
        Kind::Text => {
            let text = std::str::from_utf8(prefixed(1, 255)?).ok()?;
            write_json_string(out, text);
            return Some(1 + text.len());
        }
        Kind::Sequence { prefix, item } => return write_sound_items(out, item, *prefix, bytes),
        Kind::Option { item } => {
            return if *bytes.first()? > 1 { None } else { write_sound_items(out, item, 1, bytes) };
        }
    };
    write_json_value(out, kind, bytes.get(..len)?);
    Some(len)
}

fn write_sound_items(
    out: &mut String,
    item: &'static Kind,
    prefix: u8,
    bytes: &[u8],
) -> Option<usize> {
    let mut at = usize::from(prefix);
    let count = little_endian(bytes.get(..at)?);
    out.push('[');
    for index in 0..count {
        out.push_str(if index > 0 { "," } else { "" });
        at += write_sound(out, item, bytes.get(at..)?)?;
    }
    out.push(']');
    Some(at)
}

/// A JSON string with its quotes.
pub(super) fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    let is_plain = |byte: &u8| (0x20..0x7f).contains(byte) && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(is_plain) {
        out.push_str(text);
    } else {
        write_escaped(out, text);
    }
    out.push('"');
}

fn write_escaped(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Also what would turn a line around or end it for some readers.
            control if control.is_control() || ('\u{2028}'..='\u{202e}').contains(&control) => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
}

pub(super) fn write_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for bytes in bytes.chunks(text.len() / 2) {
        for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
            digits[0] = DIGITS[usize::from(byte >> 4)];
            digits[1] = DIGITS[usize::from(byte & 15)];
        }
        push_ascii(out, &text[..2 * bytes.len()]);
    }
}

/// Decimal digits, without the machinery of `fmt`.
pub(super) fn write_int(out: &mut String, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        let digit = (value % 10) as u8;
        digits[at] = b'0' + digit;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    push_ascii(out, &digits[at..]);
}

fn push_ascii(out: &mut String, text: &[u8]) {
    out.push_str(std::str::from_utf8(text).unwrap_or_default());
}

fn write_u256(out: &mut String, bytes: &[u8]) {
    let value = bytes.first_chunk().map_or(U256::ZERO, |bytes| U256::from_le_bytes(*bytes));
    write_hex(out, &value.to_be_bytes());
}

fn f32_of(bytes: &[u8]) -> f32 {
    bytes.first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_write_cannot_leave_its_string() {
        let mut out = String::new();

        write_json_string(&mut out, "a\"\\\n\u{1b}[31m\u{202e}é");

        assert_eq!(out, r#""a\"\\\n\u001b[31m\u202eé""#);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"\\\n\u{1b}[31m\u{202e}é");
    }

    #[test]
    fn numbers_have_all_their_digits() {
        for value in [0, 9, 10, 1_234_567_890, u64::MAX] {
            let mut out = String::new();
            write_int(&mut out, value);
            assert_eq!(out, value.to_string());
        }
    }
}

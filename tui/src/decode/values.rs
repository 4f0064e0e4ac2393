//! Values of fields as text and as JSON, read where they lie in the payload. What peers have
//! written is escaped: a terminal and a parser are safe from it.

use std::fmt::Write as _;

use sv2::wire::dissect::{Node, sound_len};
use sv2::wire::{Field, Kind, U256};

use super::out::Out;

/// As text.
pub(super) fn write_text(out: &mut Out, node: &Node, payload: &[u8]) {
    let bytes = &payload[node.span.clone()];
    match node.kind {
        Kind::Bool => out.push_str(if bytes[0] & 1 == 1 { "true" } else { "false" }),
        Kind::Int { .. } => out.push_int(little_endian(bytes)),
        Kind::F32 => {
            let _ = write!(out, "{}", f32_of(bytes));
        }
        Kind::U256 | Kind::Target => write_u256(out, bytes),
        Kind::Bytes { prefix, .. } => {
            out.push_hex(&bytes[usize::from(*prefix)..]);
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
pub(super) fn write_json(out: &mut Out, node: &Node, payload: &[u8]) {
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
fn write_json_value(out: &mut Out, kind: &Kind, bytes: &[u8]) {
    match kind {
        Kind::Bool => out.push_str(if bytes[0] & 1 == 1 { "true" } else { "false" }),
        Kind::Int { bytes: 8 } => {
            out.push('"');
            out.push_int(little_endian(bytes));
            out.push('"');
        }
        Kind::Int { .. } => out.push_int(little_endian(bytes)),
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
            out.push_hex(&bytes[usize::from(*prefix)..]);
            out.push('"');
        }
        Kind::Text => match std::str::from_utf8(&bytes[1..]) {
            Ok(text) => write_json_string(out, text),
            Err(_) => {
                out.push_str("{\"hex\":\"");
                out.push_hex(&bytes[1..]);
                out.push_str("\"}");
            }
        },
        Kind::Sequence { .. } | Kind::Option { .. } => {}
    }
}

/// The fields of a payload as JSON, as [`write_json`] has them, where there is nothing to say about
/// any of them; how long they are, or `None`, and then what was appended makes no sense.
pub(super) fn write_sound_fields(out: &mut Out, fields: &[Field], payload: &[u8]) -> Option<usize> {
    let mut at = 0;
    for (index, field) in fields.iter().enumerate() {
        out.push_str(if index > 0 { ",\"" } else { "\"" });
        out.push_str(field.name);
        out.push_str("\":");
        at += write_sound(out, field.kind, payload.get(at..)?)?;
    }
    Some(at)
}

fn write_sound(out: &mut Out, kind: &Kind, bytes: &[u8]) -> Option<usize> {
    let (item, prefix) = match kind {
        Kind::Sequence { prefix, item } => (item, usize::from(*prefix)),
        Kind::Option { item } => (item, 1),
        _ => {
            let len = sound_len(kind, bytes)?;
            write_json_value(out, kind, &bytes[..len]);
            return Some(len);
        }
    };
    let count = little_endian(bytes.get(..prefix)?);
    if matches!(kind, Kind::Option { .. }) && count > 1 {
        return None;
    }
    let mut at = prefix;
    out.push('[');
    for index in 0..count {
        out.push_str(if index > 0 { "," } else { "" });
        at += write_sound(out, item, bytes.get(at..)?)?;
    }
    out.push(']');
    Some(at)
}

/// A JSON string with its quotes.
pub(super) fn write_json_string(out: &mut Out, text: &str) {
    out.push('"');
    let is_plain = |byte: &u8| (0x20..0x7f).contains(byte) && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().all(is_plain) {
        out.push_str(text);
    } else {
        write_escaped(out, text);
    }
    out.push('"');
}

fn write_escaped(out: &mut Out, text: &str) {
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

fn write_u256(out: &mut Out, bytes: &[u8]) {
    let value = bytes.first_chunk().map_or(U256::ZERO, |bytes| U256::from_le_bytes(*bytes));
    out.push_hex(&value.to_be_bytes());
}

fn f32_of(bytes: &[u8]) -> f32 {
    bytes.first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use sv2::message::dissect_frame;
    use sv2::wire::dissect::Name;
    use sv2_capture::observed::What;

    use super::*;
    use crate::capture::{Flow, Input, read};

    #[test]
    fn fields_are_written_without_a_tree_as_they_are_with_one() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/captures");
        let files = std::fs::read_dir(folder).expect("captures ship");
        let files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
        let mut counts = [0; 2];
        for file in files {
            let input = Input { files: vec![file], ..Input::default() };
            let mut compare = |frame: &sv2::wire::Frame| {
                let Some((row, dissection)) = dissect_frame(frame) else { return };
                let (mut with, mut without) = (Out::default(), Out::default());
                for (index, node) in dissection.nodes.iter().enumerate() {
                    let Name::Named(name) = node.name else { panic!("{node:?}") };
                    with.push_str(if index > 0 { ",\"" } else { "\"" });
                    with.push_str(&format!("{name}\":"));
                    write_json(&mut with, node, &frame.payload);
                }
                let len = write_sound_fields(&mut without, row.fields, &frame.payload);
                counts[usize::from(len.is_some())] += 1;
                if let Some(len) = len {
                    assert_eq!(len, dissection.fields_len);
                    assert_eq!(without.into_string(), with.into_string());
                }
            };
            let mut take = |found: &sv2_capture::read::Found<'_>| {
                if let What::Frame { frame, .. } = found.observed.what {
                    compare(frame);
                }
                Flow::GoOn
            };
            // What is no capture has no messages.
            let _ = read(&input, &mut take, &mut || Flow::GoOn);
        }
        assert!(counts[0] > 0 && counts[1] > 500, "{counts:?}");
    }

    #[test]
    fn what_peers_write_cannot_leave_its_string() {
        let mut out = Out::default();

        write_json_string(&mut out, "a\"\\\n\u{1b}[31m\u{202e}é");

        let out = out.into_string();
        assert_eq!(out, r#""a\"\\\n\u001b[31m\u202eé""#);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"\\\n\u{1b}[31m\u{202e}é");
    }
}

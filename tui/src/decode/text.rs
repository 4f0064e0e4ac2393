//! A line for each observation and what is wrong with it; with `-v` a tree of its fields, with
//! `-x` its bytes.

use std::fmt::Write as _;

use sv2::message::dissect_frame;
use sv2::wire::Frame;
use sv2::wire::dissect::{Name, Node};
use sv2_capture::observed::{Integrity, What};

use super::out::Out;
use super::values::write_text;
use crate::capture::{Seen, Utc, write_line};
use crate::inspect::Entry;

/// How much is said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Detail {
    /// 0: a line; 1: fields; 2: fields with types and places.
    pub(super) verbose: u8,
    /// Bytes in hexadecimal.
    pub(super) hex: bool,
}

/// Appends an observation.
pub(super) fn write(out: &mut Out, seen: &Seen<'_>, detail: Detail) {
    let observed = &seen.found.observed;
    let entry = Entry::of(observed, &seen.report.facts);
    write_line(out, &entry, seen.since_first);
    if let What::Frame { frame, integrity, .. } = observed.what {
        if detail.verbose > 0 {
            let _ = writeln!(out, "{INDENT}{}  packets {}", Utc(observed.at), packets(seen));
            write_tree(out, seen, frame, integrity, detail.verbose > 1);
        }
        if detail.hex {
            write_dump(out, &frame.payload);
        }
    }
    for finding in &seen.report.findings {
        let _ = writeln!(out, "        {finding}");
        if detail.verbose > 0 {
            let _ = writeln!(out, "            hint: {}", finding.rule.hint);
        }
    }
}

const INDENT: &str = "           ";

fn packets(seen: &Seen<'_>) -> String {
    let places = seen.found.places.iter();
    let words: Vec<String> = places.map(|place| place.packet.to_string()).collect();
    match words.as_slice() {
        [first, .., last] if words.len() > 8 => format!("{first}..{last}"),
        _ => words.join(" "),
    }
}

fn write_tree(
    out: &mut Out,
    seen: &Seen<'_>,
    frame: &Frame,
    integrity: Integrity,
    with_types: bool,
) {
    let header = frame.header();
    let _ = writeln!(
        out,
        "{INDENT}extension_type {:#06x}  message_type {:#04x}  length {}",
        header.extension_type, header.message_type, header.payload_len
    );
    if let Some(nonce) = seen.found.seal.map(|seal| seal.nonce) {
        let verdict = match integrity {
            Integrity::Verified => "MACs right",
            Integrity::Bad => "a MAC is WRONG",
            Integrity::Unverified | Integrity::Plain => "MACs not checked",
        };
        let _ = writeln!(out, "{INDENT}noise: nonce {nonce}, {verdict}");
    }
    let Some((_, dissection)) = dissect_frame(frame) else { return };
    for node in &dissection.nodes {
        write_node(out, node, frame, INDENT.len(), with_types);
    }
    for finding in &dissection.findings {
        let mark = if finding.problem.is_fatal() { '!' } else { '?' };
        let _ = writeln!(out, "         {mark} {finding}");
    }
}

fn write_node(out: &mut Out, node: &Node, frame: &Frame, indent: usize, with_types: bool) {
    let _ = write!(out, "{:indent$}", "");
    if with_types {
        let span = &node.span;
        let _ = write!(out, "{:04x}..{:04x} {:<18} ", span.start, span.end, node.kind.spec_name());
    }
    let is_field = matches!(node.name, Name::Named(_));
    let _ = if is_field {
        write!(out, "{:<28} ", node.name.to_string())
    } else {
        write!(out, "{} ", node.name)
    };
    if node.children.is_empty() {
        write_text(out, node, &frame.payload);
        out.push('\n');
        return;
    }
    let _ = writeln!(out, "{} elements", node.children.len());
    for child in &node.children {
        write_node(out, child, frame, indent + 4, with_types);
    }
}

/// Sixteen bytes a line, as hexdump does.
fn write_dump(out: &mut Out, bytes: &[u8]) {
    for (index, row) in bytes.chunks(16).enumerate() {
        let _ = write!(out, "{INDENT}{:04x}  ", index * 16);
        for column in 0..16 {
            match row.get(column) {
                Some(byte) => out.push_hex(&[*byte]),
                None => out.push_str("  "),
            }
            out.push_str(if column == 7 { "  " } else { " " });
        }
        out.push(' ');
        row.iter().for_each(|byte| match byte {
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => out.push('.'),
        });
        out.push('\n');
    }
}

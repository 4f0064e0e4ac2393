//! One JSON object a line, version 1 (`vectors/decode.schema.json`). The same capture gives the
//! same bytes.

use std::fmt::Write as _;

use sv2::message::dissect_frame;
use sv2::wire::Frame;
use sv2::wire::dissect::Name;
use sv2_capture::Direction;
use sv2_capture::observed::{HandshakeSeen, Integrity, Observed, SessionKey, What};
use sv2_capture::rules::Finding;
use sv2_capture::state::{Derived, Facts};

use super::values::{write_hex, write_int, write_json, write_json_string};
use crate::capture::{Seen, Utc};

/// Appends the object of an observation; `raw` with the payload in hexadecimal.
pub(super) fn write(out: &mut String, seen: &Seen<'_>, raw: bool) {
    let Observed { number, at, connection, what } = &seen.found.observed;
    out.push_str("{\"v\":1,\"n\":");
    write_int(out, *number);
    let _ = write!(out, ",\"t\":\"{}\",\"conn\":\"c", Utc(*at));
    write_int(out, u64::from(*connection));
    out.push('"');
    if let Some(direction) = what.direction() {
        out.push_str(match direction {
            Direction::ClientToServer => ",\"dir\":\"up\"",
            Direction::ServerToClient => ",\"dir\":\"down\"",
        });
    }
    if let Some(place) = seen.found.places.last() {
        out.push_str(",\"packet\":");
        write_int(out, place.packet);
    }
    match what {
        What::Frame { frame, integrity, .. } => {
            write_frame(out, frame, *integrity, raw);
            write_facts(out, &seen.report.facts, *at);
        }
        other => write_event(out, other),
    }
    write_findings(out, &seen.report.findings);
    out.push_str("}\n");
}

/// Appends what a frame says by itself.
pub(crate) fn write_frame(out: &mut String, frame: &Frame, integrity: Integrity, raw: bool) {
    let known = dissect_frame(frame);
    out.push_str(",\"ext\":");
    write_int(out, u64::from(frame.extension_type));
    out.push_str(",\"type\":");
    write_int(out, u64::from(frame.message_type));
    out.push_str(",\"msg\":");
    match &known {
        None => out.push_str("null"),
        Some((row, _)) => write_json_string(out, row.name),
    }
    if let Some(channel_id) = frame.channel_id() {
        out.push_str(",\"ch\":");
        write_int(out, u64::from(channel_id));
    }
    out.push_str(",\"len\":");
    write_int(out, frame.payload.len() as u64);
    out.push_str(match integrity {
        Integrity::Verified => ",\"mac\":\"ok\"",
        Integrity::Unverified => ",\"mac\":\"unverified\"",
        Integrity::Bad => ",\"mac\":\"bad\"",
        Integrity::Plain => ",\"mac\":\"plain\"",
    });
    if let Some((_, dissection)) = &known {
        out.push_str(",\"f\":{");
        for (index, node) in dissection.nodes.iter().enumerate() {
            out.push_str(if index > 0 { ",\"" } else { "\"" });
            if let Name::Named(name) = node.name {
                out.push_str(name);
            }
            out.push_str("\":");
            write_json(out, node, &frame.payload);
        }
        out.push('}');
        let tlvs = match dissection.fatal() {
            Some(_) => &[],
            None => &frame.payload[dissection.fields_len..],
        };
        if !tlvs.is_empty() {
            out.push_str(",\"tlvs\":\"");
            write_hex(out, tlvs);
            out.push('"');
        }
        let problems = dissection.findings.iter().map(ToString::to_string);
        write_strings(out, "problems", problems);
    }
    if raw || known.is_none() {
        out.push_str(",\"raw\":\"");
        write_hex(out, &frame.payload);
        out.push('"');
    }
}

/// What a message means where it stands.
fn write_facts(out: &mut String, facts: &Facts, at: u64) {
    let derived = facts.derived();
    for (index, (name, value)) in derived.iter().enumerate() {
        out.push_str(if index == 0 { ",\"d\":{\"" } else { ",\"" });
        out.push_str(name);
        out.push_str("\":");
        match value {
            Derived::Number(number) => {
                let quote = if number.is_finite() { "" } else { "\"" };
                let _ = write!(out, "{quote}{number}{quote}");
            }
            Derived::Number64(number) => write_int(out, *number),
            Derived::Word(word) => write_json_string(out, word),
            Derived::Hash(hash) => {
                out.push('"');
                write_hex(out, &hash.to_be_bytes());
                out.push('"');
            }
            Derived::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
        }
    }
    if !derived.is_empty() {
        out.push('}');
    }
    if let Some(pair) = facts.pair() {
        out.push_str(",\"pair\":");
        write_int(out, pair);
    }
    if let Some(latency) = facts.latency(at) {
        out.push_str(",\"lat_us\":");
        write_int(out, latency / 1_000);
    }
}

fn write_findings(out: &mut String, findings: &[Finding]) {
    write_strings(out, "x", findings.iter().map(Finding::code));
    write_strings(out, "why", findings.iter().map(|finding| finding.text.clone()));
}

/// A list, unless it is empty.
fn write_strings(out: &mut String, name: &str, strings: impl Iterator<Item = String>) {
    let mut is_empty = true;
    for string in strings {
        if is_empty {
            let _ = write!(out, ",\"{name}\":[");
        } else {
            out.push(',');
        }
        is_empty = false;
        write_json_string(out, &string);
    }
    out.push_str(if is_empty { "" } else { "]" });
}

fn write_event(out: &mut String, what: &What<'_>) {
    let _ = write!(out, ",\"event\":\"{}\"", what.word());
    match what {
        What::Opened { client, server, from_the_start, is_selection } => {
            let _ = write!(
                out,
                ",\"client\":\"{client}\",\"server\":\"{server}\",\"from_the_start\":{from_the_start}"
            );
            out.push_str(if *is_selection { ",\"selection\":true" } else { "" });
        }
        What::Handshake(seen) => write_handshake(out, seen),
        What::Opaque { len, .. } => {
            let _ = write!(out, ",\"len\":{len}");
        }
        What::Line { line, .. } => {
            out.push_str(",\"line\":");
            write_json_string(out, &String::from_utf8_lossy(line));
        }
        What::Gap { len, resynced, .. } => {
            let _ = write!(out, ",\"len\":{len},\"resynced\":{resynced}");
        }
        What::Closed { reset, .. } => {
            let _ = write!(out, ",\"reset\":{reset}");
        }
        What::Frame { .. } => {}
    }
}

fn write_handshake(out: &mut String, seen: &HandshakeSeen) {
    let key = match seen.key {
        SessionKey::Missing => "missing",
        SessionKey::Fits => "fits",
        SessionKey::DoesNotFit => "does-not-fit",
    };
    let _ = write!(
        out,
        ",\"act_1_len\":{},\"act_2_len\":{},\"duration_us\":{},\"key\":\"{key}\"",
        seen.act_1_len,
        seen.act_2_len,
        seen.duration / 1000
    );
    if let Some(shown) = &seen.certificate {
        let certificate = &shown.certificate;
        let _ = write!(
            out,
            ",\"certificate\":{{\"version\":{},\"valid_from\":{},\"not_valid_after\":{},\"static_x\":\"",
            certificate.version, certificate.valid_from, certificate.not_valid_after
        );
        write_hex(out, &shown.static_x);
        out.push('"');
        if let Some(is_signed) = shown.is_signed {
            let _ = write!(out, ",\"is_signed\":{is_signed}");
        }
        out.push('}');
    }
    write_strings(out, "failures", seen.failures.iter().cloned());
}

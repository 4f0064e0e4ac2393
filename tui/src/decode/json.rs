//! One JSON object a line, version 1 (`vectors/decode.schema.json`). The same capture gives the
//! same bytes.

use std::fmt::Write as _;

use sv2::message::{Descriptor, descriptor};
use sv2::wire::Frame;
use sv2::wire::dissect::{Name, dissect};
use sv2_capture::Direction;
use sv2_capture::observed::{HandshakeSeen, Integrity, Observed, SessionKey, What};
use sv2_capture::rules::Finding;
use sv2_capture::state::{Derived, Facts};

use super::out::Out;
use super::values::{write_json, write_json_string, write_sound_fields};
use crate::capture::{Seen, UtcClock};

/// Writes one observation after the other.
#[derive(Debug)]
pub(super) struct Lines {
    raw: bool,
    clock: UtcClock,
    /// The last number of its kind as text: targets stay the same for many messages.
    target_difficulty: (u64, String),
}

impl Lines {
    /// `raw` with payloads in hexadecimal.
    pub(super) fn new(raw: bool) -> Self {
        Lines { raw, clock: UtcClock::default(), target_difficulty: (0, String::from("0")) }
    }

    /// Appends the object of an observation.
    pub(super) fn write(&mut self, out: &mut Out, seen: &Seen<'_>) {
        let Observed { number, at, connection, what } = &seen.found.observed;
        out.push_str("{\"v\":1,\"n\":");
        out.push_int(*number);
        out.push_str(",\"t\":\"");
        out.push_str(self.clock.text(*at));
        out.push_str("\",\"conn\":\"c");
        out.push_int(u64::from(*connection));
        out.push('"');
        if let Some(direction) = what.direction() {
            out.push_str(match direction {
                Direction::ClientToServer => ",\"dir\":\"up\"",
                Direction::ServerToClient => ",\"dir\":\"down\"",
            });
        }
        if let Some(place) = seen.found.places.last() {
            out.push_str(",\"packet\":");
            out.push_int(place.packet);
        }
        match what {
            What::Frame { frame, integrity, .. } => {
                let row = match &seen.report.facts.message {
                    Some(message) => Some(message.descriptor()),
                    None => descriptor(frame.header().extension(), frame.message_type),
                };
                write_frame_of(out, frame, row, *integrity, self.raw);
                self.write_facts(out, &seen.report.facts, *at);
            }
            other => write_event(out, other),
        }
        write_findings(out, &seen.report.findings);
        out.push_str("}\n");
    }

    /// What a message means where it stands.
    fn write_facts(&mut self, out: &mut Out, facts: &Facts, at: u64) {
        let mut is_empty = true;
        facts.each_derived(&mut |name, value| {
            out.push_str(if is_empty { ",\"d\":{\"" } else { ",\"" });
            is_empty = false;
            out.push_str(name);
            out.push_str("\":");
            match value {
                Derived::Number(number) if name == "target_diff" => {
                    out.push_str(self.target_difficulty_text(number));
                }
                Derived::Number(number) => write_number(out, number),
                Derived::Number64(number) => out.push_int(number),
                Derived::Word(word) => write_json_string(out, word),
                Derived::Hash(hash) => {
                    out.push('"');
                    out.push_hex(&hash.to_be_bytes());
                    out.push('"');
                }
                Derived::Flag(flag) => out.push_str(if flag { "true" } else { "false" }),
            }
        });
        if !is_empty {
            out.push('}');
        }
        if let Some(pair) = facts.pair() {
            out.push_str(",\"pair\":");
            out.push_int(pair);
        }
        if let Some(latency) = facts.latency(at) {
            out.push_str(",\"lat_us\":");
            out.push_int(latency / 1_000);
        }
    }

    fn target_difficulty_text(&mut self, difficulty: f64) -> &str {
        let (bits, text) = &mut self.target_difficulty;
        if *bits != difficulty.to_bits() {
            *bits = difficulty.to_bits();
            let mut fresh = Out::default();
            write_number(&mut fresh, difficulty);
            *text = fresh.into_string();
        }
        text
    }
}

fn write_number(out: &mut Out, number: f64) {
    let quote = if number.is_finite() { "" } else { "\"" };
    let _ = write!(out, "{quote}{number}{quote}");
}

/// Appends what a frame says by itself.
pub(crate) fn write_frame(out: &mut Out, frame: &Frame, integrity: Integrity, raw: bool) {
    let row = descriptor(frame.header().extension(), frame.message_type);
    write_frame_of(out, frame, row, integrity, raw);
}

fn write_frame_of(
    out: &mut Out,
    frame: &Frame,
    row: Option<&'static Descriptor>,
    integrity: Integrity,
    raw: bool,
) {
    out.push_str(",\"ext\":");
    out.push_int(u64::from(frame.extension_type));
    out.push_str(",\"type\":");
    out.push_int(u64::from(frame.message_type));
    out.push_str(",\"msg\":");
    match row {
        None => out.push_str("null"),
        Some(row) => write_json_string(out, row.name),
    }
    if let Some(channel_id) = frame.channel_id() {
        out.push_str(",\"ch\":");
        out.push_int(u64::from(channel_id));
    }
    out.push_str(",\"len\":");
    out.push_int(frame.payload.len() as u64);
    out.push_str(match integrity {
        Integrity::Verified => ",\"mac\":\"ok\"",
        Integrity::Unverified => ",\"mac\":\"unverified\"",
        Integrity::Bad => ",\"mac\":\"bad\"",
        Integrity::Plain => ",\"mac\":\"plain\"",
    });
    if let Some(row) = row {
        write_fields(out, row, &frame.payload);
    }
    if raw || row.is_none() {
        out.push_str(",\"raw\":\"");
        out.push_hex(&frame.payload);
        out.push('"');
    }
}

/// Fields, what stands behind them, and what is wrong or odd with them.
fn write_fields(out: &mut Out, row: &Descriptor, payload: &[u8]) {
    let start = out.len();
    out.push_str(",\"f\":{");
    if write_sound_fields(out, row.fields, payload) == Some(payload.len()) {
        out.push('}');
        return;
    }
    out.truncate(start);
    out.push_str(",\"f\":{");
    let dissection = dissect(row.fields, payload);
    for (index, node) in dissection.nodes.iter().enumerate() {
        out.push_str(if index > 0 { ",\"" } else { "\"" });
        if let Name::Named(name) = node.name {
            out.push_str(name);
        }
        out.push_str("\":");
        write_json(out, node, payload);
    }
    out.push('}');
    let tlvs = match dissection.fatal() {
        Some(_) => &[],
        None => &payload[dissection.fields_len..],
    };
    if !tlvs.is_empty() {
        out.push_str(",\"tlvs\":\"");
        out.push_hex(tlvs);
        out.push('"');
    }
    write_strings(out, "problems", dissection.findings.iter().map(ToString::to_string));
}

fn write_findings(out: &mut Out, findings: &[Finding]) {
    write_strings(out, "x", findings.iter().map(Finding::code));
    write_strings(out, "why", findings.iter().map(|finding| finding.text.clone()));
}

/// A list, unless it is empty.
fn write_strings(out: &mut Out, name: &str, strings: impl Iterator<Item = String>) {
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

fn write_event(out: &mut Out, what: &What<'_>) {
    let _ = write!(out, ",\"event\":\"{}\"", what.word());
    match what {
        What::Opened { client, server, from_the_start, is_selection, is_redacted } => {
            let _ = write!(
                out,
                ",\"client\":\"{client}\",\"server\":\"{server}\",\"from_the_start\":{from_the_start}"
            );
            out.push_str(if *is_selection { ",\"selection\":true" } else { "" });
            out.push_str(if *is_redacted { ",\"redacted\":true" } else { "" });
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

fn write_handshake(out: &mut Out, seen: &HandshakeSeen) {
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
        out.push_hex(&shown.static_x);
        out.push('"');
        if let Some(is_signed) = shown.is_signed {
            let _ = write!(out, ",\"is_signed\":{is_signed}");
        }
        out.push('}');
    }
    write_strings(out, "failures", seen.failures.iter().cloned());
}

//! What is not the same.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use super::conversation::{Conversation, Conversations, Kind};
use crate::inspect::describe::cut;

/// One of them, of A and of B.
#[derive(Debug)]
pub(super) enum Difference<'a> {
    /// There are more connections that speak a protocol.
    Connections { protocol: &'a str, counts: [usize; 2] },
    /// There are more messages of a kind on a connection.
    Messages { connections: [u32; 2], kind: &'a Kind, counts: [usize; 2] },
    /// A field has another value, or is there only once.
    Field {
        connections: [u32; 2],
        kind: &'a Kind,
        /// From 1.
        nth: usize,
        numbers: [u64; 2],
        field: &'a str,
        values: [Option<&'a str>; 2],
    },
}

/// Shows all differences, in an order that does not depend on time.
pub(super) fn differences<'a>(
    one: &'a Conversations,
    other: &'a Conversations,
    show: &mut dyn FnMut(&Difference<'a>),
) {
    let protocols: BTreeSet<&str> =
        one.by_protocol.keys().chain(other.by_protocol.keys()).copied().collect();
    for protocol in protocols {
        let [ours, theirs] = [one, other]
            .map(|it| it.by_protocol.get(protocol).map(Vec::as_slice).unwrap_or_default());
        if ours.len() != theirs.len() {
            show(&Difference::Connections { protocol, counts: [ours.len(), theirs.len()] });
        }
        for (one, other) in ours.iter().zip(theirs) {
            of_connection(one, other, show);
        }
    }
}

fn of_connection<'a>(
    one: &'a Conversation,
    other: &'a Conversation,
    show: &mut dyn FnMut(&Difference<'a>),
) {
    let connections = [one.number, other.number];
    let kinds: BTreeSet<&Kind> = one.said.keys().chain(other.said.keys()).collect();
    for kind in kinds {
        let [ours, theirs] =
            [one, other].map(|it| it.said.get(kind).map(Vec::as_slice).unwrap_or_default());
        if ours.len() != theirs.len() {
            let counts = [ours.len(), theirs.len()];
            show(&Difference::Messages { connections, kind, counts });
        }
        for (at, (one, other)) in ours.iter().zip(theirs).enumerate() {
            let names = one.fields.iter().chain(&other.fields).map(|(name, _)| *name);
            let mut told = BTreeSet::new();
            for field in names.filter(|name| told.insert(*name)) {
                let value = |fields: &'a [(&'static str, String)]| {
                    fields.iter().find(|(name, _)| *name == field).map(|(_, text)| text.as_str())
                };
                let values = [value(&one.fields), value(&other.fields)];
                if values[0] != values[1] {
                    let (nth, numbers) = (at + 1, [one.number, other.number]);
                    let of = Difference::Field { connections, kind, nth, numbers, field, values };
                    show(&of);
                }
            }
        }
    }
}

impl Difference<'_> {
    /// As an object; its keys are those of `assay decode -o jsonl` where these say the same.
    pub(super) fn to_json(&self) -> String {
        let value = match self {
            Difference::Connections { protocol, counts } => json!({
                "v": 1, "differ": "connections", "protocol": protocol, "counts": counts,
            }),
            Difference::Messages { connections, kind, counts } => {
                of_kind("messages", connections, kind, json!({ "counts": counts }))
            }
            Difference::Field { connections, kind, nth, numbers, field, values } => of_kind(
                "field",
                connections,
                kind,
                json!({ "nth": nth, "n": numbers, "field": field, "values": values.map(bare) }),
            ),
        };
        value.to_string()
    }

    /// The last object.
    pub(super) fn summary(count: usize, compared: usize) -> String {
        json!({ "v": 1, "same": count == 0, "differences": count, "messages": compared })
            .to_string()
    }
}

/// Texts stand in quotes for people; JSON has its own.
fn bare(value: Option<&str>) -> Option<&str> {
    let text = value?.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    text.or(value)
}

fn of_kind(differ: &str, connections: &[u32; 2], kind: &Kind, more: Value) -> Value {
    let direction = if kind.is_down { "down" } else { "up" };
    let mut value = json!({
        "v": 1, "differ": differ, "dir": direction, "msg": kind.name, "channel": kind.channel,
        "conn": connections.map(|number| format!("c{number}")),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Connections { protocol, counts: [one, other] } => {
                write!(f, "connections of {protocol}: {one} / {other}")
            }
            Difference::Messages { connections, kind, counts: [one, other] } => {
                write_kind(f, connections, kind)?;
                write!(f, ": {one} / {other} of them")
            }
            Difference::Field { connections, kind, numbers: [a, b], field, values, .. } => {
                write_kind(f, connections, kind)?;
                let [one, other] = values.map(|it| cut(it.unwrap_or("-"), VALUE_LEN_MAX));
                write!(f, " #{a} / #{b}: {field} {one} / {other}")
            }
        }
    }
}

fn write_kind(f: &mut fmt::Formatter<'_>, [one, other]: &[u32; 2], kind: &Kind) -> fmt::Result {
    let arrow = if kind.is_down { '<' } else { '>' };
    write!(f, "c{one} / c{other} {arrow} {}", kind.name)?;
    match kind.channel {
        0 => Ok(()),
        channel => write!(f, ", channel {channel} of it"),
    }
}

/// Of a line, in characters.
const VALUE_LEN_MAX: usize = 70;

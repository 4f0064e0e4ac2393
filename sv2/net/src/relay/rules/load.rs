//! Reads a file of rules.

use std::time::Duration;

use bytes::Bytes;
use sv2::message::{Chapter, DESCRIPTORS, Descriptor};
use sv2::wire::compose::compose;
use sv2::wire::dissect::Value;
use sv2::wire::{Frame, FrameHeader};
use sv2_document::{Data, Document, Keys, LoadError, Node};

use super::value::{bytes, value};
use super::{Action, Injection, Rule, Rules, What};
use crate::relay::record::Side;

impl Rules {
    /// Reads the text of a file; `file` is how errors call it.
    ///
    /// # Errors
    /// At the first place that is not understood.
    pub fn parse(file: &str, text: &str) -> Result<Rules, LoadError> {
        let document = Document::parse(file, text)?;
        let mut keys = document.keys(document.root())?;
        let rules = match keys.take("rule") {
            None => Vec::new(),
            Some(list) => {
                let list = document.list(list)?;
                if list.len() > RULES_MAX {
                    let message = format!("{} rules, the limit is {RULES_MAX}", list.len());
                    return Err(document.error(0, message));
                }
                list.iter()
                    .zip(1..)
                    .map(|(node, number)| rule(&document, node, number))
                    .collect::<Result<_, _>>()?
            }
        };
        keys.finish(&["rule"])?;
        Ok(Rules { rules })
    }
}

fn rule(document: &Document, node: &Node, number: usize) -> Result<Rule, LoadError> {
    let mut keys = document.keys(node)?;
    let name = match keys.take("name") {
        Some(name) => format!("\"{}\"", document.string(name)?),
        None => number.to_string(),
    };
    let message = keys.take("message").map(|node| message(document, node)).transpose()?;
    let from = keys.take("from").map(|node| side(document, node)).transpose()?;
    let channel = keys.take("channel").map(|node| document.integer(node)).transpose()?;
    let skip = keys.take("skip").map(|node| document.integer(node)).transpose()?;
    let times = keys.take("times").map(|node| document.integer(node)).transpose()?;
    let actions = actions(document, &mut keys, message)?;
    keys.finish(&[
        "name",
        "message",
        "from",
        "channel",
        "skip",
        "times",
        "drop",
        "delay",
        "duplicate",
        "change",
        "inject",
        "close",
    ])?;
    let Ok([action]) = <[Action; 1]>::try_from(actions) else {
        return Err(document.error(
            keys.at(),
            "a rule does one thing: drop = true, delay = \"250ms\", duplicate = 1, \
             change = { … }, inject = { … } or close = true",
        ));
    };
    Ok(Rule {
        name,
        what: What { message: message.map(|row| (row.extension, row.number)), from, channel },
        skip: skip.unwrap_or(0),
        times: times.unwrap_or(u64::MAX),
        action,
    })
}

/// Everything that a rule says to do; it may say one thing.
fn actions(
    document: &Document,
    keys: &mut Keys<'_>,
    message: Option<&'static Descriptor>,
) -> Result<Vec<Action>, LoadError> {
    let mut actions = Vec::new();
    if let Some(node) = keys.take("drop")
        && document.boolean(node)?
    {
        actions.push(Action::Drop);
    }
    if let Some(node) = keys.take("delay") {
        actions.push(Action::Delay(delay(document, node)?));
    }
    if let Some(node) = keys.take("duplicate") {
        let count: u32 = document.integer(node)?;
        if count > COPIES_MAX {
            return Err(document.error(node.at, format!("the limit is {COPIES_MAX}")));
        }
        actions.push(Action::Duplicate(count));
    }
    if let Some(node) = keys.take("change") {
        let row = message.ok_or_else(|| {
            document.error(node.at, "`change` needs `message`: fields belong to a message")
        })?;
        actions.push(Action::Change(changes(document, node, row)?));
    }
    if let Some(node) = keys.take("inject") {
        actions.push(Action::Inject(injection(document, node)?));
    }
    if let Some(node) = keys.take("close")
        && document.boolean(node)?
    {
        actions.push(Action::Close);
    }
    Ok(actions)
}

fn changes(
    document: &Document,
    node: &Node,
    row: &'static Descriptor,
) -> Result<Vec<(String, Value)>, LoadError> {
    let mut changes = Vec::new();
    for entry in document.keys(node)?.all() {
        let (name, indexes) = match entry.key.find('[') {
            Some(at) => entry.key.split_at(at),
            None => (entry.key.as_str(), ""),
        };
        let field = row.fields.iter().find(|field| field.name == name).ok_or_else(|| {
            let known = row.fields.iter().map(|field| field.name);
            document.unknown(entry.at, &format!("field of {}", row.name), name, known)
        })?;
        let mut kind = field.kind;
        for _ in indexes.matches('[') {
            kind = match kind {
                sv2::wire::Kind::Sequence { item, .. } | sv2::wire::Kind::Option { item } => item,
                _ => return Err(document.error(entry.at, format!("`{name}` is no list"))),
            };
        }
        changes.push((entry.key.clone(), value(document, &entry.node, kind)?));
    }
    Ok(changes)
}

fn injection(document: &Document, node: &Node) -> Result<Injection, LoadError> {
    let mut keys = document.keys(node)?;
    let to = keys.take("to").map(|node| side(document, node)).transpose()?;
    let injection = match keys.take("raw") {
        Some(raw) => {
            let text = document.string(raw)?;
            let frame = whole_frame(&bytes(document, raw, text)?).ok_or_else(|| {
                document.error(raw.at, "expected hex: and one whole frame: header and payload")
            })?;
            Injection { frame, to, takes_channel: false }
        }
        None => {
            let row = message(document, keys.require("message")?)?;
            let fields = keys.take("fields");
            composed(document, node, row, fields, to)?
        }
    };
    keys.finish(&["to", "raw", "message", "fields"])?;
    Ok(injection)
}

/// A message with all its fields; its channel may be left out, and is then that of the message that
/// it follows.
fn composed(
    document: &Document,
    node: &Node,
    row: &'static Descriptor,
    fields: Option<&Node>,
    to: Option<Side>,
) -> Result<Injection, LoadError> {
    let mut stated = match fields {
        Some(fields) => changes(document, fields, row)?,
        None => Vec::new(),
    };
    let has_channel = row.fields.iter().any(|field| field.name == "channel_id");
    let takes_channel = has_channel && !stated.iter().any(|(name, _)| name == "channel_id");
    if takes_channel {
        stated.push(("channel_id".to_owned(), Value::Int(0)));
    }
    let value_of = |name: &str| {
        stated.iter().find(|(stated, _)| stated == name).map(|(_, value)| value.clone())
    };
    let payload = compose(row.fields, value_of)
        .map_err(|error| document.error(node.at, format!("{}: {error}", row.name)))?;
    let frame = Frame {
        extension_type: row.extension_type(),
        message_type: row.number,
        payload: Bytes::from(payload),
    };
    Ok(Injection { frame, to, takes_channel })
}

fn whole_frame(bytes: &Bytes) -> Option<Frame> {
    let header = FrameHeader::from_bytes(*bytes.first_chunk()?);
    let payload = bytes.slice(FrameHeader::LEN..);
    (payload.len() == header.payload_len as usize).then_some(Frame {
        extension_type: header.extension_type,
        message_type: header.message_type,
        payload,
    })
}

/// A message by its name. Of the two that are called `SetNewPrevHash`, that of template
/// distribution is called `TemplateDistribution.SetNewPrevHash` here.
fn message(document: &Document, node: &Node) -> Result<&'static Descriptor, LoadError> {
    let word = document.string(node)?;
    let name = |row: &Descriptor| match (row.name, row.chapter) {
        ("SetNewPrevHash", Chapter::TemplateDistribution) => "TemplateDistribution.SetNewPrevHash",
        (name, _) => name,
    };
    DESCRIPTORS.iter().find(|row| name(row) == word).copied().ok_or_else(|| {
        document.unknown(node.at, "message", word, DESCRIPTORS.iter().map(|row| name(row)))
    })
}

fn side(document: &Document, node: &Node) -> Result<Side, LoadError> {
    let known = [Side::Client, Side::Server].map(|side| (side.name(), side));
    document.one_of(node, "side", &known)
}

fn delay(document: &Document, node: &Node) -> Result<Duration, LoadError> {
    let expected = || document.error(node.at, "expected a time up to 60s, such as \"250ms\"");
    let Data::Text(text) = &node.data else { return Err(expected()) };
    let delay = match text.strip_suffix("ms") {
        Some(number) => number.parse().ok().map(Duration::from_millis),
        None => {
            text.strip_suffix('s').and_then(|number| number.parse().ok()).map(Duration::from_secs)
        }
    };
    delay.filter(|delay| *delay <= DELAY_MAX).ok_or_else(expected)
}

const RULES_MAX: usize = 1_000;
const COPIES_MAX: u32 = 1_000;
const DELAY_MAX: Duration = Duration::from_secs(60);

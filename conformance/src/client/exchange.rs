//! What went over the wires, in both directions, with times: the source of every judgement
//! and of all evidence.

use std::fmt::{self, Write as _};

use bytes::Bytes;
use sv2::message::{DecodeError, Descriptor, dissect_frame};
use sv2::noise::SessionSecrets;
use sv2::time::Instant;
use sv2::wire::{Frame, FrameHeader};

use super::line::LineView;
use crate::case::value::Value;

/// Everything that happened in one run of a case.
#[derive(Debug, Default)]
pub struct Exchange {
    /// In the order in which the suite saw it.
    pub records: Vec<Record>,
    /// The same as bytes on the wire.
    pub segments: Vec<Segment>,
    /// The secrets of each session, by link: with them the segments can be read.
    pub secrets: Vec<(usize, SessionSecrets)>,
}

/// Bytes of one write, or of one read.
#[derive(Clone, Debug)]
pub struct Segment {
    /// When.
    pub at: Instant,
    /// Of which link.
    pub link: usize,
    /// Whether we sent them.
    pub direction: Direction,
    /// What.
    pub bytes: Bytes,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Record {
    /// When.
    pub at: Instant,
    /// As the case calls the connection.
    pub connection: String,
    /// What.
    pub what: What,
}

/// Who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The suite.
    Sent,
    /// The target.
    Received,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A TCP connection was opened.
    Opened,
    /// The handshake has ended.
    Handshake(Result<(), String>),
    /// A frame.
    Frame(Direction, FrameView),
    /// A line of Stratum V1.
    Line(Direction, LineView),
    /// Bytes that are no frame.
    Bytes(Direction, Bytes),
    /// The connection has ended: by us or by the target.
    Closed(Direction),
    /// What the target sends cannot be read any more.
    Broken(String),
    /// The world was asked for something.
    Control(&'static str),
    /// The runner says something.
    Note(String),
}

/// A frame and what it means.
#[derive(Clone, Debug)]
pub struct FrameView {
    /// As on the wire; of a lie, what was really sent.
    pub header: FrameHeader,
    /// As on the wire.
    pub payload: Bytes,
    /// What the table says.
    pub content: Content,
}

/// What a frame is.
#[derive(Clone, Debug)]
pub enum Content {
    /// A message.
    Message(MessageView),
    /// A message of the table that cannot be decoded.
    Malformed(&'static Descriptor, String),
    /// No message of the table.
    Unknown,
}

/// A message by its fields.
#[derive(Clone, Debug)]
pub struct MessageView {
    /// Its row in the table.
    pub descriptor: &'static Descriptor,
    /// In wire order.
    pub fields: Vec<(&'static str, Value)>,
    /// Bytes behind the last field.
    pub trailing: Bytes,
}

impl FrameView {
    /// Looks at a frame.
    pub fn of(frame: &Frame) -> FrameView {
        FrameView {
            header: frame.header(),
            payload: frame.payload.clone(),
            content: Self::content(frame),
        }
    }

    fn content(frame: &Frame) -> Content {
        let Some((descriptor, dissection)) = dissect_frame(frame) else { return Content::Unknown };
        if let Some(finding) = dissection.fatal() {
            return Content::Malformed(descriptor, finding.to_string());
        }
        // The strict reader has the last word; a test of `sv2` holds the two to each other.
        if let Err(DecodeError::Malformed { finding, .. }) = sv2::message::Message::decode(frame) {
            return Content::Malformed(descriptor, finding.to_string());
        }
        let fields = dissection
            .nodes
            .iter()
            .zip(descriptor.fields)
            .map(|(node, field)| (field.name, Value::from_wire(node.value(&frame.payload))))
            .collect();
        let trailing = frame.payload.slice(dissection.fields_len..);
        Content::Message(MessageView { descriptor, fields, trailing })
    }

    /// The message, if it is one.
    pub fn message(&self) -> Option<&MessageView> {
        match &self.content {
            Content::Message(message) => Some(message),
            Content::Malformed(..) | Content::Unknown => None,
        }
    }

    /// A part of the frame by the name that cases use.
    pub fn part(&self, name: &str) -> Option<Value> {
        Some(match name {
            "extension_type" => Value::Int(self.header.extension_type.into()),
            "message_type" => Value::Int(self.header.message_type.into()),
            "channel_bit" => Value::Bool(self.header.has_channel_bit()),
            "payload_len" => Value::Int(self.header.payload_len.into()),
            "payload" => Value::Bytes(self.payload.clone()),
            "trailing" => match &self.content {
                Content::Message(message) => Value::Bytes(message.trailing.clone()),
                _ => Value::Bytes(Bytes::new()),
            },
            _ => return None,
        })
    }
}

impl MessageView {
    /// A field by name.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    /// A field that is a number.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.field(name)?.as_u32()
    }

    /// All fields as a record.
    pub fn record(&self) -> Value {
        Value::Record(
            self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        )
    }

    /// Name and fields in one line.
    pub fn line(&self) -> String {
        let mut line = self.descriptor.name.to_owned();
        for (name, value) in &self.fields {
            // Writing to a string cannot fail.
            let _ = write!(line, " {name}={value}");
        }
        if !self.trailing.is_empty() {
            let _ = write!(line, " and {} bytes behind its fields", self.trailing.len());
        }
        line
    }
}

impl fmt::Display for FrameView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Message(message) => f.write_str(&message.line()),
            Content::Malformed(descriptor, why) => {
                write!(f, "{} that is malformed: {why}", descriptor.name)
            }
            Content::Unknown => write!(
                f,
                "a frame of extension {:#06x}, type {:#04x}, {} bytes",
                self.header.extension_type, self.header.message_type, self.header.payload_len
            ),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Opened => f.write_str("-- TCP connection opened"),
            What::Handshake(Ok(())) => f.write_str("-- Noise session established"),
            What::Handshake(Err(why)) => write!(f, "-- no Noise session: {why}"),
            What::Frame(Direction::Sent, frame) => write!(f, "-> {frame}"),
            What::Frame(Direction::Received, frame) => write!(f, "<- {frame}"),
            What::Line(Direction::Sent, line) => write!(f, "-> {line}"),
            What::Line(Direction::Received, line) => write!(f, "<- {line}"),
            What::Bytes(direction, bytes) => {
                let arrow = if *direction == Direction::Sent { "->" } else { "<-" };
                write!(f, "{arrow} {} bytes: {}", bytes.len(), Value::Bytes(bytes.clone()))
            }
            What::Closed(Direction::Sent) => f.write_str("-> closed by the suite"),
            What::Closed(Direction::Received) => f.write_str("<- closed by the target"),
            What::Broken(why) => write!(f, "<- unreadable: {why}"),
            What::Control(name) => write!(f, "-- the world: {name}"),
            What::Note(note) => write!(f, "-- {note}"),
        }
    }
}

impl Exchange {
    /// The exchange in words, times counted from the first record.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let start = self.records.first().map_or(Instant::ZERO, |record| record.at);
        let one = self.records.iter().all(|record| record.connection == "main");
        for record in &self.records {
            let elapsed = record.at.since(start).as_secs_f64();
            let connection = if one { String::new() } else { format!("{:<8} ", record.connection) };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "t+{elapsed:>8.3}s  {connection}{}", record.what);
        }
        text
    }
}

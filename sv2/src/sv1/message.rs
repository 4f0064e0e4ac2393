//! What one line says.

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::{Fault, JsonWriter, ParseError};
use super::{Call, ID_LEN_MAX, Response};

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A request, or a notification where there is nothing to answer to ([`Id::is_some`]).
    Call {
        /// To be echoed in the answer.
        id: Id,
        /// What is wanted, or told.
        call: Call,
    },
    /// An answer.
    Response(Response),
}

/// What ties an answer to its call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Id {
    /// There is none. Written as null.
    #[default]
    Missing,
    /// Null: of notifications, and of calls whose sender does not care.
    Null,
    /// What most use.
    Number(u64),
    /// A string, or another number: as JSON, as it came.
    Raw(Box<str>),
}

impl Id {
    /// Whether whoever called can tell the answer from others.
    pub fn is_some(&self) -> bool {
        matches!(self, Id::Number(_) | Id::Raw(_))
    }

    /// As text; for calls of our own.
    pub fn text(text: &str) -> Self {
        Id::Raw(serde_json::to_string(text).expect("text is written to memory").into())
    }

    fn read(raw: Option<&RawValue>) -> Result<Self, Fault> {
        let Some(raw) = raw.map(RawValue::get) else { return Ok(Id::Missing) };
        if raw == "null" {
            return Ok(Id::Null);
        }
        if let Ok(number) = raw.parse() {
            return Ok(Id::Number(number));
        }
        let is_echoed = raw.len() <= ID_LEN_MAX
            && raw
                .starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
        if is_echoed { Ok(Id::Raw(raw.into())) } else { Err(Fault::Id) }
    }

    fn write(&self, out: &mut JsonWriter) {
        match self {
            Id::Missing | Id::Null => out.null(),
            Id::Number(number) => out.number(*number),
            Id::Raw(raw) => out.raw(raw),
        };
    }
}

impl Message {
    /// A call that is to be answered.
    pub fn request(id: u64, call: Call) -> Self {
        Message::Call { id: Id::Number(id), call }
    }

    /// A call that is not.
    pub fn notification(call: Call) -> Self {
        Message::Call { id: Id::Null, call }
    }

    /// Reads a line without its end. A byte order mark in front is ignored.
    ///
    /// # Errors
    /// What is wrong, where, and the id to answer to.
    pub fn parse(line: &[u8]) -> Result<Self, ParseError> {
        let fail = |id, method, fault| Err(ParseError { id, method, fault });
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
        let envelope: Envelope<'_> = match serde_json::from_slice(line) {
            Ok(envelope) if line.starts_with(b"{") => envelope,
            Ok(_) => return fail(Id::Missing, None, Fault::NotObject),
            Err(error) if error.is_data() && !line.starts_with(b"{") => {
                return fail(Id::Missing, None, Fault::NotObject);
            }
            Err(error) => {
                return fail(Id::Missing, None, Fault::NotJson { column: error.column() });
            }
        };
        let id = match Id::read(envelope.id) {
            Ok(id) => id,
            Err(fault) => return fail(Id::Missing, None, fault),
        };
        let Some(method) = present(envelope.method) else {
            return response(id, &envelope);
        };
        let short = |method: &String| method.len() <= Call::METHOD_LEN_MAX;
        let Some(method) = serde_json::from_str(method.get()).ok().filter(short) else {
            return fail(id, None, Fault::Method);
        };
        let known = Call::known(&method);
        // Nested too deeply, or a number out of range.
        let Ok(params) = parsed(envelope.params) else { return fail(id, known, Fault::Params) };
        match Call::read(&method, params) {
            Ok(call) => Ok(Message::Call { id, call }),
            Err(fault) => fail(id, known, fault),
        }
    }

    /// As a line without its end: compact, always the same.
    pub fn to_line(&self) -> Bytes {
        let mut out = JsonWriter::default();
        out.open(b'{').key("id");
        match self {
            Message::Call { id, call } => {
                id.write(&mut out);
                out.key("method").text(call.method()).key("params");
                call.write_params(&mut out);
            }
            Message::Response(response) => {
                response.id.write(&mut out);
                response.write(&mut out);
            }
        }
        out.close(b'}');
        out.finish().into()
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Message::Response(response)
    }
}

fn response(id: Id, envelope: &Envelope<'_>) -> Result<Message, ParseError> {
    let fail = |(id, fault)| ParseError { id, method: None, fault };
    if envelope.result.is_none() && envelope.error.is_none() {
        return Err(fail((id, Fault::NoMethod)));
    }
    let (Ok(result), Ok(error)) = (parsed(envelope.result), parsed(envelope.error)) else {
        let (part, expected) = ("the result or error", "plain JSON");
        let found = "nested too deeply or out of range";
        return Err(fail((id, Fault::Part { part, expected, found })));
    };
    Response::read(id, result, error).map(Message::Response).map_err(fail)
}

fn present(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get() != "null")
}

fn parsed(raw: Option<&RawValue>) -> serde_json::Result<Option<Value>> {
    raw.map(|raw| serde_json::from_str(raw.get())).transpose()
}

/// The parts of a line, each as it came: one that is wrong leaves the others readable.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    error: Option<&'a RawValue>,
}

/// Null is given as well.
fn given<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

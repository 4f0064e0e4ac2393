//! Answers.

use serde_json::Value;

use super::json::{self, Fault, JsonWriter};
use super::{Configured, Id, NAME_COUNT_MAX, TEXT_LEN_MAX, error_code};
use crate::wire::B32;

/// The answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Of the call, as it came.
    pub id: Id,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a call. Which it should be, the call says.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Yes, or no without a reason.
    Flag(bool),
    /// Neither a result nor an error.
    Null,
    /// To `mining.subscribe`.
    Subscribed(Subscribed),
    /// To `mining.configure`.
    Configured(Box<Configured>),
    /// Text: a version, `pong`.
    Text(String),
    /// It failed, whatever stands beside.
    Error(ResponseError),
    /// Something else.
    Other(Value),
}

/// The answer to `mining.subscribe`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribed {
    /// Pairs of a method and an id.
    pub subscriptions: Vec<(String, String)>,
    /// What is in front of the rolled part of the extranonce.
    pub extranonce1: B32,
    /// Of the rolled part, in bytes.
    pub extranonce2_size: u8,
}

/// An error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseError {
    /// See [`error_code`].
    pub code: i64,
    /// In words.
    pub text: String,
    /// How it was, or is to be, written.
    pub form: ErrorForm,
}

/// How an error is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorForm {
    /// `[code, text, null]`: the usual one, in which the third place is for a traceback.
    #[default]
    Triple,
    /// `{"code": code, "message": text}`, as JSON-RPC 2.0 wants it.
    Object,
}

impl Response {
    /// It is done.
    pub fn yes(id: Id) -> Self {
        Response { id, outcome: Outcome::Flag(true) }
    }

    /// It failed.
    pub fn error(id: Id, error: ResponseError) -> Self {
        Response { id, outcome: Outcome::Error(error) }
    }

    pub(super) fn read(
        id: Id,
        result: Option<Value>,
        error: Option<Value>,
    ) -> Result<Self, (Id, Fault)> {
        match Outcome::read(result, error) {
            Ok(outcome) => Ok(Response { id, outcome }),
            Err(fault) => Err((id, fault)),
        }
    }

    pub(super) fn write(&self, out: &mut JsonWriter) {
        out.key("result");
        match &self.outcome {
            Outcome::Flag(flag) => _ = out.flag(*flag),
            Outcome::Null | Outcome::Error(_) => _ = out.null(),
            Outcome::Subscribed(subscribed) => subscribed.write(out),
            Outcome::Configured(configured) => configured.write(out),
            Outcome::Text(text) => _ = out.text(text),
            Outcome::Other(value) => _ = out.value(value),
        }
        out.key("error");
        match &self.outcome {
            Outcome::Error(error) => error.write(out),
            _ => _ = out.null(),
        }
    }
}

impl Outcome {
    fn read(result: Option<Value>, error: Option<Value>) -> Result<Self, Fault> {
        if let Some(error) = error.filter(|error| !error.is_null()) {
            return ResponseError::read(&error).map(Outcome::Error);
        }
        Ok(match result {
            None | Some(Value::Null) => Outcome::Null,
            Some(Value::Bool(flag)) => Outcome::Flag(flag),
            Some(Value::String(text)) => Outcome::Text(text),
            Some(Value::Array(values)) => Outcome::Subscribed(Subscribed::read(&values)?),
            Some(Value::Object(map)) => Outcome::Configured(Box::new(Configured::read(&map)?)),
            Some(other @ Value::Number(_)) => Outcome::Other(other),
        })
    }

    /// Whether the call succeeded: neither an error, nor a plain no, nor nothing.
    pub fn is_yes(&self) -> bool {
        !matches!(self, Outcome::Error(_) | Outcome::Flag(false) | Outcome::Null)
    }
}

impl Subscribed {
    /// The usual pairs come as a list; some send a single pair in its place.
    fn read(values: &[Value]) -> Result<Self, Fault> {
        let at = |index: usize| values.get(index);
        let fault =
            |part, expected, index| Fault::Part { part, expected, found: json::kind(at(index)) };
        let pairs = match at(0) {
            None => None,
            Some(Value::Null) => Some(Vec::new()),
            Some(value) => pair(value).map(|pair| vec![pair]).or_else(|| pairs(value)),
        };
        let extranonce1 = at(1).and_then(json::short_bytes);
        let size = at(2).and_then(json::extranonce2_size);
        Ok(Subscribed {
            subscriptions: pairs.ok_or(fault("result 0", "pairs of texts", 0))?,
            extranonce1: extranonce1.ok_or(fault(
                "result 1",
                "hex digits of at most 32 bytes",
                1,
            ))?,
            extranonce2_size: size.ok_or(fault("result 2", "a number to 32", 2))?,
        })
    }

    fn write(&self, out: &mut JsonWriter) {
        out.open(b'[').open(b'[');
        for (method, id) in &self.subscriptions {
            out.open(b'[').text(method).text(id).close(b']');
        }
        out.close(b']').hex(self.extranonce1.as_slice()).number(self.extranonce2_size).close(b']');
    }
}

fn pairs(value: &Value) -> Option<Vec<(String, String)>> {
    let values = value.as_array().filter(|values| values.len() <= NAME_COUNT_MAX)?;
    values.iter().map(pair).collect()
}

fn pair(value: &Value) -> Option<(String, String)> {
    let [method, id, ..] = &value.as_array()?[..] else { return None };
    let id = match id {
        Value::Number(id) => id.to_string(),
        Value::Null => String::new(),
        id => json::text(TEXT_LEN_MAX)(id)?,
    };
    Some((json::text(TEXT_LEN_MAX)(method)?, id))
}

impl ResponseError {
    /// As usual.
    pub fn new(code: i64, text: impl Into<String>) -> Self {
        ResponseError { code, text: text.into(), form: ErrorForm::Triple }
    }

    fn read(error: &Value) -> Result<Self, Fault> {
        let found = json::kind(Some(error));
        let fault = Fault::Part { part: "error", expected: "[code, text, traceback]", found };
        let (code, text, form) = match error {
            Value::Array(parts) => (parts.first(), parts.get(1), ErrorForm::Triple),
            Value::Object(map) => (map.get("code"), map.get("message"), ErrorForm::Object),
            // Some send the text alone.
            text @ Value::String(_) => (None, Some(text), ErrorForm::Triple),
            _ => return Err(fault),
        };
        let code = match code {
            None => error_code::OTHER,
            Some(code) => code.as_i64().ok_or(fault)?,
        };
        let text = text.and_then(Value::as_str).unwrap_or_default();
        // To be shown, not to be repeated: cut where it is long.
        let end = (0..=TEXT_LEN_MAX.min(text.len())).rfind(|end| text.is_char_boundary(*end));
        Ok(ResponseError { code, text: text[..end.unwrap_or(0)].to_owned(), form })
    }

    fn write(&self, out: &mut JsonWriter) {
        match self.form {
            ErrorForm::Triple => {
                out.open(b'[').number(self.code).text(&self.text).null().close(b']');
            }
            ErrorForm::Object => {
                out.open(b'{').key("code").number(self.code);
                out.key("message").text(&self.text).close(b'}');
            }
        }
    }
}

//! Reading parameters with the place that is wrong, and writing compact JSON.

use serde_json::Value;
use thiserror::Error;

use super::order;
use super::{Difficulty, Id, NAME_COUNT_MAX, PARAM_COUNT_MAX};
use crate::wire::{B32, hex};

/// A line that does not say what it should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{fault}", method.map(|method| format!("{method}: ")).unwrap_or_default())]
pub struct ParseError {
    /// Of the line, to answer it; [`Id::Missing`] where it could not be found.
    pub id: Id,
    /// If it is one that we know.
    pub method: Option<&'static str>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a line. None of the peer's own text is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// No JSON, or not UTF-8.
    #[error("no JSON from byte {column} on")]
    NotJson {
        /// Of the line, from 1.
        column: usize,
    },
    /// JSON, but no object.
    #[error("no JSON object")]
    NotObject,
    /// Neither a call nor an answer.
    #[error("there is no method, no result and no error")]
    NoMethod,
    /// An id that cannot be echoed.
    #[error("the id should be null, a number or a short string")]
    Id,
    /// A method that is no text, or a very long one.
    #[error("the method should be a short string")]
    Method,
    /// Parameters that are no list.
    #[error("the parameters should be an array")]
    Params,
    /// More than are taken.
    #[error("{count} parameters, at most {max} are taken")]
    TooManyParams {
        /// As sent.
        count: usize,
        /// As many.
        max: usize,
    },
    /// One parameter is wrong.
    #[error("parameter {index} should be {expected}, and is {found}")]
    Param {
        /// From 0.
        index: usize,
        /// In words.
        expected: &'static str,
        /// Its kind, in words.
        found: &'static str,
    },
    /// A part of a parameter or of a result that has a name, or the result itself.
    #[error("{part} should be {expected}, and is {found}")]
    Part {
        /// Its name.
        part: &'static str,
        /// In words.
        expected: &'static str,
        /// Its kind, in words.
        found: &'static str,
    },
}

/// What JSON a value is, in words.
pub(super) fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "missing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "another string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
}

/// The parameters of a call.
pub(super) struct Params(Vec<Value>);

impl Params {
    /// None at all is an empty list.
    pub(super) fn new(value: Option<Value>) -> Result<Self, Fault> {
        match value {
            None | Some(Value::Null) => Ok(Params(Vec::new())),
            Some(Value::Array(values)) if values.len() > PARAM_COUNT_MAX => {
                Err(Fault::TooManyParams { count: values.len(), max: PARAM_COUNT_MAX })
            }
            Some(Value::Array(values)) => Ok(Params(values)),
            Some(_) => Err(Fault::Params),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn value(&self, index: usize) -> Option<&Value> {
        self.0.get(index).filter(|value| !value.is_null())
    }

    /// Reads a parameter that must be there.
    pub(super) fn required<'a, T>(
        &'a self,
        index: usize,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, Fault> {
        let value = self.0.get(index);
        value.and_then(read).ok_or(Fault::Param { index, expected, found: kind(value) })
    }

    /// Reads a parameter that may be missing or null.
    pub(super) fn optional<'a, T>(
        &'a self,
        index: usize,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        self.value(index).map(|_| self.required(index, expected, read)).transpose()
    }

    pub(super) fn word(&self, index: usize) -> Result<u32, Fault> {
        self.required(index, "1 to 8 hex digits", word)
    }

    pub(super) fn short_bytes(&self, index: usize) -> Result<B32, Fault> {
        self.required(index, "hex digits of at most 32 bytes", short_bytes)
    }
}

/// Text of at most `len_max` bytes.
pub(super) fn text(len_max: usize) -> impl Fn(&Value) -> Option<String> {
    move |value| value.as_str().filter(|text| text.len() <= len_max).map(str::to_owned)
}

pub(super) fn word(value: &Value) -> Option<u32> {
    order::word_from_hex(value.as_str()?)
}

pub(super) fn bytes(value: &Value) -> Option<Vec<u8>> {
    hex::bytes_from_hex(value.as_str()?)
}

pub(super) fn short_bytes(value: &Value) -> Option<B32> {
    let digits = value.as_str().filter(|digits| digits.len() <= 2 * B32::MAX)?;
    B32::new(&hex::bytes_from_hex(digits)?).ok()
}

pub(super) fn node(value: &Value) -> Option<[u8; 32]> {
    let digits = value.as_str().filter(|digits| digits.len() == 64)?;
    hex::bytes_from_hex(digits)?.try_into().ok()
}

pub(super) fn difficulty(value: &Value) -> Option<Difficulty> {
    Difficulty::new(value.as_f64()?)
}

/// Of an extranonce2: what does not fit a transaction's script is refused at once.
pub(super) fn extranonce2_size(value: &Value) -> Option<u8> {
    u8::try_from(value.as_u64()?).ok().filter(|size| usize::from(*size) <= B32::MAX)
}

/// A short list of short texts.
pub(super) fn names(value: &Value) -> Option<Vec<String>> {
    let values = value.as_array().filter(|values| values.len() <= NAME_COUNT_MAX)?;
    values.iter().map(text(super::TEXT_LEN_MAX)).collect()
}

/// Writes compact JSON; commas are put where they belong.
#[derive(Debug, Default)]
pub(super) struct JsonWriter {
    out: Vec<u8>,
    needs_comma: bool,
}

impl JsonWriter {
    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn open(&mut self, bracket: u8) -> &mut Self {
        self.comma();
        self.out.push(bracket);
        self.needs_comma = false;
        self
    }

    pub(super) fn close(&mut self, bracket: u8) -> &mut Self {
        self.out.push(bracket);
        self.needs_comma = true;
        self
    }

    pub(super) fn key(&mut self, name: &str) -> &mut Self {
        self.text(name);
        self.out.push(b':');
        self.needs_comma = false;
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.comma();
        serde_json::to_writer(&mut self.out, text).expect("text is written to memory");
        self
    }

    pub(super) fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        self.raw("\"");
        hex::write_hex(bytes, &mut self.out);
        self.out.push(b'"');
        self
    }

    pub(super) fn word(&mut self, word: u32) -> &mut Self {
        self.hex(&order::word_to_bytes(word))
    }

    /// Of JSON already: numbers, literals, what was read before.
    pub(super) fn raw(&mut self, json: &str) -> &mut Self {
        self.comma();
        self.out.extend_from_slice(json.as_bytes());
        self
    }

    pub(super) fn number(&mut self, number: impl Into<i128>) -> &mut Self {
        self.raw(&number.into().to_string())
    }

    pub(super) fn difficulty(&mut self, difficulty: Difficulty) -> &mut Self {
        self.raw(&difficulty.to_string())
    }

    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.raw(if flag { "true" } else { "false" })
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.raw("null")
    }

    pub(super) fn value(&mut self, value: &Value) -> &mut Self {
        self.raw(&value.to_string())
    }

    fn comma(&mut self) {
        if std::mem::replace(&mut self.needs_comma, true) {
            self.out.push(b',');
        }
    }
}

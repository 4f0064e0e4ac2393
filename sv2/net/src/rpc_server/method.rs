//! What can be called: names, parameters, and the checks that all calls share.

use serde_json::{Map, Value};

use super::calls;
use super::fault::{Code, Fault};
use super::service::Service;

/// One row of the table of calls.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) params: &'static [Param],
    /// One sentence for `help`.
    pub(super) about: &'static str,
    pub(super) run: Run,
}

/// How a call is done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Run {
    /// At once, where it may hold a thread.
    Now(fn(&Service, &Params) -> Result<Value, Fault>),
    /// `getblocktemplate`, the one that may wait.
    Template,
}

/// A parameter, known by its position and its name.
#[derive(Debug)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
}

/// What a parameter can be in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    /// A number, or a text that says one: `bitcoin-cli` sends text to calls that it does not know.
    NumberOrText,
    Flag,
    /// As Bitcoin Core's verbosity, which was a flag once.
    NumberOrFlag,
    Object,
    Any,
}

impl Param {
    pub(super) const fn required(name: &'static str, kind: Kind) -> Self {
        Param { name, kind, is_required: true }
    }

    pub(super) const fn optional(name: &'static str, kind: Kind) -> Self {
        Param { name, kind, is_required: false }
    }
}

impl Method {
    /// Finds a row by its name.
    pub(super) fn find(name: &str) -> Option<&'static Method> {
        let mut rows = calls::SECTIONS.iter().flat_map(|(_, methods)| *methods);
        rows.find(|method| method.name == name)
    }

    /// The name and the parameters; those in brackets may be left out.
    pub(super) fn usage(&self) -> String {
        let mut usage = self.name.to_owned();
        let quoted = |param: &Param| match param.kind {
            Kind::Text => format!(" \"{}\"", param.name),
            _ => format!(" {}", param.name),
        };
        usage.extend(self.params.iter().filter(|param| param.is_required).map(quoted));
        let optional: String =
            self.params.iter().filter(|param| !param.is_required).map(quoted).collect();
        if !optional.is_empty() {
            usage.push_str(&format!(" ({optional} )"));
        }
        usage
    }

    /// What `help` says, and who calls with too few or too many parameters.
    pub(super) fn help(&self) -> String {
        format!("{}\n\n{}\n", self.usage(), self.about)
    }

    /// Puts parameters in order and checks their number and types.
    pub(super) fn check(&self, given: Given) -> Result<Params, Fault> {
        let values = match given {
            Given::ByPosition(values) => values,
            Given::ByName(named) => self.in_order(named)?,
        };
        let missing = |index: usize| values.get(index).is_none_or(Value::is_null);
        let lacks_one = (0..).zip(self.params).any(|(i, param)| param.is_required && missing(i));
        if values.len() > self.params.len() || lacks_one {
            return Err(Fault::new(Code::Miscellaneous, self.help()));
        }
        for (index, (value, param)) in values.iter().zip(self.params).enumerate() {
            if !value.is_null() && !param.kind.admits(value) {
                return Err(param.mismatch(index, value));
            }
        }
        Ok(Params(values))
    }

    fn in_order(&self, mut named: Map<String, Value>) -> Result<Vec<Value>, Fault> {
        let values: Vec<Value> = self
            .params
            .iter()
            .map(|param| named.remove(param.name).unwrap_or(Value::Null))
            .collect();
        match named.keys().next() {
            Some(name) => {
                let message = format!("Unknown named parameter {name}");
                Err(Fault::new(Code::InvalidParameter, message))
            }
            None => Ok(values),
        }
    }
}

impl Param {
    fn mismatch(&self, index: usize, value: &Value) -> Fault {
        let (name, position) = (self.name, index + 1);
        let message = format!(
            "Wrong type passed:\n{{\n    \"Position {position} ({name})\": \"JSON value of type \
             {} is not of expected type {}\"\n}}",
            type_name(value),
            self.kind.name(),
        );
        Fault::new(Code::Type, message)
    }
}

impl Kind {
    fn admits(self, value: &Value) -> bool {
        match self {
            Kind::Text => value.is_string(),
            Kind::Number => value.is_number(),
            Kind::NumberOrText => value.is_number() || value.is_string(),
            Kind::Flag => value.is_boolean(),
            Kind::NumberOrFlag => value.is_number() || value.is_boolean(),
            Kind::Object => value.is_object(),
            Kind::Any => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Number | Kind::NumberOrText | Kind::NumberOrFlag => "number",
            Kind::Flag => "bool",
            Kind::Object => "object",
            Kind::Any => "any",
        }
    }
}

/// Parameters as they came.
#[derive(Debug)]
pub(super) enum Given {
    ByPosition(Vec<Value>),
    ByName(Map<String, Value>),
}

/// Parameters in order: as many as the method has or fewer, of its types or null.
#[derive(Debug)]
pub(super) struct Params(Vec<Value>);

impl Params {
    /// As it came; null if it was left out.
    pub(super) fn value(&self, index: usize) -> &Value {
        self.0.get(index).unwrap_or(&Value::Null)
    }

    /// A text; empty if it was left out.
    pub(super) fn text(&self, index: usize) -> &str {
        self.value(index).as_str().unwrap_or_default()
    }

    /// A number of 32 bits without sign, or what stands for one that was left out.
    pub(super) fn number(&self, index: usize, default: u32) -> Result<u32, Fault> {
        let value = self.value(index);
        if value.is_null() {
            return Ok(default);
        }
        let number = match value {
            Value::String(text) => text.parse().ok(),
            _ => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        number.ok_or_else(|| {
            Fault::new(Code::InvalidParameter, format!("{value} is not between 0 and {}", u32::MAX))
        })
    }

    /// A flag, or what stands for one that was left out.
    pub(super) fn flag(&self, index: usize, default: bool) -> bool {
        self.value(index).as_bool().unwrap_or(default)
    }

    /// A level of detail; a flag is one of 0 and 1.
    pub(super) fn verbosity(&self, index: usize, default: u32) -> Result<u32, Fault> {
        match self.value(index) {
            Value::Bool(is_verbose) => Ok(u32::from(*is_verbose)),
            _ => self.number(index, default),
        }
    }
}

/// In the words of Bitcoin Core.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

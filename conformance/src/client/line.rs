//! Lines of Stratum V1 as cases look at them: JSON by its parts.

use std::fmt;

use bytes::Bytes;
use serde_json::Value as Json;

use crate::case::step::LineKind;
use crate::case::value::Value;

/// A line without its end.
#[derive(Clone, Debug)]
pub struct LineView {
    /// As it came.
    pub text: Bytes,
    /// What it says; `None` if it is no JSON object.
    pub record: Option<Value>,
}

impl LineView {
    /// Looks at a line.
    pub fn of(text: &[u8]) -> LineView {
        let record = match serde_json::from_slice(text) {
            Ok(json @ Json::Object(_)) => Some(from_json(&json)),
            _ => None,
        };
        LineView { text: Bytes::copy_from_slice(text), record }
    }

    /// Of a call.
    pub fn method(&self) -> Option<String> {
        let Some(Value::Text(method)) = self.part("method") else { return None };
        Some(String::from_utf8_lossy(&method).into_owned())
    }

    /// A part by its path, such as `params.0`.
    pub fn part(&self, path: &str) -> Option<Value> {
        // Keys of objects may have dots themselves.
        let record = self.record.as_ref()?;
        let parts: Vec<&str> = path.split('.').collect();
        descend(record, &parts)
    }

    /// Whether it is one of these.
    pub fn is(&self, kind: LineKind) -> bool {
        let has = |name| self.part(name).is_some_and(|value| value != Value::List(Vec::new()));
        match kind {
            LineKind::Call(method) => self.method().as_deref() == Some(method),
            LineKind::Result => self.method().is_none() && has("result") && !has("error"),
            LineKind::Error => self.method().is_none() && has("error"),
            LineKind::Any => true,
        }
    }
}

fn descend(value: &Value, path: &[&str]) -> Option<Value> {
    (1..=path.len()).find_map(|len| {
        let part = value.part(&path[..len].join("."))?;
        match &path[len..] {
            [] => Some(part),
            rest => descend(&part, rest),
        }
    })
}

impl fmt::Display for LineView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped: what a peer sends must not steer a terminal.
        let shown = &self.text[..self.text.len().min(SHOWN_MAX)];
        write!(f, "{}", shown.escape_ascii())?;
        match self.text.len() {
            0..=SHOWN_MAX => Ok(()),
            len => write!(f, "… ({len} bytes)"),
        }
    }
}

/// Null is an empty list, as an option that is not set.
fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::List(Vec::new()),
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_u64() {
            Some(number) => Value::Int(number),
            #[expect(clippy::cast_possible_truncation, reason = "a difficulty, to be compared")]
            None => Value::F32(number.as_f64().unwrap_or(f64::NAN) as f32),
        },
        Json::String(text) => Value::text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(from_json).collect()),
        Json::Object(fields) => Value::Record(
            fields.iter().map(|(name, value)| (name.clone(), from_json(value))).collect(),
        ),
    }
}

/// The reverse; bytes are hex digits, and the text `null` is null.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::from(*number),
        Value::F32(number) => Json::from(*number),
        Value::U256(number) => Json::String(number.to_string()),
        Value::Bytes(bytes) => {
            Json::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        Value::Text(text) if text.as_ref() == b"null" => Json::Null,
        Value::Text(text) => Json::String(String::from_utf8_lossy(text).into_owned()),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Record(fields) => {
            Json::Object(fields.iter().map(|(name, one)| (name.clone(), to_json(one))).collect())
        }
    }
}

/// Bytes of a line that are shown.
const SHOWN_MAX: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_seen_by_its_parts() {
        let line =
            LineView::of(br#"{"id":null,"method":"mining.notify","params":["1f",[],{"a.b":7}]}"#);

        assert!(line.is(LineKind::Call("mining.notify")));
        assert_eq!(line.part("params.0"), Some(Value::text("1f")));
        assert_eq!(line.part("params.2.a.b"), Some(Value::Int(7)));
        assert_eq!(line.part("id"), Some(Value::List(Vec::new())));
        assert_eq!(line.part("params.9"), None);
    }

    #[test]
    fn answers_are_told_from_each_other_whatever_stands_beside() {
        let is = |text: &str, kind| LineView::of(text.as_bytes()).is(kind);

        assert!(is(r#"{"id":1,"result":true,"error":null}"#, LineKind::Result));
        assert!(is(r#"{"id":1,"result":null,"error":[21,"no",null]}"#, LineKind::Error));
        assert!(!is(r#"{"id":1,"result":true,"error":[21,"no",null]}"#, LineKind::Result));
        assert!(!is("[1]", LineKind::Result));
    }
}

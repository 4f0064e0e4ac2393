//! What stands on the right of a comparison, and how it is held against what is found.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use chrono::NaiveDate;
use regex::Regex;
use sv2::wire::hex::bytes_from_hex;

use super::field::ValueKind;
use crate::rules::Severity;

/// What a row has in a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number, a duration or a time in nanoseconds, a flag as 0 or 1.
    Int(u64),
    /// A number with a fraction.
    Float(f64),
    /// Text; hashes and targets as people write them.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// An address.
    Address(IpAddr),
    /// How bad a finding is.
    Severity(Severity),
}

impl Value<'_> {
    /// As the list shows it, for patterns, parts of text and cells of a table.
    pub fn shown(&self) -> Cow<'_, str> {
        match self {
            Value::Text(text) => Cow::Borrowed(text),
            Value::Int(number) => Cow::Owned(number.to_string()),
            Value::Float(number) => Cow::Owned(number.to_string()),
            Value::Address(address) => Cow::Owned(address.to_string()),
            Value::Severity(severity) => Cow::Owned(severity.letter().to_string()),
            Value::Bytes(bytes) => {
                use fmt::Write as _;
                let mut text = String::with_capacity(2 * bytes.len());
                for byte in bytes.iter() {
                    write!(text, "{byte:02x}").expect("writing to a string does not fail");
                }
                Cow::Owned(text)
            }
        }
    }
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its sign")]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Contains,
    Matches,
}

impl Operator {
    /// As written.
    pub fn sign(self) -> &'static str {
        match self {
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterEqual => ">=",
            Operator::Contains => "contains",
            Operator::Matches => "~",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Operator> {
        Some(match text {
            "==" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterEqual,
            "contains" => Operator::Contains,
            "~" | "matches" => Operator::Matches,
            _ => return None,
        })
    }

    fn takes(self, order: std::cmp::Ordering) -> bool {
        match self {
            Operator::Less => order.is_lt(),
            Operator::LessEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterEqual => order.is_ge(),
            // Whether a field is unequal is asked of all its values at once.
            Operator::Equal | Operator::NotEqual | Operator::Contains | Operator::Matches => {
                order.is_eq()
            }
        }
    }
}

/// What is written on the right.
#[derive(Clone, Debug)]
pub struct Literal {
    /// As written, without quotes.
    pub text: String,
    /// Whether it had quotes: then it is text and nothing else.
    pub is_quoted: bool,
    meaning: Meaning,
}

#[derive(Clone, Debug)]
enum Meaning {
    Int(u64),
    Float(f64),
    /// Nanoseconds since midnight, UTC, in steps of so many: `12:04` is a whole minute.
    TimeOfDay(u64, u64),
    Text,
    /// With `*` for anything, in lower case.
    Glob(String),
    Bytes(Vec<u8>),
    Network(IpAddr, u8),
    Severity(Severity),
    Pattern(Box<Regex>),
    /// Read as a number, as bytes or as text, whichever is found.
    Any(Option<f64>, Option<u64>, Option<Vec<u8>>),
}

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.is_quoted) == (&other.text, other.is_quoted)
    }
}

impl Literal {
    /// Reads what is written for a field of a kind; `Err` says what was expected.
    pub(super) fn read(
        text: &str,
        is_quoted: bool,
        operator: Operator,
        kind: ValueKind,
    ) -> Result<Literal, String> {
        let meaning = match (operator, kind) {
            (Operator::Matches, _) => {
                let regex = regex::RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
                let regex = regex.map_err(|error| match error {
                    regex::Error::CompiledTooBig(_) => "a smaller pattern".to_owned(),
                    error => format!("a pattern: {}", last_line(&error.to_string())),
                })?;
                Meaning::Pattern(Box::new(regex))
            }
            (Operator::Contains, ValueKind::Bytes) => {
                Meaning::Bytes(hex(text).ok_or("hex digits, two for each byte")?)
            }
            (Operator::Contains, _) => Meaning::Text,
            (_, kind) => meaning(text, is_quoted, kind)?,
        };
        Ok(Literal { text: text.to_owned(), is_quoted, meaning })
    }

    /// The whole number that it is, for fields that are held as such.
    pub(super) fn as_int(&self) -> Option<u64> {
        match self.meaning {
            Meaning::Int(number) => Some(number),
            _ => None,
        }
    }

    /// Whether one value of a field passes.
    pub(super) fn takes(&self, operator: Operator, value: &Value<'_>) -> bool {
        match (&self.meaning, value) {
            (Meaning::Int(own), Value::Int(value)) => operator.takes(value.cmp(own)),
            (Meaning::Int(own), Value::Float(value)) => takes_float(operator, *value, float(*own)),
            (Meaning::Float(own), Value::Int(value)) => takes_float(operator, float(*value), *own),
            (Meaning::Float(own), Value::Float(value)) => takes_float(operator, *value, *own),
            (Meaning::TimeOfDay(own, step), Value::Int(at)) => {
                let of_day = at % DAY / step * step;
                operator.takes(of_day.cmp(own))
            }
            (Meaning::Severity(own), Value::Severity(value)) => operator.takes(value.cmp(own)),
            (Meaning::Network(own, len), Value::Address(address)) => {
                operator.takes(masked(*address, *len).cmp(&masked(*own, *len)))
            }
            (Meaning::Bytes(own), Value::Bytes(bytes)) => match operator {
                Operator::Contains => contains(bytes, own),
                operator => operator.takes((**bytes).cmp(own)),
            },
            (Meaning::Glob(pattern), Value::Text(text)) => {
                glob(pattern.as_bytes(), text.to_ascii_lowercase().as_bytes())
            }
            (Meaning::Pattern(regex), value) => regex.is_match(&value.shown()),
            (Meaning::Text, value) => {
                let shown = value.shown();
                match operator {
                    Operator::Contains => contains_text(&shown, &self.text),
                    operator => operator.takes((*shown).cmp(self.text.as_str())),
                }
            }
            (Meaning::Any(number, int, bytes), value) => match (value, number, int, bytes) {
                (Value::Int(value), _, Some(own), _) => operator.takes(value.cmp(own)),
                (Value::Int(value), Some(own), None, _) => {
                    takes_float(operator, float(*value), *own)
                }
                (Value::Float(value), Some(own), _, _) => takes_float(operator, *value, *own),
                (Value::Bytes(value), _, _, Some(own)) => operator.takes((**value).cmp(own)),
                (value @ (Value::Text(_) | Value::Address(_) | Value::Severity(_)), ..) => {
                    operator.takes((*value.shown()).cmp(self.text.as_str()))
                }
                _ => false,
            },
            _ => false,
        }
    }
}

fn meaning(text: &str, is_quoted: bool, kind: ValueKind) -> Result<Meaning, String> {
    let number = || number(text).ok_or("a number, such as 7, 0x1f, 16.4k or #81244");
    Ok(match kind {
        ValueKind::Number => number()?,
        ValueKind::Duration => duration(text).ok_or("a duration, such as 250ms, 1.5s or 2m")?,
        ValueKind::Time => time(text).ok_or(
            "a time, such as 12:04, 12:04:10.5, 2026-08-22T12:04:10Z or nanoseconds since 1970",
        )?,
        ValueKind::Text => Meaning::Text,
        ValueKind::Message => Meaning::Glob(text.to_ascii_lowercase()),
        ValueKind::Address => network(text).ok_or("an address, such as 10.0.3.9 or 10.0.0.0/8")?,
        ValueKind::Bytes => Meaning::Bytes(hex(text).ok_or("hex digits, two for each byte")?),
        ValueKind::Severity => {
            Meaning::Severity(Severity::parse(text).ok_or("a severity: C, N, W or E")?)
        }
        ValueKind::Any if is_quoted => Meaning::Text,
        ValueKind::Any => {
            let (fraction, int) = match self::number(text) {
                Some(Meaning::Int(int)) => (Some(float(int)), Some(int)),
                Some(Meaning::Float(fraction)) => (Some(fraction), None),
                _ => (None, None),
            };
            Meaning::Any(fraction, int, hex(text))
        }
    })
}

/// `7`, `0x1f`, `16.4k`, `#81244`.
fn number(text: &str) -> Option<Meaning> {
    let text = text.strip_prefix('#').unwrap_or(text);
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(Meaning::Int);
    }
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1.0,
        "k" | "K" => 1e3,
        "m" | "M" => 1e6,
        "g" | "G" => 1e9,
        "t" | "T" => 1e12,
        "p" | "P" => 1e15,
        _ => return None,
    };
    if let (Ok(int), true) = (digits.parse::<u64>(), unit == 1.0) {
        return Some(Meaning::Int(int));
    }
    plain(digits).map(|number| whole(number * unit))
}

/// A decimal number without a sign, an exponent or a name.
fn plain(digits: &str) -> Option<f64> {
    let is_plain = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits != ".";
    if is_plain { digits.parse().ok() } else { None }
}

/// A whole number is held as one: `1.5k` is 1500.
fn whole(number: f64) -> Meaning {
    if number.fract() == 0.0 && (0.0..9e15).contains(&number) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, and below 2^53"
        )]
        return Meaning::Int(number as u64);
    }
    Meaning::Float(number)
}

fn duration(text: &str) -> Option<Meaning> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3600e9,
        _ => return None,
    };
    plain(digits).map(|number| whole((number * unit).round()))
}

/// `12:04`, `12:04:10.5`, `2026-08-22T12:04:10Z`, or nanoseconds since the Unix epoch.
fn time(text: &str) -> Option<Meaning> {
    if let Ok(nanoseconds) = text.parse::<u64>() {
        return Some(Meaning::Int(nanoseconds));
    }
    if let Some((date, of_day)) = text.split_once('T') {
        let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
        let (nanoseconds, _) = time_of_day(of_day.strip_suffix('Z')?)?;
        let days =
            u64::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()?;
        return days.checked_mul(DAY)?.checked_add(nanoseconds).map(Meaning::Int);
    }
    time_of_day(text).map(|(nanoseconds, step)| Meaning::TimeOfDay(nanoseconds, step))
}

/// With the step that it is given in: minutes, seconds or nanoseconds.
fn time_of_day(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split(':');
    let (hours, minutes) = (parts.next()?, parts.next()?);
    let seconds = parts.next();
    if parts.next().is_some() {
        return None;
    }
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let fraction = plain(seconds.unwrap_or("0"))?;
    if hours > 23 || minutes > 59 || fraction >= 60.0 {
        return None;
    }
    let step = match seconds {
        None => 60 * SECOND,
        Some(seconds) if seconds.contains('.') => 1,
        Some(_) => SECOND,
    };
    let Meaning::Int(nanoseconds) = whole((fraction * 1e9).round()) else { return None };
    Some(((hours * 3600 + minutes * 60) * SECOND + nanoseconds, step))
}

fn network(text: &str) -> Option<Meaning> {
    let (address, len) = match text.split_once('/') {
        Some((address, len)) => (address, Some(len.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let len = len.unwrap_or(max);
    (len <= max).then_some(Meaning::Network(address, len))
}

fn masked(address: IpAddr, len: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    bytes_from_hex(text.strip_prefix("0x").unwrap_or(text))
}

fn takes_float(operator: Operator, value: f64, own: f64) -> bool {
    value.partial_cmp(&own).is_some_and(|order| operator.takes(order))
}

#[expect(clippy::cast_precision_loss, reason = "compared with a number that has a fraction")]
fn float(number: u64) -> f64 {
    number as f64
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}

/// In any case of letters.
pub(super) fn contains_text(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// `*` stands for anything. Linear in the text for each star.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts.filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|window| window == part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_quoted, self.text.contains('"')) {
            (false, _) => f.write_str(&self.text),
            (true, false) => write!(f, "\"{}\"", self.text),
            (true, true) => write!(f, "'{}'", self.text),
        }
    }
}

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;
/// What one pattern may take, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

//! Values and expressions of a case: what stands to the right of a field.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use sv2::wire::dissect;
use sv2::wire::hex::bytes_from_hex;
use sv2::wire::{Kind, Target, U256};

/// A value at run time. Unlike the wire's, it knows records (`$job.id`), and a target is a
/// number like any other.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// BOOL.
    Bool(bool),
    /// U8 to U64.
    Int(u64),
    /// F32.
    F32(f32),
    /// A hash, merkle node or target.
    U256(U256),
    /// B0_*.
    Bytes(Bytes),
    /// STR0_255; any bytes.
    Text(Bytes),
    /// SEQ0_*, OPTION, and what `push` collects.
    List(Vec<Value>),
    /// What calls return and fixtures keep.
    Record(BTreeMap<String, Value>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(Bytes::from(text.into()))
    }

    /// A record of named values.
    pub fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
        Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// What the wire's reader found.
    pub fn from_wire(value: dissect::Value) -> Value {
        match value {
            dissect::Value::Bool(flag) => Value::Bool(flag),
            dissect::Value::Int(number) => Value::Int(number),
            dissect::Value::F32(number) => Value::F32(number),
            dissect::Value::U256(number) | dissect::Value::Target(Target(number)) => {
                Value::U256(number)
            }
            dissect::Value::Bytes(bytes) => Value::Bytes(bytes),
            dissect::Value::Text(bytes) => Value::Text(bytes),
            dissect::Value::Sequence(items) => {
                Value::List(items.into_iter().map(Value::from_wire).collect())
            }
        }
    }

    /// As a field of shape `kind`.
    ///
    /// # Errors
    /// What does not fit, in words.
    pub fn to_wire(&self, kind: &Kind) -> Result<dissect::Value, String> {
        let unfit = || format!("a {} cannot hold {self}", kind.spec_name());
        Ok(match (kind, self) {
            (Kind::Bool, Value::Bool(flag)) => dissect::Value::Bool(*flag),
            (Kind::Bool, Value::Int(number @ (0 | 1))) => dissect::Value::Bool(*number == 1),
            (Kind::Int { bytes }, Value::Int(number)) => {
                if *bytes < 8 && number >> (8 * u32::from(*bytes)) != 0 {
                    return Err(unfit());
                }
                dissect::Value::Int(*number)
            }
            (Kind::F32, Value::F32(number)) => dissect::Value::F32(*number),
            #[expect(clippy::cast_precision_loss, reason = "what a reader of the case expects")]
            (Kind::F32, Value::Int(number)) => dissect::Value::F32(*number as f32),
            (Kind::U256, Value::U256(number)) => dissect::Value::U256(*number),
            (Kind::Target, Value::U256(number)) => dissect::Value::Target(Target(*number)),
            (Kind::U256, Value::Int(number)) => {
                dissect::Value::U256(U256::from_limbs([*number, 0, 0, 0]))
            }
            (Kind::Target, Value::Int(number)) => {
                dissect::Value::Target(Target(U256::from_limbs([*number, 0, 0, 0])))
            }
            (Kind::Bytes { max, .. }, Value::Bytes(bytes) | Value::Text(bytes)) => {
                if bytes.len() > *max as usize {
                    return Err(unfit());
                }
                dissect::Value::Bytes(bytes.clone())
            }
            (Kind::Text, Value::Text(bytes) | Value::Bytes(bytes)) => {
                if bytes.len() > 255 {
                    return Err(unfit());
                }
                dissect::Value::Text(bytes.clone())
            }
            (Kind::Sequence { item, .. }, Value::List(items)) => dissect::Value::Sequence(
                items.iter().map(|value| value.to_wire(item)).collect::<Result<_, _>>()?,
            ),
            (Kind::Option { item }, Value::List(items)) if items.len() <= 1 => {
                dissect::Value::Sequence(
                    items.iter().map(|value| value.to_wire(item)).collect::<Result<_, _>>()?,
                )
            }
            (Kind::Option { item }, other) => dissect::Value::Sequence(vec![other.to_wire(item)?]),
            _ => return Err(unfit()),
        })
    }

    /// A part of a record, `len` of anything that has a length, or `[n]` of a list; of a list
    /// also `distinct`, how many of its elements differ from all before, and `differing_bytes`,
    /// in how many places two neighbours differ at least, and `is_rising`, whether each number
    /// is above the one before. Of a number `le32`: its four bytes as they stand in a payload.
    pub fn part(&self, name: &str) -> Option<Value> {
        match self {
            Value::Record(fields) if fields.contains_key(name) => fields.get(name).cloned(),
            Value::List(items) if name == "len" => Some(Value::Int(items.len() as u64)),
            Value::List(items) if name == "distinct" => {
                let is_first = |(at, item): &(usize, &Value)| !items[..*at].contains(item);
                Some(Value::Int(items.iter().enumerate().filter(is_first).count() as u64))
            }
            Value::List(items) if name == "differing_bytes" => {
                let pairs = items.windows(2).map(|pair| differing_bytes(&pair[0], &pair[1]));
                Some(Value::Int(pairs.min().unwrap_or(0)))
            }
            Value::List(items) if name == "is_rising" => {
                let is_rising = |pair: &[Value]| pair[0].as_int() < pair[1].as_int();
                Some(Value::Bool(items.windows(2).all(is_rising)))
            }
            Value::Bytes(bytes) | Value::Text(bytes) if name == "len" => {
                Some(Value::Int(bytes.len() as u64))
            }
            Value::Int(number) if name == "le32" => {
                let number = u32::try_from(*number).ok()?;
                Some(Value::Bytes(Bytes::copy_from_slice(&number.to_le_bytes())))
            }
            Value::List(items) => items.get(name.parse::<usize>().ok()?).cloned(),
            _ => None,
        }
    }

    /// As an integer, if it is one.
    pub fn as_int(&self) -> Option<u64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Bool(flag) => Some(u64::from(*flag)),
            Value::List(items) => match items.as_slice() {
                [item] => item.as_int(),
                _ => None,
            },
            _ => None,
        }
    }

    /// As a channel, job or sequence number.
    pub fn as_u32(&self) -> Option<u32> {
        self.as_int().and_then(|number| u32::try_from(number).ok())
    }

    /// As a 256-bit number; integers are widened.
    pub fn as_u256(&self) -> Option<U256> {
        match self {
            Value::U256(number) => Some(*number),
            Value::Int(number) => Some(U256::from_limbs([*number, 0, 0, 0])),
            _ => None,
        }
    }

    /// As bytes: of a text or of a byte string.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Value::Bytes(bytes) | Value::Text(bytes) => Some(bytes),
            _ => None,
        }
    }
}

fn differing_bytes(one: &Value, other: &Value) -> u64 {
    let (Some(one), Some(other)) = (one.as_bytes(), other.as_bytes()) else { return 0 };
    let differing = one.iter().zip(other).filter(|(a, b)| a != b).count();
    (differing + one.len().abs_diff(other.len())) as u64
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(flag) => flag.fmt(f),
            Value::Int(number) => number.fmt(f),
            Value::F32(number) => write!(f, "{number:e}"),
            Value::U256(number) => number.fmt(f),
            Value::Bytes(bytes) => {
                f.write_str("hex:")?;
                bytes.iter().take(SHOWN_MAX).try_for_each(|byte| write!(f, "{byte:02x}"))?;
                match bytes.len() {
                    0..=SHOWN_MAX => Ok(()),
                    len => write!(f, "… ({len} bytes)"),
                }
            }
            // Escaped: what a peer sends must not steer a terminal.
            Value::Text(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Value::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().take(SHOWN_MAX).enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{item}")?;
                }
                match items.len() {
                    0..=SHOWN_MAX => f.write_str("]"),
                    len => write!(f, ", … {len} elements]"),
                }
            }
            Value::Record(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    let comma = if index == 0 { " " } else { ", " };
                    write!(f, "{comma}{name} = {value}")?;
                }
                f.write_str(" }")
            }
        }
    }
}

/// Bytes and elements that are printed; the rest is counted.
const SHOWN_MAX: usize = 40;

/// How a value is computed when its step runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// Known when the case is read.
    Constant(Value),
    /// `$job.id`: a variable and parts of it.
    Variable(Vec<String>),
    /// `fact:mining.flags`.
    Fact(String),
    /// `field:channel_id`: another field of the message that is being looked at.
    Field(String),
    /// `random:8`: bytes from the run's seed.
    Random(usize),
    /// Left to right.
    Operation(Box<Expression>, Operator, Box<Expression>),
    /// A list whose elements are computed.
    List(Vec<Expression>),
    /// `{ repeat = 300, of = 7 }`.
    Repeat(Box<Expression>, Box<Expression>),
}

/// What `Expression::Operation` does. Integers wrap at 64 bits, U256 saturate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "their symbols say it")]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    And,
    Or,
    ExclusiveOr,
}

impl Operator {
    fn from_symbol(symbol: &str) -> Option<Operator> {
        Some(match symbol {
            "+" => Operator::Add,
            "-" => Operator::Subtract,
            "*" => Operator::Multiply,
            "/" => Operator::Divide,
            "&" => Operator::And,
            "|" => Operator::Or,
            "^" => Operator::ExclusiveOr,
            _ => return None,
        })
    }

    fn symbol(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::And => "&",
            Operator::Or => "|",
            Operator::ExclusiveOr => "^",
        }
    }
}

/// Where an expression finds what it names.
pub trait Scope {
    /// A variable's value.
    fn variable(&self, name: &str) -> Option<Value>;
    /// A fact of the probe.
    fn fact(&self, name: &str) -> Option<Value>;
    /// A field of the message that is being looked at.
    fn field(&self, name: &str) -> Option<Value>;
    /// Bytes that follow from the seed.
    fn random(&self, len: usize) -> Bytes;
}

/// Why an expression has no value. The suite's or the case's fault, never the target's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationError(pub String);

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Expression {
    /// Reads `$job.min_ntime + 7200` and its like: operands with operators between them, left
    /// to right, spaces around operators.
    ///
    /// # Errors
    /// What is not understood, in words.
    pub fn parse(text: &str) -> Result<Expression, String> {
        let mut words = text.split_whitespace();
        let first = words.next().ok_or("an empty expression")?;
        let mut expression = operand(first)?;
        while let Some(word) = words.next() {
            let operator = Operator::from_symbol(word)
                .ok_or_else(|| format!("expected an operator (+ - * / & | ^), got `{word}`"))?;
            let right = words.next().ok_or_else(|| format!("nothing follows `{word}`"))?;
            expression =
                Expression::Operation(Box::new(expression), operator, Box::new(operand(right)?));
        }
        Ok(expression)
    }

    /// Whether a string is meant as an expression even where a text is expected.
    pub fn is_marked(text: &str) -> bool {
        ["$", "fact:", "field:", "hex:", "fill:", "random:", "text:"]
            .iter()
            .any(|mark| text.starts_with(mark))
    }

    /// The names of all variables in it.
    pub fn variables(&self) -> Vec<&[String]> {
        match self {
            Expression::Variable(path) => vec![path],
            Expression::Operation(left, _, right) | Expression::Repeat(left, right) => {
                let mut all = left.variables();
                all.extend(right.variables());
                all
            }
            Expression::List(items) => items.iter().flat_map(Expression::variables).collect(),
            Expression::Constant(_)
            | Expression::Fact(_)
            | Expression::Field(_)
            | Expression::Random(_) => Vec::new(),
        }
    }

    /// Its value.
    ///
    /// # Errors
    /// A name that has no value, or an operation that makes no sense.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, EvaluationError> {
        match self {
            Expression::Constant(value) => Ok(value.clone()),
            Expression::Variable(path) => {
                let no_value = || EvaluationError(format!("`{self}` has no value"));
                let (name, parts) = path.split_first().ok_or_else(no_value)?;
                let mut value = scope.variable(name).ok_or_else(no_value)?;
                for part in parts {
                    value = value.part(part).ok_or_else(no_value)?;
                }
                Ok(value)
            }
            Expression::Fact(name) => scope
                .fact(name)
                .ok_or_else(|| EvaluationError(format!("the fact `{name}` is not known"))),
            Expression::Field(name) => scope
                .field(name)
                .ok_or_else(|| EvaluationError(format!("the message has no field `{name}`"))),
            Expression::Random(len) => Ok(Value::Bytes(scope.random(*len))),
            Expression::Operation(left, operator, right) => {
                let (left, right) = (left.evaluate(scope)?, right.evaluate(scope)?);
                operate(&left, *operator, &right).ok_or_else(|| {
                    EvaluationError(format!("`{left} {} {right}` has no value", operator.symbol()))
                })
            }
            Expression::List(items) => Ok(Value::List(
                items.iter().map(|item| item.evaluate(scope)).collect::<Result<_, _>>()?,
            )),
            Expression::Repeat(count, item) => {
                let count = count
                    .evaluate(scope)?
                    .as_int()
                    .and_then(|count| usize::try_from(count).ok())
                    .filter(|count| *count <= REPEAT_MAX)
                    .ok_or_else(|| EvaluationError(format!("`repeat` is above {REPEAT_MAX}")))?;
                Ok(Value::List(vec![item.evaluate(scope)?; count]))
            }
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Constant(value) => value.fmt(f),
            Expression::Variable(path) => write!(f, "${}", path.join(".")),
            Expression::Fact(name) => write!(f, "fact:{name}"),
            Expression::Field(name) => write!(f, "field:{name}"),
            Expression::Random(len) => write!(f, "random:{len}"),
            Expression::Operation(left, operator, right) => {
                write!(f, "{left} {} {right}", operator.symbol())
            }
            Expression::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Expression::Repeat(count, item) => write!(f, "{count} times {item}"),
        }
    }
}

/// Elements that `repeat` may make: what a SEQ0_64K can count, and one more.
const REPEAT_MAX: usize = 65_536;

fn operand(word: &str) -> Result<Expression, String> {
    if let Some(path) = word.strip_prefix('$') {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("`{word}` is no variable"));
        }
        return Ok(Expression::Variable(path));
    }
    let Some((kind, rest)) = word.split_once(':') else {
        return integer(word)
            .map(|number| Expression::Constant(Value::Int(number)))
            .ok_or_else(|| format!("`{word}` is neither a number nor an expression"));
    };
    Ok(match kind {
        "fact" => Expression::Fact(rest.to_owned()),
        "field" => Expression::Field(rest.to_owned()),
        "u256" => Expression::Constant(Value::U256(u256(rest)?)),
        "hashes" => {
            let hashes = integer(rest).filter(|hashes| *hashes > 0);
            let hashes = hashes.ok_or_else(|| format!("`{rest}` is no number above zero"))?;
            Expression::Constant(Value::U256(divide(U256::MAX, hashes)))
        }
        "hex" => Expression::Constant(Value::Bytes(hex(rest)?)),
        "text" => Expression::Constant(Value::Text(Bytes::from(rest.to_owned()))),
        "fill" => {
            let (len, byte) = rest.split_once(':').unwrap_or((rest, "0"));
            let len = integer(len).and_then(|len| usize::try_from(len).ok());
            let byte = integer(byte).and_then(|byte| u8::try_from(byte).ok());
            match (len, byte) {
                (Some(len), Some(byte)) if len <= FILL_MAX => {
                    Expression::Constant(Value::Bytes(Bytes::from(vec![byte; len])))
                }
                _ => return Err(format!("`{word}`: expected fill:LENGTH or fill:LENGTH:BYTE")),
            }
        }
        "random" => Expression::Random(
            integer(rest)
                .and_then(|len| usize::try_from(len).ok())
                .filter(|len| *len <= FILL_MAX)
                .ok_or_else(|| format!("`{word}`: expected random:LENGTH"))?,
        ),
        _ => return Err(format!("`{kind}:` is no kind of value")),
    })
}

/// Bytes that `fill:` and `random:` may make: the longest payload of a frame, and one more.
const FILL_MAX: usize = 1 << 24;

fn integer(word: &str) -> Option<u64> {
    let word = word.replace('_', "");
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

fn u256(word: &str) -> Result<U256, String> {
    match word {
        "max" => Ok(U256::MAX),
        _ if word.len() <= 64 => U256::from_hex(&format!("{word:0>64}"))
            .ok_or_else(|| format!("`{word}` is not hexadecimal")),
        _ => Err(format!("`{word}` has more than 64 digits")),
    }
}

/// Bytes from hexadecimal digits; `_` separates groups.
pub(crate) fn hex(word: &str) -> Result<Bytes, String> {
    bytes_from_hex(&word.replace('_', ""))
        .map(Bytes::from)
        .ok_or_else(|| format!("`{word}` is not an even number of hexadecimal digits"))
}

fn operate(left: &Value, operator: Operator, right: &Value) -> Option<Value> {
    if let (Value::Bytes(left) | Value::Text(left), Operator::Add) = (left, operator) {
        let right = right.as_bytes()?;
        return Some(Value::Bytes(Bytes::from([&left[..], &right[..]].concat())));
    }
    if let Value::U256(left) = left {
        let right = match right {
            Value::Int(number) => *number,
            _ => return None,
        };
        return Some(Value::U256(match operator {
            Operator::Multiply => multiply(*left, right),
            Operator::Divide if right > 0 => divide(*left, right),
            Operator::Add => add(*left, right),
            Operator::Subtract => subtract(*left, right),
            _ => return None,
        }));
    }
    let (left, right) = (left.as_int()?, right.as_int()?);
    Some(Value::Int(match operator {
        Operator::Add => left.wrapping_add(right),
        Operator::Subtract => left.wrapping_sub(right),
        Operator::Multiply => left.wrapping_mul(right),
        Operator::Divide => left.checked_div(right)?,
        Operator::And => left & right,
        Operator::Or => left | right,
        Operator::ExclusiveOr => left ^ right,
    }))
}

fn divide(number: U256, divisor: u64) -> U256 {
    let mut limbs = number.to_limbs();
    let mut remainder = 0u128;
    for limb in limbs.iter_mut().rev() {
        let dividend = remainder << 64 | u128::from(*limb);
        *limb = low_limb(dividend / u128::from(divisor));
        remainder = dividend % u128::from(divisor);
    }
    U256::from_limbs(limbs)
}

fn multiply(number: U256, factor: u64) -> U256 {
    let mut limbs = number.to_limbs();
    let mut carry = 0u128;
    for limb in &mut limbs {
        let product = u128::from(*limb) * u128::from(factor) + carry;
        *limb = low_limb(product);
        carry = product >> 64;
    }
    if carry > 0 { U256::MAX } else { U256::from_limbs(limbs) }
}

fn add(number: U256, summand: u64) -> U256 {
    let mut limbs = number.to_limbs();
    let mut carry = summand;
    for limb in &mut limbs {
        let (sum, overflows) = limb.overflowing_add(carry);
        *limb = sum;
        carry = u64::from(overflows);
    }
    if carry > 0 { U256::MAX } else { U256::from_limbs(limbs) }
}

fn subtract(number: U256, subtrahend: u64) -> U256 {
    let mut limbs = number.to_limbs();
    let mut borrow = subtrahend;
    for limb in &mut limbs {
        let (difference, underflows) = limb.overflowing_sub(borrow);
        *limb = difference;
        borrow = u64::from(underflows);
    }
    if borrow > 0 { U256::ZERO } else { U256::from_limbs(limbs) }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn low_limb(wide: u128) -> u64 {
    wide as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Scope for Fixed {
        fn variable(&self, name: &str) -> Option<Value> {
            (name == "job")
                .then(|| Value::record([("id", Value::Int(7)), ("target", Value::U256(U256::MAX))]))
        }
        fn fact(&self, name: &str) -> Option<Value> {
            (name == "mining.flags").then_some(Value::Int(2))
        }
        fn field(&self, name: &str) -> Option<Value> {
            (name == "channel_id").then_some(Value::Int(3))
        }
        fn random(&self, len: usize) -> Bytes {
            Bytes::from(vec![9; len])
        }
    }

    #[test]
    fn a_list_tells_how_many_elements_differ_and_how_much_neighbours_do() {
        let tokens = |tokens: &[&[u8]]| {
            Value::List(
                tokens.iter().map(|one| Value::Bytes(Bytes::copy_from_slice(one))).collect(),
            )
        };
        for (list, distinct, differing) in [
            (tokens(&[]), 0, 0),
            (tokens(&[&[1, 2], &[1, 3], &[1, 2]]), 2, 1),
            (tokens(&[&[1, 2, 3], &[4]]), 2, 3),
        ] {
            assert_eq!(list.part("distinct"), Some(Value::Int(distinct)));
            assert_eq!(list.part("differing_bytes"), Some(Value::Int(differing)));
        }
    }

    #[test]
    fn numbers_rise_where_each_is_above_the_one_before() {
        for (numbers, is_rising) in [(vec![], true), (vec![1, 2, 9], true), (vec![1, 1], false)] {
            let list = Value::List(numbers.into_iter().map(Value::Int).collect());

            assert_eq!(list.part("is_rising"), Some(Value::Bool(is_rising)));
        }
    }

    #[test]
    fn a_number_has_four_bytes_if_it_fits_them() {
        let bytes = |number| Value::Int(number).part("le32").map(|bytes| bytes.to_string());

        assert_eq!(bytes(0x0102).as_deref(), Some("hex:02010000"));
        assert_eq!(bytes(1 << 32), None);
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let value = match Expression::parse(text) {
            Ok(expression) => match expression.evaluate(&Fixed) {
                Ok(value) => value.to_string(),
                Err(error) => error.to_string(),
            },
            Err(error) => error,
        };
        assert_eq!(value, expected, "{text}");
    }

    #[test]
    fn expressions_have_the_value_that_they_say() {
        check("0xffff_ffff_ffff_ffff", "18446744073709551615");
        check("$job.id + 1000", "1007");
        check("$job.id ^ 0x20 | 0x100", "295");
        check("fact:mining.flags", "2");
        check("field:channel_id * 2", "6");
        check("hex:00ff_7f", "hex:00ff7f");
        check("fill:3:0x41", "hex:414141");
        check("random:2", "hex:0909");
        check("hex:01 + fill:1", "hex:0100");
        check("u256:ff / 2", &format!("{:0>64}", "7f"));
        check("u256:1_0", "`1_0` is not hexadecimal");
        check("hashes:256", &format!("00{}", "f".repeat(62)));
        check("$job.target * 2", &"f".repeat(64));
        check("u256:1 - 5", &"0".repeat(64));
        check("$job.nonce", "`$job.nonce` has no value");
        check("7 ~ 1", "expected an operator (+ - * / & | ^), got `~`");
        check("seven", "`seven` is neither a number nor an expression");
    }

    #[test]
    fn a_value_that_does_not_fit_its_field_is_refused() {
        let narrow = Value::Int(256).to_wire(&Kind::Int { bytes: 1 });

        assert_eq!(narrow, Err("a U8 cannot hold 256".to_owned()));
    }
}

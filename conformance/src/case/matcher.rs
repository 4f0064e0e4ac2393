//! Matchers: what a case demands of a field. Typed by the field when the case is read.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use sv2::wire::Kind;

use super::document::{Data, Document, LoadError, Node};
use super::value::{EvaluationError, Expression, Scope, Value};

/// A demand on a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Matcher {
    /// Anything.
    Any,
    /// Compares with another value.
    Compare(Comparison, Expression),
    /// One of these; or, with `false`, none of these. A single element that is a list stands
    /// for its elements.
    OneOf(Vec<Expression>, bool),
    /// Length of text, bytes or list.
    Len(Box<Matcher>),
    /// First bytes or elements.
    Prefix(Expression),
    /// Last bytes or elements.
    Suffix(Expression),
    /// Some element, or some run of bytes.
    Contains(Expression),
    /// All of these bits are one.
    BitsSet(Expression),
    /// All of these bits are zero.
    BitsClear(Expression),
    /// Bytes 0x20 to 0x7e alone.
    Printable,
    /// No byte below 0x20, and not 0x7f.
    NoControlChars,
    /// An option that is set, or not.
    IsSet(bool),
    /// Each element.
    Every(Box<Matcher>),
    /// Each of these.
    All(Vec<Matcher>),
}

/// An order, or equality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as in the format")]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// A demand that was not met, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch(pub String);

impl Matcher {
    /// Whether `actual` is what is demanded.
    ///
    /// # Errors
    /// If the demand cannot be computed, or makes no sense for the value.
    pub fn verify(
        &self,
        actual: &Value,
        scope: &dyn Scope,
    ) -> Result<Result<(), Mismatch>, EvaluationError> {
        let no_sense =
            |what: &str| EvaluationError(format!("`{what}` makes no sense for {actual}"));
        let demand = |holds: bool, words: String| match holds {
            true => Ok(Ok(())),
            false => Ok(Err(Mismatch(format!("{actual}, expected {words}")))),
        };
        match self {
            Matcher::Any => Ok(Ok(())),
            Matcher::Compare(comparison, expression) => {
                let wanted = expression.evaluate(scope)?;
                let holds = comparison
                    .holds(actual, &wanted)
                    .ok_or_else(|| no_sense(comparison.symbol()))?;
                demand(
                    holds,
                    match comparison.words() {
                        "" => wanted.to_string(),
                        words => format!("{words} {wanted}"),
                    },
                )
            }
            Matcher::OneOf(expressions, wanted) => {
                let mut values = Vec::with_capacity(expressions.len());
                for expression in expressions {
                    match expression.evaluate(scope)? {
                        Value::List(items) if expressions.len() == 1 => values.extend(items),
                        value => values.push(value),
                    }
                }
                let found =
                    values.iter().any(|value| Comparison::Eq.holds(actual, value) == Some(true));
                let not = if *wanted { "" } else { "not " };
                demand(found == *wanted, format!("{not}one of {}", Value::List(values)))
            }
            Matcher::Len(matcher) => {
                let len = actual.part("len").ok_or_else(|| no_sense("len"))?;
                Ok(matcher
                    .verify(&len, scope)?
                    .map_err(|mismatch| Mismatch(format!("length {}", mismatch.0))))
            }
            Matcher::Prefix(expression) | Matcher::Suffix(expression) => {
                let wanted = expression.evaluate(scope)?;
                let at_start = matches!(self, Matcher::Prefix(_));
                let holds = ends_with(actual, &wanted, at_start)
                    .ok_or_else(|| no_sense(if at_start { "prefix" } else { "suffix" }))?;
                demand(
                    holds,
                    format!("to {} {wanted}", if at_start { "begin with" } else { "end with" }),
                )
            }
            Matcher::Contains(expression) => {
                let wanted = expression.evaluate(scope)?;
                let holds = contains(actual, &wanted).ok_or_else(|| no_sense("contains"))?;
                demand(holds, format!("to contain {wanted}"))
            }
            Matcher::BitsSet(expression) | Matcher::BitsClear(expression) => {
                let mask = expression.evaluate(scope)?.as_int().ok_or_else(|| no_sense("bits"))?;
                let bits = actual.as_int().ok_or_else(|| no_sense("bits"))?;
                match self {
                    Matcher::BitsSet(_) => {
                        demand(bits & mask == mask, format!("bits {mask:#x} to be set"))
                    }
                    _ => demand(bits & mask == 0, format!("bits {mask:#x} to be clear")),
                }
            }
            Matcher::Printable => {
                let bytes = actual.as_bytes().ok_or_else(|| no_sense("printable"))?;
                let holds = bytes.iter().all(|byte| (0x20..0x7f).contains(byte));
                demand(holds, "printable ASCII alone".into())
            }
            Matcher::NoControlChars => {
                let bytes = actual.as_bytes().ok_or_else(|| no_sense("no_control_chars"))?;
                let holds = bytes.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f);
                demand(holds, "no control characters".into())
            }
            Matcher::IsSet(wanted) => match actual {
                Value::List(items) => demand(
                    items.is_empty() != *wanted,
                    if *wanted { "a value".into() } else { "none".into() },
                ),
                _ => Err(no_sense("is")),
            },
            Matcher::Every(matcher) => {
                let Value::List(items) = actual else { return Err(no_sense("every")) };
                for (index, item) in items.iter().enumerate() {
                    if let Err(mismatch) = matcher.verify(item, scope)? {
                        return Ok(Err(Mismatch(format!("[{index}] = {}", mismatch.0))));
                    }
                }
                Ok(Ok(()))
            }
            Matcher::All(matchers) => {
                for matcher in matchers {
                    if let Err(mismatch) = matcher.verify(actual, scope)? {
                        return Ok(Err(mismatch));
                    }
                }
                Ok(Ok(()))
            }
        }
    }

    /// All expressions in it.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Matcher::Any | Matcher::Printable | Matcher::NoControlChars | Matcher::IsSet(_) => {
                Vec::new()
            }
            Matcher::Compare(_, expression)
            | Matcher::Prefix(expression)
            | Matcher::Suffix(expression)
            | Matcher::Contains(expression)
            | Matcher::BitsSet(expression)
            | Matcher::BitsClear(expression) => vec![expression],
            Matcher::OneOf(expressions, _) => expressions.iter().collect(),
            Matcher::Len(matcher) | Matcher::Every(matcher) => matcher.expressions(),
            Matcher::All(matchers) => matchers.iter().flat_map(Matcher::expressions).collect(),
        }
    }

    /// Reads the demand on a field of shape `kind`; `None` for a variable, whose shape is not
    /// known before the case runs.
    ///
    /// # Errors
    /// An unknown matcher, or one that the field cannot have.
    pub fn load(
        document: &Document,
        node: &Node,
        kind: Option<&'static Kind>,
    ) -> Result<Matcher, LoadError> {
        let Data::Table(entries) = &node.data else {
            if let (Some(Kind::Option { .. }) | None, Data::Text(word)) = (kind, &node.data) {
                match word.as_str() {
                    "none" => return Ok(Matcher::IsSet(false)),
                    "some" => return Ok(Matcher::IsSet(true)),
                    _ => {}
                }
            }
            return Ok(Matcher::Compare(Comparison::Eq, load_expression(document, node, kind)?));
        };
        let mut matchers = Vec::with_capacity(entries.len());
        for entry in entries {
            if !NAMES.contains(&entry.key.as_str()) {
                return Err(document.unknown(
                    entry.at,
                    "matcher",
                    &entry.key,
                    NAMES.iter().copied(),
                ));
            }
            if !suits(&entry.key, kind) {
                let kind = kind.map_or_else(String::new, Kind::spec_name);
                return Err(document.error(
                    entry.at,
                    format!("the matcher `{}` makes no sense for a {kind}", entry.key),
                ));
            }
            matchers.push(load_named(document, &entry.key, &entry.node, kind)?);
        }
        match matchers.len() {
            1 => Ok(matchers.remove(0)),
            0 => Err(document.error(node.at, "a matcher without a demand; `any = true`?")),
            _ => Ok(Matcher::All(matchers)),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matcher::Any => f.write_str("anything"),
            Matcher::Compare(Comparison::Eq, expression) => expression.fmt(f),
            Matcher::Compare(comparison, expression) => {
                write!(f, "{} {expression}", comparison.symbol())
            }
            Matcher::OneOf(expressions, wanted) => {
                let not = if *wanted { "" } else { "not " };
                write!(f, "{not}one of {}", Expression::List(expressions.clone()))
            }
            Matcher::Len(matcher) => write!(f, "length {matcher}"),
            Matcher::Prefix(expression) => write!(f, "beginning with {expression}"),
            Matcher::Suffix(expression) => write!(f, "ending with {expression}"),
            Matcher::Contains(expression) => write!(f, "containing {expression}"),
            Matcher::BitsSet(expression) => write!(f, "with bits {expression} set"),
            Matcher::BitsClear(expression) => write!(f, "with bits {expression} clear"),
            Matcher::Printable => f.write_str("printable"),
            Matcher::NoControlChars => f.write_str("without control characters"),
            Matcher::IsSet(true) => f.write_str("set"),
            Matcher::IsSet(false) => f.write_str("not set"),
            Matcher::Every(matcher) => write!(f, "every element {matcher}"),
            Matcher::All(matchers) => {
                for (index, matcher) in matchers.iter().enumerate() {
                    write!(f, "{}{matcher}", if index == 0 { "" } else { " and " })?;
                }
                Ok(())
            }
        }
    }
}

impl Comparison {
    fn symbol(self) -> &'static str {
        match self {
            Comparison::Eq => "=",
            Comparison::Ne => "!=",
            Comparison::Lt => "<",
            Comparison::Le => "<=",
            Comparison::Gt => ">",
            Comparison::Ge => ">=",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Comparison::Eq => "",
            Comparison::Ne => "anything but",
            Comparison::Lt => "less than",
            Comparison::Le => "at most",
            Comparison::Gt => "more than",
            Comparison::Ge => "at least",
        }
        .trim()
    }

    /// `None` if the two cannot be compared.
    pub(crate) fn holds(self, actual: &Value, wanted: &Value) -> Option<bool> {
        // An option that is set counts as its element; one that is not equals nothing.
        if let (Value::List(items), false) = (actual, matches!(wanted, Value::List(_))) {
            return match items.as_slice() {
                [item] => self.holds(item, wanted),
                _ => Some(self == Comparison::Ne),
            };
        }
        let order = match (actual, wanted) {
            (Value::Int(actual), Value::Int(wanted)) => actual.cmp(wanted),
            (Value::Bool(_), _) | (_, Value::Bool(_)) => actual.as_int()?.cmp(&wanted.as_int()?),
            (Value::U256(_), _) | (_, Value::U256(_)) => actual.as_u256()?.cmp(&wanted.as_u256()?),
            #[expect(clippy::cast_precision_loss, reason = "as the case's author expects")]
            (Value::F32(actual), wanted) => actual.partial_cmp(&match wanted {
                Value::F32(wanted) => *wanted,
                Value::Int(wanted) => *wanted as f32,
                _ => return None,
            })?,
            (Value::Bytes(_) | Value::Text(_), Value::Bytes(_) | Value::Text(_)) => {
                actual.as_bytes()?.cmp(wanted.as_bytes()?)
            }
            (Value::List(actual), Value::List(wanted)) => {
                let equal = actual.len() == wanted.len()
                    && actual
                        .iter()
                        .zip(wanted)
                        .all(|(actual, wanted)| Comparison::Eq.holds(actual, wanted) == Some(true));
                return match self {
                    Comparison::Eq => Some(equal),
                    Comparison::Ne => Some(!equal),
                    _ => None,
                };
            }
            (actual, wanted) => match self {
                Comparison::Eq => return Some(actual == wanted),
                Comparison::Ne => return Some(actual != wanted),
                _ => return None,
            },
        };
        Some(match self {
            Comparison::Eq => order == Ordering::Equal,
            Comparison::Ne => order != Ordering::Equal,
            Comparison::Lt => order == Ordering::Less,
            Comparison::Le => order != Ordering::Greater,
            Comparison::Gt => order == Ordering::Greater,
            Comparison::Ge => order != Ordering::Less,
        })
    }
}

/// Reads the value of a field of shape `kind`, or of unknown shape.
///
/// # Errors
/// What the field cannot hold.
pub fn load_expression(
    document: &Document,
    node: &Node,
    kind: Option<&'static Kind>,
) -> Result<Expression, LoadError> {
    let expression = match (&node.data, kind) {
        (Data::Text(text), Some(Kind::Option { .. }) | None) if text == "none" => {
            Expression::Constant(Value::List(Vec::new()))
        }
        (Data::Text(text), Some(Kind::Text) | None) if !Expression::is_marked(text) => {
            match (kind, Expression::parse(text)) {
                (None, Ok(expression)) => expression,
                _ => Expression::Constant(Value::text(text.clone())),
            }
        }
        (Data::Text(text), _) => {
            let text = text.strip_prefix("text:").map_or_else(
                || Expression::parse(text),
                |text| Ok(Expression::Constant(Value::text(text))),
            );
            text.map_err(|message| {
                let kind = kind.map(|kind| format!(" (for a {})", kind.spec_name()));
                document.error(node.at, format!("{message}{}", kind.unwrap_or_default()))
            })?
        }
        (Data::Bool(flag), _) => Expression::Constant(Value::Bool(*flag)),
        (Data::Integer(number), _) => Expression::Constant(Value::Int(
            u64::try_from(*number)
                .map_err(|_| document.error(node.at, format!("{number} does not fit a U64")))?,
        )),
        #[expect(clippy::cast_possible_truncation, reason = "F32 is what the wire has")]
        (Data::Float(number), _) => Expression::Constant(Value::F32(*number as f32)),
        (Data::List(items), kind) => {
            let item = match kind {
                Some(Kind::Sequence { item, .. } | Kind::Option { item }) => Some(*item),
                None => None,
                Some(kind) => {
                    let message = format!("a {} is no list", kind.spec_name());
                    return Err(document.error(node.at, message));
                }
            };
            let items: Vec<Expression> = items
                .iter()
                .map(|node| load_expression(document, node, item))
                .collect::<Result<_, _>>()?;
            let constants: Option<Vec<Value>> = items
                .iter()
                .map(|item| match item {
                    Expression::Constant(value) => Some(value.clone()),
                    _ => None,
                })
                .collect();
            match constants {
                Some(values) => Expression::Constant(Value::List(values)),
                None => Expression::List(items),
            }
        }
        (Data::Table(_), Some(Kind::Sequence { item, .. })) => {
            let mut keys = document.keys(node)?;
            let count = load_expression(document, keys.require("repeat")?, Some(&COUNT))?;
            let item = load_expression(document, keys.require("of")?, Some(item))?;
            keys.finish(&["repeat", "of"])?;
            Expression::Repeat(Box::new(count), Box::new(item))
        }
        (Data::Table(entries), None) => {
            let mut record = BTreeMap::new();
            for entry in entries {
                let Expression::Constant(value) = load_expression(document, &entry.node, None)?
                else {
                    return Err(document.error(entry.node.at, "a record's parts are constants"));
                };
                record.insert(entry.key.clone(), value);
            }
            Expression::Constant(Value::Record(record))
        }
        (Data::Table(_), _) => {
            return Err(document.error(node.at, "expected a value, got a table"));
        }
    };
    if let (Some(kind), Expression::Constant(value)) = (kind, &expression) {
        value.to_wire(kind).map_err(|message| document.error(node.at, message))?;
    }
    Ok(expression)
}

static COUNT: Kind = Kind::Int { bytes: 8 };

fn load_named(
    document: &Document,
    name: &str,
    node: &Node,
    kind: Option<&'static Kind>,
) -> Result<Matcher, LoadError> {
    // An option is compared by its element.
    let kind = match kind {
        Some(Kind::Option { item }) if name != "is" => Some(*item),
        kind => kind,
    };
    let item = match kind {
        Some(Kind::Sequence { item, .. }) => Some(*item),
        _ => None,
    };
    let compare = |comparison| {
        Ok::<_, LoadError>(Matcher::Compare(comparison, load_expression(document, node, kind)?))
    };
    let list = |wanted: bool| {
        let expressions = match &node.data {
            Data::List(items) => items
                .iter()
                .map(|node| load_expression(document, node, kind))
                .collect::<Result<_, _>>()?,
            _ => vec![load_expression(document, node, None)?],
        };
        Ok::<_, LoadError>(Matcher::OneOf(expressions, wanted))
    };
    let flag = |matcher: Matcher| match document.boolean(node)? {
        true => Ok(matcher),
        false => Err(document.error(node.at, format!("`{name}` is either true or left out"))),
    };
    match name {
        "eq" => compare(Comparison::Eq),
        "ne" => compare(Comparison::Ne),
        "lt" => compare(Comparison::Lt),
        "le" => compare(Comparison::Le),
        "gt" => compare(Comparison::Gt),
        "ge" => compare(Comparison::Ge),
        "one_of" => list(true),
        "none_of" => list(false),
        "len" => Ok(Matcher::Len(Box::new(Matcher::load(document, node, Some(&COUNT))?))),
        "prefix" => Ok(Matcher::Prefix(load_expression(document, node, kind)?)),
        "suffix" => Ok(Matcher::Suffix(load_expression(document, node, kind)?)),
        "contains" => Ok(Matcher::Contains(load_expression(document, node, item.or(kind))?)),
        "bits_set" => Ok(Matcher::BitsSet(load_expression(document, node, Some(&COUNT))?)),
        "bits_clear" => Ok(Matcher::BitsClear(load_expression(document, node, Some(&COUNT))?)),
        "every" => Ok(Matcher::Every(Box::new(Matcher::load(document, node, item)?))),
        "same_as" => {
            let field = document.string(node)?.to_owned();
            Ok(Matcher::Compare(Comparison::Eq, Expression::Field(field)))
        }
        "is" => Ok(Matcher::IsSet(document.one_of(
            node,
            "state of an option",
            &[("none", false), ("some", true)],
        )?)),
        "printable" => flag(Matcher::Printable),
        "no_control_chars" => flag(Matcher::NoControlChars),
        // `NAMES` was checked by the caller; what is left is `any`.
        _ => flag(Matcher::Any),
    }
}

const NAMES: &[&str] = &[
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "one_of",
    "none_of",
    "len",
    "prefix",
    "suffix",
    "contains",
    "bits_set",
    "bits_clear",
    "printable",
    "no_control_chars",
    "every",
    "is",
    "same_as",
    "any",
];

/// Whether a matcher makes sense for a field.
fn suits(name: &str, kind: Option<&Kind>) -> bool {
    let kind = match kind {
        None => return true,
        Some(Kind::Option { .. }) if name == "is" => return true,
        Some(Kind::Option { item }) => item,
        Some(kind) => kind,
    };
    let is_number = matches!(kind, Kind::Int { .. } | Kind::F32 | Kind::U256 | Kind::Target);
    let is_text = matches!(kind, Kind::Text | Kind::Bytes { .. });
    let is_list = matches!(kind, Kind::Sequence { .. });
    match name {
        "lt" | "le" | "gt" | "ge" => is_number,
        "bits_set" | "bits_clear" => matches!(kind, Kind::Int { .. }),
        "len" | "prefix" | "suffix" | "contains" => is_text || is_list,
        "printable" | "no_control_chars" => is_text,
        "every" => is_list,
        "is" => false,
        _ => true,
    }
}

fn ends_with(actual: &Value, wanted: &Value, at_start: bool) -> Option<bool> {
    if let (Value::List(actual), Value::List(wanted)) = (actual, wanted) {
        return Some(if at_start { actual.starts_with(wanted) } else { actual.ends_with(wanted) });
    }
    let (actual, wanted) = (actual.as_bytes()?, wanted.as_bytes()?);
    Some(if at_start { actual.starts_with(wanted) } else { actual.ends_with(wanted) })
}

fn contains(actual: &Value, wanted: &Value) -> Option<bool> {
    if let Value::List(items) = actual {
        return Some(items.iter().any(|item| Comparison::Eq.holds(item, wanted) == Some(true)));
    }
    let (actual, wanted) = (actual.as_bytes()?, wanted.as_bytes()?);
    Some(wanted.is_empty() || actual.windows(wanted.len()).any(|window| window == wanted))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sv2::wire::U256;

    use super::*;

    struct Empty;

    impl Scope for Empty {
        fn variable(&self, name: &str) -> Option<Value> {
            (name == "ids").then(|| Value::List(vec![Value::Int(1), Value::Int(2)]))
        }
        fn fact(&self, _: &str) -> Option<Value> {
            None
        }
        fn field(&self, name: &str) -> Option<Value> {
            (name == "channel_id").then_some(Value::Int(5))
        }
        fn random(&self, len: usize) -> Bytes {
            Bytes::from(vec![0; len])
        }
    }

    static U32: Kind = Kind::Int { bytes: 4 };
    static NTIME: Kind = Kind::Option { item: &U32 };
    static TEXT: Kind = Kind::Text;
    static TARGET: Kind = Kind::Target;
    static IDS: Kind = Kind::Sequence { prefix: 2, item: &U32 };

    fn load(text: &str, kind: &'static Kind) -> Result<Matcher, LoadError> {
        let document = Document::parse("m.toml", &format!("x = {text}")).unwrap();
        let mut keys = document.keys(document.root()).unwrap();
        Matcher::load(&document, keys.require("x").unwrap(), Some(kind))
    }

    #[track_caller]
    fn check(text: &str, kind: &'static Kind, actual: Value, expected: Result<(), &str>) {
        let outcome = load(text, kind).unwrap().verify(&actual, &Empty).unwrap();
        assert_eq!(outcome, expected.map_err(|words| Mismatch(words.into())), "{text}");
    }

    #[test]
    fn matchers_tell_right_from_wrong() {
        let none = || Value::List(Vec::new());
        let some = |number| Value::List(vec![Value::Int(number)]);

        check("7", &U32, Value::Int(7), Ok(()));
        check("{ ge = 7, lt = 9 }", &U32, Value::Int(9), Err("9, expected less than 9"));
        check("{ bits_set = 6 }", &U32, Value::Int(2), Err("2, expected bits 0x6 to be set"));
        check("{ one_of = [1, 2] }", &U32, Value::Int(2), Ok(()));
        check("{ none_of = '$ids' }", &U32, Value::Int(2), Err("2, expected not one of [1, 2]"));
        check("{ ne = 'field:channel_id' }", &U32, Value::Int(4), Ok(()));
        check("{ same_as = 'channel_id' }", &U32, Value::Int(5), Ok(()));
        check("'none'", &NTIME, none(), Ok(()));
        check("'none'", &NTIME, some(3), Err("[3], expected none"));
        check("{ is = 'some', ge = 3 }", &NTIME, some(3), Ok(()));
        check("3", &NTIME, none(), Err("[], expected 3"));
        check("{ len = { ge = 1 }, printable = true }", &TEXT, Value::text("ok"), Ok(()));
        check(
            "{ no_control_chars = true }",
            &TEXT,
            Value::text("a\n"),
            Err("\"a\\n\", expected no control characters"),
        );
        check("{ le = 'hashes:2' }", &TARGET, Value::U256(U256::ZERO), Ok(()));
        check("{ every = { gt = 1 } }", &IDS, some(1), Err("[0] = 1, expected more than 1"));
        check("{ len = 1, contains = 1 }", &IDS, some(1), Ok(()));
    }

    #[test]
    fn a_matcher_that_its_field_cannot_have_is_an_error_with_a_place() {
        let errors = [
            load("{ g = 7 }", &U32),
            load("{ printable = true }", &U32),
            load("{ le = 'abc' }", &TEXT),
            load("-1", &U32),
            load("0x1_0000_0000", &U32),
            load("{ one_of = [1, 'x'] }", &U32),
        ]
        .map(|outcome| outcome.unwrap_err().to_string());

        insta::assert_snapshot!(errors.join("\n"), @r#"
        m.toml:1:7: unknown matcher "g"; did you mean "ge"?
        m.toml:1:7: the matcher `printable` makes no sense for a U32
        m.toml:1:7: the matcher `le` makes no sense for a STR0_255
        m.toml:1:5: -1 does not fit a U64
        m.toml:1:5: a U32 cannot hold 4294967296
        m.toml:1:20: `x` is neither a number nor an expression (for a U32)
        "#);
    }
}

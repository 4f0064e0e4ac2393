//! What a filter reads from: whoever holds the observations of a capture implements [`Columns`].

use std::net::IpAddr;
use std::ops::Range;

use sv2::message::descriptor;
use sv2::wire::dissect::{Name, Node, Value as WireValue, dissect, sound_len};
use sv2::wire::{Field as WireField, Frame, Kind};

use super::expression::Predicate;
use super::field::{Column, Field, FieldPath};
use super::value::Value;

/// The observations of a capture, in rows from 0.
pub trait Columns {
    /// Rows that there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Hands over the values of a field: none where it is missing, several where there are
    /// several findings or elements.
    fn values(&self, row: u64, field: &Field, take: &mut dyn FnMut(Value<'_>));

    /// Whether a state that follows from others holds.
    fn is(&self, row: u64, predicate: Predicate) -> bool;

    /// The row of an observation's number.
    fn row_of(&self, number: u64) -> Option<u64>;

    /// The first row of a channel or group; walks, unless whoever holds the rows knows better.
    fn first_of(&self, channel: u64) -> Option<u64> {
        let field = Field::Column(Column::Ch);
        (0..self.len()).find(|row| {
            let mut is_of = false;
            self.values(*row, &field, &mut |value| is_of |= value == Value::Int(channel));
            is_of
        })
    }

    /// Rows from `first` on of a column of numbers, where they are held as such, at most
    /// [`CHUNK`] of them and perhaps fewer; comparisons then cost a nanosecond a row.
    fn dense(&self, column: Column, first: u64) -> Option<Dense<'_>> {
        let _ = (column, first);
        None
    }
}

/// Rows that are looked at in one go.
pub const CHUNK: usize = 65_536;

/// Numbers of one column, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'a> {
    /// The numbers.
    pub numbers: Numbers<'a>,
    /// The number that stands for a missing one.
    pub missing: Option<u64>,
}

/// Numbers as wide as they need be.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// One byte each.
    U8(&'a [u8]),
    /// Two bytes each.
    U16(&'a [u16]),
    /// Four bytes each.
    U32(&'a [u32]),
    /// Eight bytes each.
    U64(&'a [u64]),
}

impl Numbers<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Numbers::U8(numbers) => numbers.len(),
            Numbers::U16(numbers) => numbers.len(),
            Numbers::U32(numbers) => numbers.len(),
            Numbers::U64(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The values of a message's field, for implementers of [`Columns::values`] who hold frames.
pub fn frame_values(frame: &Frame, path: &FieldPath, take: &mut dyn FnMut(Value<'_>)) {
    let Some(row) = descriptor(frame.header().extension(), frame.message_type) else { return };
    if path.message.is_some_and(|message| message != row.name) {
        return;
    }
    if path.index.is_none()
        && !path.wants_len
        && let Some(simple) = simple_field(row.fields, &frame.payload, path.field)
    {
        simple.into_iter().for_each(|(field, span)| give_simple(field, span, frame, take));
        return;
    }
    let dissection = dissect(row.fields, &frame.payload);
    let Some(mut node) = dissection.node(path.field) else { return };
    if let Some(index) = path.index {
        match node.children.get(index as usize) {
            Some(child) => node = child,
            None => return,
        }
    }
    if path.wants_len {
        take(Value::Int(len_of(node, &frame.payload) as u64));
    } else {
        give(&node.value(&frame.payload), take);
    }
}

/// The field with a name and where it lies, or that there is none, found without a tree of all
/// fields; `None` where only a tree says it.
fn simple_field(
    fields: &'static [WireField],
    payload: &[u8],
    name: &str,
) -> Option<Option<(&'static WireField, Range<usize>)>> {
    let mut at = 0;
    for field in fields {
        let span = at..at + sound_len(field.kind, payload.get(at..)?)?;
        at = span.end;
        if field.name == name {
            let is_tree = matches!(field.kind, Kind::Sequence { .. } | Kind::Option { .. });
            return (!is_tree).then_some(Some((field, span)));
        }
    }
    Some(None)
}

/// Numbers, which most fields are, without a node.
fn give_simple(
    field: &'static WireField,
    span: Range<usize>,
    frame: &Frame,
    take: &mut dyn FnMut(Value<'_>),
) {
    match field.kind {
        Kind::Int { .. } => {
            let bytes = frame.payload[span].iter().rev();
            take(Value::Int(bytes.fold(0, |value, byte| value << 8 | u64::from(*byte))));
        }
        kind => {
            let name = Name::Named(field.name);
            give(&Node { name, kind, span, children: Vec::new() }.value(&frame.payload), take);
        }
    }
}

/// Elements of a sequence, bytes of anything else.
fn len_of(node: &Node, payload: &[u8]) -> usize {
    match node.kind {
        Kind::Sequence { .. } | Kind::Option { .. } => node.children.len(),
        _ => match node.value(payload) {
            WireValue::Bytes(bytes) | WireValue::Text(bytes) => bytes.len(),
            _ => node.span.len(),
        },
    }
}

fn give(value: &WireValue, take: &mut dyn FnMut(Value<'_>)) {
    match value {
        WireValue::Bool(flag) => take(Value::Int(u64::from(*flag))),
        WireValue::Int(number) => take(Value::Int(*number)),
        WireValue::F32(number) => take(Value::Float(f64::from(*number))),
        WireValue::U256(hash) => take(Value::Text(hash.to_string().into())),
        WireValue::Target(target) => take(Value::Text(target.0.to_string().into())),
        WireValue::Bytes(bytes) => take(Value::Bytes((&bytes[..]).into())),
        WireValue::Text(bytes) => take(Value::Text(String::from_utf8_lossy(bytes))),
        WireValue::Sequence(values) => values.iter().for_each(|value| give(value, take)),
    }
}

/// Bytes of a payload, as `raw[0:4]` asks for them.
pub fn raw_value(payload: &[u8], from: u32, to: u32) -> Option<Value<'_>> {
    let to = (to as usize).min(payload.len());
    Some(Value::Bytes(payload.get(from as usize..to)?.into()))
}

/// An address as a value.
impl From<IpAddr> for Value<'_> {
    fn from(address: IpAddr) -> Self {
        Value::Address(address)
    }
}

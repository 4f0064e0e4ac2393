//! The tolerant reader: any bytes to fields, spans and problems. It never fails.
//!
//! An interpreter of the field list, no code per message. Values are computed when they are
//! looked at ([`Node::value`]), so that walking a capture costs spans alone.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::{Field, Kind, Target, U256};

/// What was found in a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dissection {
    /// The fields that could be read, in wire order.
    pub nodes: Vec<Node>,
    /// What is wrong or odd, in wire order. At most one, the last, makes the message
    /// undecodable: nothing behind it can be read.
    pub findings: Vec<Finding>,
    /// Bytes that the fields take; what stands behind them is TLVs or unknown.
    pub fields_len: usize,
}

impl Dissection {
    /// Why the strict reader refuses the payload, if it does.
    pub fn fatal(&self) -> Option<&Finding> {
        self.findings.last().filter(|finding| finding.problem.is_fatal())
    }

    /// The field at a path such as `channel_id` or `merkle_path[3]`.
    pub fn node(&self, path: &str) -> Option<&Node> {
        let (name, indexes) = match path.find('[') {
            Some(at) => path.split_at(at),
            None => (path, ""),
        };
        let mut node = self.nodes.iter().find(|node| match node.name {
            Name::Named(field) => field == name,
            Name::Index(_) => false,
        })?;
        for index in indexes.split_terminator(']') {
            let index: usize = index.strip_prefix('[')?.parse().ok()?;
            node = node.children.get(index)?;
        }
        Some(node)
    }
}

/// A field, or an element of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name or index.
    pub name: Name,
    /// Its shape.
    pub kind: &'static Kind,
    /// Where it lies in the payload, its length prefix included.
    pub span: Range<usize>,
    /// Elements of a sequence or option.
    pub children: Vec<Node>,
}

/// How a node is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// A field of the message.
    Named(&'static str),
    /// An element of a sequence.
    Index(usize),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Named(name) => f.write_str(name),
            Name::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A value without its Rust type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// BOOL.
    Bool(bool),
    /// U8 to U64.
    Int(u64),
    /// F32.
    F32(f32),
    /// A hash or a merkle node.
    U256(U256),
    /// A target.
    Target(Target),
    /// B0_*.
    Bytes(Bytes),
    /// STR0_255; any bytes.
    Text(Bytes),
    /// SEQ0_* and OPTION.
    Sequence(Vec<Value>),
}

impl Node {
    /// The value, read from the payload that was dissected.
    ///
    /// # Panics
    /// If `payload` is shorter than the one that was dissected.
    pub fn value(&self, payload: &[u8]) -> Value {
        let bytes = &payload[self.span.clone()];
        match self.kind {
            Kind::Bool => Value::Bool(bytes[0] & 1 == 1),
            Kind::Int { .. } => Value::Int(little_endian(bytes)),
            Kind::F32 => Value::F32(f32::from_le_bytes(fixed(bytes))),
            Kind::U256 => Value::U256(U256::from_le_bytes(fixed(bytes))),
            Kind::Target => Value::Target(Target(U256::from_le_bytes(fixed(bytes)))),
            Kind::Bytes { prefix, .. } => {
                Value::Bytes(Bytes::copy_from_slice(&bytes[usize::from(*prefix)..]))
            }
            Kind::Text => Value::Text(Bytes::copy_from_slice(&bytes[1..])),
            Kind::Sequence { .. } | Kind::Option { .. } => {
                Value::Sequence(self.children.iter().map(|child| child.value(payload)).collect())
            }
        }
    }
}

/// Something wrong or odd in a payload, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Of the field, such as `merkle_path[3]`; empty behind the last field.
    pub path: String,
    /// Where the field starts, in bytes of the payload.
    pub offset: usize,
    /// What it is.
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{} ", self.path)?;
        }
        write!(f, "at byte {}: {}", self.offset, self.problem)
    }
}

/// What can be wrong or odd with a field (spec 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Fatal: the payload ends within the field.
    Short {
        /// Bytes that the field needs at least.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// Fatal: a length or count above what the type allows.
    TooLong {
        /// As the field says.
        len: usize,
        /// As the type allows.
        max: usize,
    },
    /// A BOOL with bits outside of the lowest one: legal, without meaning.
    UpperBits {
        /// The whole byte.
        byte: u8,
    },
    /// Text that is not UTF-8: legal, unusual.
    NotUtf8,
    /// Bytes behind the last field: TLVs, or nothing that we know.
    Trailing {
        /// How many.
        len: usize,
    },
}

impl Problem {
    /// Whether the message is undecodable.
    pub fn is_fatal(&self) -> bool {
        match self {
            Problem::Short { .. } | Problem::TooLong { .. } => true,
            Problem::UpperBits { .. } | Problem::NotUtf8 | Problem::Trailing { .. } => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Short { needed, left } => {
                write!(f, "needs {needed} bytes, {left} are left")
            }
            Problem::TooLong { len, max } => write!(f, "says {len}, the type allows {max}"),
            Problem::UpperBits { byte } => write!(f, "BOOL is {byte:#04x}, upper bits are set"),
            Problem::NotUtf8 => f.write_str("text is not UTF-8"),
            Problem::Trailing { len } => write!(f, "{len} bytes follow the last field"),
        }
    }
}

/// Reads `payload` as far as it goes.
pub fn dissect(fields: &[Field], payload: &[u8]) -> Dissection {
    let mut walk = Walk { payload, at: 0, findings: Vec::new(), path: Vec::new() };
    let mut nodes = Vec::with_capacity(fields.len());
    let mut complete = true;
    for field in fields {
        match walk.node(Name::Named(field.name), field.kind) {
            Some(node) => nodes.push(node),
            None => {
                complete = false;
                break;
            }
        }
    }
    let left = payload.len() - walk.at;
    if complete && left > 0 {
        walk.find(walk.at, Problem::Trailing { len: left });
    }
    Dissection { nodes, findings: walk.findings, fields_len: walk.at }
}

/// How long the value is that `bytes` begin with, if there is nothing to say about it: for readers
/// of many messages, who need no tree of most of them.
pub fn sound_len(kind: &Kind, bytes: &[u8]) -> Option<usize> {
    let prefixed = |prefix: u8| {
        let prefix = usize::from(prefix);
        let len = usize::try_from(little_endian(bytes.get(..prefix)?)).ok()?;
        Some((prefix, len))
    };
    let len = match kind {
        Kind::Bool => return bytes.first().filter(|byte| **byte <= 1).map(|_| 1),
        Kind::Int { bytes } => usize::from(*bytes),
        Kind::F32 => 4,
        Kind::U256 | Kind::Target => 32,
        Kind::Bytes { prefix, max } => {
            let (prefix, len) = prefixed(*prefix).filter(|(_, len)| *len <= *max as usize)?;
            prefix + len
        }
        Kind::Text => {
            let (prefix, len) = prefixed(1)?;
            std::str::from_utf8(bytes.get(prefix..prefix + len)?).ok()?;
            prefix + len
        }
        Kind::Sequence { prefix, item } => {
            let (at, count) = prefixed(*prefix)?;
            return sound_elements_len(item, count, at, bytes);
        }
        Kind::Option { item } => {
            let (at, count) = prefixed(1).filter(|(_, count)| *count <= 1)?;
            return sound_elements_len(item, count, at, bytes);
        }
    };
    (len <= bytes.len()).then_some(len)
}

fn sound_elements_len(item: &Kind, count: usize, first_at: usize, bytes: &[u8]) -> Option<usize> {
    (0..count).try_fold(first_at, |at, _| Some(at + sound_len(item, bytes.get(at..)?)?))
}

struct Walk<'a> {
    payload: &'a [u8],
    at: usize,
    findings: Vec<Finding>,
    /// Of the field that is being read; text only where something is found.
    path: Vec<Name>,
}

impl Walk<'_> {
    fn find(&mut self, offset: usize, problem: Problem) {
        let path = self.path.iter().map(Name::to_string).collect();
        self.findings.push(Finding { path, offset, problem });
    }

    /// Steps over `len` bytes, or notes why not.
    fn step(&mut self, start: usize, len: usize) -> Option<()> {
        let left = self.payload.len() - self.at;
        if len > left {
            self.find(start, Problem::Short { needed: len, left });
            return None;
        }
        self.at += len;
        Some(())
    }

    fn length(&mut self, start: usize, prefix: u8, max: usize) -> Option<usize> {
        self.step(start, usize::from(prefix))?;
        let len =
            usize::try_from(little_endian(&self.payload[start..self.at])).unwrap_or(usize::MAX);
        if len > max {
            self.find(start, Problem::TooLong { len, max });
            return None;
        }
        Some(len)
    }

    fn node(&mut self, name: Name, kind: &'static Kind) -> Option<Node> {
        self.path.push(name);
        let node = self.read(name, kind);
        self.path.pop();
        node
    }

    fn read(&mut self, name: Name, kind: &'static Kind) -> Option<Node> {
        let start = self.at;
        let mut children = Vec::new();
        match kind {
            Kind::Bool => {
                self.step(start, 1)?;
                let byte = self.payload[start];
                if byte > 1 {
                    self.find(start, Problem::UpperBits { byte });
                }
            }
            Kind::Int { bytes } => self.step(start, usize::from(*bytes))?,
            Kind::F32 => self.step(start, 4)?,
            Kind::U256 | Kind::Target => self.step(start, 32)?,
            Kind::Bytes { prefix, max } => {
                let len = self.length(start, *prefix, *max as usize)?;
                self.step(start, len)?;
            }
            Kind::Text => {
                let len = self.length(start, 1, 255)?;
                self.step(start, len)?;
                if std::str::from_utf8(&self.payload[start + 1..self.at]).is_err() {
                    self.find(start, Problem::NotUtf8);
                }
            }
            Kind::Sequence { prefix, item } => {
                let count = self.length(start, *prefix, usize::MAX)?;
                children = self.elements(item, count)?;
            }
            Kind::Option { item } => {
                let count = self.length(start, 1, 1)?;
                children = self.elements(item, count)?;
            }
        }
        Some(Node { name, kind, span: start..self.at, children })
    }

    fn elements(&mut self, item: &'static Kind, count: usize) -> Option<Vec<Node>> {
        // No capacity from `count`: it is what the peer says, not what it has sent.
        (0..count).map(|index| self.node(Name::Index(index), item)).collect()
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    // A node's span has the width of its kind.
    bytes.try_into().expect("the span of a fixed-size field has its size")
}

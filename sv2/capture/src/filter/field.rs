//! What a filter can ask about: columns of the list, and every field of every message.

use std::fmt;

use sv2::message::DESCRIPTORS;

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A number.
    Number,
    /// Nanoseconds; written `250ms`.
    Duration,
    /// Nanoseconds since the Unix epoch; written `12:04:10`, or as a whole.
    Time,
    /// Text.
    Text,
    /// Name of a message; written in any case, with `*` for anything.
    Message,
    /// An IP address; written with `/` and a prefix length for a network.
    Address,
    /// Bytes; written as hex digits.
    Bytes,
    /// C, N, W or E.
    Severity,
    /// Whatever the message has there.
    Any,
}

/// A column of the list of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the table below says what each is")]
pub enum Column {
    N,
    T,
    Dt,
    Conn,
    Src,
    Dst,
    Dir,
    Proto,
    Msg,
    Type,
    Ext,
    Len,
    Ch,
    Group,
    Kind,
    User,
    Job,
    Tmpl,
    Token,
    Req,
    Seq,
    Err,
    Flags,
    Target,
    Diff,
    ShareDiff,
    Hash,
    Prev,
    Ntime,
    Version,
    Xn,
    Sev,
    Rule,
    Code,
    Mac,
    Pair,
    Latency,
    State,
    Verdict,
    Mark,
    Comment,
    Info,
}

/// Columns by name, with what their values are and what they say.
pub const COLUMNS: &[(&str, Column, ValueKind, &str)] = &[
    ("n", Column::N, ValueKind::Number, "number of the observation"),
    ("t", Column::T, ValueKind::Time, "when it was captured"),
    ("dt", Column::Dt, ValueKind::Duration, "time since the last one on its connection"),
    ("conn", Column::Conn, ValueKind::Number, "connection"),
    ("src", Column::Src, ValueKind::Address, "address of the sender"),
    ("dst", Column::Dst, ValueKind::Address, "address of the receiver"),
    ("dir", Column::Dir, ValueKind::Text, "up from the client, down from the server"),
    ("proto", Column::Proto, ValueKind::Text, "mining, jobdecl, tmpl or sv1"),
    ("msg", Column::Msg, ValueKind::Message, "name of the message"),
    ("type", Column::Type, ValueKind::Number, "number of the message"),
    ("ext", Column::Ext, ValueKind::Number, "extension, without the channel bit"),
    ("len", Column::Len, ValueKind::Number, "length of the payload in bytes"),
    ("ch", Column::Ch, ValueKind::Number, "channel or group"),
    ("group", Column::Group, ValueKind::Number, "group of the channel"),
    ("kind", Column::Kind, ValueKind::Text, "std or ext"),
    ("user", Column::User, ValueKind::Text, "user identity"),
    ("job", Column::Job, ValueKind::Number, "job"),
    ("tmpl", Column::Tmpl, ValueKind::Number, "template"),
    ("token", Column::Token, ValueKind::Bytes, "token of a job"),
    ("req", Column::Req, ValueKind::Number, "request id"),
    ("seq", Column::Seq, ValueKind::Number, "sequence number"),
    ("err", Column::Err, ValueKind::Text, "error code"),
    ("flags", Column::Flags, ValueKind::Number, "flags of the set-up"),
    ("target", Column::Target, ValueKind::Text, "target, as 64 hex digits"),
    ("diff", Column::Diff, ValueKind::Number, "difficulty of the target"),
    ("sharediff", Column::ShareDiff, ValueKind::Number, "difficulty of the share's hash"),
    ("hash", Column::Hash, ValueKind::Text, "hash of the share, as 64 hex digits"),
    ("prev", Column::Prev, ValueKind::Text, "hash of the block to build on"),
    ("ntime", Column::Ntime, ValueKind::Number, "header time"),
    ("version", Column::Version, ValueKind::Number, "version of the header"),
    ("xn", Column::Xn, ValueKind::Bytes, "extranonce, or its prefix"),
    ("sev", Column::Sev, ValueKind::Severity, "severity of a finding"),
    ("rule", Column::Rule, ValueKind::Number, "rule of a finding"),
    ("code", Column::Code, ValueKind::Text, "code of a finding, such as W19"),
    ("mac", Column::Mac, ValueKind::Text, "ok, unverified, bad or plain"),
    ("pair", Column::Pair, ValueKind::Number, "the request, or the answer"),
    ("latency", Column::Latency, ValueKind::Duration, "from the request to the answer"),
    ("state", Column::State, ValueKind::Text, "future, active or retired"),
    ("verdict", Column::Verdict, ValueKind::Text, "of a share, recomputed"),
    ("mark", Column::Mark, ValueKind::Text, "letter of a mark"),
    ("comment", Column::Comment, ValueKind::Text, "comment"),
    ("info", Column::Info, ValueKind::Text, "the last column of the list"),
];

/// A field of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    /// Of one message, by its name; `None`: of any that has it.
    pub message: Option<&'static str>,
    /// As in the specification, in snake case.
    pub field: &'static str,
    /// An element of a sequence.
    pub index: Option<u32>,
    /// Its length instead of its value.
    pub wants_len: bool,
}

/// What a comparison reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A column.
    Column(Column),
    /// A field of the message.
    Path(FieldPath),
    /// Bytes of the payload, from the first to before the second.
    Raw(u32, u32),
}

impl Column {
    /// As written.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What its values are.
    pub fn kind(self) -> ValueKind {
        self.row().2
    }

    fn row(self) -> &'static (&'static str, Column, ValueKind, &'static str) {
        let row = COLUMNS.iter().find(|(_, column, ..)| *column == self);
        row.expect("every column stands in the table: a test")
    }
}

impl Field {
    /// Reads `ch`, `SetTarget.maximum_target`, `merkle_path[0]`, `wtxid_list.len`, `raw[0:4]`.
    pub fn parse(text: &str) -> Option<Field> {
        if let Some((_, column, ..)) =
            COLUMNS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(text))
        {
            return Some(Field::Column(*column));
        }
        if let Some(range) = text.strip_prefix("raw") {
            return raw(range);
        }
        let longest = DESCRIPTORS
            .iter()
            .filter(|row| {
                let head = text.get(..row.name.len());
                head.is_some_and(|head| head.eq_ignore_ascii_case(row.name))
                    && text[row.name.len()..].starts_with('.')
            })
            .max_by_key(|row| row.name.len());
        match longest {
            Some(row) => path(Some(row.name), &text[row.name.len() + 1..]),
            None => path(None, text),
        }
        .map(Field::Path)
    }

    /// What its values are.
    pub fn kind(&self) -> ValueKind {
        match self {
            Field::Column(column) => column.kind(),
            Field::Path(path) if path.wants_len => ValueKind::Number,
            Field::Path(_) => ValueKind::Any,
            Field::Raw(..) => ValueKind::Bytes,
        }
    }
}

fn raw(range: &str) -> Option<Field> {
    if range.is_empty() {
        return Some(Field::Raw(0, u32::MAX));
    }
    let (from, to) = range.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    let number = |text: &str, default| {
        if text.is_empty() { Some(default) } else { text.parse::<u32>().ok() }
    };
    let (from, to) = (number(from, 0)?, number(to, u32::MAX)?);
    (from <= to).then_some(Field::Raw(from, to))
}

fn path(message: Option<&'static str>, text: &str) -> Option<FieldPath> {
    let (text, wants_len) = match text.strip_suffix(".len") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (name, index) = match text.split_once('[') {
        Some((name, index)) => (name, Some(index.strip_suffix(']')?.parse().ok()?)),
        None => (text, None),
    };
    let rows = DESCRIPTORS.iter().filter(|row| message.is_none_or(|message| message == row.name));
    let mut fields = rows.flat_map(|row| row.fields);
    let field = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
    Some(FieldPath { message, field: field.name, index, wants_len })
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Column(column) => f.write_str(column.name()),
            Field::Path(path) => {
                path.message.map_or(Ok(()), |message| write!(f, "{message}."))?;
                f.write_str(path.field)?;
                path.index.map_or(Ok(()), |index| write!(f, "[{index}]"))?;
                if path.wants_len { f.write_str(".len") } else { Ok(()) }
            }
            Field::Raw(0, u32::MAX) => f.write_str("raw"),
            Field::Raw(from, u32::MAX) => write!(f, "raw[{from}:]"),
            Field::Raw(from, to) => write!(f, "raw[{from}:{to}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_found_by_its_name() {
        for (name, column, kind, _) in COLUMNS {
            assert_eq!(Field::parse(name), Some(Field::Column(*column)));
            assert_eq!((column.name(), column.kind()), (*name, *kind));
        }
    }

    #[test]
    fn fields_of_messages_are_read_and_written_alike() {
        for text in [
            "SetTarget.maximum_target",
            "SubmitShares.Success.new_shares_sum",
            "SetNewPrevHash.prev_hash",
            "DeclareMiningJob.wtxid_list.len",
            "merkle_path[3]",
            "nonce",
            "raw",
            "raw[4:]",
            "raw[0:4]",
        ] {
            let field = Field::parse(text);
            assert_eq!(field.map(|field| field.to_string()), Some(text.to_owned()));
        }
        for wrong in ["SetTarget.nonce", "nonsense", "merkle_path[x]", "raw[4:1]", ""] {
            assert_eq!(Field::parse(wrong), None, "{wrong}");
        }
    }
}

//! What filters read from a session.

use std::cell::OnceCell;
use std::rc::Rc;

use sv2::message::descriptor;
use sv2::wire::Frame;
use sv2_capture::Direction;
use sv2_capture::filter::columns::{frame_values, raw_value};
use sv2_capture::filter::{Column, Columns, Dense, Field, FieldPath, Predicate, Value};
use sv2_capture::index::{self, Chunk, Loose, Outcome, Row};
use sv2_capture::observed::Integrity;
use sv2_capture::state::Derived;
use sv2_capture::state::channel::ChannelKind;

use super::describe;
use super::entry::{Entry, Kind};
use super::rows::{Part, Rows};
use super::session::Session;

/// The rows of a session, some of which are at hand as columns.
pub(super) struct PartOf<'a> {
    session: &'a Session,
    rows: &'a Rows,
    part: Part,
    /// All of it, where more than columns was asked for.
    chunk: OnceCell<Option<Rc<Chunk>>>,
    columns: [OnceCell<Option<Loose>>; DENSE.len()],
}

impl<'a> PartOf<'a> {
    pub(super) fn new(session: &'a Session, rows: &'a Rows, part: Part) -> Self {
        let (chunk, columns) = (OnceCell::new(), Default::default());
        PartOf { session, rows, part, chunk, columns }
    }

    fn row(&self, row: u64) -> Option<Row> {
        let index = usize::try_from(row).ok()?;
        match index.checked_sub(self.part.first).filter(|at| *at < self.part.len) {
            Some(at) => Some(self.chunk()?.row(at)),
            None => self.session.row(index),
        }
    }

    fn chunk(&self) -> Option<&Chunk> {
        self.chunk.get_or_init(|| self.rows.chunk(&self.part)).as_deref()
    }

    fn entry(&self, row: u64) -> Option<Rc<Entry>> {
        self.session.entry(usize::try_from(row).ok()?)
    }
}

impl Columns for PartOf<'_> {
    fn len(&self) -> u64 {
        self.session.len() as u64
    }

    fn values(&self, row: u64, field: &Field, take: &mut dyn FnMut(Value<'_>)) {
        if let Field::Column(column) = field
            && let Some(known) = self.row(row)
            && row_values(row, &known, *column, take)
        {
            return;
        }
        let Some(entry) = self.entry(row) else { return };
        match field {
            Field::Column(column) => column_values(self.session, &entry, *column, take),
            Field::Path(path) => {
                if let Some(frame) = frame(&entry) {
                    frame_values(frame, path, take);
                }
            }
            Field::Raw(from, to) => {
                let value = frame(&entry).and_then(|frame| raw_value(&frame.payload, *from, *to));
                value.into_iter().for_each(take);
            }
        }
    }

    fn is(&self, row: u64, predicate: Predicate) -> bool {
        let Some(known) = self.row(row) else { return false };
        let is_frame = matches!(known.kind, index::Kind::Frame { .. });
        match predicate {
            Predicate::Accepted => return known.outcome == Some(Outcome::Accepted),
            Predicate::Rejected => return known.outcome == Some(Outcome::Rejected),
            Predicate::Unanswered => return known.is_request && known.pair.is_none(),
            Predicate::Pairless => return is_frame && known.pair.is_none(),
            Predicate::Orphan if !known.has_findings => return false,
            _ => {}
        }
        let Some(entry) = self.entry(row) else { return false };
        let is_state = |state| word(&entry, "job_state") == Some(state);
        let is_verdict = |verdict| word(&entry, "verdict") == Some(verdict);
        match predicate {
            Predicate::Stale => is_verdict("stale"),
            Predicate::Future => is_state("future"),
            Predicate::Active => is_state("active"),
            Predicate::Retired => is_state("retired"),
            Predicate::Orphan => {
                entry.findings.iter().any(|finding| finding.rule.number == RULE_NO_CHANNEL)
            }
            Predicate::Duplicate => is_verdict("duplicate"),
            Predicate::Accepted
            | Predicate::Rejected
            | Predicate::Unanswered
            | Predicate::Pairless => false,
        }
    }

    fn row_of(&self, number: u64) -> Option<u64> {
        self.session.index_of(number).map(|index| index as u64)
    }

    fn dense(&self, column: Column, first: u64) -> Option<Dense<'_>> {
        let at = usize::try_from(first).ok()?.checked_sub(self.part.first)?;
        let slot = DENSE.iter().position(|known| *known == column)?;
        let alone = self.columns[slot].get_or_init(|| {
            let alone = self.rows.column(&self.part, column)?;
            match column {
                Column::Len => Some(alone.of_frames(&self.rows.column(&self.part, Column::Type)?)),
                _ => Some(alone),
            }
        });
        match alone {
            Some(alone) => alone.dense(at),
            None => self.chunk()?.dense(column, at),
        }
    }
}

impl Session {
    /// What a message has in a field.
    pub(super) fn values(&self, index: usize, field: &Field, take: &mut dyn FnMut(Value<'_>)) {
        if let Some(part) = self.part_of(index) {
            part.values(index as u64, field, take);
        }
    }
}

/// Columns that chunks may have as numbers.
const DENSE: [Column; 10] = [
    Column::T,
    Column::Dt,
    Column::Conn,
    Column::Type,
    Column::Ext,
    Column::Len,
    Column::Ch,
    Column::Job,
    Column::Pair,
    Column::Latency,
];

/// Values that rows have; false of a column that needs more.
fn row_values(index: u64, row: &Row, column: Column, take: &mut dyn FnMut(Value<'_>)) -> bool {
    let frame = match row.kind {
        index::Kind::Frame { extension_type, message_type, payload_len } => {
            Some((extension_type & 0x7fff, message_type, payload_len))
        }
        _ => None,
    };
    let value = match column {
        Column::N => Some(index + 1),
        Column::T => Some(row.at),
        Column::Dt => row.since_last,
        Column::Conn => Some(row.connection.into()),
        Column::Type => frame.map(|(_, message_type, _)| message_type.into()),
        Column::Ext => frame.map(|(extension, ..)| extension.into()),
        Column::Len => frame.map(|(.., len)| len.into()),
        Column::Ch => row.channel.map(u64::from),
        Column::Job => row.job.map(u64::from),
        Column::Pair => row.pair,
        Column::Latency => row.latency,
        Column::Sev | Column::Rule | Column::Code if !row.has_findings => None,
        Column::Msg => {
            let known = frame.and_then(|(extension, number, _)| descriptor(extension, number));
            let Some(known) = known else { return false };
            take(Value::Text(known.name.into()));
            return true;
        }
        _ => return false,
    };
    value.map(Value::Int).into_iter().for_each(take);
    true
}

fn column_values(
    session: &Session,
    entry: &Entry,
    column: Column,
    take: &mut dyn FnMut(Value<'_>),
) {
    let connection = session.connection(entry.connection);
    let channel = || session.channel(entry.connection, entry.channel?);
    let mut int = |number: Option<u64>| number.map(Value::Int).into_iter().for_each(&mut *take);
    match column {
        Column::N => int(Some(entry.number)),
        Column::T => int(Some(entry.at)),
        Column::Dt => int(entry.since_last),
        Column::Conn => int(Some(entry.connection.into())),
        Column::Type => int(frame(entry).map(|frame| frame.message_type.into())),
        Column::Ext => int(frame(entry).map(|frame| frame.header().extension().into())),
        Column::Len => int(frame(entry).map(|frame| frame.payload.len() as u64)),
        Column::Ch => int(entry.channel.map(u64::from)),
        Column::Group => int(channel().map(|channel| channel.group.into())),
        Column::Job => int(entry.job.map(u64::from)),
        Column::Pair => int(entry.pair),
        Column::Latency => int(entry.latency),
        Column::Rule => {
            let rules = session.findings_of(entry).map(|finding| finding.rule.number.into());
            rules.for_each(|rule| int(Some(rule)));
        }
        Column::Sev => {
            let severities = session.findings_of(entry).map(|finding| finding.severity);
            severities.map(Value::Severity).for_each(take);
        }
        Column::Code => {
            let codes = session.findings_of(entry).map(|finding| finding.code());
            codes.map(|code| Value::Text(code.into())).for_each(take);
        }
        Column::Src | Column::Dst => {
            let Some(connection) = connection else { return };
            let is_up = entry.direction != Some(Direction::ServerToClient);
            let is_client = is_up == (column == Column::Src);
            let address = if is_client { connection.client } else { connection.server };
            take(Value::Address(address.ip()));
        }
        Column::Diff => number(entry, "target_diff").into_iter().for_each(take),
        Column::ShareDiff => number(entry, "diff").into_iter().for_each(take),
        Column::Tmpl => path(entry, &["template_id"], take),
        Column::Req => path(entry, &["request_id"], take),
        Column::Seq => path(entry, &["sequence_number", "last_sequence_number"], take),
        Column::Err => path(entry, &["error_code", "reason_code"], take),
        Column::Flags => path(entry, &["flags"], take),
        Column::Target => path(entry, &["target", "maximum_target", "max_target"], take),
        Column::Prev => path(entry, &["prev_hash"], take),
        Column::Ntime => path(entry, &["ntime", "min_ntime", "header_timestamp"], take),
        Column::Version => path(entry, &["version"], take),
        Column::Xn => path(entry, &["extranonce", "extranonce_prefix"], take),
        Column::Token => path(entry, &["mining_job_token", "new_mining_job_token"], take),
        Column::Mark => {
            for letter in session.remarks.marks_of(entry.number) {
                take(Value::Text(String::from(letter).into()));
            }
        }
        Column::Dir
        | Column::Proto
        | Column::Msg
        | Column::Kind
        | Column::User
        | Column::Hash
        | Column::Mac
        | Column::State
        | Column::Verdict
        | Column::Comment
        | Column::Info => text(session, entry, column).into_iter().for_each(take),
    }
}

fn text<'a>(session: &'a Session, entry: &'a Entry, column: Column) -> Option<Value<'a>> {
    let channel = || session.channel(entry.connection, entry.channel?);
    let borrowed = match column {
        Column::Dir => match entry.direction? {
            Direction::ClientToServer => "up",
            Direction::ServerToClient => "down",
        },
        Column::Proto => {
            let row = session.connection(entry.connection)?;
            describe::protocol(row.protocol, row.is_sv1)
        }
        Column::Msg => return Some(Value::Text(describe::name(entry).into())),
        Column::Kind => match channel()?.kind {
            ChannelKind::Standard => "std",
            ChannelKind::Extended => "ext",
        },
        Column::User => return Some(Value::Text(channel()?.user_identity.as_str().into())),
        Column::Hash => match derived(entry, "hash")? {
            Derived::Hash(hash) => return Some(Value::Text(hash.to_string().into())),
            _ => return None,
        },
        Column::Mac => match entry.integrity? {
            Integrity::Verified => "ok",
            Integrity::Unverified => "unverified",
            Integrity::Bad => "bad",
            Integrity::Plain => "plain",
        },
        Column::State => word(entry, "job_state")?,
        Column::Verdict => word(entry, "verdict")?,
        Column::Info => &entry.info,
        Column::Comment => session.remarks.comment_of(entry.number)?,
        _ => return None,
    };
    Some(Value::Text(borrowed.into()))
}

fn frame(entry: &Entry) -> Option<&Frame> {
    match &entry.what {
        Kind::Frame { frame, .. } => Some(frame),
        _ => None,
    }
}

/// The first of these fields that the message has.
fn path(entry: &Entry, fields: &[&'static str], take: &mut dyn FnMut(Value<'_>)) {
    let Some(frame) = frame(entry) else { return };
    for field in fields {
        let path = FieldPath { message: None, field, index: None, wants_len: false };
        let mut is_there = false;
        frame_values(frame, &path, &mut |value| {
            is_there = true;
            take(value);
        });
        if is_there {
            return;
        }
    }
}

fn derived<'a>(entry: &'a Entry, name: &str) -> Option<&'a Derived> {
    entry.derived.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn word(entry: &Entry, name: &str) -> Option<&'static str> {
    match derived(entry, name)? {
        Derived::Word(word) => Some(word),
        _ => None,
    }
}

fn number(entry: &Entry, name: &str) -> Option<Value<'static>> {
    match derived(entry, name)? {
        Derived::Number(number) => Some(Value::Float(*number)),
        _ => None,
    }
}

/// "Message for an unknown or closed channel".
const RULE_NO_CHANNEL: u8 = 10;

//! What filters read from a session.

use sv2::wire::Frame;
use sv2_capture::Direction;
use sv2_capture::filter::columns::{frame_values, raw_value};
use sv2_capture::filter::{Column, Columns, Field, FieldPath, Predicate, Value};
use sv2_capture::observed::Integrity;
use sv2_capture::state::Derived;
use sv2_capture::state::channel::ChannelKind;

use super::describe;
use super::session::{Entry, Kind, Outcome, Session};

impl Columns for Session {
    fn len(&self) -> u64 {
        self.entries().len() as u64
    }

    fn values(&self, row: u64, field: &Field, take: &mut dyn FnMut(Value<'_>)) {
        let Some(entry) = self.entry_at(row) else { return };
        match field {
            Field::Column(column) => column_values(self, entry, *column, take),
            Field::Path(path) => {
                if let Some(frame) = frame(entry) {
                    frame_values(frame, path, take);
                }
            }
            Field::Raw(from, to) => {
                let value = frame(entry).and_then(|frame| raw_value(&frame.payload, *from, *to));
                value.into_iter().for_each(take);
            }
        }
    }

    fn is(&self, row: u64, predicate: Predicate) -> bool {
        let Some(entry) = self.entry_at(row) else { return false };
        let is_state = |state| word(entry, "job_state") == Some(state);
        let is_verdict = |verdict| word(entry, "verdict") == Some(verdict);
        match predicate {
            Predicate::Accepted => entry.outcome == Some(Outcome::Accepted),
            Predicate::Rejected => entry.outcome == Some(Outcome::Rejected),
            Predicate::Stale => is_verdict("stale"),
            Predicate::Unanswered => entry.is_request && entry.pair.is_none(),
            Predicate::Pairless => frame(entry).is_some() && entry.pair.is_none(),
            Predicate::Future => is_state("future"),
            Predicate::Active => is_state("active"),
            Predicate::Retired => is_state("retired"),
            Predicate::Orphan => {
                self.findings_of(entry).any(|finding| finding.rule.number == RULE_NO_CHANNEL)
            }
            Predicate::Duplicate => is_verdict("duplicate"),
        }
    }

    fn row_of(&self, number: u64) -> Option<u64> {
        self.index_of(number).map(|index| index as u64)
    }
}

impl Session {
    fn entry_at(&self, row: u64) -> Option<&Entry> {
        self.entries().get(usize::try_from(row).ok()?)
    }
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
            Derived::Text(hash) => hash,
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

//! One observation with what the inspector says of it, for filters that are asked while a capture
//! is read. What comes later is not known yet: no share is accepted or rejected, no request
//! unanswered, and only answers have a pair.

use sv2::common::Protocol;
use sv2::wire::Frame;

use super::columns::{frame_values, raw_value};
use super::{Column, Columns, Field, FieldPath, Predicate, Value};
use crate::Direction;
use crate::observed::{Integrity, Observed, What};
use crate::rules::{Finding, Report};
use crate::state::Standing;
use crate::state::channel::ChannelKind;
use crate::state::job::JobState;

/// One observation, as row 0.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// As read.
    pub observed: &'a Observed<'a>,
    /// What came of it.
    pub report: &'a Report,
    /// Where it belongs, as it stands behind the observation.
    pub standing: Option<&'a Standing>,
    /// When its connection said something before, in nanoseconds since the Unix epoch.
    pub previous_at: Option<u64>,
    /// The last column of the list.
    pub info: &'a str,
}

impl Entry<'_> {
    fn frame(&self) -> Option<(&Frame, Direction, Integrity)> {
        match self.observed.what {
            What::Frame { frame, direction, integrity } => Some((frame, direction, integrity)),
            _ => None,
        }
    }

    /// The first of the fields that the message has.
    fn message_field(&self, names: &[&'static str], take: &mut dyn FnMut(Value<'_>)) {
        let Some((frame, ..)) = self.frame() else { return };
        let mut is_found = false;
        for field in names {
            let path = FieldPath { message: None, field, index: None, wants_len: false };
            frame_values(frame, &path, &mut |value| {
                is_found = true;
                take(value);
            });
            if is_found {
                return;
            }
        }
    }

    fn of_connection(&self, column: Column, take: &mut dyn FnMut(Value<'_>)) {
        let Some(standing) = self.standing else { return };
        let channel = standing.channel.as_ref();
        let is_up = self.observed.what.direction() == Some(Direction::ClientToServer);
        let (from, to) = if is_up {
            (standing.client, standing.server)
        } else {
            (standing.server, standing.client)
        };
        match column {
            Column::Src if self.observed.what.direction().is_some() => {
                take(Value::Address(from.ip()))
            }
            Column::Dst if self.observed.what.direction().is_some() => {
                take(Value::Address(to.ip()))
            }
            Column::Proto => {
                let name = match standing.protocol {
                    _ if standing.is_sv1 => "sv1",
                    Some(Protocol::Mining) => "mining",
                    Some(Protocol::JobDeclaration) => "jobdecl",
                    Some(Protocol::TemplateDistribution) => "tmpl",
                    None => return,
                };
                take(Value::Text(name.into()));
            }
            Column::Group => channel.into_iter().for_each(|it| take(Value::Int(it.group.into()))),
            Column::Kind => {
                let name = match channel.map(|channel| channel.kind) {
                    Some(ChannelKind::Standard) => "std",
                    Some(ChannelKind::Extended) => "ext",
                    None => return,
                };
                take(Value::Text(name.into()));
            }
            Column::User => {
                channel.into_iter().for_each(|it| take(Value::Text((&*it.user_identity).into())));
            }
            _ => {}
        }
    }

    fn of_frame(&self, column: Column, take: &mut dyn FnMut(Value<'_>)) {
        let Some((frame, _, integrity)) = self.frame() else { return };
        let row = sv2::message::descriptor(frame.header().extension(), frame.message_type);
        match column {
            Column::Msg => row.into_iter().for_each(|row| take(Value::Text(row.name.into()))),
            Column::Type => take(Value::Int(frame.message_type.into())),
            Column::Ext => take(Value::Int(frame.header().extension().into())),
            Column::Len => take(Value::Int(frame.payload.len() as u64)),
            Column::Mac => {
                let name = match integrity {
                    Integrity::Verified => "ok",
                    Integrity::Unverified => "unverified",
                    Integrity::Bad => "bad",
                    Integrity::Plain => "plain",
                };
                take(Value::Text(name.into()));
            }
            _ => {}
        }
    }

    fn of_facts(&self, column: Column, take: &mut dyn FnMut(Value<'_>)) {
        let facts = &self.report.facts;
        let proof = facts.share.as_ref().and_then(|share| share.proof.as_ref());
        let value = match column {
            Column::Ch => facts.channel.map(|id| Value::Int(id.into())),
            Column::Target => facts.target().map(|target| Value::Text(target.0.to_string().into())),
            Column::Diff => {
                let target = facts.target().or(proof.map(|proof| proof.target));
                target.map(|target| Value::Float(target.difficulty()))
            }
            Column::ShareDiff => proof.map(|proof| Value::Float(proof.difficulty)),
            Column::Hash => proof.map(|proof| Value::Text(proof.hash.to_string().into())),
            Column::Pair => facts.pair().map(Value::Int),
            Column::Latency => facts.latency(self.observed.at).map(Value::Int),
            Column::State => facts.job.map(|job| Value::Text(job.state.name().into())),
            Column::Verdict => facts.verdict().map(|verdict| Value::Text(verdict.into())),
            _ => None,
        };
        value.into_iter().for_each(take);
    }
}

impl Columns for Entry<'_> {
    fn len(&self) -> u64 {
        1
    }

    fn values(&self, _: u64, field: &Field, take: &mut dyn FnMut(Value<'_>)) {
        let column = match field {
            Field::Column(column) => *column,
            Field::Path(path) => {
                self.frame().into_iter().for_each(|(frame, ..)| frame_values(frame, path, take));
                return;
            }
            Field::Raw(from, to) => {
                let frame = self.frame();
                let value = frame.and_then(|(frame, ..)| raw_value(&frame.payload, *from, *to));
                value.into_iter().for_each(take);
                return;
            }
        };
        let findings = &self.report.findings;
        match column {
            Column::N => take(Value::Int(self.observed.number)),
            Column::T => take(Value::Int(self.observed.at)),
            Column::Dt => {
                let since = self.previous_at.map(|before| self.observed.at.saturating_sub(before));
                since.into_iter().for_each(|since| take(Value::Int(since)));
            }
            Column::Conn => take(Value::Int(self.observed.connection.into())),
            Column::Dir => {
                let name = match self.observed.what.direction() {
                    Some(Direction::ClientToServer) => "up",
                    Some(Direction::ServerToClient) => "down",
                    None => return,
                };
                take(Value::Text(name.into()));
            }
            Column::Info => take(Value::Text(self.info.into())),
            Column::Sev => findings.iter().for_each(|it| take(Value::Severity(it.severity))),
            Column::Rule => findings.iter().for_each(|it| take(Value::Int(it.rule.number.into()))),
            Column::Code => {
                findings.iter().map(Finding::code).for_each(|code| take(Value::Text(code.into())));
            }
            Column::Job => self.message_field(&["job_id"], take),
            Column::Tmpl => self.message_field(&["template_id"], take),
            Column::Token => {
                self.message_field(&["mining_job_token", "new_mining_job_token"], take);
            }
            Column::Req => self.message_field(&["request_id"], take),
            Column::Seq => self.message_field(&["sequence_number", "last_sequence_number"], take),
            Column::Err => self.message_field(&["error_code", "reason_code"], take),
            Column::Flags => self.message_field(&["flags"], take),
            Column::Prev => self.message_field(&["prev_hash"], take),
            Column::Ntime => self.message_field(&["ntime", "min_ntime", "header_timestamp"], take),
            Column::Version => self.message_field(&["version"], take),
            Column::Xn => self.message_field(&["extranonce", "extranonce_prefix"], take),
            Column::User => {
                let mut is_found = false;
                self.message_field(&["user_identity", "user_identifier"], &mut |value| {
                    is_found = true;
                    take(value);
                });
                if !is_found {
                    self.of_connection(column, take);
                }
            }
            Column::Src | Column::Dst | Column::Proto | Column::Group | Column::Kind => {
                self.of_connection(column, take);
            }
            Column::Msg | Column::Type | Column::Ext | Column::Len | Column::Mac => {
                self.of_frame(column, take);
            }
            Column::Mark | Column::Comment => {}
            _ => self.of_facts(column, take),
        }
    }

    fn is(&self, _: u64, predicate: Predicate) -> bool {
        let facts = &self.report.facts;
        let state = facts.job.map(|job| job.state);
        match predicate {
            Predicate::Future => state == Some(JobState::Future),
            Predicate::Active => state == Some(JobState::Active),
            Predicate::Retired => matches!(state, Some(JobState::Retired { .. })),
            Predicate::Stale => facts.verdict() == Some("stale"),
            Predicate::Duplicate => {
                facts.share.as_ref().is_some_and(|share| share.repeats.is_some())
            }
            Predicate::Orphan => self.standing.is_some_and(|standing| standing.is_orphan),
            Predicate::Accepted
            | Predicate::Rejected
            | Predicate::Unanswered
            | Predicate::Pairless => false,
        }
    }

    fn row_of(&self, number: u64) -> Option<u64> {
        (number == self.observed.number).then_some(0)
    }
}

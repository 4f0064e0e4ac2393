//! A mutant around a role: it sees both directions and changes what its rules name.

use bytes::Bytes;
use sv2::message::{DecodeError, Descriptor, Message, dissect_frame};
use sv2::role::{CloseReason, ConnectionId, Input, Outbox, Output, Role};
use sv2::time::{Instant, Now};
use sv2::wire::compose::compose;
use sv2::wire::dissect::{self, dissect};
use sv2::wire::{Frame, Kind, Tlvs};

use super::recipe::{Deed, Line, Rule, RuleSet, Trigger};
use crate::case::value::{Expression, Scope, Value};

/// A role with one broken behaviour.
pub struct MutantRole {
    inner: Box<dyn Role>,
    rules: RuleSet,
    /// How often a rule has met its message: (rule, connection, count).
    met: Vec<(usize, ConnectionId, u64)>,
    inner_out: Outbox,
}

impl MutantRole {
    /// Puts `rules` around `inner`.
    pub fn new(inner: Box<dyn Role>, rules: RuleSet) -> Self {
        MutantRole { inner, rules, met: Vec::new(), inner_out: Outbox::new() }
    }

    /// The rule that a message falls under, with its fields, if there is one.
    fn rule(
        &mut self,
        outgoing: bool,
        connection: ConnectionId,
        message: &Message,
        tlvs: &Tlvs,
    ) -> Option<(Rule, Fields)> {
        let descriptor = message.descriptor();
        let is_same = |row: &Descriptor| {
            row.extension == descriptor.extension && row.number == descriptor.number
        };
        for (index, rule) in self.rules.rules.iter().enumerate() {
            match rule.trigger {
                Trigger::Say(row) if outgoing && is_same(row) => {}
                Trigger::Hear(row) if !outgoing && is_same(row) => {}
                _ => continue,
            }
            let fields = Fields::of(message, tlvs);
            let meets = rule.fields.iter().all(|(field, matcher)| {
                let value = fields.field(field.name).unwrap_or(Value::List(Vec::new()));
                matches!(matcher.verify(&value, &fields), Ok(Ok(())))
            });
            if !meets {
                continue;
            }
            if !counts(&mut self.met, index, connection, rule) {
                continue;
            }
            return Some((rule.clone(), fields));
        }
        None
    }

    /// The rule for what cannot be decoded, if there is one.
    fn rule_for_undecodable(
        &mut self,
        connection: ConnectionId,
        error: &DecodeError,
    ) -> Option<Rule> {
        let is_meant = |rule: &Rule| match (rule.trigger, error) {
            (Trigger::HearMalformed(row), DecodeError::Malformed { name, .. }) => row.name == *name,
            (Trigger::HearUnknown, DecodeError::Unknown { .. }) => true,
            _ => false,
        };
        let index = self.rules.rules.iter().position(is_meant)?;
        let rule = &self.rules.rules[index];
        counts(&mut self.met, index, connection, rule).then(|| rule.clone())
    }

    fn hear_undecodable(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let Input::Undecodable { connection, frame, error } = &input else { return };
        let connection = *connection;
        let Some(rule) = self.rule_for_undecodable(connection, error) else {
            self.inner.handle(now, input, &mut self.inner_out);
            return;
        };
        let fields = Fields::of_undecodable(frame);
        match rule.deed {
            Deed::Drop => {}
            Deed::Close { .. } => self.inner_out.close(connection, CloseReason::ByUs),
            Deed::Instead(line) => say(connection, &line, &fields, out),
            Deed::Also(line) => {
                say(connection, &line, &fields, out);
                self.inner.handle(now, input, &mut self.inner_out);
            }
            Deed::Twice => {
                self.inner.handle(now, input.clone(), &mut self.inner_out);
                self.inner.handle(now, input, &mut self.inner_out);
            }
            // The loader refuses them for what cannot be decoded.
            Deed::Set(_) | Deed::Frame { .. } => {
                self.inner.handle(now, input, &mut self.inner_out);
            }
        }
    }

    fn hear(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if matches!(input, Input::Undecodable { .. }) {
            self.hear_undecodable(now, input, out);
            return;
        }
        let Input::Received { connection, message, tlvs, original } = input else {
            self.inner.handle(now, input, &mut self.inner_out);
            return;
        };
        let pass = |message| Input::Received {
            connection,
            message,
            tlvs: tlvs.clone(),
            original: original.clone(),
        };
        let Some((rule, fields)) = self.rule(false, connection, &message, &tlvs) else {
            self.inner.handle(now, pass(message), &mut self.inner_out);
            return;
        };
        match rule.deed {
            Deed::Set(changes) => {
                let changed = fields.changed(&changes).unwrap_or(message);
                self.inner.handle(now, pass(changed), &mut self.inner_out);
            }
            Deed::Drop => {}
            Deed::Twice => {
                self.inner.handle(now, pass(message.clone()), &mut self.inner_out);
                self.inner.handle(now, pass(message), &mut self.inner_out);
            }
            Deed::Close { after } => {
                if after {
                    self.inner.handle(now, pass(message), &mut self.inner_out);
                }
                self.inner_out.close(connection, CloseReason::ByUs);
            }
            Deed::Instead(line) => say(connection, &line, &fields, out),
            Deed::Also(line) => {
                say(connection, &line, &fields, out);
                self.inner.handle(now, pass(message), &mut self.inner_out);
            }
            // The loader refuses it for incoming messages.
            Deed::Frame { .. } => self.inner.handle(now, pass(message), &mut self.inner_out),
        }
    }

    fn say(&mut self, output: Output, out: &mut Outbox) {
        let Output::Send { connection, message, tlvs } = output else {
            out.put(output);
            return;
        };
        let Some((rule, fields)) = self.rule(true, connection, &message, &tlvs) else {
            out.put(Output::Send { connection, message, tlvs });
            return;
        };
        let send = |message| Output::Send { connection, message, tlvs: tlvs.clone() };
        match rule.deed {
            Deed::Set(changes) => match fields.changed(&changes) {
                Some(changed) => out.put(send(changed)),
                None => out.put(send(message)),
            },
            Deed::Drop => {}
            Deed::Twice => {
                out.put(send(message.clone()));
                out.put(send(message));
            }
            Deed::Close { after } => {
                if after {
                    out.put(send(message));
                }
                out.close(connection, CloseReason::ByUs);
            }
            Deed::Frame { extension_type, message_type, trailing, keep } => {
                let mut frame = message.to_frame(&tlvs);
                let int = |expression: Option<Expression>| {
                    expression.and_then(|one| one.evaluate(&fields).ok()).and_then(|v| v.as_int())
                };
                if let Some(number) = int(extension_type) {
                    frame.extension_type = u16::try_from(number).unwrap_or(u16::MAX);
                }
                if let Some(number) = int(message_type) {
                    frame.message_type = u8::try_from(number).unwrap_or(u8::MAX);
                }
                let mut payload = frame.payload.to_vec();
                if let Some(Ok(Value::Bytes(more))) = trailing.map(|one| one.evaluate(&fields)) {
                    payload.extend_from_slice(&more);
                }
                if let Some(len) = int(keep) {
                    payload.truncate(usize::try_from(len).unwrap_or(usize::MAX));
                }
                frame.payload = Bytes::from(payload);
                out.put(Output::Forward { connection, frame });
            }
            Deed::Instead(line) => say(connection, &line, &fields, out),
            Deed::Also(line) => {
                out.put(send(message));
                say(connection, &line, &fields, out);
            }
        }
    }
}

impl Role for MutantRole {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        if let Input::Closed { connection, .. } = &input {
            let connection = *connection;
            self.met.retain(|(_, on, _)| *on != connection);
        }
        self.hear(now, input, out);
        for output in self.inner_out.take() {
            self.say(output, out);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at()
    }
}

/// Counts a message that a rule is about; whether it is touched.
fn counts(
    met: &mut Vec<(usize, ConnectionId, u64)>,
    index: usize,
    connection: ConnectionId,
    rule: &Rule,
) -> bool {
    let at = met.iter().position(|(rule, on, _)| *rule == index && *on == connection);
    let at = at.unwrap_or_else(|| {
        met.push((index, connection, 0));
        met.len() - 1
    });
    met[at].2 += 1;
    met[at].2 > rule.skip && met[at].2 - rule.skip <= rule.times
}

/// A message's fields by name.
struct Fields {
    descriptor: Option<&'static Descriptor>,
    values: Vec<(&'static str, Value)>,
    tlvs: Tlvs,
}

impl Fields {
    fn of(message: &Message, tlvs: &Tlvs) -> Fields {
        let descriptor = message.descriptor();
        let mut payload = Vec::with_capacity(message.wire_len());
        message.write(&mut payload);
        let values = dissect(descriptor.fields, &payload)
            .nodes
            .iter()
            .zip(descriptor.fields)
            .map(|(node, field)| (field.name, Value::from_wire(node.value(&payload))))
            .collect();
        Fields { descriptor: Some(descriptor), values, tlvs: tlvs.clone() }
    }

    /// As far as it can be read.
    fn of_undecodable(frame: &Frame) -> Fields {
        let Some((descriptor, dissection)) = dissect_frame(frame) else {
            return Fields { descriptor: None, values: Vec::new(), tlvs: Tlvs::NONE };
        };
        let values = dissection
            .nodes
            .iter()
            .zip(descriptor.fields)
            .map(|(node, field)| (field.name, Value::from_wire(node.value(&frame.payload))))
            .collect();
        Fields { descriptor: Some(descriptor), values, tlvs: Tlvs::NONE }
    }

    /// The message with other values in some fields; `None` if they do not fit.
    fn changed(&self, changes: &[(&'static sv2::wire::Field, Expression)]) -> Option<Message> {
        let line = Line { message: self.descriptor?, fields: changes.to_vec() };
        line.message(self)
    }
}

impl Scope for Fields {
    fn variable(&self, _: &str) -> Option<Value> {
        None
    }
    fn fact(&self, _: &str) -> Option<Value> {
        None
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "tlvs" => Some(Value::Bytes(self.tlvs.as_bytes().clone())),
            _ => self.values.iter().find(|(field, _)| *field == name).map(|(_, v)| v.clone()),
        }
    }
    fn random(&self, len: usize) -> Bytes {
        Bytes::from(vec![0x5a; len])
    }
}

fn say(connection: ConnectionId, line: &Line, fields: &Fields, out: &mut Outbox) {
    if let Some(message) = line.message(fields) {
        out.put(Output::Send { connection, message, tlvs: Tlvs::NONE });
    }
}

impl Line {
    /// `None` if a value does not fit its field.
    fn message(&self, fields: &Fields) -> Option<Message> {
        let payload = compose(self.message.fields, |name| {
            let field = self.message.fields.iter().find(|field| field.name == name)?;
            let stated = self.fields.iter().find(|(field, _)| field.name == name);
            match stated {
                Some((_, expression)) => expression.evaluate(fields).ok()?.to_wire(field.kind).ok(),
                None => fields
                    .field(name)
                    .and_then(|value| value.to_wire(field.kind).ok())
                    .or_else(|| Some(zero(field.kind))),
            }
        })
        .ok()?;
        let frame = Frame {
            extension_type: self.message.extension_type(),
            message_type: self.message.number,
            payload: Bytes::from(payload),
        };
        Message::decode(&frame).ok().map(|decoded| decoded.message)
    }
}

/// What stands in a field that nobody has named.
pub(crate) fn zero(kind: &Kind) -> dissect::Value {
    match kind {
        Kind::Bool => dissect::Value::Bool(false),
        Kind::Int { .. } => dissect::Value::Int(0),
        Kind::F32 => dissect::Value::F32(0.0),
        Kind::U256 => dissect::Value::U256(sv2::wire::U256::ZERO),
        Kind::Target => dissect::Value::Target(sv2::wire::Target(sv2::wire::U256::ZERO)),
        Kind::Bytes { .. } => dissect::Value::Bytes(Bytes::new()),
        Kind::Text => dissect::Value::Text(Bytes::new()),
        Kind::Sequence { .. } | Kind::Option { .. } => dissect::Value::Sequence(Vec::new()),
    }
}

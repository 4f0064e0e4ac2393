//! Waiting and judging: which of the things that came is the answer, which is none of our
//! business, and which is wrong.
//!
//! A server may send jobs, targets and tips at any time, so what is not the answer is passed
//! over. What decides is the first message about the same exchange: same name, and the same
//! request, share or channel.

use sv2::message::{Descriptor, Sender};
use sv2::wire::Field;

use super::connection::ItemWhat;
use super::{Finding, Session, Stop};
use crate::case::matcher::{Comparison, Matcher};
use crate::case::step::{Alternative, Expect, ExpectNone, Expected, Noise};
use crate::case::value::{EvaluationError, Value};
use crate::client::exchange::{FrameView, MessageView};
use crate::client::line::LineView;
use crate::client::tracker::Tracker;
use crate::verdict::Verdict;

/// What an item is to an alternative.
enum Fit {
    /// It is what is waited for.
    Yes,
    /// It is about the same exchange, and not what it should be.
    Wrong(String),
    /// It is something else.
    No,
}

impl Session<'_> {
    pub(super) fn expect(&mut self, on: &str, expect: &Expect) -> Result<(), Stop> {
        let deadline = self.deadline(expect.within);
        self.connection(on)?;
        let mut near_misses: Vec<String> = Vec::new();
        let mut looked_at = 0;
        loop {
            near_misses.clear();
            if let Some((index, alternative)) = self.scan(on, expect, &mut near_misses)? {
                return self.take(on, expect, index, alternative);
            }
            let connection = self.connection(on)?;
            connection.is_mark_used = true;
            looked_at += 1;
            let is_over = connection.is_closed || looked_at > ITEMS_MAX;
            if is_over || !self.pump(on, deadline) {
                break;
            }
        }
        let nothing = expect.alternatives.iter().find(|one| matches!(one.what, Expected::Nothing));
        let is_closed = self.connection(on)?.is_closed;
        match nothing {
            Some(alternative) if !is_closed => self.conclude(expect, alternative, "nothing came"),
            _ => {
                let actual = match (near_misses.is_empty(), is_closed) {
                    (false, _) => near_misses.join("; "),
                    (true, true) => "the connection was closed".to_owned(),
                    (true, false) => "nothing that fits came in time".to_owned(),
                };
                Err(self.unmet(expect, &expect.alternatives[0], actual))
            }
        }
    }

    /// Looks at everything that came and was not taken yet. Returns the first item that fits.
    fn scan(
        &mut self,
        on: &str,
        expect: &Expect,
        near_misses: &mut Vec<String>,
    ) -> Result<Option<(usize, usize)>, Stop> {
        let connection = self.connection(on)?;
        let (mark, count) = (connection.mark, connection.items.len());
        let is_served = connection.is_served();
        let after = if expect.in_order { connection.last_matched } else { None };
        let mut closed = None;
        for index in 0..count {
            let item = &self.connection(on)?.items[index];
            if item.is_taken || after.is_some_and(|after| index <= after) {
                continue;
            }
            if matches!(item.what, ItemWhat::Closed) {
                closed = Some(index);
            }
            if index < mark && is_unasked(&item.what, is_served) {
                continue;
            }
            let mut wrong = None;
            for (at, alternative) in expect.alternatives.iter().enumerate() {
                match self.fit(on, index, alternative)? {
                    Fit::Yes => return Ok(Some((index, at))),
                    Fit::Wrong(why) => wrong = wrong.or(Some((at, why))),
                    Fit::No => {}
                }
            }
            let item = &self.connections[on].items[index];
            if let Some((at, why)) = wrong {
                let actual = match &item.what {
                    ItemWhat::Frame(frame) => format!("{frame} ({why})"),
                    ItemWhat::Line(line) => format!("{line} ({why})"),
                    _ => why,
                };
                if !expect.any {
                    let alternative = &expect.alternatives[at];
                    return Err(self.unmet(expect, alternative, actual));
                }
                near_misses.push(actual);
            } else if let (true, Noise::Only(allowed), ItemWhat::Frame(frame)) =
                (index >= mark, &expect.noise, &item.what)
            {
                let name = frame.message().map_or("", |message| message.descriptor.name);
                if !allowed.contains(&name) {
                    let actual = format!("{frame}, which may not come here");
                    return Err(self.unmet(expect, &expect.alternatives[0], actual));
                }
            } else if let ItemWhat::Broken(why) = &item.what {
                let actual = format!("unreadable bytes: {why}");
                return Err(self.unmet(expect, &expect.alternatives[0], actual));
            }
        }
        if closed.is_some() {
            let near = near_misses.join("; ");
            let actual = match near.as_str() {
                "" => "the connection was closed".to_owned(),
                near => format!("{near}; then the connection was closed"),
            };
            return Err(self.unmet(expect, &expect.alternatives[0], actual));
        }
        Ok(None)
    }

    fn fit(&self, on: &str, index: usize, alternative: &Alternative) -> Result<Fit, Stop> {
        let connection = &self.connections[on];
        let frame = match (&connection.items[index].what, alternative.what) {
            (ItemWhat::Closed, Expected::Closed) | (ItemWhat::Bytes, Expected::Bytes) => {
                return Ok(Fit::Yes);
            }
            (ItemWhat::Line(line), Expected::Line(kind)) if line.is(kind) => {
                return self.fit_line(on, line, alternative);
            }
            (ItemWhat::Frame(frame), _) => frame,
            _ => return Ok(Fit::No),
        };
        let message = match (alternative.what, frame.message()) {
            (Expected::Unknown, None) => {
                return Ok(match self.verify_frame(on, frame, None, alternative)? {
                    None => Fit::Yes,
                    Some(why) => Fit::Wrong(why),
                });
            }
            (Expected::Message(wanted), Some(message)) => {
                if !is_same(wanted, message.descriptor) {
                    return self.is_opposite(on, wanted, alternative, message);
                }
                message
            }
            _ => return Ok(Fit::No),
        };
        let mut wrong = Vec::new();
        for (field, matcher) in &alternative.fields {
            let value = message.field(field.name).cloned().unwrap_or(Value::List(Vec::new()));
            let view = self.view(on).with_message(message);
            if let Err(mismatch) = matcher.verify(&value, &view)? {
                if is_of_another(&connection.tracker, field, &value) {
                    return Ok(Fit::No);
                }
                wrong.push(format!("{} is {}", field.name, mismatch.0));
            }
        }
        if let Some(why) = self.verify_frame(on, frame, Some(message), alternative)? {
            wrong.push(why);
        }
        Ok(if wrong.is_empty() { Fit::Yes } else { Fit::Wrong(wrong.join(", ")) })
    }

    fn fit_line(&self, on: &str, line: &LineView, one: &Alternative) -> Result<Fit, Stop> {
        let mut wrong = Vec::new();
        for (path, matcher) in &one.parts {
            let value = line.part(path).unwrap_or(Value::List(Vec::new()));
            // JSON may be of any kind: what cannot be compared does not fit.
            let why = match matcher.verify(&value, &self.view(on)) {
                Ok(Ok(())) => continue,
                Ok(Err(mismatch)) => mismatch.0,
                Err(error) => error.0,
            };
            // The answer to something else.
            if path == "id" {
                return Ok(Fit::No);
            }
            wrong.push(format!("{path} is {why}"));
        }
        Ok(if wrong.is_empty() { Fit::Yes } else { Fit::Wrong(wrong.join(", ")) })
    }

    fn verify_frame(
        &self,
        on: &str,
        frame: &FrameView,
        message: Option<&MessageView>,
        alternative: &Alternative,
    ) -> Result<Option<String>, EvaluationError> {
        for (name, matcher) in &alternative.frame {
            let value = frame.part(name).unwrap_or(Value::List(Vec::new()));
            let view = match message {
                Some(message) => self.view(on).with_message(message),
                None => self.view(on),
            };
            if let Err(mismatch) = matcher.verify(&value, &view)? {
                return Ok(Some(format!("{name} is {}", mismatch.0)));
            }
        }
        Ok(None)
    }

    /// `X.Error` where `X.Success` is waited for, or the reverse, for the same request.
    fn is_opposite(
        &self,
        on: &str,
        wanted: &'static Descriptor,
        alternative: &Alternative,
        message: &MessageView,
    ) -> Result<Fit, Stop> {
        let (Some((family, wanted_key)), Some((other, key))) =
            (family(wanted.name), family(message.descriptor.name))
        else {
            return Ok(Fit::No);
        };
        if family != other {
            return Ok(Fit::No);
        }
        let expected_key = alternative.fields.iter().find_map(|(field, matcher)| match matcher {
            Matcher::Compare(Comparison::Eq, expression) if field.name == wanted_key => {
                Some(expression)
            }
            _ => None,
        });
        let (Some(expression), Some(actual)) = (expected_key, message.field(key)) else {
            // Many shares may be under way at once.
            if family == "submit" {
                return Ok(Fit::No);
            }
            // Neither names a request: there is only one that it can be about.
            return Ok(Fit::Wrong("it answers the request otherwise".to_owned()));
        };
        let expected = expression.evaluate(&self.view(on))?;
        Ok(match Comparison::Eq.holds(actual, &expected) {
            Some(true) => Fit::Wrong("it answers the request otherwise".to_owned()),
            _ => Fit::No,
        })
    }

    fn take(
        &mut self,
        on: &str,
        expect: &Expect,
        index: usize,
        alternative: usize,
    ) -> Result<(), Stop> {
        let connection = self.connection(on)?;
        // A connection that has ended stays so for whoever asks again.
        connection.items[index].is_taken =
            !matches!(connection.items[index].what, ItemWhat::Closed);
        connection.last_matched = Some(index);
        connection.is_mark_used = true;
        let alternative = &expect.alternatives[alternative];
        let mut actual = alternative.what.to_string();
        let mut saves = Vec::new();
        if let ItemWhat::Frame(frame) = &connection.items[index].what {
            actual = frame.to_string();
            for save in &alternative.saves {
                let value = match (save.source.as_str(), frame.message()) {
                    (".", Some(message)) => Some(message.record()),
                    (".", None) => frame.part("payload"),
                    (source, message) => match source.strip_prefix("frame.") {
                        Some(part) => frame.part(part),
                        None => message.and_then(|message| message.field(source).cloned()),
                    },
                };
                saves.push((save, value.unwrap_or(Value::List(Vec::new()))));
            }
        }
        if let ItemWhat::Line(line) = &connection.items[index].what {
            actual = line.to_string();
            for save in &alternative.saves {
                let value = match save.source.as_str() {
                    "." => line.record.clone(),
                    path => line.part(path),
                };
                saves.push((save, value.unwrap_or(Value::List(Vec::new()))));
            }
        }
        for (save, value) in saves {
            self.keep(&save.variable, value, save.push);
        }
        self.conclude(expect, alternative, &actual)
    }

    /// Keeps a value, or adds it to a list.
    pub(super) fn keep(&mut self, variable: &str, value: Value, push: bool) {
        if push {
            let list = self.variables.entry(variable.to_owned());
            match list.or_insert_with(|| Value::List(Vec::new())) {
                Value::List(items) => items.push(value),
                other => *other = Value::List(vec![other.clone(), value]),
            }
        } else {
            self.variables.insert(variable.to_owned(), value);
        }
    }

    fn conclude(
        &mut self,
        expect: &Expect,
        alternative: &Alternative,
        actual: &str,
    ) -> Result<(), Stop> {
        let clauses = match alternative.clauses.as_slice() {
            [] => expect.alternatives[0].clauses.clone(),
            clauses => clauses.to_vec(),
        };
        if let Some(reading) = alternative.reading.clone()
            && !self.readings.contains(&reading)
        {
            self.readings.push(reading);
        }
        if alternative.verdict == Verdict::Pass {
            self.observe(&clauses);
            return Ok(());
        }
        let finding = Finding {
            because: alternative.reason.clone().unwrap_or_default(),
            expected: Some(describe(&expect.alternatives[0])),
            actual: Some(actual.to_owned()),
            ..self.finding(alternative.verdict, &clauses)
        };
        Err(Stop(Box::new(finding)))
    }

    fn unmet(&self, expect: &Expect, alternative: &Alternative, actual: String) -> Stop {
        let clauses = match alternative.clauses.as_slice() {
            [] => &expect.alternatives[0].clauses,
            clauses => clauses,
        };
        let expected: Vec<String> = expect
            .alternatives
            .iter()
            .filter(|one| one.verdict == Verdict::Pass)
            .map(describe)
            .collect();
        Stop(Box::new(Finding {
            because: format!("instead of {} came: {actual}", expect.alternatives[0].what),
            expected: Some(expected.join(", or ")),
            actual: Some(actual),
            ..self.finding(Verdict::Fail, clauses)
        }))
    }

    pub(super) fn expect_none(&mut self, on: &str, none: &ExpectNone) -> Result<(), Stop> {
        let was_closed = self.connection(on)?.is_closed;
        // No client must answer anything.
        let connection = self.connection(on)?;
        let can_fence =
            none.fence && connection.is_set_up && !connection.is_served() && !was_closed;
        if can_fence {
            if !self.fence(on)? {
                let finding = Finding {
                    because: "the target stopped answering, so silence proves nothing".to_owned(),
                    ..self.finding(Verdict::Inconclusive, &none.clauses)
                };
                return Err(Stop(Box::new(finding)));
            }
        } else {
            let deadline = self.world.now().instant + none.within.unwrap_or(SILENCE);
            while self.pump(on, deadline) {}
        }
        let connection = self.connection(on)?;
        connection.is_mark_used = true;
        let from = if none.ever { 0 } else { connection.mark };
        for index in from..connection.items.len() {
            let item = &self.connections[on].items[index];
            if item.is_taken && !none.ever {
                continue;
            }
            let banned = match &item.what {
                ItemWhat::Frame(frame) if none.line.is_none() => {
                    self.is_banned(on, frame, none)?.then(|| frame.to_string())
                }
                ItemWhat::Line(line) => {
                    self.is_line_banned(on, line, none)?.then(|| line.to_string())
                }
                _ => None,
            };
            if let Some(actual) = banned {
                let finding = Finding {
                    because: format!("{actual} came"),
                    expected: Some(format!("no {}", describe_none(none))),
                    actual: Some(actual),
                    ..self.finding(Verdict::Fail, &none.clauses)
                };
                return Err(Stop(Box::new(finding)));
            }
        }
        if !was_closed && self.connection(on)?.is_closed {
            let finding = Finding {
                because: "the connection was closed before the wait was over".to_owned(),
                ..self.finding(Verdict::Inconclusive, &none.clauses)
            };
            return Err(Stop(Box::new(finding)));
        }
        self.observe(&none.clauses);
        Ok(())
    }

    fn is_line_banned(
        &self,
        on: &str,
        line: &LineView,
        none: &ExpectNone,
    ) -> Result<bool, EvaluationError> {
        if !none.line.is_some_and(|kind| line.is(kind)) {
            return Ok(false);
        }
        for (path, matcher) in &none.parts {
            let value = line.part(path).unwrap_or(Value::List(Vec::new()));
            if matcher.verify(&value, &self.view(on))?.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_banned(
        &self,
        on: &str,
        frame: &FrameView,
        none: &ExpectNone,
    ) -> Result<bool, EvaluationError> {
        let Some(wanted) = none.message else { return Ok(true) };
        let Some(message) = frame.message() else { return Ok(false) };
        if !is_same(wanted, message.descriptor) {
            return Ok(false);
        }
        for (field, matcher) in &none.fields {
            let value = message.field(field.name).cloned().unwrap_or(Value::List(Vec::new()));
            let view = self.view(on).with_message(message);
            if matcher.verify(&value, &view)?.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether two rows are the same: a descriptor is copied where a message is matched.
pub(super) fn is_same(one: &Descriptor, other: &Descriptor) -> bool {
    one.extension == other.extension && one.number == other.number
}

/// What a peer may send without having been asked; old news when a new stimulus begins.
fn is_unasked(what: &ItemWhat, is_served: bool) -> bool {
    match what {
        ItemWhat::Frame(frame) => match frame.message() {
            // Of a client: its shares, and what it says of its hash rate.
            Some(message) if is_served => {
                let name = message.descriptor.name;
                name.starts_with("SubmitShares") || name == "UpdateChannel"
            }
            Some(message) => {
                message.descriptor.sender != Sender::Client
                    && family(message.descriptor.name).is_none()
            }
            None => true,
        },
        ItemWhat::Line(line) => match (line.method(), is_served) {
            (Some(method), true) => method == "mining.submit",
            (Some(_), false) => true,
            (None, _) => false,
        },
        ItemWhat::Bytes => true,
        ItemWhat::Closed | ItemWhat::Broken(_) => false,
    }
}

/// The answers to one kind of request, and the field that names the request.
fn family(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "SetupConnection.Success" | "SetupConnection.Error" => ("setup", ""),
        "OpenStandardMiningChannel.Success"
        | "OpenExtendedMiningChannel.Success"
        | "OpenMiningChannel.Error" => ("open", "request_id"),
        "UpdateChannel.Error" => ("update", "channel_id"),
        "SubmitShares.Success" => ("submit", "last_sequence_number"),
        "SubmitShares.Error" => ("submit", "sequence_number"),
        "SetCustomMiningJob.Success" | "SetCustomMiningJob.Error" => ("custom", "request_id"),
        "AllocateMiningJobToken.Success" => ("token", "request_id"),
        "DeclareMiningJob.Success" | "DeclareMiningJob.Error" | "ProvideMissingTransactions" => {
            ("declare", "request_id")
        }
        "RequestTransactionData.Success" | "RequestTransactionData.Error" => {
            ("data", "template_id")
        }
        "RequestExtensions.Success" | "RequestExtensions.Error" => ("extensions", "request_id"),
        _ => return None,
    })
}

/// Whether the value names another exchange of ours, so that the message is not about the one
/// that is waited for.
fn is_of_another(tracker: &Tracker, field: &Field, value: &Value) -> bool {
    if let ("template_id", Some(id)) = (field.name, value.as_int()) {
        return tracker.data_requests.contains(&id);
    }
    let Some(value) = value.as_u32() else { return false };
    match field.name {
        "request_id" => tracker.request_ids.contains(&value),
        "sequence_number" | "last_sequence_number" => {
            tracker.sequence_numbers.iter().any(|(_, sequence)| *sequence == value)
        }
        "channel_id" => tracker.is_known(value),
        _ => false,
    }
}

/// An outcome in words.
pub(crate) fn describe(alternative: &Alternative) -> String {
    let mut text = alternative.what.to_string();
    for (path, matcher) in &alternative.parts {
        text += &format!(" {path}: {matcher};");
    }
    for (field, matcher) in &alternative.fields {
        text += &format!(" {}: {matcher};", field.name);
    }
    for (part, matcher) in &alternative.frame {
        text += &format!(" frame {part}: {matcher};");
    }
    text.trim_end_matches(';').to_owned()
}

fn describe_none(none: &ExpectNone) -> String {
    let mut text = match (none.line, none.message) {
        (Some(line), _) => line.name(),
        (None, Some(message)) => message.name,
        (None, None) => "message",
    }
    .to_owned();
    for (path, matcher) in &none.parts {
        text += &format!(" {path}: {matcher};");
    }
    for (field, matcher) in &none.fields {
        text += &format!(" {}: {matcher};", field.name);
    }
    text.trim_end_matches(';').to_owned()
}

/// Items that one `expect` looks at; a target that floods us does not keep us here.
const ITEMS_MAX: usize = 100_000;

/// How long silence is awaited where no fence bounds it.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(1);

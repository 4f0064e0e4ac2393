//! Mutants of roles that speak Stratum V1: what they say or hear is another line.
//!
//! The engine is here; what devices get wrong is in [`device`], what translators get wrong in
//! [`translator`].

mod device;
mod translator;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Value as Json, json};
use sv2::role::{CloseReason, ConnectionId, Input, Outbox, Output, Role};
use sv2::sv1::{Call, Message};
use sv2::time::{Instant, Now};

use super::{Make, Mutant};

/// All of them.
pub(super) fn mutants() -> Vec<Mutant> {
    let rows = device::MUTANTS.iter().chain(translator::MUTANTS);
    let mutant = |(id, stands_for, make): &Row| Mutant {
        id: (*id).to_owned(),
        stands_for: (*stands_for).to_owned(),
        make: Make::Code(*make),
    };
    rows.map(mutant).collect()
}

/// Id, what it stands for, how it is made.
type Row = (&'static str, &'static str, fn(Box<dyn Role>) -> Box<dyn Role>);

/// What becomes of a line. "Back" is towards whoever has sent it.
enum Fate {
    /// It gets through, as it is by now.
    Pass,
    /// It does not.
    Lost,
    /// It gets through twice.
    Twice,
    /// It gets through, and another one behind it.
    Also(Json),
    /// It does not get through, and another one goes back.
    Answer(Json),
    /// It gets through, and another one goes back.
    Echo(Json),
    /// Something else gets through that is no JSON object.
    Raw(Vec<u8>),
    /// Its connection is closed.
    Ends,
    /// All connections of lines are closed.
    EndsAll,
}

/// Looks at a line, and may change it. What is no JSON comes as null.
type Deed = fn(&mut Json, &mut Memory) -> Fate;

/// What becomes of an input that is no line.
enum OtherFate {
    /// The role sees it.
    Pass,
    /// It does not.
    Lost,
    /// It does, and all connections of lines are told something.
    Tell(Json),
    /// It does, and all connections of lines are closed.
    EndsAll,
}

/// Looks at an input that is no line.
type OtherDeed = fn(&Input, &Memory) -> OtherFate;

/// What a mutant remembers.
#[derive(Default)]
struct Memory {
    /// Of the line that is looked at.
    at: u32,
    /// The line as it came.
    line: Bytes,
    /// Connections that have spoken lines.
    open: BTreeSet<u32>,
    kept: BTreeMap<(u32, &'static str), Json>,
}

impl Memory {
    /// Of the present connection.
    fn keep(&mut self, name: &'static str, json: Json) {
        self.kept.insert((self.at, name), json);
    }

    fn kept(&self, name: &'static str) -> Option<&Json> {
        self.kept.get(&(self.at, name))
    }

    fn forget(&mut self, name: &'static str) -> Option<Json> {
        self.kept.remove(&(self.at, name))
    }

    /// Whether it was asked this before, on the present connection.
    fn again(&mut self, name: &'static str) -> bool {
        self.kept.insert((self.at, name), Json::Bool(true)).is_some()
    }
}

/// A role with one wrong idea of lines.
struct LineMutant {
    inner: Box<dyn Role>,
    hear: Deed,
    say: Deed,
    other: OtherDeed,
    memory: Memory,
    inner_out: Outbox,
}

/// A role that hears something else.
fn hears(inner: Box<dyn Role>, hear: Deed) -> Box<dyn Role> {
    LineMutant::around(inner, hear, keep, pass)
}

/// A role that says something else.
fn says(inner: Box<dyn Role>, say: Deed) -> Box<dyn Role> {
    LineMutant::around(inner, keep, say, pass)
}

/// A role that remembers what it hears for what it says.
fn both(inner: Box<dyn Role>, hear: Deed, say: Deed) -> Box<dyn Role> {
    LineMutant::around(inner, hear, say, pass)
}

/// A role that misses other news.
fn sees(inner: Box<dyn Role>, other: OtherDeed) -> Box<dyn Role> {
    LineMutant::around(inner, keep, keep, other)
}

impl LineMutant {
    fn around(inner: Box<dyn Role>, hear: Deed, say: Deed, other: OtherDeed) -> Box<dyn Role> {
        let (memory, inner_out) = (Memory::default(), Outbox::new());
        Box::new(LineMutant { inner, hear, say, other, memory, inner_out })
    }

    fn look(&mut self, connection: ConnectionId, line: &Bytes, deed: Deed) -> (Bytes, Fate) {
        self.memory.at = connection.0;
        self.memory.open.insert(connection.0);
        self.memory.line = line.clone();
        let before: Json = serde_json::from_slice(line).unwrap_or(Json::Null);
        let mut json = before.clone();
        let fate = deed(&mut json, &mut self.memory);
        // As it came, if nothing has changed: numbers and spaces too.
        let line = if json == before { line.clone() } else { json.to_string().into() };
        (line, fate)
    }

    fn hear(&mut self, now: Now, connection: ConnectionId, line: Bytes, out: &mut Outbox) {
        let (line, fate) = self.look(connection, &line, self.hear);
        let back = |json: Json| Output::Line { connection, line: json.to_string().into() };
        let mut heard = Vec::new();
        match fate {
            Fate::Pass => heard.push(line),
            Fate::Lost => {}
            Fate::Twice => heard.extend([line.clone(), line]),
            Fate::Also(json) => heard.extend([line, json.to_string().into()]),
            Fate::Answer(json) => out.put(back(json)),
            Fate::Echo(json) => {
                out.put(back(json));
                heard.push(line);
            }
            Fate::Raw(bytes) => heard.push(bytes.into()),
            Fate::Ends => out.close(connection, CloseReason::ByUs),
            Fate::EndsAll => self.end_all(out),
        }
        for line in heard {
            self.inner.handle(now, Input::Line { connection, line }, &mut self.inner_out);
        }
    }

    /// What is to be heard in return.
    fn say(&mut self, connection: ConnectionId, line: &Bytes, out: &mut Outbox) -> Option<Bytes> {
        let (line, fate) = self.look(connection, line, self.say);
        let mut put = |line: Bytes| out.put(Output::Line { connection, line });
        match fate {
            Fate::Pass => put(line),
            Fate::Lost => {}
            Fate::Twice => {
                put(line.clone());
                put(line);
            }
            Fate::Also(json) => {
                put(line);
                put(json.to_string().into());
            }
            Fate::Answer(json) => return Some(json.to_string().into()),
            Fate::Echo(json) => {
                put(line);
                return Some(json.to_string().into());
            }
            Fate::Raw(bytes) => put(bytes.into()),
            Fate::Ends => out.close(connection, CloseReason::ByUs),
            Fate::EndsAll => self.end_all(out),
        }
        None
    }

    fn end_all(&mut self, out: &mut Outbox) {
        for connection in std::mem::take(&mut self.memory.open) {
            out.close(ConnectionId(connection), CloseReason::ByUs);
        }
    }

    fn other(&mut self, now: Now, input: Input, out: &mut Outbox) {
        let fate = (self.other)(&input, &self.memory);
        if let Input::Closed { connection, .. } = &input {
            self.memory.open.remove(&connection.0);
        }
        match fate {
            OtherFate::Lost => return,
            OtherFate::Pass => {}
            OtherFate::Tell(json) => {
                for connection in self.memory.open.iter().copied().map(ConnectionId) {
                    out.put(Output::Line { connection, line: json.to_string().into() });
                }
            }
            OtherFate::EndsAll => self.end_all(out),
        }
        self.inner.handle(now, input, &mut self.inner_out);
    }
}

impl Role for LineMutant {
    fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        match input {
            Input::Line { connection, line } => self.hear(now, connection, line, out),
            input => self.other(now, input, out),
        }
        // What comes back may have the role say something else.
        loop {
            let outputs = self.inner_out.take();
            if outputs.is_empty() {
                break;
            }
            for output in outputs {
                match output {
                    Output::Line { connection, line } => {
                        if let Some(line) = self.say(connection, &line, out) {
                            let input = Input::Line { connection, line };
                            self.inner.handle(now, input, &mut self.inner_out);
                        }
                    }
                    output => out.put(output),
                }
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        self.inner.wake_at()
    }
}

fn keep(_: &mut Json, _: &mut Memory) -> Fate {
    Fate::Pass
}

fn pass(_: &Input, _: &Memory) -> OtherFate {
    OtherFate::Pass
}

fn is_call(json: &Json, method: &str) -> bool {
    json.get("method").and_then(Json::as_str) == Some(method)
}

/// Whether it is a call of a method that nobody has heard of.
fn is_unknown(line: &[u8]) -> bool {
    matches!(Message::parse(line), Ok(Message::Call { call: Call::Unknown { .. }, .. }))
}

/// The code of a refusal.
fn refusal(json: &Json) -> Option<i64> {
    json.pointer("/error/0").and_then(Json::as_i64)
}

/// The answer to `mining.subscribe`.
fn subscribed(json: &mut Json) -> Option<&mut Vec<Json>> {
    let result = json.get_mut("result")?.as_array_mut()?;
    (result.len() == 3 && result[1].is_string()).then_some(result)
}

/// The answer to `mining.configure`.
fn configured(json: &mut Json) -> Option<&mut serde_json::Map<String, Json>> {
    json.get_mut("result")?.as_object_mut()
}

/// The parameters of a call.
fn params<'a>(json: &'a mut Json, method: &str) -> Option<&'a mut Vec<Json>> {
    if !is_call(json, method) {
        return None;
    }
    json.get_mut("params")?.as_array_mut()
}

/// Yes to a call.
fn yes(call: &Json) -> Json {
    json!({ "id": call["id"], "result": true, "error": null })
}

/// As it stands in the header: eight digits a word, the bytes of each the other way round.
fn swap_prev_hash(json: &mut Json, _: &mut Memory) -> Fate {
    if let Some(params) = params(json, "mining.notify")
        && let Some(Json::String(hash)) = params.get_mut(1)
    {
        let swapped = hash.as_bytes().chunks(8).flat_map(|word| word.chunks(2).rev().flatten());
        *hash = swapped.map(|digit| char::from(*digit)).collect();
    }
    Fate::Pass
}

//! From a table to a step, checked against the message table.

mod judging;
mod lines;
mod opening;
mod sending;

use std::collections::BTreeSet;
use std::time::Duration;

use sv2::message::{Chapter, DESCRIPTORS, Descriptor};
use sv2::wire::{Field, Kind};

use super::document::{Data, Document, Keys, LoadError, Node};
use super::load::Fixture;
use super::matcher::{Matcher, load_expression};
use super::names::FUNCTIONS;
use super::requirements::duration;
use super::step::{
    Action, Call, CloseHow, Control, ControlKind, HandshakeOutcome, MAIN, Save, Step, Until, Use,
};
use super::value::{Expression, Value};

/// The clauses of a case: a key for the steps, and the id.
#[derive(Clone, Debug, Default)]
pub(super) struct Clauses(Vec<(String, String)>);

impl Clauses {
    pub(super) fn add(&mut self, key: &str, id: &str) {
        self.0.push((key.to_owned(), id.to_owned()));
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.0.iter().map(|(_, id)| id.clone()).collect()
    }

    fn id(&self, word: &str) -> Option<&str> {
        self.0.iter().find(|(key, id)| key == word || id == word).map(|(_, id)| id.as_str())
    }
}

/// Reads the steps of one document.
pub(super) struct StepLoader<'a> {
    document: &'a Document,
    fixtures: &'a [Fixture],
    /// `None` in a fixture: clauses belong to cases.
    clauses: Option<&'a Clauses>,
    defined: BTreeSet<String>,
    depth: usize,
}

impl<'a> StepLoader<'a> {
    pub(super) fn new(
        document: &'a Document,
        fixtures: &'a [Fixture],
        clauses: &'a Clauses,
    ) -> Self {
        let defined = BUILT_IN.iter().map(|name| (*name).to_owned()).collect();
        StepLoader { document, fixtures, clauses: Some(clauses), defined, depth: 0 }
    }

    pub(super) fn define(&mut self, variable: &str) {
        self.defined.insert(variable.to_owned());
    }

    pub(super) fn steps(&mut self, node: &Node) -> Result<Vec<Step>, LoadError> {
        let document = self.document;
        document.list(node)?.iter().map(|node| self.step(node)).collect()
    }

    /// A `[[check]]` behind the steps.
    pub(super) fn check(&mut self, node: &Node) -> Result<Step, LoadError> {
        let mut keys = self.document.keys(node)?;
        let mut step = self.frame_of_step(&mut keys)?;
        let check = self.load_check(&mut keys, None)?;
        keys.finish(&["that", "holds", "clause", "verdict", "reason", "on", "repeat"])?;
        step.action = Action::Check(check);
        Ok(step)
    }

    /// Clauses that no step names are observed by the last step that observes anything.
    pub(super) fn attach_unnamed_clauses(&self, steps: &mut [Step]) -> Result<(), LoadError> {
        let mut named = BTreeSet::new();
        for step in &*steps {
            step.clauses().iter().for_each(|clause| {
                named.insert((*clause).clone());
            });
        }
        let ids = self.clauses.map(Clauses::ids).unwrap_or_default();
        let unnamed: Vec<String> = ids.into_iter().filter(|id| !named.contains(id)).collect();
        if unnamed.is_empty() {
            return Ok(());
        }
        let last = steps.iter_mut().rev().find_map(Step::clauses_mut);
        match last {
            Some(clauses) => clauses.extend(unnamed),
            None => {
                return Err(self.document.error(
                    0,
                    "no step observes anything: a case needs an `expect`, `expect_none`, \
                     `check`, or a call with a clause",
                ));
            }
        }
        Ok(())
    }

    fn step(&mut self, node: &Node) -> Result<Step, LoadError> {
        let document = self.document;
        let mut keys = document.keys(node)?;
        let found: Vec<&str> = OPERATIONS.iter().copied().filter(|name| keys.has(name)).collect();
        let [operation] = found[..] else {
            let message = match found[..] {
                [] => format!("a step has one of {}", OPERATIONS.join(", ")),
                _ => format!("a step has only one of {}", found.join(", ")),
            };
            if found.is_empty() {
                // A misspelt operation is the usual reason.
                keys.finish(OPERATIONS)?;
            }
            return Err(document.error(node.at, message));
        };
        let mut step = self.frame_of_step(&mut keys)?;
        let main = keys.require(operation)?;
        let options: &[&str] = match operation {
            "use" => {
                step.action = Action::Use(self.load_use(&mut keys, main)?);
                &["with", "save"]
            }
            "connect" => {
                let connect = self.load_connect(&mut keys, main)?;
                step.action = Action::Connect(Box::new(connect));
                &[
                    "to",
                    "authority",
                    "act1",
                    "act1_keep",
                    "act1_chunks",
                    "early",
                    "outcome",
                    "save",
                    "clause",
                    "within",
                ]
            }
            "accept" => {
                step.action = Action::Accept(Box::new(self.load_accept(&mut keys, main)?));
                &[
                    "door",
                    "certificate",
                    "act2_corrupt",
                    "act2_keep",
                    "act2_chunks",
                    "outcome",
                    "by_hand",
                    "refuses",
                    "extensions",
                    "save",
                    "share_seconds",
                    "clause",
                    "within",
                ]
            }
            "send" => {
                step.action = Action::Send(Box::new(self.load_send(&mut keys, main)?));
                &["fields", "from", "frame", "write", "cipher", "save"]
            }
            "send_raw" => {
                step.action = Action::SendRaw(Box::new(self.load_send_raw(&mut keys, main)?));
                &["write", "cipher"]
            }
            "say" => {
                step.action = Action::Say(Box::new(self.load_say(&mut keys, main)?));
                &["params", "id", "result", "error", "text", "ends", "bare", "write", "save"]
            }
            "expect" => {
                step.action = Action::Expect(self.load_expect(&mut keys, main)?);
                &[
                    "fields", "frame", "parts", "save", "push", "clause", "within", "noise",
                    "order", "match", "or", "verdict", "reason", "reading",
                ]
            }
            "expect_none" => {
                step.action = Action::ExpectNone(self.load_expect_none(&mut keys, main)?);
                &["fields", "parts", "within", "fence", "ever", "clause"]
            }
            "control" => {
                let kind = document.one_of(main, "control", ControlKind::NAMES)?;
                let count = match keys.take("count") {
                    None => Expression::Constant(Value::Int(1)),
                    Some(node) => self.expression(node, Some(&U64))?,
                };
                step.action = Action::Control(Control { kind, count });
                &["count"]
            }
            "call" => {
                step.action = Action::Call(self.load_call(&mut keys, main)?);
                &["args", "save", "push", "clause"]
            }
            "close" => {
                step.action = Action::Close(document.one_of(
                    main,
                    "way to close",
                    &[("finish", CloseHow::Finish), ("reset", CloseHow::Reset)],
                )?);
                &[]
            }
            "wait_until" => {
                step.action = Action::WaitUntil(match &main.data {
                    Data::Text(word) if word == "closed" => Until::Closed,
                    _ => Until::Passed(duration(document, main)?),
                });
                &[]
            }
            // `OPERATIONS` has nothing else.
            _ => {
                step.action = Action::Check(self.load_check(&mut keys, Some(main))?);
                &["clause", "verdict", "reason"]
            }
        };
        keys.finish(&[&[operation], options, COMMON].concat())?;
        Ok(step)
    }

    /// What every step may have; its action is filled in by the caller.
    fn frame_of_step(&mut self, keys: &mut Keys<'_>) -> Result<Step, LoadError> {
        let document = self.document;
        let connection = match keys.take("on") {
            None => MAIN.to_owned(),
            Some(node) => document.string(node)?.to_owned(),
        };
        let repeat = match keys.take("repeat") {
            None => None,
            Some(node) => Some(self.expression(node, Some(&U64))?),
        };
        let (line, _) = document.place(keys.at());
        Ok(Step { line, connection, repeat, action: Action::Close(CloseHow::Finish) })
    }

    fn load_use(&mut self, keys: &mut Keys<'_>, main: &Node) -> Result<Use, LoadError> {
        let document = self.document;
        let name = document.string(main)?;
        let known = || self.fixtures.iter().map(|fixture| fixture.name.as_str());
        let Some(fixture) = self.fixtures.iter().find(|fixture| fixture.name == name) else {
            return Err(document.unknown(main.at, "fixture", name, known()));
        };
        if self.depth >= DEPTH_MAX {
            return Err(document.error(main.at, "fixtures use each other in a circle"));
        }
        let mut arguments = fixture.arguments.clone();
        if let Some(node) = keys.take("with") {
            for entry in document.keys(node)?.all() {
                let value = self.expression(&entry.node, None)?;
                match arguments.iter_mut().find(|(name, _)| *name == entry.key) {
                    Some((_, slot)) => *slot = value,
                    None => {
                        let names = fixture.arguments.iter().map(|(name, _)| name.as_str());
                        return Err(document.unknown(entry.at, "argument", &entry.key, names));
                    }
                }
            }
        }
        let mut inner = StepLoader {
            document: &fixture.document,
            fixtures: self.fixtures,
            clauses: None,
            defined: self.defined.clone(),
            depth: self.depth + 1,
        };
        arguments.iter().for_each(|(name, _)| inner.define(name));
        let mut inner_keys = fixture.document.keys(fixture.document.root())?;
        let steps = inner.steps(inner_keys.require("step")?)?;
        self.defined = inner.defined;
        let mut saves = Vec::new();
        if let Some(node) = keys.take("save") {
            for entry in document.keys(node)?.all() {
                let old = document.string(&entry.node)?.trim_start_matches('$').to_owned();
                if !self.defined.contains(&old) {
                    let known = self.defined.iter().map(String::as_str);
                    return Err(document.unknown(entry.node.at, "variable", &old, known));
                }
                self.define(&entry.key);
                saves.push((entry.key.clone(), old));
            }
        }
        Ok(Use { fixture: name.to_owned(), arguments, steps, saves })
    }

    fn load_call(&mut self, keys: &mut Keys<'_>, main: &Node) -> Result<Call, LoadError> {
        let document = self.document;
        let name = document.string(main)?;
        let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
            let known = FUNCTIONS.iter().map(|function| function.name);
            return Err(document.unknown(main.at, "function", name, known));
        };
        let mut arguments = Vec::new();
        if let Some(node) = keys.take("args") {
            for entry in document.keys(node)?.all() {
                if !function.arguments.contains(&entry.key.as_str()) {
                    return Err(document.unknown(
                        entry.at,
                        "argument",
                        &entry.key,
                        function.arguments.iter().copied(),
                    ));
                }
                arguments.push((entry.key.clone(), self.expression(&entry.node, None)?));
            }
        }
        let saves = load_saves(document, keys, &|_, _| Ok(()))?;
        saves.iter().for_each(|save| self.define(&save.variable));
        let clauses = self.load_clause(keys)?;
        Ok(Call { function: function.name, arguments, saves, clauses })
    }

    fn load_clause(&mut self, keys: &mut Keys<'_>) -> Result<Vec<String>, LoadError> {
        let document = self.document;
        let Some(node) = keys.take("clause") else { return Ok(Vec::new()) };
        let Some(clauses) = self.clauses else {
            return Err(document.error(node.at, "a fixture proves no clause: cite it in the case"));
        };
        let mut ids = Vec::new();
        for (word, at) in document.strings(node)? {
            match clauses.id(&word) {
                Some(id) => ids.push(id.to_owned()),
                None => {
                    let known = clauses.0.iter().map(|(key, _)| key.as_str());
                    return Err(document.unknown(at, "clause of this case", &word, known));
                }
            }
        }
        Ok(ids)
    }

    fn within(&self, keys: &mut Keys<'_>) -> Result<Option<Duration>, LoadError> {
        keys.take("within").map(|node| duration(self.document, node)).transpose()
    }

    fn matchers(
        &self,
        message: &'static Descriptor,
        node: &Node,
    ) -> Result<Vec<(&'static Field, Matcher)>, LoadError> {
        let mut matchers = Vec::new();
        for entry in self.document.keys(node)?.all() {
            let field = self.field(message, &entry.key, entry.at)?;
            matchers.push((field, self.matcher(&entry.node, Some(field.kind))?));
        }
        Ok(matchers)
    }

    fn matcher(&self, node: &Node, kind: Option<&'static Kind>) -> Result<Matcher, LoadError> {
        let matcher = Matcher::load(self.document, node, kind)?;
        for expression in matcher.expressions() {
            self.check_defined(expression, node.at)?;
        }
        Ok(matcher)
    }

    fn expression(
        &self,
        node: &Node,
        kind: Option<&'static Kind>,
    ) -> Result<Expression, LoadError> {
        let expression = load_expression(self.document, node, kind)?;
        self.check_defined(&expression, node.at)?;
        Ok(expression)
    }

    fn optional(
        &self,
        keys: &mut Keys<'_>,
        name: &str,
        kind: Option<&'static Kind>,
    ) -> Result<Option<Expression>, LoadError> {
        keys.take(name).map(|node| self.expression(node, kind)).transpose()
    }

    fn check_defined(&self, expression: &Expression, at: usize) -> Result<(), LoadError> {
        for path in expression.variables() {
            if let Some(name) = path.first()
                && !self.defined.contains(name)
            {
                let known = self.defined.iter().map(String::as_str);
                return Err(self.document.unknown(at, "variable", name, known));
            }
        }
        Ok(())
    }

    /// A message by its name. Two are called `SetNewPrevHash`: `mining.SetNewPrevHash` and
    /// `template.SetNewPrevHash`; without a prefix it is the one of mining.
    fn message(&self, node: &Node) -> Result<&'static Descriptor, LoadError> {
        message_named(self.document, node)
    }

    fn field(
        &self,
        message: &'static Descriptor,
        name: &str,
        at: usize,
    ) -> Result<&'static Field, LoadError> {
        field_of(self.document, message, name, at)
    }
}

/// A message by its name; see [`StepLoader::message`].
///
/// # Errors
/// An unknown name, with a suggestion.
pub(crate) fn message_named(
    document: &Document,
    node: &Node,
) -> Result<&'static Descriptor, LoadError> {
    let word = document.string(node)?;
    let (chapter, name) = match word.split_once('.') {
        Some(("mining", name)) => (Some(Chapter::Mining), name),
        Some(("template", name)) => (Some(Chapter::TemplateDistribution), name),
        _ => (None, word),
    };
    sv2::message::by_name(name, chapter).ok_or_else(|| {
        document.unknown(node.at, "message", word, DESCRIPTORS.iter().map(|row| row.name))
    })
}

/// A field of a message.
///
/// # Errors
/// An unknown name, with a suggestion.
pub(crate) fn field_of(
    document: &Document,
    message: &'static Descriptor,
    name: &str,
    at: usize,
) -> Result<&'static Field, LoadError> {
    message.fields.iter().find(|field| field.name == name).ok_or_else(|| {
        let what = format!("field of {}", message.name);
        document.unknown(at, &what, name, message.fields.iter().map(|field| field.name))
    })
}

fn load_saves(
    document: &Document,
    keys: &mut Keys<'_>,
    check_source: &dyn Fn(&str, usize) -> Result<(), LoadError>,
) -> Result<Vec<Save>, LoadError> {
    let mut saves = Vec::new();
    for (key, push) in [("save", false), ("push", true)] {
        let Some(node) = keys.take(key) else { continue };
        for entry in document.keys(node)?.all() {
            let source = document.string(&entry.node)?;
            check_source(source, entry.node.at)?;
            saves.push(Save { variable: entry.key.clone(), source: source.to_owned(), push });
        }
    }
    Ok(saves)
}

impl Step {
    /// Clauses that the step observes.
    pub fn clauses(&self) -> Vec<&String> {
        match &self.action {
            Action::Expect(expect) => {
                expect.alternatives.iter().flat_map(|one| &one.clauses).collect()
            }
            Action::ExpectNone(none) => none.clauses.iter().collect(),
            Action::Check(check) => check.clauses.iter().collect(),
            Action::Call(call) => call.clauses.iter().collect(),
            Action::Connect(connect) => connect.clauses.iter().collect(),
            Action::Accept(accept) => accept.clauses.iter().collect(),
            Action::Use(_)
            | Action::Send(_)
            | Action::SendRaw(_)
            | Action::Say(_)
            | Action::Control(_)
            | Action::Close(_)
            | Action::WaitUntil(_) => Vec::new(),
        }
    }

    /// Where unnamed clauses go, if the step observes anything.
    fn clauses_mut(&mut self) -> Option<&mut Vec<String>> {
        match &mut self.action {
            Action::Expect(expect) => expect.alternatives.first_mut().map(|one| &mut one.clauses),
            Action::ExpectNone(none) => Some(&mut none.clauses),
            Action::Check(check) => Some(&mut check.clauses),
            Action::Call(call) if call.function.contains("alive") => Some(&mut call.clauses),
            Action::Connect(connect) if connect.outcome == HandshakeOutcome::Refused => {
                Some(&mut connect.clauses)
            }
            Action::Accept(accept) => Some(&mut accept.clauses),
            _ => None,
        }
    }
}

const OPERATIONS: &[&str] = &[
    "use",
    "connect",
    "accept",
    "send",
    "send_raw",
    "say",
    "expect",
    "expect_none",
    "control",
    "call",
    "close",
    "wait_until",
    "check",
];

/// Keys of every step.
const COMMON: &[&str] = &["on", "repeat"];

/// Variables that the runner always has.
const BUILT_IN: &[&str] =
    &["channel", "job", "tip", "now", "i", "user", "target", "upstream", "backup", "payout"];

/// Parts of a frame that a case may look at.
pub(crate) static FRAME_PARTS: &[(&str, Kind)] = &[
    ("extension_type", Kind::Int { bytes: 2 }),
    ("message_type", Kind::Int { bytes: 1 }),
    ("channel_bit", Kind::Bool),
    ("payload_len", Kind::Int { bytes: 3 }),
    ("trailing", Kind::Bytes { prefix: 3, max: u32::MAX }),
    ("payload", Kind::Bytes { prefix: 3, max: u32::MAX }),
];

/// Fixtures within fixtures.
const DEPTH_MAX: usize = 8;

static U8: Kind = Kind::Int { bytes: 1 };
static U16: Kind = Kind::Int { bytes: 2 };
static U24: Kind = Kind::Int { bytes: 3 };
static U64: Kind = Kind::Int { bytes: 8 };
static BYTES: Kind = Kind::Bytes { prefix: 3, max: u32::MAX };

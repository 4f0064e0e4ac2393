//! Steps that judge: what is expected, what may not come, and what must hold.

use super::lines::line_kind;
use super::{FRAME_PARTS, StepLoader, field_of, load_saves};
use crate::case::document::{Data, Keys, LoadError, Node};
use crate::case::names::INVARIANTS;
use crate::case::step::{
    Alternative, Check, Expect, ExpectNone, Expected, Noise, OUTCOMES, Reading,
};
use crate::case::value::Expression;
use crate::verdict::Verdict;

impl StepLoader<'_> {
    pub(super) fn load_expect(
        &mut self,
        keys: &mut Keys<'_>,
        main: &Node,
    ) -> Result<Expect, LoadError> {
        let document = self.document;
        let mut alternatives = vec![self.load_alternative(keys, main)?];
        if let Some(node) = keys.take("or") {
            for node in document.list(node)? {
                let mut keys = document.keys(node)?;
                let main = keys.require("expect")?;
                alternatives.push(self.load_alternative(&mut keys, main)?);
                keys.finish(&[
                    "expect", "fields", "frame", "parts", "save", "push", "clause", "verdict",
                    "reason", "reading",
                ])?;
            }
        }
        let noise = match keys.take("noise") {
            None => Noise::Legal,
            Some(node) => Noise::Only(
                document
                    .list(node)?
                    .iter()
                    .map(|node| self.message(node).map(|message| message.name))
                    .collect::<Result<_, _>>()?,
            ),
        };
        let in_order = match keys.take("order") {
            None => false,
            Some(node) => document.one_of(node, "order", &[("any", false), ("strict", true)])?,
        };
        let any = match keys.take("match") {
            None => false,
            Some(node) => document.one_of(node, "match", &[("first", false), ("any", true)])?,
        };
        Ok(Expect { alternatives, within: self.within(keys)?, noise, in_order, any })
    }

    fn load_alternative(
        &mut self,
        keys: &mut Keys<'_>,
        main: &Node,
    ) -> Result<Alternative, LoadError> {
        let document = self.document;
        let line = line_kind(document, main)?;
        let what = match document.string(main)? {
            _ if line.is_some() => line.map_or(Expected::Nothing, Expected::Line),
            "closed" => Expected::Closed,
            "nothing" => Expected::Nothing,
            "unknown" => Expected::Unknown,
            "bytes" => Expected::Bytes,
            _ => Expected::Message(self.message(main)?),
        };
        let fields = match (keys.take("fields"), what) {
            (None, _) => Vec::new(),
            (Some(node), Expected::Message(message)) => self.matchers(message, node)?,
            (Some(node), _) => return Err(document.error(node.at, "only messages have fields")),
        };
        let parts = self.load_parts(keys, line)?;
        let mut frame = Vec::new();
        if let Some(node) = keys.take("frame") {
            for entry in document.keys(node)?.all() {
                let Some((_, kind)) = FRAME_PARTS.iter().find(|(name, _)| *name == entry.key)
                else {
                    let known = FRAME_PARTS.iter().map(|(name, _)| *name);
                    return Err(document.unknown(entry.at, "part of a frame", &entry.key, known));
                };
                frame.push((entry.key.clone(), self.matcher(&entry.node, Some(kind))?));
            }
        }
        let check_source = |source: &str, at: usize| match (source, what) {
            (".", _) | (_, Expected::Line(_)) => Ok(()),
            (source, _) if source.starts_with("frame.") => {
                let part = &source["frame.".len()..];
                if FRAME_PARTS.iter().any(|(name, _)| *name == part) {
                    return Ok(());
                }
                let known = FRAME_PARTS.iter().map(|(name, _)| *name);
                Err(document.unknown(at, "part of a frame", part, known))
            }
            (source, Expected::Message(message)) => {
                field_of(document, message, source, at).map(|_| ())
            }
            _ => Err(document.error(at, "only messages have fields")),
        };
        let saves = load_saves(document, keys, &check_source)?;
        saves.iter().for_each(|save| self.define(&save.variable));
        let clauses = self.load_clause(keys)?;
        let (verdict, reason) = self.load_outcome(keys)?;
        let reading = match keys.take("reading") {
            None => None,
            Some(node) => {
                let mut keys = document.keys(node)?;
                let ambiguity = document.string(keys.require("ambiguity")?)?.to_owned();
                let side = document.string(keys.require("side")?)?.to_owned();
                keys.finish(&["ambiguity", "side"])?;
                Some(Reading { ambiguity, side })
            }
        };
        Ok(Alternative { what, fields, frame, parts, saves, clauses, verdict, reason, reading })
    }

    fn load_outcome(
        &mut self,
        keys: &mut Keys<'_>,
    ) -> Result<(Verdict, Option<String>), LoadError> {
        let document = self.document;
        let verdict = match keys.take("verdict") {
            None => Verdict::Pass,
            Some(node) => document.one_of(node, "verdict", OUTCOMES)?,
        };
        let reason =
            keys.take("reason").map(|node| document.string(node)).transpose()?.map(str::to_owned);
        if verdict != Verdict::Pass && reason.is_none() {
            return Err(document.error(keys.at(), "a verdict other than pass has a `reason`"));
        }
        Ok((verdict, reason))
    }

    pub(super) fn load_expect_none(
        &mut self,
        keys: &mut Keys<'_>,
        main: &Node,
    ) -> Result<ExpectNone, LoadError> {
        let document = self.document;
        let line = line_kind(document, main)?;
        let parts = self.load_parts(keys, line)?;
        let message = match document.string(main)? {
            "message" => None,
            _ if line.is_some() => None,
            _ => Some(self.message(main)?),
        };
        let fields = match (keys.take("fields"), message) {
            (None, _) => Vec::new(),
            (Some(node), Some(message)) => self.matchers(message, node)?,
            (Some(node), None) => {
                return Err(document.error(node.at, "\"message\" is any message: it has no fields"));
            }
        };
        let flag = |keys: &mut Keys<'_>, name, default| match keys.take(name) {
            None => Ok(default),
            Some(node) => document.boolean(node),
        };
        Ok(ExpectNone {
            message,
            line,
            parts,
            fields,
            within: self.within(keys)?,
            fence: flag(keys, "fence", true)?,
            ever: flag(keys, "ever", false)?,
            clauses: self.load_clause(keys)?,
        })
    }

    /// `check = { "$code" = … }`, `check = "channel-bits"`, or a `[[check]]` with `that` and
    /// `holds`.
    pub(super) fn load_check(
        &mut self,
        keys: &mut Keys<'_>,
        main: Option<&Node>,
    ) -> Result<Check, LoadError> {
        let document = self.document;
        let (that_node, holds_node) = match main {
            Some(node) if matches!(node.data, Data::Table(_)) => (Some(node), None),
            Some(node) => (None, Some(node)),
            None => (keys.take("that"), keys.take("holds")),
        };
        let mut that = Vec::new();
        if let Some(node) = that_node {
            for entry in document.keys(node)?.all() {
                let expression = Expression::parse(&entry.key)
                    .map_err(|message| document.error(entry.at, message))?;
                self.check_defined(&expression, entry.at)?;
                that.push((expression, self.matcher(&entry.node, None)?));
            }
        }
        let mut invariants = Vec::new();
        if let Some(node) = holds_node {
            for (name, at) in document.strings(node)? {
                match INVARIANTS.iter().find(|invariant| invariant.name == name) {
                    Some(invariant) => invariants.push(invariant.name),
                    None => {
                        let known = INVARIANTS.iter().map(|invariant| invariant.name);
                        return Err(document.unknown(at, "invariant", &name, known));
                    }
                }
            }
        }
        if that.is_empty() && invariants.is_empty() {
            return Err(document.error(keys.at(), "a check has a demand"));
        }
        let clauses = self.load_clause(keys)?;
        let verdict = match keys.take("verdict") {
            None => Verdict::Fail,
            Some(node) => document.one_of(node, "verdict", OUTCOMES)?,
        };
        let reason =
            keys.take("reason").map(|node| document.string(node)).transpose()?.map(str::to_owned);
        Ok(Check { that, invariants, clauses, verdict, reason })
    }
}

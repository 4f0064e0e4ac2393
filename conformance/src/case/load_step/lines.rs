//! Steps that speak Stratum V1: `say`, and what is expected of lines.

use super::{BYTES, StepLoader};
use crate::case::document::{Document, Keys, LoadError, Node};
use crate::case::matcher::Matcher;
use crate::case::step::{LineKind, Say, Spoken};

impl StepLoader<'_> {
    pub(super) fn load_say(&mut self, keys: &mut Keys<'_>, main: &Node) -> Result<Say, LoadError> {
        let document = self.document;
        let spoken = match document.string(main)? {
            "line" => Spoken::Raw(self.expression(keys.require("text")?, Some(&BYTES))?),
            "result" => Spoken::Result(self.optional(keys, "result", None)?),
            "error" => Spoken::Error(self.optional(keys, "error", None)?),
            method => Spoken::Call {
                method: method.to_owned(),
                params: self.optional(keys, "params", None)?,
            },
        };
        let id = self.optional(keys, "id", None)?;
        let flag = |keys: &mut Keys<'_>, name, default| match keys.take(name) {
            None => Ok(default),
            Some(node) => document.boolean(node),
        };
        let (ends, is_bare) = (flag(keys, "ends", true)?, flag(keys, "bare", false)?);
        let mut saves = Vec::new();
        if let Some(node) = keys.take("save") {
            for entry in document.keys(node)?.all() {
                self.define(&entry.key);
                saves.push((entry.key.clone(), document.string(&entry.node)?.to_owned()));
            }
        }
        Ok(Say { spoken, id, write: self.load_write(keys)?, ends, is_bare, saves })
    }

    /// Demands on the parts of a line, by their paths.
    pub(super) fn load_parts(
        &mut self,
        keys: &mut Keys<'_>,
        line: Option<LineKind>,
    ) -> Result<Vec<(String, Matcher)>, LoadError> {
        let document = self.document;
        let Some(node) = keys.take("parts") else { return Ok(Vec::new()) };
        if line.is_none() {
            return Err(document.error(node.at, "only lines have parts"));
        }
        let mut parts = Vec::new();
        for entry in document.keys(node)?.all() {
            parts.push((entry.key.clone(), self.matcher(&entry.node, None)?));
        }
        Ok(parts)
    }
}

/// `line METHOD`, `line result`, `line error`, `line any`; `None` for what is no line.
pub(super) fn line_kind(document: &Document, node: &Node) -> Result<Option<LineKind>, LoadError> {
    let Some(word) = document.string(node)?.strip_prefix("line ") else { return Ok(None) };
    Ok(Some(match word {
        "result" => LineKind::Result,
        "error" => LineKind::Error,
        "any" => LineKind::Any,
        method => match LineKind::METHODS.iter().find(|known| **known == method) {
            Some(method) => LineKind::Call(method),
            None => {
                let known = LineKind::METHODS.iter().copied();
                return Err(document.unknown(node.at, "method", method, known));
            }
        },
    }))
}

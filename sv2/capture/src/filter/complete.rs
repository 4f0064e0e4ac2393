//! What could stand where someone is typing.

use std::ops::Range;

use sv2::message::DESCRIPTORS;

use super::expression::{Predicate, Set};
use super::field::{COLUMNS, Field, ValueKind};
use super::token::{Token, tokens};
use super::value::Operator;

/// Words that fit, for the place that they would stand in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What is replaced, in bytes.
    pub span: Range<usize>,
    /// Sorted by what they are, at most [`Completion::MAX`].
    pub words: Vec<Suggestion>,
}

/// A word that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// To be written.
    pub word: String,
    /// What it says.
    pub help: &'static str,
}

impl Completion {
    /// Words that are suggested.
    pub const MAX: usize = 100;
}

/// What fits at `cursor`, in bytes of `text`.
pub(super) fn complete(text: &str, cursor: usize) -> Completion {
    let cursor =
        (0..=cursor.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let before = tokens(&text[..cursor]).unwrap_or_default();
    let (head, span) = match before.last() {
        Some((Token::Word(word), span)) if span.end == cursor => (*word, span.clone()),
        _ => ("", cursor..cursor),
    };
    let context = before.len() - usize::from(!head.is_empty());
    let words = match field_in_question(&before[..context]) {
        Some(field) => values(&field),
        None => conditions(head),
    };
    let fits = |suggestion: &Suggestion| {
        let start = suggestion.word.get(..head.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(head))
    };
    let words = words.into_iter().filter(fits).take(Completion::MAX).collect();
    Completion { span, words }
}

/// Of the comparison whose right side is being written.
fn field_in_question(before: &[(Token<'_>, Range<usize>)]) -> Option<Field> {
    let is_operator = |token: &Token<'_>| match token {
        Token::Sign(sign) => Operator::parse(sign).is_some(),
        Token::Word(word) => Operator::parse(word).is_some(),
        Token::Quoted(_) => false,
    };
    // `field op`, or `field in { a, b,`.
    let mut tokens = before.iter().map(|(token, _)| token).rev();
    let last = tokens.next()?;
    let name = if is_operator(last) {
        tokens.next()?
    } else if matches!(last, Token::Sign("{" | ",")) {
        let mut rest = tokens.skip_while(
            |token| !matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("in")),
        );
        rest.next()?;
        rest.next()?
    } else {
        return None;
    };
    match name {
        Token::Word(name) => Field::parse(name),
        _ => None,
    }
}

fn values(field: &Field) -> Vec<Suggestion> {
    let list = |words: &[&str]| {
        words.iter().map(|word| Suggestion { word: (*word).to_owned(), help: "" }).collect()
    };
    match field {
        Field::Column(column) => match (column.kind(), column.name()) {
            (ValueKind::Message, _) => messages(),
            (ValueKind::Severity, _) => list(&["E", "W", "N", "C"]),
            (_, "dir") => list(&["up", "down"]),
            (_, "proto") => list(&["mining", "jobdecl", "tmpl", "sv1"]),
            (_, "kind") => list(&["std", "ext"]),
            (_, "mac") => list(&["ok", "unverified", "bad", "plain"]),
            (_, "state") => list(&["future", "active", "retired"]),
            (_, "verdict") => {
                list(&["good", "stale", "above-target", "duplicate", "unknown-job", "future-job"])
            }
            _ => Vec::new(),
        },
        Field::Path(_) | Field::Raw(..) => Vec::new(),
    }
}

fn messages() -> Vec<Suggestion> {
    let mut names: Vec<&str> = DESCRIPTORS.iter().map(|row| row.name).collect();
    names.dedup();
    let help = "message";
    names.into_iter().map(|name| Suggestion { word: name.to_owned(), help }).collect()
}

/// Columns, predicates, functions; and the fields of a message once its name is there.
fn conditions(head: &str) -> Vec<Suggestion> {
    let columns =
        COLUMNS.iter().map(|(name, _, _, help)| Suggestion { word: (*name).to_owned(), help });
    let predicates = Predicate::ALL
        .iter()
        .map(|(name, _)| Suggestion { word: (*name).to_owned(), help: "what became of it" });
    let sets = Set::ALL
        .iter()
        .map(|(name, example)| Suggestion { word: format!("{name}("), help: example });
    let fields = DESCRIPTORS
        .iter()
        .filter(|row| {
            let start = head.get(..row.name.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(row.name))
        })
        .flat_map(|row| {
            let help = "field";
            let path = |field: &sv2::wire::Field| format!("{}.{}", row.name, field.name);
            row.fields.iter().map(move |field| Suggestion { word: path(field), help })
        });
    columns.chain(predicates).chain(sets).chain(fields).collect()
}

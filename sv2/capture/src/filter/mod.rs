//! The filter language: `ch==7 && msg in {Submit*, SetTarget} && latency > 250ms`.
//!
//! A filter is read once, with the place of what is wrong and the way out, and then asked of
//! rows: [`Columns`] is what it reads from. A missing field makes a comparison false, also `!=`.

pub mod columns;
mod complete;
mod entry;
mod evaluate;
pub mod expression;
pub mod field;
mod parse;
mod token;
mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use sv2_document::did_you_mean;
use thiserror::Error;

pub use columns::{CHUNK, Columns, Dense, Numbers};
pub use complete::{Completion, Suggestion};
pub use entry::Entry;
pub use evaluate::Rows;
pub use expression::{Expression, Predicate, Set};
pub use field::{COLUMNS, Column, Field, FieldPath, ValueKind};
pub use value::{Literal, Operator, Value};

/// A condition on observations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// `None` takes everything.
    expression: Option<Expression>,
}

impl Filter {
    /// Reads a filter; an empty one takes everything.
    ///
    /// # Errors
    /// [`FilterError`] with the place.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        parse::parse(text).map(|expression| Filter { expression })
    }

    /// What could stand at `cursor`, in bytes of a text that need not be a filter yet.
    pub fn complete(text: &str, cursor: usize) -> Completion {
        complete::complete(text, cursor)
    }

    /// The condition, if there is one.
    pub fn expression(&self) -> Option<&Expression> {
        self.expression.as_ref()
    }

    /// Whether one row is taken.
    pub fn takes(&self, columns: &dyn Columns, row: u64) -> bool {
        self.expression.as_ref().is_none_or(|it| evaluate::takes(it, columns, row))
    }

    /// Which of `len` rows from `first` on are taken, `len` at most [`CHUNK`]: the caller shows
    /// progress, and stops when it wants to. `candidates` are the rows that another filter has
    /// left, such as the one that this one refines.
    ///
    /// # Panics
    /// If `len` is above [`CHUNK`].
    pub fn select(
        &self,
        columns: &dyn Columns,
        first: u64,
        len: usize,
        candidates: Option<&Rows>,
    ) -> Rows {
        assert!(len <= CHUNK, "a chunk has at most {CHUNK} rows");
        let all = Rows::all(len);
        let candidates = candidates.unwrap_or(&all);
        match &self.expression {
            None => candidates.clone(),
            Some(expression) => evaluate::select(expression, columns, first, candidates),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expression.as_ref().map_or(Ok(()), |expression| write!(f, "{expression}"))
    }
}

/// What is wrong with a filter, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct FilterError {
    /// In bytes of the text.
    pub span: Range<usize>,
    /// What.
    pub problem: Problem,
}

/// What can be wrong with a filter; each names the way out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// Something else should stand here.
    #[error("expected {what}")]
    Expected {
        /// In words.
        what: String,
    },
    /// Nothing has such a field.
    #[error(
        "there is no field `{name}`{}; `msg`, `ch` and `SetTarget.maximum_target` are some",
        suggest(name)
    )]
    UnknownField {
        /// As written.
        name: String,
    },
    /// There is no such set.
    #[error(
        "there is no function `{name}`; there are pair(#n), job(ch, id), around(#n, 2s), \
        first(ch) and expert(rule)"
    )]
    UnknownFunction {
        /// As written.
        name: String,
    },
    /// A quote without its end.
    #[error("the text is not closed: write another {quote} at its end")]
    Unclosed {
        /// The quote.
        quote: char,
    },
    /// Longer than anyone types.
    #[error("a filter of {len} bytes; {} are the most", token::LEN_MAX)]
    TooLong {
        /// In bytes.
        len: usize,
    },
    /// Too many parentheses within each other.
    #[error("too many parentheses within each other: take some away")]
    TooDeep,
    /// Too many conditions.
    #[error("too many conditions: `in {{…}}` holds many values in one")]
    TooMany,
}

fn suggest(name: &str) -> String {
    let predicates = Predicate::ALL.iter().map(|(name, _)| *name);
    did_you_mean(name, COLUMNS.iter().map(|(name, ..)| *name).chain(predicates))
}

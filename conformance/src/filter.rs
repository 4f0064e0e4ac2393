//! Which cases to run: expressions such as `mining.* & !tag(slow)` or `clause(MP-5.3.14*)`.
//!
//! `|` binds weaker than `&`, `!` strongest; parentheses group. A bare word is a part of a
//! case's id or a whole alias; with `*` it must match the whole id.

use std::fmt;

use crate::case::Case;
use crate::clause::Registry;

/// An expression over cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// By id or alias.
    Name(String),
    /// By the ids of its clauses.
    Clause(String),
    /// By the level of one of its clauses, such as `must`.
    Level(String),
    /// By the section of one of its clauses, such as `5.3*`.
    Section(String),
    /// By tag.
    Tag(String),
    /// By severity.
    Severity(String),
    /// All but these.
    Not(Box<Filter>),
    /// Those in both.
    And(Box<Filter>, Box<Filter>),
    /// Those in one of both.
    Or(Box<Filter>, Box<Filter>),
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Of the text, in characters from 1.
    pub column: usize,
    /// What was expected.
    pub message: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter, column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for FilterError {}

impl Filter {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first place that makes no sense.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let filter = parser.either()?;
        match parser.peek() {
            None => Ok(filter),
            Some(found) => {
                Err(parser.error(format!("expected `&`, `|` or the end, got `{found}`")))
            }
        }
    }

    /// Whether a case is meant.
    pub fn selects(&self, case: &Case, registry: &Registry) -> bool {
        let mut clauses = case.clauses.iter().filter_map(|id| registry.clause(id));
        match self {
            Filter::Name(pattern) => {
                let is_alias = case.aliases.iter().any(|alias| matches(pattern, alias));
                let is_part = !pattern.contains('*') && case.id.contains(pattern.as_str());
                is_alias || is_part || matches(pattern, &case.id)
            }
            Filter::Clause(pattern) => case.clauses.iter().any(|id| matches(pattern, id)),
            Filter::Level(pattern) => clauses.any(|clause| {
                matches(&pattern.to_lowercase(), &clause.level.as_str().to_lowercase())
            }),
            Filter::Section(pattern) => clauses.any(|clause| matches(pattern, &clause.section)),
            Filter::Tag(pattern) => case.tags.iter().any(|tag| matches(pattern, tag)),
            Filter::Severity(pattern) => matches(pattern, case.severity.name()),
            Filter::Not(inner) => !inner.selects(case, registry),
            Filter::And(a, b) => a.selects(case, registry) && b.selects(case, registry),
            Filter::Or(a, b) => a.selects(case, registry) || b.selects(case, registry),
        }
    }
}

/// Whether `text` as a whole is what `pattern` says; `*` stands for anything.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut tail = None;
    for part in parts {
        // What was the last part so far can stand anywhere; only the very last is an end.
        if let Some(middle) = tail.replace(part) {
            match rest.find(middle) {
                Some(at) => rest = &rest[at + middle.len()..],
                None => return false,
            }
        }
    }
    match tail {
        None => rest.is_empty(),
        Some(end) => rest.ends_with(end),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn either(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.both()?;
        while self.take('|') {
            filter = Filter::Or(Box::new(filter), Box::new(self.both()?));
        }
        Ok(filter)
    }

    fn both(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.one()?;
        while self.take('&') {
            filter = Filter::And(Box::new(filter), Box::new(self.one()?));
        }
        Ok(filter)
    }

    fn one(&mut self) -> Result<Filter, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {DEPTH_MAX}")));
        }
        let filter = if self.take('!') {
            Filter::Not(Box::new(self.one()?))
        } else if self.take('(') {
            let inner = self.either()?;
            self.expect(')')?;
            inner
        } else {
            self.atom()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn atom(&mut self) -> Result<Filter, FilterError> {
        let column_at = self.at;
        let word = self.word();
        if word.is_empty() {
            return Err(self.error("expected a name, `tag(…)`, `clause(…)`, `!` or `(`".to_owned()));
        }
        if !self.take('(') {
            return Ok(Filter::Name(word));
        }
        let argument = self.word();
        if argument.is_empty() {
            return Err(self.error(format!("expected what `{word}` is about")));
        }
        self.expect(')')?;
        match word.as_str() {
            "name" | "case" => Ok(Filter::Name(argument)),
            "clause" => Ok(Filter::Clause(argument)),
            "level" => Ok(Filter::Level(argument)),
            "section" => Ok(Filter::Section(argument)),
            "tag" => Ok(Filter::Tag(argument)),
            "severity" => Ok(Filter::Severity(argument)),
            _ => {
                self.at = column_at;
                Err(self.error(format!(
                    "unknown `{word}(…)`; known are name, clause, level, section, tag, severity"
                )))
            }
        }
    }

    fn word(&mut self) -> String {
        self.skip_spaces();
        let rest = &self.text[self.at..];
        let len =
            rest.find(|c: char| c.is_whitespace() || "&|!()".contains(c)).unwrap_or(rest.len());
        self.at += len;
        rest[..len].to_owned()
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_spaces();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), FilterError> {
        match self.take(wanted) {
            true => Ok(()),
            false => Err(self.error(format!("expected `{wanted}`"))),
        }
    }

    fn skip_spaces(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn error(&self, message: String) -> FilterError {
        FilterError { column: self.text[..self.at].chars().count() + 1, message }
    }
}

/// Parentheses and negations within each other.
const DEPTH_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything_and_the_rest_for_itself() {
        for (pattern, text, expected) in [
            ("mining.*", "mining.share.stale", true),
            ("*.stale", "mining.share.stale", true),
            ("*share*", "mining.share.stale", true),
            ("mining.*.stale", "mining.share.stale", true),
            ("mining.*.stale", "mining.stale", false),
            ("mining", "mining.share", false),
            ("aa*a", "aa", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn and_binds_stronger_than_or_and_not_strongest() {
        let filter = Filter::parse("a | !tag(slow) & clause(MP-5*)").unwrap();

        let Filter::Or(_, right) = filter else { panic!("{filter:?}") };
        let Filter::And(not, _) = *right else { panic!("{right:?}") };
        assert!(matches!(*not, Filter::Not(_)));
    }

    #[test]
    fn errors_name_the_column() {
        for (text, expected) in [
            ("a &", "filter, column 4: expected a name, `tag(…)`, `clause(…)`, `!` or `(`"),
            ("(a", "filter, column 3: expected `)`"),
            ("a b", "filter, column 3: expected `&`, `|` or the end, got `b`"),
            (
                "a & tog(x)",
                "filter, column 5: unknown `tog(…)`; known are name, clause, level, section, tag, \
                 severity",
            ),
        ] {
            assert_eq!(Filter::parse(text).unwrap_err().to_string(), expected);
        }
    }
}

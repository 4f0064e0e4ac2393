//! From words and signs to a condition, or to what is wrong and where.

use std::ops::Range;

use super::expression::{Expression, Predicate, Set};
use super::field::{COLUMNS, Field, ValueKind};
use super::token::{Spanned, Token, tokens};
use super::value::{Literal, Operator};
use super::{FilterError, Problem};

/// Parentheses within each other.
const DEPTH_MAX: usize = 64;
/// Conditions in one filter.
const CONDITIONS_MAX: usize = 512;

/// `None` of an empty filter, which takes everything.
pub(super) fn parse(text: &str) -> Result<Option<Expression>, FilterError> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser { tokens: &tokens, at: 0, end: text.len(), depth: 0, conditions: 0 };
    let expression = parser.or()?;
    match parser.peek() {
        None => Ok(Some(expression)),
        Some(_) => Err(parser.expected("an operator, or the end")),
    }
}

struct Parser<'a> {
    tokens: &'a [Spanned<'a>],
    at: usize,
    end: usize,
    depth: usize,
    conditions: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).map(|(token, _)| *token)
    }

    fn span(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.end..self.end, |(_, span)| span.clone())
    }

    fn expected(&self, what: impl Into<String>) -> FilterError {
        FilterError { span: self.span(), problem: Problem::Expected { what: what.into() } }
    }

    fn takes(&mut self, signs: &[&str]) -> bool {
        let is_next = match self.peek() {
            Some(Token::Sign(sign)) => signs.contains(&sign),
            Some(Token::Word(word)) => {
                signs.iter().any(|sign| sign.len() > 1 && word.eq_ignore_ascii_case(sign))
            }
            _ => false,
        };
        self.at += usize::from(is_next);
        is_next
    }

    fn or(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.and()?];
        while self.takes(&["||", "or"]) {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Expression::Or))
    }

    /// Conditions beside each other must all hold, with and without a sign.
    fn and(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.unary()?];
        loop {
            let has_sign = self.takes(&["&&", "and"]);
            let is_end = match self.peek() {
                None | Some(Token::Sign(")" | "||")) => true,
                Some(Token::Word(word)) => word.eq_ignore_ascii_case("or"),
                Some(_) => false,
            };
            if is_end && !has_sign {
                return Ok(one_or(parts, Expression::And));
            }
            parts.push(self.unary()?);
        }
    }

    fn unary(&mut self) -> Result<Expression, FilterError> {
        if self.depth >= DEPTH_MAX {
            return Err(FilterError { span: self.span(), problem: Problem::TooDeep });
        }
        self.conditions += 1;
        if self.conditions > CONDITIONS_MAX {
            return Err(FilterError { span: self.span(), problem: Problem::TooMany });
        }
        self.depth += 1;
        let parsed = if self.takes(&["!", "not"]) {
            self.unary().map(|inner| Expression::Not(Box::new(inner)))
        } else if self.takes(&["("]) {
            let inner = self.or()?;
            if !self.takes(&[")"]) {
                return Err(self.expected("`)`"));
            }
            Ok(inner)
        } else {
            self.condition()
        };
        self.depth -= 1;
        parsed
    }

    fn condition(&mut self) -> Result<Expression, FilterError> {
        let span = self.span();
        match self.peek() {
            Some(Token::Quoted(text)) => {
                self.at += 1;
                Ok(word(text, true))
            }
            Some(Token::Word(text)) => {
                self.at += 1;
                if let Some(Token::Sign("(")) = self.peek() {
                    return self.set(text, span);
                }
                self.named(text, span)
            }
            _ => Err(self.expected("a field, a message, a word or `(`")),
        }
    }

    /// A field with or without a comparison, a predicate, or a word.
    fn named(&mut self, text: &'a str, span: Range<usize>) -> Result<Expression, FilterError> {
        let operator = match self.peek() {
            Some(Token::Sign(sign)) => Operator::parse(sign),
            Some(Token::Word(word)) => Operator::parse(&word.to_ascii_lowercase()),
            _ => None,
        };
        let is_in =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("in"));
        let field = Field::parse(text);
        if operator.is_none() && !is_in {
            return match (Predicate::parse(text), field, text.split_once(':')) {
                (Some(predicate), ..) => Ok(Expression::Is(predicate)),
                (None, Some(field), _) => Ok(Expression::Has(field)),
                (None, None, Some((name, value))) if is_column(name) => {
                    self.short(name, value, span)
                }
                _ => Ok(word(text, false)),
            };
        }
        let Some(field) = field else {
            let problem = Problem::UnknownField { name: text.to_owned() };
            return Err(FilterError { span, problem });
        };
        self.at += 1;
        match operator {
            Some(operator) => {
                let literal = self.literal(operator, field.kind())?;
                Ok(Expression::Compare(field, operator, literal))
            }
            None => self.list(field),
        }
    }

    /// `ch:7` is short for `ch == 7`, and so are `ch: 7` and `user:"a name"`.
    fn short(
        &mut self,
        name: &str,
        value: &str,
        span: Range<usize>,
    ) -> Result<Expression, FilterError> {
        let field = Field::parse(name).expect("the caller has found the column");
        if value.is_empty() {
            let literal = self.literal(Operator::Equal, field.kind())?;
            return Ok(Expression::Compare(field, Operator::Equal, literal));
        }
        let literal = Literal::read(value, false, Operator::Equal, field.kind())
            .map_err(|what| FilterError { span, problem: Problem::Expected { what } })?;
        Ok(Expression::Compare(field, Operator::Equal, literal))
    }

    fn literal(&mut self, operator: Operator, kind: ValueKind) -> Result<Literal, FilterError> {
        let (text, is_quoted) = match self.peek() {
            Some(Token::Word(text)) => (text, false),
            Some(Token::Quoted(text)) => (text, true),
            _ => return Err(self.expected(format!("a value behind `{}`", operator.sign()))),
        };
        let literal = Literal::read(text, is_quoted, operator, kind);
        let literal = literal.map_err(|what| self.expected(what))?;
        self.at += 1;
        Ok(literal)
    }

    fn list(&mut self, field: Field) -> Result<Expression, FilterError> {
        if !self.takes(&["{"]) {
            return Err(self.expected("`{` and values, with commas between"));
        }
        let mut literals = Vec::new();
        loop {
            literals.push(self.literal(Operator::Equal, field.kind())?);
            if self.takes(&["}"]) {
                return Ok(Expression::In(field, literals));
            }
            if !self.takes(&[","]) {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    fn set(&mut self, name: &str, span: Range<usize>) -> Result<Expression, FilterError> {
        let known = Set::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((name, _)) = known else {
            let problem = Problem::UnknownFunction { name: name.to_owned() };
            return Err(FilterError { span, problem });
        };
        self.at += 1;
        let first = self.number(ValueKind::Number)?;
        let set = match *name {
            "pair" => Set::Pair { number: first },
            "first" => Set::First { channel: first },
            "expert" => Set::Expert { rule: first },
            "job" => {
                self.comma()?;
                Set::Job { channel: first, job: self.number(ValueKind::Number)? }
            }
            _ => {
                self.comma()?;
                let nanoseconds = self.number(ValueKind::Duration)?;
                Set::Around { number: first, nanoseconds }
            }
        };
        if !self.takes(&[")"]) {
            return Err(self.expected("`)`"));
        }
        Ok(Expression::Set(set))
    }

    fn comma(&mut self) -> Result<(), FilterError> {
        if self.takes(&[","]) { Ok(()) } else { Err(self.expected("`,`")) }
    }

    fn number(&mut self, kind: ValueKind) -> Result<u64, FilterError> {
        let literal = self.literal(Operator::Equal, kind)?;
        literal.as_int().ok_or_else(|| {
            self.at -= 1;
            self.expected("a whole number")
        })
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

fn word(text: &str, is_quoted: bool) -> Expression {
    let literal = Literal::read(text, is_quoted, Operator::Contains, ValueKind::Text);
    Expression::Word(literal.expect("any text is a part of text"))
}

fn is_column(name: &str) -> bool {
    COLUMNS.iter().any(|(known, ..)| known.eq_ignore_ascii_case(name))
}

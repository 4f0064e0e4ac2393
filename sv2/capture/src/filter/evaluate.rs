//! Which rows a condition takes: chunk by chunk, numbers first, the rest only for what is left.

use std::collections::BTreeMap;

use sv2::message::descriptor;

use super::columns::{CHUNK, Columns, Dense, Numbers};
use super::expression::{Expression, Set};
use super::field::{Column, Field};
use super::value::{Literal, Operator, Value};

/// The rows of `first..first + rows` that `expression` takes among `candidates`.
pub(super) fn select(
    expression: &Expression,
    columns: &dyn Columns,
    first: u64,
    candidates: &Rows,
) -> Rows {
    match expression {
        Expression::And(parts) => {
            let mut left = candidates.clone();
            // What costs a nanosecond a row goes first.
            let (cheap, dear): (Vec<_>, Vec<_>) =
                parts.iter().partition(|part| is_cheap(part, columns, first));
            for part in cheap.into_iter().chain(dear) {
                if left.is_empty() {
                    break;
                }
                left = select(part, columns, first, &left);
            }
            left
        }
        Expression::Or(parts) => {
            let mut found = Rows::none(candidates.len);
            for part in parts {
                let left = candidates.without(&found);
                found.add(&select(part, columns, first, &left));
            }
            found
        }
        Expression::Not(inner) => candidates.without(&select(inner, columns, first, candidates)),
        Expression::Compare(Field::Column(Column::Msg), ..)
        | Expression::In(Field::Column(Column::Msg), _) => {
            by_message(expression, columns, first, candidates)
        }
        Expression::Compare(Field::Column(column), operator, literal) => {
            let dense = columns.dense(*column, first);
            match (dense, literal.as_int()) {
                (Some(dense), Some(own)) if dense.numbers.len() >= candidates.len => {
                    let mut found = compare_dense(dense, *operator, own, candidates.len);
                    found.keep(candidates);
                    found
                }
                _ => one_by_one(expression, columns, first, candidates),
            }
        }
        // One row of the whole capture: found once for all rows of the chunk.
        Expression::Set(Set::First { channel }) => {
            let mut found = Rows::none(candidates.len);
            let row = columns.first_of(*channel).and_then(|row| row.checked_sub(first));
            let at = row.and_then(|at| usize::try_from(at).ok());
            if let Some(at) = at.filter(|at| candidates.contains(*at)) {
                found.set(at);
            }
            found
        }
        _ => one_by_one(expression, columns, first, candidates),
    }
}

/// Messages of one kind have one name: it is compared once for each kind, where the numbers that
/// make the kind are held as such.
fn by_message(
    expression: &Expression,
    columns: &dyn Columns,
    first: u64,
    candidates: &Rows,
) -> Rows {
    let kinds = columns.dense(Column::Type, first).zip(columns.dense(Column::Ext, first));
    let Some((
        Dense { numbers: Numbers::U32(numbers), missing },
        Dense { numbers: Numbers::U32(extensions), .. },
    )) = kinds
    else {
        return one_by_one(expression, columns, first, candidates);
    };
    if numbers.len() < candidates.len || extensions.len() < candidates.len {
        return one_by_one(expression, columns, first, candidates);
    }
    let mut found = Rows::none(candidates.len);
    let mut known: BTreeMap<(u32, u32), bool> = BTreeMap::new();
    // Kinds take turns, and few of them make most of a capture.
    let mut recent = [None; 4];
    for at in candidates.iter() {
        let kind = (extensions[at], numbers[at]);
        let place = kind.1 as usize % recent.len();
        let is_taken = match recent[place] {
            Some((recent, is_taken)) if recent == kind => is_taken,
            _ if missing == Some(kind.1.into()) => {
                // No message: each may have a name of its own.
                takes(expression, columns, first + at as u64)
            }
            _ => {
                let ask = || match name_of(kind) {
                    Some(name) => takes_name(expression, name),
                    // Not one of the table: it says itself what it is.
                    None => takes(expression, columns, first + at as u64),
                };
                let is_taken = *known.entry(kind).or_insert_with(ask);
                recent[place] = Some((kind, is_taken));
                is_taken
            }
        };
        if is_taken {
            found.set(at);
        }
    }
    found
}

/// Of an extension and a message of it.
fn name_of((extension, number): (u32, u32)) -> Option<&'static str> {
    let row = descriptor(u16::try_from(extension).ok()?, u8::try_from(number).ok()?)?;
    Some(row.name)
}

/// Whether a condition on names of messages takes one.
fn takes_name(expression: &Expression, name: &str) -> bool {
    let name = Value::Text(name.into());
    match expression {
        Expression::Compare(_, Operator::NotEqual, literal) => {
            !literal.takes(Operator::Equal, &name)
        }
        Expression::Compare(_, operator, literal) => literal.takes(*operator, &name),
        Expression::In(_, literals) => {
            literals.iter().any(|literal| literal.takes(Operator::Equal, &name))
        }
        _ => false,
    }
}

fn is_cheap(expression: &Expression, columns: &dyn Columns, first: u64) -> bool {
    match expression {
        Expression::Compare(Field::Column(Column::Msg), ..) => {
            columns.dense(Column::Type, first).is_some()
        }
        Expression::Compare(Field::Column(column), _, literal) => {
            literal.as_int().is_some() && columns.dense(*column, first).is_some()
        }
        Expression::In(Field::Column(Column::Msg), _) => {
            columns.dense(Column::Type, first).is_some()
        }
        Expression::Not(inner) => is_cheap(inner, columns, first),
        Expression::And(parts) | Expression::Or(parts) => {
            parts.iter().all(|part| is_cheap(part, columns, first))
        }
        _ => false,
    }
}

fn one_by_one(
    expression: &Expression,
    columns: &dyn Columns,
    first: u64,
    candidates: &Rows,
) -> Rows {
    let mut found = Rows::none(candidates.len);
    for at in candidates.iter() {
        if takes(expression, columns, first + at as u64) {
            found.set(at);
        }
    }
    found
}

/// Whether one row is taken.
pub(super) fn takes(expression: &Expression, columns: &dyn Columns, row: u64) -> bool {
    match expression {
        Expression::And(parts) => parts.iter().all(|part| takes(part, columns, row)),
        Expression::Or(parts) => parts.iter().any(|part| takes(part, columns, row)),
        Expression::Not(inner) => !takes(inner, columns, row),
        Expression::Compare(field, Operator::NotEqual, literal) => {
            // Missing is false, also here; of several values none may be equal.
            let (mut exists, mut is_equal) = (false, false);
            columns.values(row, field, &mut |value| {
                exists = true;
                is_equal |= literal.takes(Operator::Equal, &value);
            });
            exists && !is_equal
        }
        Expression::Compare(field, operator, literal) => {
            any(columns, row, field, |value| literal.takes(*operator, value))
        }
        Expression::In(field, literals) => any(columns, row, field, |value| {
            literals.iter().any(|literal| literal.takes(Operator::Equal, value))
        }),
        Expression::Has(field) => any(columns, row, field, |_| true),
        Expression::Is(predicate) => columns.is(row, *predicate),
        Expression::Set(set) => is_in(*set, columns, row),
        Expression::Word(literal) => is_word(columns, row, literal),
    }
}

fn any(
    columns: &dyn Columns,
    row: u64,
    field: &Field,
    passes: impl Fn(&Value<'_>) -> bool,
) -> bool {
    let mut found = false;
    columns.values(row, field, &mut |value| found |= passes(&value));
    found
}

fn is_word(columns: &dyn Columns, row: u64, literal: &Literal) -> bool {
    [Column::Info, Column::Msg].into_iter().any(|column| {
        any(columns, row, &Field::Column(column), |value| literal.takes(Operator::Contains, value))
    })
}

fn is_in(set: Set, columns: &dyn Columns, row: u64) -> bool {
    let is = |row: u64, column: Column, number: u64| {
        any(columns, row, &Field::Column(column), |value| *value == Value::Int(number))
    };
    match set {
        Set::Pair { number } => {
            let of_it = columns.row_of(number);
            let this = number_of(columns, row);
            is(row, Column::N, number)
                || is(row, Column::Pair, number)
                || of_it.zip(this).is_some_and(|(of_it, this)| is(of_it, Column::Pair, this))
        }
        Set::Job { channel, job } => is(row, Column::Ch, channel) && is(row, Column::Job, job),
        Set::Around { number, nanoseconds } => {
            let center = columns.row_of(number).and_then(|row| time_of(columns, row));
            let (Some(center), Some(at)) = (center, time_of(columns, row)) else { return false };
            center.abs_diff(at) <= nanoseconds
        }
        Set::First { channel } => columns.first_of(channel) == Some(row),
        Set::Expert { rule } => is(row, Column::Rule, rule),
    }
}

fn number_of(columns: &dyn Columns, row: u64) -> Option<u64> {
    int(columns, row, Column::N)
}

fn time_of(columns: &dyn Columns, row: u64) -> Option<u64> {
    int(columns, row, Column::T)
}

fn int(columns: &dyn Columns, row: u64, column: Column) -> Option<u64> {
    let mut found = None;
    columns.values(row, &Field::Column(column), &mut |value| {
        if let Value::Int(number) = value {
            found = Some(number);
        }
    });
    found
}

fn compare_dense(dense: Dense<'_>, operator: Operator, own: u64, len: usize) -> Rows {
    match dense.numbers {
        Numbers::U8(numbers) => compare(&numbers[..len], dense.missing, operator, own),
        Numbers::U16(numbers) => compare(&numbers[..len], dense.missing, operator, own),
        Numbers::U32(numbers) => compare(&numbers[..len], dense.missing, operator, own),
        Numbers::U64(numbers) => compare(&numbers[..len], dense.missing, operator, own),
    }
}

/// One loop for each operator, so that the compiler makes vectors of it.
fn compare<T: Copy + Into<u64>>(
    numbers: &[T],
    missing: Option<u64>,
    operator: Operator,
    own: u64,
) -> Rows {
    match operator {
        Operator::Equal => fill(numbers, missing, |number| number == own),
        Operator::NotEqual => fill(numbers, missing, |number| number != own),
        Operator::Less => fill(numbers, missing, |number| number < own),
        Operator::LessEqual => fill(numbers, missing, |number| number <= own),
        Operator::Greater => fill(numbers, missing, |number| number > own),
        Operator::GreaterEqual => fill(numbers, missing, |number| number >= own),
        Operator::Contains | Operator::Matches => Rows::none(numbers.len()),
    }
}

#[inline]
fn fill<T: Copy + Into<u64>>(
    numbers: &[T],
    missing: Option<u64>,
    passes: impl Fn(u64) -> bool,
) -> Rows {
    let word = |chunk: &[T], is_there: &dyn Fn(u64) -> bool| {
        chunk.iter().enumerate().fold(0_u64, |word, (at, number)| {
            let number: u64 = (*number).into();
            word | u64::from(passes(number) && is_there(number)) << at
        })
    };
    let words = match missing {
        None => numbers.chunks(64).map(|chunk| word(chunk, &|_| true)).collect(),
        Some(missing) => {
            numbers.chunks(64).map(|chunk| word(chunk, &|number| number != missing)).collect()
        }
    };
    Rows { words, len: numbers.len() }
}

/// A set of rows, one bit each, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    words: Vec<u64>,
    len: usize,
}

impl Rows {
    /// Empty, of `len` rows.
    pub fn none(len: usize) -> Self {
        Rows { words: vec![0; len.div_ceil(64)], len }
    }

    /// All of `len` rows.
    pub fn all(len: usize) -> Self {
        let mut rows = Rows { words: vec![u64::MAX; len.div_ceil(64)], len };
        if let (Some(last), rest @ 1..) = (rows.words.last_mut(), len % 64) {
            *last = (1 << rest) - 1;
        }
        rows
    }

    /// Whether a row is in it.
    pub fn contains(&self, at: usize) -> bool {
        self.words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// How many are in it.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.checked_sub(1)?;
                Some(index * 64 + bit as usize)
            })
        })
    }

    fn set(&mut self, at: usize) {
        self.words[at / 64] |= 1 << (at % 64);
    }

    fn keep(&mut self, other: &Rows) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }

    fn add(&mut self, other: &Rows) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    fn without(&self, other: &Rows) -> Rows {
        let words = self.words.iter().zip(&other.words).map(|(word, other)| word & !other);
        Rows { words: words.collect(), len: self.len }
    }
}

const _: () = assert!(CHUNK.is_multiple_of(64), "chunks are whole words");

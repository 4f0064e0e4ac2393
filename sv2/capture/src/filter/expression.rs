//! What a filter asks, as a tree.

use std::fmt;

use super::field::{Column, Field};
use super::value::{Literal, Operator};

/// A condition on one observation.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// All of them.
    And(Vec<Expression>),
    /// One of them at least.
    Or(Vec<Expression>),
    /// Not this one.
    Not(Box<Expression>),
    /// A comparison; false where the field is missing, also for `!=`.
    Compare(Field, Operator, Literal),
    /// One of several values.
    In(Field, Vec<Literal>),
    /// The field is there.
    Has(Field),
    /// A state that follows from others.
    Is(Predicate),
    /// Observations that belong to another one.
    Set(Set),
    /// A part of the last column, in any case.
    Word(Literal),
}

impl Expression {
    /// Whether it asks for what only the rest of a capture tells: what becomes of a share or of a
    /// request, or which observations belong together.
    pub fn needs_hindsight(&self) -> bool {
        match self {
            Expression::And(all) | Expression::Or(all) => all.iter().any(Self::needs_hindsight),
            Expression::Not(inner) => inner.needs_hindsight(),
            Expression::Compare(field, ..) | Expression::In(field, _) | Expression::Has(field) => {
                // The request learns of its answer.
                *field == Field::Column(Column::Pair)
            }
            Expression::Is(predicate) => matches!(
                predicate,
                Predicate::Accepted
                    | Predicate::Rejected
                    | Predicate::Unanswered
                    | Predicate::Pairless
            ),
            Expression::Set(_) => true,
            Expression::Word(_) => false,
        }
    }
}

/// What an observation is, by what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// A share that its server has acknowledged.
    Accepted,
    /// A share that its server has refused.
    Rejected,
    /// A share for a job that a block has made void.
    Stale,
    /// A request without an answer.
    Unanswered,
    /// Neither a request that was answered nor an answer to one.
    Pairless,
    /// A job, or a share for one, that waits for its block.
    Future,
    /// A job, or a share for one, that counts.
    Active,
    /// A job, or a share for one, that is void.
    Retired,
    /// For a channel that is not there.
    Orphan,
    /// A share that repeats another.
    Duplicate,
}

impl Predicate {
    /// All, by name.
    pub const ALL: &'static [(&'static str, Predicate)] = &[
        ("accepted", Predicate::Accepted),
        ("rejected", Predicate::Rejected),
        ("stale", Predicate::Stale),
        ("unanswered", Predicate::Unanswered),
        ("pairless", Predicate::Pairless),
        ("future", Predicate::Future),
        ("active", Predicate::Active),
        ("retired", Predicate::Retired),
        ("orphan", Predicate::Orphan),
        ("duplicate", Predicate::Duplicate),
    ];

    /// As written.
    pub fn name(self) -> &'static str {
        let row = Self::ALL.iter().find(|(_, predicate)| *predicate == self);
        row.map_or("", |(name, _)| name)
    }

    pub(super) fn parse(text: &str) -> Option<Predicate> {
        let row = Self::ALL.iter().find(|(name, _)| *name == text);
        row.map(|(_, predicate)| *predicate)
    }
}

/// Observations that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// An observation, its request and its answers: `pair(#81244)`.
    Pair {
        /// Any of them.
        number: u64,
    },
    /// What concerns a job of a channel: `job(7, 41)`.
    Job {
        /// Channel or group.
        channel: u64,
        /// Of the channel.
        job: u64,
    },
    /// What was captured near another one: `around(#81244, 2s)`.
    Around {
        /// The other one.
        number: u64,
        /// Before and after, in nanoseconds.
        nanoseconds: u64,
    },
    /// The first observation of a channel: `first(7)`.
    First {
        /// Channel or group.
        channel: u64,
    },
    /// What a rule has found: `expert(16)`.
    Expert {
        /// Of the rule.
        rule: u64,
    },
}

impl Set {
    /// Names, with their arguments.
    pub const ALL: &'static [(&'static str, &'static str)] = &[
        ("pair", "pair(#81244)"),
        ("job", "job(7, 41)"),
        ("around", "around(#81244, 2s)"),
        ("first", "first(7)"),
        ("expert", "expert(16)"),
    ];
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Set::Pair { number } => write!(f, "pair(#{number})"),
            Set::Job { channel, job } => write!(f, "job({channel}, {job})"),
            Set::Around { number, nanoseconds } => write!(f, "around(#{number}, {nanoseconds}ns)"),
            Set::First { channel } => write!(f, "first({channel})"),
            Set::Expert { rule } => write!(f, "expert({rule})"),
        }
    }
}

/// In the shortest form that reads as the same.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::And(parts) => join(f, parts, " && "),
            // `&&` binds closer: it needs no parentheses here.
            Expression::Or(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { " || " })?;
                    match part {
                        Expression::And(parts) => join(f, parts, " && ")?,
                        part => write!(f, "{}", Grouped(part))?,
                    }
                }
                Ok(())
            }
            Expression::Not(inner) => write!(f, "!{}", Grouped(inner)),
            Expression::Compare(field, operator, literal) => {
                write!(f, "{field} {} {literal}", operator.sign())
            }
            Expression::In(field, literals) => {
                write!(f, "{field} in {{")?;
                for (index, literal) in literals.iter().enumerate() {
                    write!(f, "{}{literal}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
            Expression::Has(field) => write!(f, "{field}"),
            Expression::Is(predicate) => f.write_str(predicate.name()),
            Expression::Set(set) => write!(f, "{set}"),
            Expression::Word(literal) => write!(f, "{literal}"),
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Expression], sign: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        write!(f, "{}{}", if index == 0 { "" } else { sign }, Grouped(part))?;
    }
    Ok(())
}

struct Grouped<'a>(&'a Expression);

impl fmt::Display for Grouped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            inner @ (Expression::And(_) | Expression::Or(_)) => write!(f, "({inner})"),
            inner => write!(f, "{inner}"),
        }
    }
}

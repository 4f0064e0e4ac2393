//! Which clauses are asked by a case, counted by role.

use std::collections::BTreeMap;
use std::fmt;

use crate::case::{Suite, TargetRole};

use super::{Clause, Observe, Reason, Registry, Role};

/// Which cases cite which clause.
#[derive(Clone, Debug, Default)]
pub struct Citations {
    cases_by_clause: BTreeMap<String, Vec<String>>,
    /// Whom a case is about; one that is not here, everybody.
    roles_by_case: BTreeMap<String, Vec<Role>>,
}

/// A case that cites what is no clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownClause {
    /// Id of the case.
    pub case: String,
    /// What it cites.
    pub clause: String,
    /// A clause with a similar id.
    pub similar: Option<String>,
}

impl fmt::Display for UnknownClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "case {} cites {}, which is no clause", self.case, self.clause)?;
        match &self.similar {
            Some(similar) => write!(f, "; did you mean {similar}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownClause {}

impl Citations {
    /// Collects (case id, clause ids) pairs.
    ///
    /// # Errors
    /// Every citation of something that is no clause.
    pub fn new<'a, Clauses>(
        registry: &Registry,
        cases: impl IntoIterator<Item = (&'a str, Clauses)>,
    ) -> Result<Citations, Vec<UnknownClause>>
    where
        Clauses: IntoIterator<Item = &'a str>,
    {
        let mut citations = Citations::default();
        let mut unknown = Vec::new();
        for (case, clauses) in cases {
            for clause in clauses {
                if registry.clause(clause).is_some() {
                    let cases = citations.cases_by_clause.entry(clause.to_owned()).or_default();
                    if cases.last().is_none_or(|last| last != case) {
                        cases.push(case.to_owned());
                    }
                } else {
                    unknown.push(UnknownClause {
                        case: case.to_owned(),
                        clause: clause.to_owned(),
                        similar: similar(registry, clause),
                    });
                }
            }
        }
        if unknown.is_empty() { Ok(citations) } else { Err(unknown) }
    }

    /// What the cases of a suite cite.
    ///
    /// # Errors
    /// As [`Citations::new`], for a suite that was read with another registry.
    pub fn of(registry: &Registry, suite: &Suite) -> Result<Citations, Vec<UnknownClause>> {
        let cases = suite.cases.iter();
        let mut citations = Citations::new(
            registry,
            cases.map(|case| (case.id.as_str(), case.clauses.iter().map(String::as_str))),
        )?;
        for case in &suite.cases {
            let roles = case.roles.iter().map(|role| program(*role)).collect();
            citations.roles_by_case.insert(case.id.clone(), roles);
        }
        Ok(citations)
    }

    /// Cases that cite a clause, in the order in which they came.
    pub fn cases(&self, clause: &str) -> &[String] {
        self.cases_by_clause.get(clause).map_or(&[], Vec::as_slice)
    }

    /// Whether a case for programs of this role cites it.
    pub fn is_tested_for(&self, role: Role, clause: &Clause) -> bool {
        let concerns =
            |case: &String| self.roles_by_case.get(case).is_none_or(|roles| roles.contains(&role));
        self.cases(&clause.id).iter().any(concerns)
    }

    /// Whether any case cites it.
    pub fn is_tested(&self, clause: &Clause) -> bool {
        !self.cases(&clause.id).is_empty()
    }
}

fn program(role: TargetRole) -> Role {
    match role {
        TargetRole::Pool => Role::Pool,
        TargetRole::JobDeclaratorServer => Role::Jds,
        TargetRole::TemplateProvider => Role::TemplateProvider,
        TargetRole::MiningDevice => Role::MiningDevice,
        TargetRole::MiningProxy => Role::Proxy,
        TargetRole::Translator => Role::Translator,
        TargetRole::JobDeclaratorClient => Role::Jdc,
        TargetRole::Sv1Device => Role::Sv1Device,
    }
}

/// The id that differs in the fewest places, if that is at most two.
fn similar(registry: &Registry, wrong: &str) -> Option<String> {
    let distance = |id: &str| {
        let differing = id.bytes().zip(wrong.bytes()).filter(|(left, right)| left != right).count();
        differing + id.len().abs_diff(wrong.len())
    };
    let nearest = registry.clauses().iter().min_by_key(|clause| distance(&clause.id))?;
    (distance(&nearest.id) <= 2).then(|| nearest.id.clone())
}

/// How many clauses that bind a role are asked, and why the others are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleCoverage {
    /// The program's role.
    pub role: Role,
    /// Clauses that bind it.
    pub clause_count: usize,
    /// Of these, those that a suite which is its peer can see, with a hook or without.
    pub testable_count: usize,
    /// Testable clauses that a case asks: the number that matters.
    pub testable_tested_count: usize,
    /// Clauses that a case asks.
    pub tested_count: usize,
    /// Clauses that no case asks, by reason.
    pub untested_counts: BTreeMap<Reason, usize>,
    /// Clauses that no case asks and that give no reason; the tests of this crate keep it empty.
    pub unexplained: Vec<String>,
}

/// Coverage of every role that a program can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Clauses in the registry.
    pub clause_count: usize,
    /// Clauses that a case asks.
    pub tested_count: usize,
    /// One for each of [`Role::PROGRAMS`].
    pub roles: Vec<RoleCoverage>,
}

impl Registry {
    /// Coverage by the cases that `citations` was made of.
    pub fn coverage(&self, citations: &Citations) -> Coverage {
        let tested = |clause: &&Clause| citations.is_tested(clause);
        Coverage {
            clause_count: self.clauses().len(),
            tested_count: self.clauses().iter().filter(tested).count(),
            roles: Role::PROGRAMS.iter().map(|&role| self.role_coverage(role, citations)).collect(),
        }
    }

    /// Coverage of the clauses that bind one role.
    pub fn role_coverage(&self, role: Role, citations: &Citations) -> RoleCoverage {
        let mut coverage = RoleCoverage {
            role,
            clause_count: 0,
            testable_count: 0,
            testable_tested_count: 0,
            tested_count: 0,
            untested_counts: BTreeMap::new(),
            unexplained: Vec::new(),
        };
        for clause in self.clauses().iter().filter(|clause| clause.binds(role)) {
            coverage.clause_count += 1;
            coverage.testable_count += usize::from(clause.is_testable());
            if citations.is_tested_for(role, clause) {
                coverage.tested_count += 1;
                coverage.testable_tested_count += usize::from(clause.is_testable());
            } else if let Some(untested) = &clause.untested {
                *coverage.untested_counts.entry(untested.reason).or_default() += 1;
            } else if citations.is_tested(clause) {
                // Asked of others: nothing but a case is missing.
                *coverage.untested_counts.entry(Reason::NotYet).or_default() += 1;
            } else {
                coverage.unexplained.push(clause.id.clone());
            }
        }
        coverage
    }

    /// Cases that cite a clause of which the registry says that nobody can see it broken: one of
    /// the two is wrong.
    pub fn contradictions<'a>(&'a self, citations: &'a Citations) -> Vec<(&'a str, &'a [String])> {
        self.clauses()
            .iter()
            .filter(|clause| clause.observe == Observe::Never && citations.is_tested(clause))
            .map(|clause| (clause.id.as_str(), citations.cases(&clause.id)))
            .collect()
    }
}

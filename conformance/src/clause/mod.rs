//! The clause registry: every rule of the specification in our own words, and whether a case asks
//! it. What is not tested says why, as data.
//!
//! The rules stand in `conformance/clauses/*.toml`, one file a chapter, and are compiled in. The
//! specification's text is not copied: a clause holds the fingerprint of the sentence that carries
//! it ([`specification`]), which is enough to report drift ([`drift`]).

mod ambiguity;
mod coverage;
pub mod drift;
mod load;
mod show;
pub mod specification;
mod words;

use std::collections::BTreeMap;

pub use crate::case::document::LoadError;
pub use ambiguity::{Ambiguity, Reading};
pub use coverage::{Citations, Coverage, RoleCoverage, UnknownClause};
pub use load::Source;
pub use show::{Filter, Status, coverage_json, list, list_json, print_coverage, show};
pub use specification::Fingerprint;
pub use words::{Basis, Level, Observe, Reason, Role, UnknownWord};

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Never changes and is never used again, such as `MP-5.3.14-02`.
    pub id: String,
    /// Of the specification; sections of extensions as `0x0001/1.1`.
    pub section: String,
    /// Who must obey.
    pub roles: Vec<Role>,
    /// How strongly.
    pub level: Level,
    /// Whether the text says it or it follows from the text.
    pub basis: Basis,
    /// What it takes to see whether a peer obeys.
    pub observe: Observe,
    /// The rule in our words.
    pub rule: String,
    /// How a case would ask it; empty if nothing can.
    pub how: String,
    /// Why no case asks it; of no effect once one does.
    pub untested: Option<Untested>,
    /// Of the ambiguity register.
    pub ambiguities: Vec<String>,
    /// File of the specification.
    pub file: String,
    /// Number of the sentence within its section, from 1; `None` if the whole section carries the
    /// rule. A hint for readers: drift is judged by the fingerprint.
    pub sentence: Option<usize>,
    /// Of the sentence, or of the section.
    pub fingerprint: Fingerprint,
}

/// Why no case asks a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untested {
    /// The kind of reason, which is counted.
    pub reason: Reason,
    /// In words.
    pub why: String,
}

impl Clause {
    /// Whether it binds a program of this role: a clause for servers binds a pool too.
    pub fn binds(&self, role: Role) -> bool {
        let chapter = self.section.split(['.', '/']).next().unwrap_or_default();
        self.roles.contains(&role)
            || role.speaks(chapter)
                && role.bound_by().iter().any(|bound| self.roles.contains(bound))
    }

    /// Whether a suite that is the peer, with a hook where one is needed, can see it broken.
    pub fn is_testable(&self) -> bool {
        matches!(self.observe, Observe::Peer | Observe::Partly | Observe::Hook)
    }
}

/// A chapter of the specification: one file of the registry.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// Of the specification, such as `05-Mining-Protocol.md`.
    pub file: String,
    /// Its title.
    pub title: String,
    /// Before the section numbers of an extension, such as `0x0001/`; else empty.
    pub section_prefix: String,
    /// Fingerprints of whole sections, so that text without a clause is watched as well.
    pub sections: BTreeMap<String, Fingerprint>,
}

impl Chapter {
    /// Whether there is a text of the specification to hold it to.
    pub fn is_of_specification(&self) -> bool {
        self.file.ends_with(".md")
    }
}

/// All clauses and ambiguities, in the order of the specification.
#[derive(Clone, Debug)]
pub struct Registry {
    /// Commit of the specification that the fingerprints are of.
    pub commit: String,
    chapters: Vec<Chapter>,
    clauses: Vec<Clause>,
    ambiguities: Vec<Ambiguity>,
}

impl Registry {
    /// The registry that was compiled in.
    ///
    /// # Panics
    /// Never in a program that passed its tests: they load every file.
    pub fn embedded() -> Registry {
        match load::load(load::EMBEDDED) {
            Ok(registry) => registry,
            Err(error) => panic!("the registry is checked by the tests of this crate: {error}"),
        }
    }

    /// Reads a registry from texts.
    ///
    /// # Errors
    /// The first thing wrong, with file, line and column.
    pub fn load(sources: &[Source<'_>]) -> Result<Registry, LoadError> {
        load::load(sources)
    }

    /// In the order of the specification.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// In the order of their numbers.
    pub fn ambiguities(&self) -> &[Ambiguity] {
        &self.ambiguities
    }

    /// In the order of the specification.
    pub fn chapters(&self) -> &[Chapter] {
        &self.chapters
    }

    /// By id.
    pub fn clause(&self, id: &str) -> Option<&Clause> {
        self.clauses.iter().find(|clause| clause.id == id)
    }

    /// By id.
    pub fn ambiguity(&self, id: &str) -> Option<&Ambiguity> {
        self.ambiguities.iter().find(|ambiguity| ambiguity.id == id)
    }
}

#[cfg(test)]
mod tests;

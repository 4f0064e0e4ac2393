//! Reads the registry's files. Everything that can be wrong with a row has a file, a line and a
//! column.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;

use crate::case::document::{LoadError, place};

use super::{Ambiguity, Chapter, Clause, Fingerprint, Reading, Registry, Untested};

/// A file of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// As errors call it.
    pub name: &'a str,
    /// TOML.
    pub text: &'a str,
}

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        &[$(Source {
            name: concat!("conformance/clauses/", $name, ".toml"),
            text: include_str!(concat!("../../clauses/", $name, ".toml")),
        }),+]
    };
}

/// Every file of `conformance/clauses`, in the order of the specification; a test holds the list
/// to the folder.
pub(super) const EMBEDDED: &[Source<'static>] = embedded![
    "03-protocol-overview",
    "04-protocol-security",
    "05-mining-protocol",
    "06-job-declaration-protocol",
    "07-template-distribution-protocol",
    "08-message-types",
    "09-extensions",
    "10-discussion",
    "0x0001-extensions-negotiation",
    "0x0002-worker-specific-hashrate-tracking",
    "stratum-v1",
    "ambiguities",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chapter: Option<ChapterTable>,
    #[serde(default)]
    clause: Vec<ClauseTable>,
    #[serde(default)]
    ambiguity: Vec<AmbiguityTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChapterTable {
    file: String,
    title: String,
    commit: Spanned<String>,
    #[serde(default)]
    section_prefix: String,
    #[serde(default)]
    sections: BTreeMap<String, Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClauseTable {
    id: Spanned<String>,
    section: Spanned<String>,
    roles: Spanned<Vec<Spanned<String>>>,
    level: Spanned<String>,
    basis: Spanned<String>,
    observe: Spanned<String>,
    rule: Spanned<String>,
    #[serde(default)]
    how: String,
    untested: Option<UntestedTable>,
    #[serde(default)]
    ambiguities: Vec<Spanned<String>>,
    sentence: Option<usize>,
    fingerprint: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UntestedTable {
    reason: Spanned<String>,
    why: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AmbiguityTable {
    id: Spanned<String>,
    sections: Vec<String>,
    question: String,
    readings: Spanned<Vec<ReadingTable>>,
    #[serde(default)]
    reference: String,
    #[serde(default)]
    discussed: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadingTable {
    name: String,
    means: String,
}

pub(super) fn load(sources: &[Source<'_>]) -> Result<Registry, LoadError> {
    let mut registry = Registry {
        commit: String::new(),
        chapters: Vec::new(),
        clauses: Vec::new(),
        ambiguities: Vec::new(),
    };
    let mut places = BTreeMap::new();
    let mut citations = Vec::new();
    for &source in sources {
        let reader = Reader { source };
        let file: File = toml::from_str(source.text).map_err(|error| {
            reader.error(error.span().map_or(0, |span| span.start), error.message())
        })?;
        if let Some(table) = file.chapter {
            reader.chapter(&mut registry, table)?;
        } else if let Some(clause) = file.clause.first() {
            return Err(reader.at(&clause.id, "clauses need a [chapter] table above them"));
        }
        for table in file.clause {
            reader.claim(&mut places, &table.id)?;
            for ambiguity in &table.ambiguities {
                citations.push((reader, ambiguity.clone()));
            }
            let clause = reader.clause(&registry, table)?;
            registry.clauses.push(clause);
        }
        for table in file.ambiguity {
            reader.claim(&mut places, &table.id)?;
            registry.ambiguities.push(reader.ambiguity(table)?);
        }
    }
    for (reader, citation) in citations {
        if registry.ambiguity(citation.get_ref()).is_none() {
            let message = format!("ambiguity {} is cited but not defined", citation.get_ref());
            return Err(reader.at(&citation, &message));
        }
    }
    Ok(registry)
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    source: Source<'a>,
}

impl Reader<'_> {
    fn error(self, offset: usize, message: &str) -> LoadError {
        let (line, column) = place(self.source.text, offset);
        LoadError { file: self.source.name.to_owned(), line, column, message: message.to_owned() }
    }

    fn at<T>(self, value: &Spanned<T>, message: &str) -> LoadError {
        self.error(value.span().start, message)
    }

    fn word<T: FromStr<Err: fmt::Display>>(self, word: &Spanned<String>) -> Result<T, LoadError> {
        word.get_ref().parse().map_err(|error: T::Err| self.at(word, &error.to_string()))
    }

    fn not_empty(self, text: Spanned<String>) -> Result<String, LoadError> {
        if text.get_ref().trim().is_empty() {
            return Err(self.at(&text, "expected words"));
        }
        Ok(text.into_inner())
    }

    fn claim(
        self,
        places: &mut BTreeMap<String, LoadError>,
        id: &Spanned<String>,
    ) -> Result<(), LoadError> {
        let here = self.at(id, "");
        match places.entry(id.get_ref().clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(here);
                Ok(())
            }
            Entry::Occupied(first) => {
                let first = first.get();
                let message = format!(
                    "{} is defined already, in {}:{}",
                    id.get_ref(),
                    first.file,
                    first.line
                );
                Err(self.at(id, &message))
            }
        }
    }

    fn chapter(self, registry: &mut Registry, table: ChapterTable) -> Result<(), LoadError> {
        if registry.chapters.is_empty() {
            registry.commit.clone_from(table.commit.get_ref());
        } else if registry.commit != *table.commit.get_ref() {
            let message = format!("the other chapters are of commit {}", registry.commit);
            return Err(self.at(&table.commit, &message));
        }
        let mut sections = BTreeMap::new();
        for (section, fingerprint) in table.sections {
            sections.insert(section, self.word(&fingerprint)?);
        }
        registry.chapters.push(Chapter {
            file: table.file,
            title: table.title,
            section_prefix: table.section_prefix,
            sections,
        });
        Ok(())
    }

    fn clause(self, registry: &Registry, table: ClauseTable) -> Result<Clause, LoadError> {
        let chapter = registry.chapters.last().ok_or_else(|| self.at(&table.id, "no chapter"))?;
        let section = table.section.get_ref();
        let number = section
            .strip_prefix(chapter.section_prefix.as_str())
            .ok_or_else(|| {
                let message =
                    format!("sections of this file begin with {}", chapter.section_prefix);
                self.at(&table.section, &message)
            })?
            .to_owned();
        let fits = table.id.get_ref().rsplit_once('-').and_then(|(front, _)| {
            front.split_once('-').map(|(_, section_of_id)| section_of_id == number)
        });
        if fits != Some(true) {
            let message = format!("an id of section {number} looks like XX-{number}-01");
            return Err(self.at(&table.id, &message));
        }
        if table.roles.get_ref().is_empty() {
            return Err(self.at(&table.roles, "expected at least one role"));
        }
        let mut roles = Vec::new();
        for role in table.roles.get_ref() {
            roles.push(self.word(role)?);
        }
        let untested = match table.untested {
            Some(untested) => Some(Untested {
                reason: self.word(&untested.reason)?,
                why: self.not_empty(untested.why)?,
            }),
            None => None,
        };
        let fingerprint = match &table.fingerprint {
            Some(fingerprint) => self.word::<Fingerprint>(fingerprint)?,
            // Nothing to be held to but itself.
            None if !chapter.is_of_specification() => Fingerprint::of(table.rule.get_ref()),
            None => {
                return Err(
                    self.at(&table.id, "a clause of the specification has its `fingerprint`")
                );
            }
        };
        Ok(Clause {
            id: table.id.into_inner(),
            section: table.section.into_inner(),
            roles,
            level: self.word(&table.level)?,
            basis: self.word(&table.basis)?,
            observe: self.word(&table.observe)?,
            rule: self.not_empty(table.rule)?,
            how: table.how,
            untested,
            ambiguities: table.ambiguities.into_iter().map(Spanned::into_inner).collect(),
            file: chapter.file.clone(),
            sentence: table.sentence,
            fingerprint,
        })
    }

    fn ambiguity(self, table: AmbiguityTable) -> Result<Ambiguity, LoadError> {
        if table.readings.get_ref().len() < 2 {
            return Err(self.at(&table.readings, "an ambiguity has at least two readings"));
        }
        let readings: Vec<Reading> = table
            .readings
            .into_inner()
            .into_iter()
            .map(|reading| Reading { name: reading.name, means: reading.means })
            .collect();
        Ok(Ambiguity {
            id: table.id.into_inner(),
            sections: table.sections,
            question: table.question,
            readings,
            reference: table.reference,
            discussed: table.discussed,
        })
    }
}

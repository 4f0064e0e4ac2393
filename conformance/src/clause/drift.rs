//! Drift: what of the specification has changed since the registry was written, and taking a
//! change over once somebody has read it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::specification::{Fingerprint, Section, by_number, sections};
use super::{Basis, Clause, Registry};

/// A place where the specification no longer says what the registry was written from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Of the specification.
    pub file: String,
    /// As clauses name it.
    pub section: String,
    /// The clause that has to be read again; `None` if the change touches the sentence of none.
    pub clause: Option<String>,
    /// What happened.
    pub kind: DriftKind,
}

/// What happened to a clause's sentence or to a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriftKind {
    /// The file is gone.
    FileMissing,
    /// The file has no such section any more.
    SectionMissing,
    /// The sentence stands, unchanged, in another section of the file.
    Moved {
        /// Where it stands now.
        to: String,
    },
    /// The sentence is not there any more.
    Changed {
        /// What comes nearest to the rule now.
        nearest: Option<String>,
    },
    /// Text that carries no clause was added, changed or removed.
    OtherText,
    /// A section that the registry does not know.
    NewSection,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = format!("{} {}", self.file, self.section);
        if let Some(clause) = &self.clause {
            write!(f, "{clause} ")?;
        }
        match &self.kind {
            DriftKind::FileMissing => write!(f, "{place}: the file is missing"),
            DriftKind::SectionMissing => write!(f, "{place}: the section is missing"),
            DriftKind::Moved { to } => write!(f, "{place}: the sentence moved to section {to}"),
            DriftKind::Changed { nearest: Some(nearest) } => {
                write!(f, "{place}: the sentence has changed; nearest now: {nearest}")
            }
            DriftKind::Changed { nearest: None } => {
                write!(f, "{place}: the text has changed, and nothing in it resembles the rule")
            }
            DriftKind::OtherText => write!(f, "{place}: text without a clause has changed"),
            DriftKind::NewSection => write!(f, "{place}: a section without clauses is new"),
        }
    }
}

/// A folder of the specification or of the registry that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct SpecificationError {
    path: PathBuf,
    error: io::Error,
}

/// The specification as read from a folder: sections by file.
#[derive(Clone, Debug)]
pub struct Specification {
    files: BTreeMap<String, Vec<Section>>,
}

impl Specification {
    /// Reads the Markdown files of `folder` and of its folder `extensions`.
    ///
    /// # Errors
    /// If the folder or a file cannot be read, or the folder has no Markdown file.
    pub fn read(folder: &Path) -> Result<Specification, SpecificationError> {
        let mut files = BTreeMap::new();
        read_folder(folder, "", &mut files)?;
        let extensions = folder.join("extensions");
        if extensions.is_dir() {
            read_folder(&extensions, "extensions/", &mut files)?;
        }
        if files.is_empty() {
            let error = io::Error::new(io::ErrorKind::NotFound, "no Markdown file in the folder");
            return Err(SpecificationError { path: folder.to_owned(), error });
        }
        Ok(Specification { files })
    }

    /// From texts, by file name.
    pub fn from_texts(texts: &[(&str, &str)]) -> Specification {
        let files = texts.iter().map(|(name, text)| ((*name).to_owned(), sections(text))).collect();
        Specification { files }
    }

    /// Sections of a file, in its order; `None` if there is no such file.
    pub fn sections(&self, file: &str) -> Option<&[Section]> {
        self.files.get(file).map(Vec::as_slice)
    }
}

fn read_folder(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Vec<Section>>,
) -> Result<(), SpecificationError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| SpecificationError { path, error }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_file() && name.ends_with(".md") {
            let text = fs::read_to_string(&path).map_err(failed(&path))?;
            files.insert(format!("{prefix}{name}"), sections(&text));
        }
    }
    Ok(())
}

impl Registry {
    /// What has changed in the specification in `folder` since the registry was written, in the
    /// registry's order.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn check_drift(&self, folder: &Path) -> Result<Vec<Drift>, SpecificationError> {
        Ok(self.drift(&Specification::read(folder)?))
    }

    /// As [`Registry::check_drift`], of a specification that was read.
    pub fn drift(&self, specification: &Specification) -> Vec<Drift> {
        let mut drifts = Vec::new();
        for chapter in self.chapters().iter().filter(|chapter| chapter.is_of_specification()) {
            let drift = |section: &str, clause: Option<&Clause>, kind| Drift {
                file: chapter.file.clone(),
                section: section.to_owned(),
                clause: clause.map(|clause| clause.id.clone()),
                kind,
            };
            let Some(now) = specification.sections(&chapter.file) else {
                drifts.push(drift("", None, DriftKind::FileMissing));
                continue;
            };
            let sections = by_number(now);
            let number_of = |section: &str| {
                section.strip_prefix(&chapter.section_prefix).unwrap_or(section).to_owned()
            };
            let before = drifts.len();
            for clause in self.clauses().iter().filter(|clause| clause.file == chapter.file) {
                let kind = match sections.get(number_of(&clause.section).as_str()) {
                    Some(section) => judge(clause, section, now, &chapter.section_prefix),
                    None => Some(DriftKind::SectionMissing),
                };
                if let Some(kind) = kind {
                    drifts.push(drift(&clause.section, Some(clause), kind));
                }
            }
            let explained: Vec<String> =
                drifts[before..].iter().map(|drift| drift.section.clone()).collect();
            for (section, fingerprint) in &chapter.sections {
                if explained.contains(section) {
                    continue;
                }
                match sections.get(number_of(section).as_str()) {
                    None => drifts.push(drift(section, None, DriftKind::SectionMissing)),
                    Some(now) if now.fingerprint() != *fingerprint => {
                        drifts.push(drift(section, None, DriftKind::OtherText));
                    }
                    Some(_) => {}
                }
            }
            for section in now {
                let section = format!("{}{}", chapter.section_prefix, section.number);
                if !chapter.sections.contains_key(&section) {
                    drifts.push(drift(&section, None, DriftKind::NewSection));
                }
            }
        }
        drifts
    }
}

fn judge(clause: &Clause, section: &Section, all: &[Section], prefix: &str) -> Option<DriftKind> {
    let holds = |section: &Section| match clause.sentence {
        Some(_) => section.position(clause.fingerprint).is_some(),
        None => section.fingerprint() == clause.fingerprint,
    };
    if holds(section) {
        return None;
    }
    if let Some(other) = all.iter().find(|other| holds(other)) {
        return Some(DriftKind::Moved { to: format!("{prefix}{}", other.number) });
    }
    let nearest = nearest(clause, section).map(|index| section.sentences[index].clone());
    Some(DriftKind::Changed { nearest })
}

fn nearest(clause: &Clause, section: &Section) -> Option<usize> {
    let keyword = (clause.basis == Basis::Explicit).then(|| clause.level.as_str());
    section.best_match(&clause.rule, keyword)
}

impl Registry {
    /// A file of the registry with the fingerprints of `specification`: `text` with the lines
    /// `sentence` and `fingerprint` of every clause that drifted written anew from the sentence
    /// that comes nearest, and the table of sections written anew. Everything else stays as it is.
    ///
    /// For people who have read what changed: it makes the drift go away, not the reason for it.
    pub fn accept(&self, text: &str, specification: &Specification) -> String {
        let mut accepted = String::with_capacity(text.len());
        let mut clause: Option<&Clause> = None;
        let mut fresh: Option<(Option<usize>, Fingerprint)> = None;
        let mut in_sections = false;
        for line in text.lines() {
            if line.starts_with('[') {
                in_sections = line == "[chapter.sections]";
                (clause, fresh) = (None, None);
            }
            let value = |key: &str| {
                line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
            };
            if let Some(found) = value("id").and_then(|id| self.clause(&id)) {
                clause = Some(found);
                fresh = self.fresh(found, specification);
            }
            if in_sections && line.starts_with('"') {
                continue;
            }
            match (clause, fresh) {
                (Some(_), Some(_)) if line.starts_with("sentence = ") => {}
                (Some(_), Some((sentence, fingerprint))) if value("fingerprint").is_some() => {
                    if let Some(index) = sentence {
                        accepted.push_str(&format!("sentence = {}\n", index + 1));
                    }
                    accepted.push_str(&format!("fingerprint = \"{fingerprint}\"\n"));
                }
                _ => {
                    accepted.push_str(line);
                    accepted.push('\n');
                }
            }
            if line == "[chapter.sections]" {
                accepted.push_str(&self.section_lines(text, specification));
            }
        }
        accepted
    }

    /// Accepts every change in `specification` for the files of the registry in `folder`, and
    /// returns the names of those that were written.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn accept_in(
        &self,
        folder: &Path,
        specification: &Specification,
    ) -> Result<Vec<PathBuf>, SpecificationError> {
        let mut written = Vec::new();
        for source in super::load::EMBEDDED {
            let path = folder.join(source.name.rsplit('/').next().unwrap_or(source.name));
            let failed = |error| SpecificationError { path: path.clone(), error };
            let before = fs::read_to_string(&path).map_err(failed)?;
            let after = self.accept(&before, specification);
            if after != before {
                fs::write(&path, after).map_err(failed)?;
                written.push(path);
            }
        }
        Ok(written)
    }

    fn fresh(
        &self,
        clause: &Clause,
        specification: &Specification,
    ) -> Option<(Option<usize>, Fingerprint)> {
        let chapter = self.chapters().iter().find(|chapter| chapter.file == clause.file)?;
        let all = specification.sections(&clause.file)?;
        let number = clause.section.strip_prefix(&chapter.section_prefix)?;
        let section = all.iter().find(|section| section.number == number)?;
        judge(clause, section, all, &chapter.section_prefix)?;
        Some(match nearest(clause, section) {
            Some(index) => (Some(index), Fingerprint::of(&section.sentences[index])),
            None => (None, section.fingerprint()),
        })
    }

    fn section_lines(&self, text: &str, specification: &Specification) -> String {
        let named = |file: &str| text.lines().any(|line| line == format!("file = \"{file}\""));
        let Some(chapter) = self.chapters().iter().find(|chapter| named(&chapter.file)) else {
            return String::new();
        };
        let sections = specification.sections(&chapter.file).unwrap_or_default();
        sections
            .iter()
            .map(|section| {
                let number = &section.number;
                format!("\"{}{number}\" = \"{}\"\n", chapter.section_prefix, section.fingerprint())
            })
            .collect()
    }
}

//! All cases of a role, as read from the program or from a folder.

use std::collections::BTreeMap;
use std::path::Path;

use super::document::LoadError;
use super::load::{Fixture, load_case, load_fixture};
use super::{Case, TargetRole, corpus};
use crate::family;
use crate::mutant::{self, Mutant};

/// Cases, and the mutants that prove them.
#[derive(Clone, Debug, Default)]
pub struct Suite {
    /// In a stable order.
    pub cases: Vec<Case>,
    /// By id.
    pub mutants: BTreeMap<String, Mutant>,
    fixtures: Vec<Fixture>,
}

impl Suite {
    /// The cases that are part of the program; families included.
    ///
    /// # Errors
    /// Every case that cannot be read; `is_clause` says whether the registry has an id.
    pub fn built_in(is_clause: &dyn Fn(&str) -> bool) -> Result<Suite, Vec<LoadError>> {
        let mut suite = Suite::default();
        let mut errors = Vec::new();
        for (path, text) in corpus::FIXTURES {
            let name = path.trim_start_matches("fixtures/").trim_end_matches(".toml");
            match load_fixture(name, path, text) {
                Ok(fixture) => suite.fixtures.push(fixture),
                Err(error) => errors.push(error),
            }
        }
        for mutant in mutant::in_code() {
            if let Err(error) = suite.add_mutant("src/mutant", mutant) {
                errors.push(error);
            }
        }
        for (path, text) in corpus::CASES {
            if let Err(error) = suite.add(path, text, is_clause) {
                errors.push(error);
            }
        }
        match family::all(&suite.fixtures, is_clause) {
            Ok(cases) => {
                for case in cases {
                    errors.extend(suite.add_case(case).err());
                }
            }
            Err(wrong) => errors.extend(wrong),
        }
        suite.finish(errors)
    }

    /// Adds all `.toml` files below a folder: a pack of somebody's own cases. They may use the
    /// built-in fixtures.
    ///
    /// # Errors
    /// Every file that cannot be read.
    pub fn add_folder(
        mut self,
        folder: &Path,
        is_clause: &dyn Fn(&str) -> bool,
    ) -> Result<Suite, Vec<LoadError>> {
        let mut errors = Vec::new();
        let mut files = Vec::new();
        list_files(folder, &mut files, &mut errors);
        files.sort();
        for file in files {
            let name = file.display().to_string();
            match std::fs::read_to_string(&file) {
                Ok(text) => {
                    if let Err(error) = self.add(&name, &text, is_clause) {
                        errors.push(error);
                    }
                }
                Err(error) => errors.push(without_place(&name, &error.to_string())),
            }
        }
        self.finish(errors)
    }

    /// Adds one case from its text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(
        &mut self,
        file: &str,
        text: &str,
        is_clause: &dyn Fn(&str) -> bool,
    ) -> Result<(), LoadError> {
        let case = load_case(file, text, &self.fixtures, is_clause)?;
        self.add_case(case)
    }

    /// Adds a case that was built in Rust.
    ///
    /// # Errors
    /// An id of a case or mutant that is taken.
    pub fn add_case(&mut self, case: Case) -> Result<(), LoadError> {
        if let Some(other) = self.cases.iter().find(|other| other.id == case.id) {
            let message = format!("the id `{}` is taken by {}", case.id, other.file);
            return Err(without_place(&case.file, &message));
        }
        for recipe in &case.mutants {
            self.add_mutant(&case.file, recipe.mutant())?;
        }
        self.cases.push(case);
        Ok(())
    }

    /// Adds a mutant that was built in Rust.
    ///
    /// # Errors
    /// An id that is taken.
    pub fn add_mutant(&mut self, file: &str, mutant: Mutant) -> Result<(), LoadError> {
        match self.mutants.insert(mutant.id.clone(), mutant) {
            None => Ok(()),
            Some(other) => {
                Err(without_place(file, &format!("the mutant `{}` exists already", other.id)))
            }
        }
    }

    /// The cases for a role, and the mutants that one of them is after.
    #[must_use]
    pub fn for_role(mut self, role: TargetRole) -> Suite {
        self.cases.retain(|case| case.roles.contains(&role));
        let cases = &self.cases;
        self.mutants.retain(|id, _| cases.iter().any(|case| case.kills.contains(id)));
        self
    }

    /// The fixtures, for families.
    pub fn fixtures(&self) -> &[Fixture] {
        &self.fixtures
    }

    /// The case with an id, or with an alias.
    pub fn case(&self, id: &str) -> Option<&Case> {
        self.cases
            .iter()
            .find(|case| case.id == id)
            .or_else(|| self.cases.iter().find(|case| case.aliases.iter().any(|one| one == id)))
    }

    fn finish(self, mut errors: Vec<LoadError>) -> Result<Suite, Vec<LoadError>> {
        for case in &self.cases {
            for mutant in &case.kills {
                if !self.mutants.contains_key(mutant) {
                    errors.push(without_place(
                        &case.file,
                        &format!("no file and no code describes the mutant `{mutant}`"),
                    ));
                }
            }
        }
        if errors.is_empty() { Ok(self) } else { Err(errors) }
    }
}

fn list_files(folder: &Path, files: &mut Vec<std::path::PathBuf>, errors: &mut Vec<LoadError>) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            errors.push(without_place(&folder.display().to_string(), &error.to_string()));
            return;
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            list_files(&path, files, errors);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
}

fn without_place(file: &str, message: &str) -> LoadError {
    LoadError { file: file.to_owned(), line: 0, column: 0, message: message.to_owned() }
}

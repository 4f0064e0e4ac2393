//! From a document to a case or a fixture.

use std::collections::BTreeSet;

use super::document::{Document, LoadError, Node};
use super::load_step::{Clauses, StepLoader};
use super::matcher::load_expression;
use super::requirements::{Requires, WorldSettings};
use super::value::Expression;
use super::{Case, MODE, PROXY_MODES, Parameter, Severity, TargetRole};
use crate::mutant::MutantRecipe;

/// Steps with a name and arguments.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// As `use` calls it: `mining/setup`.
    pub name: String,
    /// What it does, in a sentence.
    pub title: String,
    /// Arguments and their defaults.
    pub arguments: Vec<(String, Expression)>,
    pub(super) document: Document,
}

/// Reads a fixture; its steps are read where it is used, because they may use what the case
/// has saved before.
///
/// # Errors
/// Whatever is unknown or missing.
pub fn load_fixture(name: &str, file: &str, text: &str) -> Result<Fixture, LoadError> {
    let document = Document::parse(file, text)?;
    let mut keys = document.keys(document.root())?;
    let title = document.string(keys.require("title")?)?.to_owned();
    let mut arguments = Vec::new();
    if let Some(node) = keys.take("args") {
        for entry in document.keys(node)?.all() {
            arguments.push((entry.key.clone(), load_expression(&document, &entry.node, None)?));
        }
    }
    keys.require("step")?;
    keys.finish(&["title", "args", "step"])?;
    Ok(Fixture { name: name.to_owned(), title, arguments, document })
}

/// Reads a case. `is_clause` says whether the registry has an id.
///
/// # Errors
/// Whatever is unknown or missing, at its place.
pub fn load_case(
    file: &str,
    text: &str,
    fixtures: &[Fixture],
    is_clause: &dyn Fn(&str) -> bool,
) -> Result<Case, LoadError> {
    let document = Document::parse(file, text)?;
    let mut keys = document.keys(document.root())?;
    let format: u64 = document.integer(keys.require("format")?)?;
    if format != FORMAT {
        return Err(document.error(0, format!("format {format} is not known; this is {FORMAT}")));
    }
    let id = load_id(&document, keys.require("id")?)?;
    let title = document.string(keys.require("title")?)?.to_owned();
    let note = keys.take("note").map(|node| document.string(node)).transpose()?.map(str::to_owned);
    let roles = load_roles(&document, keys.require("role")?)?;
    let severity = document.one_of(keys.require("severity")?, "severity", Severity::NAMES)?;
    let words = |node: Option<&Node>| match node {
        None => Ok(Vec::new()),
        Some(node) => {
            Ok::<_, LoadError>(document.strings(node)?.into_iter().map(|(word, _)| word).collect())
        }
    };
    let tags = words(keys.take("tags"))?;
    let aliases = words(keys.take("aliases"))?;
    let profiles = words(keys.take("profiles"))?;
    let except = words(keys.take("except"))?;
    let clauses = load_clauses(&document, keys.require("clauses")?, is_clause)?;
    let requires = keys.take("requires").map(|node| Requires::load(&document, node)).transpose()?;
    let world = keys.take("world").map(|node| WorldSettings::load(&document, node)).transpose()?;
    let parameters = match keys.take("params") {
        None => Vec::new(),
        Some(node) => load_parameters(&document, node)?,
    };
    let kills = words(keys.take("mutants"))?;
    let mut loader = StepLoader::new(&document, fixtures, &clauses);
    parameters.iter().for_each(|parameter| loader.define(&parameter.name));
    let mut steps = loader.steps(keys.require("step")?)?;
    if let Some(node) = keys.take("check") {
        for node in document.list(node)? {
            steps.push(loader.check(node)?);
        }
    }
    loader.attach_unnamed_clauses(&mut steps)?;
    let mutants = match keys.take("mutant") {
        None => Vec::new(),
        Some(node) => document
            .list(node)?
            .iter()
            .map(|node| MutantRecipe::load(&document, node))
            .collect::<Result<_, _>>()?,
    };
    keys.finish(KEYS)?;
    let mut kills: Vec<String> = kills;
    kills.extend(mutants.iter().map(|mutant: &MutantRecipe| mutant.id.clone()));
    Ok(Case {
        id,
        title,
        note,
        roles,
        severity,
        tags,
        profiles,
        except,
        aliases,
        clauses: clauses.ids(),
        requires: requires.unwrap_or_default(),
        world: world.unwrap_or_default(),
        parameters,
        steps,
        kills,
        mutants,
        file: file.to_owned(),
    })
}

/// The only format there is.
const FORMAT: u64 = 1;

const KEYS: &[&str] = &[
    "format", "id", "title", "note", "role", "severity", "tags", "aliases", "profiles", "except",
    "clauses", "requires", "world", "params", "step", "check", "mutants", "mutant",
];

/// `"pool"`, or a list of roles: what holds for every server is asked of every server.
fn load_roles(document: &Document, node: &Node) -> Result<Vec<TargetRole>, LoadError> {
    let names = match &node.data {
        super::document::Data::List(nodes) if !nodes.is_empty() => nodes.iter().collect(),
        _ => vec![node],
    };
    names.into_iter().map(|node| document.one_of(node, "role", TargetRole::NAMES)).collect()
}

fn load_id(document: &Document, node: &Node) -> Result<String, LoadError> {
    let id = document.string(node)?;
    let is_word = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if id.split('.').count() < 2 || !id.split('.').all(is_word) {
        let message = "an id is at least two words of a-z, 0-9 and `-`, separated by dots";
        return Err(document.error(node.at, message));
    }
    Ok(id.to_owned())
}

/// `["CP-3.6.2-01"]`, or `{ key = "CP-3.6.2-01" }` where steps use the key.
fn load_clauses(
    document: &Document,
    node: &Node,
    is_clause: &dyn Fn(&str) -> bool,
) -> Result<Clauses, LoadError> {
    let mut clauses = Clauses::default();
    let mut add = |key: &str, id: &str, at: usize| {
        if !is_clause(id) {
            return Err(document.error(at, format!("the registry has no clause \"{id}\"")));
        }
        clauses.add(key, id);
        Ok(())
    };
    match &node.data {
        super::document::Data::Table(entries) => {
            for entry in entries {
                add(&entry.key, document.string(&entry.node)?, entry.node.at)?;
            }
        }
        _ => {
            for (id, at) in document.strings(node)? {
                add(&id, &id, at)?;
            }
        }
    }
    if clauses.ids().is_empty() {
        return Err(document.error(node.at, "a case cites at least one clause"));
    }
    Ok(clauses)
}

fn load_parameters(document: &Document, node: &Node) -> Result<Vec<Parameter>, LoadError> {
    let mut parameters = Vec::new();
    for entry in document.keys(node)?.all() {
        let mut values = Vec::new();
        let mut names = BTreeSet::new();
        for item in document.list(&entry.node)? {
            let Expression::Constant(value) = load_expression(document, item, None)? else {
                return Err(document.error(item.at, "a parameter's values are constants"));
            };
            if entry.key == MODE {
                document.one_of(item, "mode", &PROXY_MODES.map(|mode| (mode, ())))?;
            }
            if !names.insert(super::short(&value)) {
                let message = "two values have the same name: permutations must differ by name";
                return Err(document.error(item.at, message));
            }
            values.push(value);
        }
        if values.is_empty() {
            return Err(document.error(entry.at, "a parameter has at least one value"));
        }
        parameters.push(Parameter { name: entry.key.clone(), values });
    }
    Ok(parameters)
}

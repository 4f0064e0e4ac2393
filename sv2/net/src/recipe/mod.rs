//! Foreign programs, as data: how to start one, what it needs, when it is ready, and how to make
//! things happen in it. One format for `assay up` and `assay check`.
//!
//! ```
//! use sv2_net::recipe::Recipe;
//!
//! let recipe = Recipe::parse("pool.toml", r#"
//! name = "example-pool"
//! command = ["example-pool", "--config", "${file.pool.toml}"]
//! needs = ["template-provider"]
//! environment = { EXAMPLE_LOG = "info" }
//!
//! ## Each gets a free port of this machine.
//! [listens.miners]
//! authority = "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
//!
//! ## Written to the program's own temporary folder, where it runs.
//! [[file]]
//! name = "pool.toml"
//! text = """
//! listen_address = "${miners}"
//! template_provider = "${template-provider.host}:${template-provider.port}"
//! """
//!
//! ## When the first answer to SetupConnection has come, and not before.
//! [ready]
//! listen = "miners"
//! by = "setup"
//! protocol = "mining"
//! within-seconds = 60
//!
//! [hooks]
//! new-block = ["example-cli", "generate", "1"]
//! "#).unwrap();
//!
//! assert_eq!(recipe.needs().len(), 1);
//! ```
//!
//! `${name}` is replaced in commands, the environment and files: `${miners}` is host and port of
//! an endpoint, `.host`, `.port` and `.authority` are its parts, `${file.NAME}` is the path of a
//! file, `${directory}` the folder. `$$` is a dollar sign. Without the hook `restart` the process
//! is ended and started again, with the same ports and files.

mod placeholder;
mod program;
mod ready;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use sv2::common::Protocol;
use sv2::noise::AuthorityPublicKey;
use sv2_document::{did_you_mean, place};
use thiserror::Error;
use toml::Spanned;

pub use placeholder::UnknownPlaceholder;
use placeholder::names;
pub use program::{Endpoint, HookError, Program, StartError, Surroundings};
pub use ready::{NotReady, Readiness, probe};

/// How to run a foreign program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    name: String,
    command: Vec<Spanned<String>>,
    #[serde(default)]
    environment: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    needs: Vec<Need>,
    #[serde(default)]
    listens: BTreeMap<String, Listen>,
    #[serde(default, rename = "file")]
    files: Vec<FileTemplate>,
    ready: Option<Ready>,
    #[serde(default)]
    hooks: BTreeMap<Hook, Vec<Spanned<String>>>,
    #[serde(default = "hook_timeout_default")]
    hook_timeout_seconds: u64,
    #[serde(default = "stop_timeout_default")]
    stop_timeout_seconds: u64,
}

/// What a program must be given to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// An SV2 template provider.
    TemplateProvider,
    /// An SV2 pool.
    Pool,
    /// An SV2 job declarator server.
    JobDeclaratorServer,
    /// A node's JSON-RPC; besides the parts of every endpoint it has `.cookie`, the path of the
    /// file to authenticate with.
    Bitcoind,
}

impl Need {
    /// As recipes write it.
    pub fn name(self) -> &'static str {
        match self {
            Need::TemplateProvider => "template-provider",
            Need::Pool => "pool",
            Need::JobDeclaratorServer => "job-declarator-server",
            Need::Bitcoind => "bitcoind",
        }
    }
}

/// What a program can be made to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// Its chain gets a block.
    NewBlock,
    /// Its chain is reorganised.
    Reorg,
    /// Its mempool gets a transaction with a fee.
    AddTransaction,
    /// It ends and starts again.
    Restart,
}

impl Hook {
    /// As recipes write it.
    pub fn name(self) -> &'static str {
        match self {
            Hook::NewBlock => "new-block",
            Hook::Reorg => "reorg",
            Hook::AddTransaction => "add-transaction",
            Hook::Restart => "restart",
        }
    }
}

/// An endpoint that the program opens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Listen {
    authority: Option<Spanned<String>>,
}

/// A file that the program reads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileTemplate {
    name: Spanned<String>,
    /// Its text, or
    text: Option<Spanned<String>>,
    /// the file that has it, seen from the recipe.
    from: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Ready {
    listen: Spanned<String>,
    by: ReadyBy,
    protocol: Option<ReadyProtocol>,
    #[serde(default = "ready_timeout_default")]
    within_seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReadyBy {
    Connect,
    Handshake,
    Setup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReadyProtocol {
    Mining,
    JobDeclaration,
    TemplateDistribution,
}

impl From<ReadyProtocol> for Protocol {
    fn from(protocol: ReadyProtocol) -> Self {
        match protocol {
            ReadyProtocol::Mining => Protocol::Mining,
            ReadyProtocol::JobDeclaration => Protocol::JobDeclaration,
            ReadyProtocol::TemplateDistribution => Protocol::TemplateDistribution,
        }
    }
}

impl Recipe {
    /// The same program, which counts as ready once it runs.
    #[must_use]
    pub fn without_readiness(&self) -> Recipe {
        Recipe { ready: None, ..self.clone() }
    }

    /// Reads a recipe and the files that it names.
    ///
    /// # Errors
    /// [`RecipeError`], with file, line and column where there are some.
    pub fn read(path: &Path) -> Result<Recipe, RecipeError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|error| RecipeError(format!("{}: {error}", path.display())))
        };
        let text = read(path)?;
        let mut recipe = Recipe::load(&path.display().to_string(), &text)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let known = known_names(&recipe.listens, &recipe.needs, &recipe.files);
        for file in &mut recipe.files {
            if let Some(from) = file.from.take() {
                let from = directory.join(from);
                let template = read(&from)?;
                check_placeholders(&template, &known).map_err(|error| {
                    let what = error.to_string();
                    error_at(&from.display().to_string(), &template, error.at, &what)
                })?;
                file.text = Some(Spanned::new(0..0, template));
            }
        }
        Ok(recipe)
    }

    /// Reads a recipe from memory; `file` names it in errors. Its files must be part of it.
    ///
    /// # Errors
    /// [`RecipeError`], with line and column.
    pub fn parse(file: &str, text: &str) -> Result<Recipe, RecipeError> {
        let recipe = Recipe::load(file, text)?;
        match recipe.files.iter().find(|template| template.from.is_some()) {
            None => Ok(recipe),
            Some(template) => {
                let what = "a recipe that is no file cannot name one with `from`";
                Err(error_at(file, text, template.name.span().start, what))
            }
        }
    }

    fn load(file: &str, text: &str) -> Result<Recipe, RecipeError> {
        let recipe: Recipe = toml::from_str(text).map_err(|error| {
            let message = error.message();
            let hint = quoted_names(message)
                .split_first()
                .map(|(wrong, known)| did_you_mean(wrong, known.iter().copied()))
                .unwrap_or_default();
            let start = error.span().map_or(0, |span| span.start);
            error_at(file, text, start, &format!("{message}{hint}"))
        })?;
        recipe.check(text).map_err(|(start, what)| error_at(file, text, start, &what))?;
        Ok(recipe)
    }

    /// What the types do not say; the place is a byte of the text.
    fn check(&self, text: &str) -> Result<(), (usize, String)> {
        if self.command.is_empty() {
            return Err((text.find("command").unwrap_or(0), "the command is empty".into()));
        }
        for file in &self.files {
            let at = file.name.span().start;
            if file.text.is_some() == file.from.is_some() {
                return Err((at, "a file has either `text` or `from`".into()));
            }
            let is_plain = !file.name.get_ref().is_empty()
                && !file.name.get_ref().starts_with('.')
                && !file.name.get_ref().contains('/');
            if !is_plain {
                return Err((at, "the name of a file is a name and not a path".into()));
            }
        }
        for listen in self.listens.values() {
            if let Some(authority) = &listen.authority {
                parse_authority(authority).map_err(|what| (authority.span().start, what))?;
            }
        }
        if let Some(Ready { listen, by, protocol, .. }) = &self.ready {
            let at = listen.span().start;
            if !self.listens.contains_key(listen.get_ref()) {
                let hint = did_you_mean(listen.get_ref(), self.listens.keys().map(String::as_str));
                let what = format!("nothing in `listens` is called {:?}{hint}", listen.get_ref());
                return Err((at, what));
            }
            if (*by == ReadyBy::Setup) != protocol.is_some() {
                return Err((at, "`by = \"setup\"` and only that takes a `protocol`".into()));
            }
        }
        let known = known_names(&self.listens, &self.needs, &self.files);
        let texts = self.files.iter().filter_map(|file| file.text.as_ref());
        let texts = texts.chain(self.environment.values()).chain(&self.command);
        for text in texts.chain(self.hooks.values().flatten()) {
            check_placeholders(text.get_ref(), &known)
                .map_err(|error| (text.span().start, error.to_string()))?;
        }
        Ok(())
    }

    /// For people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it must be given.
    pub fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// Whether [`Program::run_hook`] can do this; a restart is always possible.
    pub fn has_hook(&self, hook: Hook) -> bool {
        hook == Hook::Restart || self.hooks.contains_key(&hook)
    }
}

/// All that may stand in `${}`.
fn known_names(
    listens: &BTreeMap<String, Listen>,
    needs: &[Need],
    files: &[FileTemplate],
) -> Vec<String> {
    let mut known = vec!["directory".to_owned()];
    let endpoints = listens.keys().map(String::as_str).chain(needs.iter().map(|need| need.name()));
    for endpoint in endpoints {
        known.push(endpoint.to_owned());
        known.extend(ENDPOINT_PARTS.map(|part| format!("{endpoint}.{part}")));
    }
    if needs.contains(&Need::Bitcoind) {
        known.push("bitcoind.cookie".into());
    }
    known.extend(files.iter().map(|file| format!("file.{}", file.name.get_ref())));
    known
}

fn check_placeholders(text: &str, known: &[String]) -> Result<(), UnknownPlaceholder> {
    for (at, name) in names(text) {
        if !known.iter().any(|known| known == name) {
            let hint = did_you_mean(name, known.iter().map(String::as_str));
            return Err(UnknownPlaceholder { at, name: name.into(), hint });
        }
    }
    Ok(())
}

fn parse_authority(text: &Spanned<String>) -> Result<AuthorityPublicKey, String> {
    text.get_ref().parse().map_err(|error| format!("authority {:?}: {error}", text.get_ref()))
}

/// What is wrong with a recipe: `FILE:LINE:COLUMN: what; did you mean ...?`
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RecipeError(String);

fn error_at(file: &str, text: &str, start: usize, what: &str) -> RecipeError {
    let (line, column) = place(text, start);
    RecipeError(format!("{file}:{line}:{column}: {what}"))
}

/// What stands between backticks: in serde's messages the wrong name, then all known ones.
fn quoted_names(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

impl Ready {
    fn patience(&self) -> Duration {
        Duration::from_secs(self.within_seconds)
    }

    fn readiness(&self) -> Readiness {
        match (self.by, self.protocol) {
            (ReadyBy::Connect, _) => Readiness::Connect,
            (ReadyBy::Setup, Some(protocol)) => Readiness::Setup(protocol.into()),
            // `check` has seen to it that a set-up has a protocol.
            (ReadyBy::Handshake, _) | (ReadyBy::Setup, None) => Readiness::Handshake,
        }
    }
}

const ENDPOINT_PARTS: [&str; 3] = ["host", "port", "authority"];

fn ready_timeout_default() -> u64 {
    60
}

fn hook_timeout_default() -> u64 {
    30
}

fn stop_timeout_default() -> u64 {
    10
}

#[cfg(test)]
mod tests;

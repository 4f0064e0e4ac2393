//! A foreign program that runs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use sv2::noise::AuthorityPublicKey;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};
use toml::Spanned;

use super::placeholder::{UnknownPlaceholder, expand};
use super::ready::{NotReady, Readiness, probe};
use super::{Hook, Need, Recipe};
use crate::child::{Child, ChildCommand, Helper};

/// Where something can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whose certificate it shows.
    pub authority: Option<AuthorityPublicKey>,
    /// Of a node's RPC: the file to authenticate with.
    pub cookie: Option<PathBuf>,
}

impl Endpoint {
    fn part(&self, part: &str) -> Option<String> {
        match part {
            "host" => Some(self.host.clone()),
            "port" => Some(self.port.to_string()),
            "authority" => self.authority.map(|authority| authority.to_string()),
            "cookie" => self.cookie.as_ref().map(|path| path.display().to_string()),
            _ => None,
        }
    }
}

/// What a program is given of what it needs.
pub type Surroundings = BTreeMap<Need, Endpoint>;

/// A running program. Dropping it ends its processes without waiting.
#[derive(Debug)]
pub struct Program {
    recipe: Recipe,
    helper: Helper,
    surroundings: Surroundings,
    listens: BTreeMap<String, Endpoint>,
    child: Child,
    /// Kept over a restart, and gone with the last child, whoever of us ends first.
    directory: PathBuf,
}

impl Recipe {
    /// Starts the program and waits until it is ready.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(
        &self,
        helper: &Helper,
        surroundings: Surroundings,
    ) -> Result<Program, StartError> {
        if let Some(missing) = self.needs.iter().find(|need| !surroundings.contains_key(need)) {
            return Err(StartError::Missing { name: self.name.clone(), need: missing.name() });
        }
        let directory = tempfile::Builder::new().prefix("assay-program-").tempdir()?;
        let mut listens = BTreeMap::new();
        // All held until all are found, so that they differ.
        let mut held = Vec::new();
        for (name, listen) in &self.listens {
            let listener = TcpListener::bind(("127.0.0.1", 0))?;
            let port = listener.local_addr()?.port();
            held.push(listener);
            // A key that does not parse was refused when the recipe was read.
            let authority = listen.authority.as_ref().and_then(|key| key.get_ref().parse().ok());
            let host = "127.0.0.1".to_owned();
            listens.insert(name.clone(), Endpoint { host, port, authority, cookie: None });
        }
        drop(held);
        let place = Place {
            recipe: self,
            surroundings: &surroundings,
            listens: &listens,
            directory: directory.path(),
        };
        place.write_files()?;
        let child = place.spawn(helper)?;
        // From here on it is the child's.
        let directory = directory.keep();
        let mut program = Program {
            recipe: self.clone(),
            helper: helper.clone(),
            surroundings,
            listens,
            child,
            directory,
        };
        program.wait_until_ready().await?;
        Ok(program)
    }
}

impl Program {
    /// An endpoint that the program has opened, by its name in `listens`.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.listens.get(name)
    }

    /// Where the recipe asks whether the program is ready, or else its only endpoint.
    pub fn main_endpoint(&self) -> Option<&Endpoint> {
        match &self.recipe.ready {
            Some(ready) => self.listens.get(ready.listen.get_ref()),
            None if self.listens.len() == 1 => self.listens.values().next(),
            None => None,
        }
    }

    /// The end of what the program has written, for errors.
    pub fn log_tail(&self) -> String {
        self.child.log_tail()
    }

    /// Waits until the program has ended by itself.
    ///
    /// # Errors
    /// If the operating system cannot wait for it.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Makes something happen in the program, and waits until the command has ended; for a
    /// restart, until the program is ready again.
    ///
    /// # Errors
    /// [`HookError`].
    pub async fn run_hook(&mut self, hook: Hook) -> Result<(), HookError> {
        match self.recipe.hooks.get(&hook) {
            Some(command) => {
                self.run_command(hook, &command.clone()).await?;
            }
            None if hook == Hook::Restart => {
                self.restart().await?;
                return Ok(());
            }
            None => return Err(HookError::Missing { hook: hook.name() }),
        }
        if hook == Hook::Restart {
            self.wait_until_ready().await?;
        }
        Ok(())
    }

    /// Ends the program and waits for it.
    ///
    /// # Errors
    /// If the operating system cannot wait for it.
    pub async fn stop(mut self) -> io::Result<ExitStatus> {
        self.child.stop().await
    }

    async fn restart(&mut self) -> Result<(), StartError> {
        self.child.stop_keeping_scratch().await?;
        self.child = self.place().spawn(&self.helper)?;
        self.wait_until_ready().await
    }

    async fn run_command(&self, hook: Hook, command: &[Spanned<String>]) -> Result<(), HookError> {
        let log = format!("{}.log", hook.name());
        let mut child = Child::spawn(&self.helper, &self.place().command(command, &log)?)?;
        let patience = Duration::from_secs(self.recipe.hook_timeout_seconds);
        let name = hook.name();
        match timeout(patience, child.wait()).await {
            Ok(status) => match status? {
                status if status.success() => Ok(()),
                status => Err(HookError::Failed { hook: name, status, log: child.log_tail() }),
            },
            Err(_) => Err(HookError::TimedOut { hook: name, patience }),
        }
    }

    async fn wait_until_ready(&mut self) -> Result<(), StartError> {
        let Some(ready) = &self.recipe.ready else { return Ok(()) };
        let (readiness, patience) = (ready.readiness(), ready.patience());
        let endpoint = &self.listens[ready.listen.get_ref()];
        let name = || self.recipe.name.clone();
        let deadline = Instant::now() + patience;
        loop {
            let error = tokio::select! {
                status = self.child.wait() => {
                    let log = self.child.log_tail();
                    return Err(StartError::Ended { name: name(), status: status?, log });
                }
                outcome = probe(
                    &endpoint.host,
                    endpoint.port,
                    endpoint.authority,
                    readiness,
                    PROBE_TIMEOUT.min(patience),
                ) => match outcome {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
            };
            if Instant::now() >= deadline {
                let (name, log) = (name(), self.child.log_tail());
                return Err(StartError::NotReady { name, readiness, patience, error, log });
            }
            sleep(PROBE_INTERVAL).await;
        }
    }

    fn place(&self) -> Place<'_> {
        Place {
            recipe: &self.recipe,
            surroundings: &self.surroundings,
            listens: &self.listens,
            directory: &self.directory,
        }
    }
}

/// Where a recipe becomes files and commands.
struct Place<'p> {
    recipe: &'p Recipe,
    surroundings: &'p Surroundings,
    listens: &'p BTreeMap<String, Endpoint>,
    directory: &'p Path,
}

impl Place<'_> {
    fn write_files(&self) -> Result<(), StartError> {
        for file in &self.recipe.files {
            let text = file.text.as_ref().map_or("", |text| text.get_ref());
            std::fs::write(self.directory.join(file.name.get_ref()), self.expand(text)?)?;
        }
        Ok(())
    }

    fn spawn(&self, helper: &Helper) -> Result<Child, StartError> {
        let mut command = self.command(&self.recipe.command, "log")?;
        command.grace = Duration::from_secs(self.recipe.stop_timeout_seconds);
        command.scratch = Some(self.directory.into());
        Ok(Child::spawn(helper, &command)?)
    }

    fn command(
        &self,
        words: &[Spanned<String>],
        log: &str,
    ) -> Result<ChildCommand, UnknownPlaceholder> {
        let words: Vec<OsString> = words
            .iter()
            .map(|word| self.expand(word.get_ref()).map(OsString::from))
            .collect::<Result<_, _>>()?;
        let (program, arguments) = words.split_first().map_or_else(
            // An empty hook does nothing, successfully.
            || (OsString::from("true"), Vec::new()),
            |(program, arguments)| (program.clone(), arguments.to_vec()),
        );
        let mut command = ChildCommand::new(program, self.directory.join(log));
        command.arguments = arguments;
        command.directory = Some(self.directory.into());
        for (name, value) in &self.recipe.environment {
            command.environment.push((name.into(), self.expand(value.get_ref())?.into()));
        }
        Ok(command)
    }

    fn expand(&self, text: &str) -> Result<String, UnknownPlaceholder> {
        expand(text, |name| self.value(name))
    }

    fn value(&self, name: &str) -> Option<String> {
        if name == "directory" {
            return Some(self.directory.display().to_string());
        }
        if let Some(file) = name.strip_prefix("file.") {
            return Some(self.directory.join(file).display().to_string());
        }
        let endpoint = |name: &str| {
            let need = self.surroundings.iter().find(|(need, _)| need.name() == name);
            self.listens.get(name).or(need.map(|(_, endpoint)| endpoint))
        };
        match name.rsplit_once('.') {
            None => endpoint(name).map(|Endpoint { host, port, .. }| format!("{host}:{port}")),
            Some((name, part)) => endpoint(name)?.part(part),
        }
    }
}

/// Why a program does not run.
#[derive(Debug, Error)]
pub enum StartError {
    /// It was not given what it needs.
    #[error("{name} needs a {need}, and there is none")]
    Missing {
        /// Of the recipe.
        name: String,
        /// What is missing.
        need: &'static str,
    },
    /// A part of an endpoint that this endpoint does not have, such as its authority.
    #[error(transparent)]
    Placeholder(#[from] UnknownPlaceholder),
    /// Files or processes of ours.
    #[error("cannot start a program: {0}")]
    Io(#[from] io::Error),
    /// It ended by itself.
    #[error("{name} ended with {status}; its last words:\n{log}")]
    Ended {
        /// Of the recipe.
        name: String,
        /// 127: it could not be started.
        status: ExitStatus,
        /// The end of what it wrote.
        log: String,
    },
    /// It does not answer.
    #[error(
        "{name} was not ready ({readiness}) within {} s: {error}; its last words:\n{log}",
        patience.as_secs()
    )]
    NotReady {
        /// Of the recipe.
        name: String,
        /// What was asked for.
        readiness: Readiness,
        /// As in the recipe.
        patience: Duration,
        /// The last time.
        error: NotReady,
        /// The end of what it wrote.
        log: String,
    },
}

/// Why a hook has not done its work.
#[derive(Debug, Error)]
pub enum HookError {
    /// The recipe has none.
    #[error("the recipe has no hook {hook:?}")]
    Missing {
        /// Its name.
        hook: &'static str,
    },
    /// The command says so.
    #[error("the hook {hook:?} ended with {status}; its last words:\n{log}")]
    Failed {
        /// Its name.
        hook: &'static str,
        /// Of the command.
        status: ExitStatus,
        /// The end of what it wrote.
        log: String,
    },
    /// The command does not end.
    #[error("the hook {hook:?} has not ended within {} s", patience.as_secs())]
    TimedOut {
        /// Its name.
        hook: &'static str,
        /// As in the recipe.
        patience: Duration,
    },
    /// The program is not ready after a restart.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl From<io::Error> for HookError {
    fn from(error: io::Error) -> Self {
        HookError::Start(error.into())
    }
}

impl From<UnknownPlaceholder> for HookError {
    fn from(error: UnknownPlaceholder) -> Self {
        HookError::Start(error.into())
    }
}

/// Of one question; a program that is not ready may take a connection and say nothing.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

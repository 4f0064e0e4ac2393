//! Processes that must not outlive us: nodes and foreign programs.
//!
//! A child runs under a helper, `assay run-child -- PROGRAM ...`, which holds the read end of a
//! pipe of ours as its stdin. When the pipe closes, because we are done or because we were
//! killed, the helper ends the child's whole process group. (`PR_SET_PDEATHSIG` would fire when
//! the spawning *thread* ends, and an executor's threads come and go.)

mod helper;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout;

pub use helper::run_child_main;

/// How to start the helper: a program that hands what follows to [`run_child_main`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helper {
    /// The executable.
    pub program: PathBuf,
    /// What stands before the child's own command.
    pub arguments: Vec<OsString>,
}

impl Helper {
    /// The running executable with its hidden subcommand `run-child`.
    ///
    /// # Errors
    /// If the operating system does not know the path of the running executable.
    pub fn of_this_program() -> io::Result<Self> {
        Ok(Helper { program: std::env::current_exe()?, arguments: vec!["run-child".into()] })
    }
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildCommand {
    /// A path, or a name to be found in `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Set in addition to our own environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Where to run; ours if `None`.
    pub directory: Option<PathBuf>,
    /// The file that takes what the child writes to stdout and stderr; overwritten.
    pub log: PathBuf,
    /// A folder that is removed, with all that is in it, once the group was told to end and has.
    /// Where the child ended by itself, when [`Child`] is dropped: until then another can be
    /// started on it ([`Child::keep_scratch`]).
    pub scratch: Option<PathBuf>,
    /// How long the group may take to end after TERM, before KILL.
    pub grace: Duration,
}

impl ChildCommand {
    /// A command without arguments, in our own directory, with [`GRACE`].
    pub fn new(program: impl Into<OsString>, log: impl Into<PathBuf>) -> Self {
        ChildCommand {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            log: log.into(),
            scratch: None,
            grace: GRACE,
        }
    }
}

/// A running child. Dropping it ends the child's process group as well, without waiting.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    /// Closing it is what ends the child.
    pipe: Option<ChildStdin>,
    /// Open, so that it can be read when the scratch folder with it is gone.
    log: File,
    grace: Duration,
    scratch: Option<PathBuf>,
}

impl Child {
    /// Starts the helper, which starts the command. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the log cannot be written or the helper cannot be started. A command that cannot be
    /// started shows as exit code 127 in [`Child::wait`], with the reason in the log.
    pub fn spawn(helper: &Helper, command: &ChildCommand) -> io::Result<Child> {
        let log = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&command.log)?;
        let mut process = Command::new(&helper.program);
        process
            .args(&helper.arguments)
            .arg(format!("--grace-ms={}", command.grace.as_millis()))
            .args(
                command
                    .scratch
                    .iter()
                    .flat_map(|scratch| ["--remove".as_ref(), scratch.as_os_str()]),
            )
            .arg("--")
            .arg(&command.program)
            .args(&command.arguments)
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            // Out of the terminal's foreground group: Ctrl-C is for us, and we end the child.
            .process_group(0);
        if let Some(directory) = &command.directory {
            process.current_dir(directory);
        }
        let mut process = process.spawn()?;
        let pipe = process.stdin.take();
        let scratch = command.scratch.clone();
        Ok(Child { process, pipe, log, grace: command.grace, scratch })
    }

    /// Waits until the child has ended by itself. An exit code above 128 is a signal's number
    /// plus 128.
    ///
    /// # Errors
    /// If the operating system cannot wait for the helper.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// The exit status if the child has ended by itself.
    ///
    /// # Errors
    /// If the operating system cannot ask for the helper.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Ends the group (TERM, then KILL after the grace) and waits for it.
    ///
    /// # Errors
    /// If the operating system cannot wait for the helper.
    pub async fn stop(&mut self) -> io::Result<ExitStatus> {
        self.end(false).await
    }

    /// The same, and leaves the scratch folder for another child.
    ///
    /// # Errors
    /// As [`Child::stop`].
    pub async fn stop_keeping_scratch(&mut self) -> io::Result<ExitStatus> {
        self.scratch = None;
        self.end(true).await
    }

    async fn end(&mut self, is_scratch_wanted: bool) -> io::Result<ExitStatus> {
        if let Some(pipe) = self.pipe.as_mut().filter(|_| is_scratch_wanted) {
            // A helper that is gone has left it.
            let _ = pipe.write_all(b"k").await;
        }
        drop(self.pipe.take());
        match timeout(self.grace + HELPER_MARGIN, self.process.wait()).await {
            Ok(status) => status,
            Err(_) => {
                self.process.start_kill()?;
                self.process.wait().await
            }
        }
    }

    /// Leaves the scratch folder of a child that ended by itself, for the next.
    pub fn keep_scratch(&mut self) {
        self.scratch = None;
    }

    /// The end of what the child has written, at most [`LOG_TAIL_LEN_MAX`] bytes, for errors.
    pub fn log_tail(&self) -> String {
        log_tail(&self.log).unwrap_or_else(|error| format!("(no log: {error})"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let has_ended = matches!(self.process.try_wait(), Ok(Some(_)));
        if let Some(scratch) = self.scratch.take().filter(|_| has_ended) {
            // Gone already, where the helper was told to end.
            let _ = std::fs::remove_dir_all(scratch);
        }
    }
}

fn log_tail(log: &File) -> io::Result<String> {
    let start = log.metadata()?.len().saturating_sub(LOG_TAIL_LEN_MAX as u64);
    let mut bytes = [0; LOG_TAIL_LEN_MAX];
    // The child writes at the file's own position: it must stay where it is.
    let len = log.read_at(&mut bytes, start)?;
    Ok(String::from_utf8_lossy(&bytes[..len]).trim_end().to_owned())
}

/// Long enough for a node to flush its databases.
pub const GRACE: Duration = Duration::from_secs(10);
/// Of a child's log in an error, in bytes.
pub const LOG_TAIL_LEN_MAX: usize = 2_000;
/// What the helper may take beyond the grace: it only has to send a signal.
const HELPER_MARGIN: Duration = Duration::from_secs(5);

//! The other side of [`super::Child`]: runs a command until it ends or until stdin closes.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::GRACE;

/// The hidden subcommand `assay run-child [--grace-ms=N] [--remove FOLDER] [--] PROGRAM
/// [ARGUMENT ...]`; the arguments start behind its name.
///
/// Runs the program in a process group of its own, and ends the whole group when the program
/// ends, when our stdin closes, or when we are told to end. Exits like the program: 128 plus the
/// signal's number if one ended it, 127 if it could not be started.
pub fn run_child_main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Task { mut command, grace, scratch } = match parse(arguments) {
        Ok(task) => task,
        Err(what) => return failed(USAGE, what),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(CANNOT_START, error),
    };
    let outcome = runtime.block_on(run(&mut command, grace));
    // The parent may want to start another on what a program left.
    let is_wanted = matches!(outcome, Ok(End { is_scratch_wanted: true, .. }));
    if let Some(Err(error)) = scratch.filter(|_| !is_wanted).map(std::fs::remove_dir_all) {
        // Into a log that may be gone: there is nobody else to tell.
        eprintln!("run-child: cannot remove the child's folder: {error}");
    }
    match outcome {
        Ok(End { status, .. }) => ExitCode::from(exit_code(status)),
        Err(error) => {
            failed(CANNOT_START, format!("{:?}: {error}", command.as_std().get_program()))
        }
    }
}

struct Task {
    command: Command,
    grace: Duration,
    scratch: Option<PathBuf>,
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Task, String> {
    let mut arguments = arguments.into_iter();
    let (mut grace, mut scratch) = (GRACE, None);
    let program = loop {
        let argument = arguments.next().ok_or("no program to run")?;
        if argument == "--" {
            break arguments.next().ok_or("no program to run")?;
        } else if argument == "--remove" {
            scratch = Some(arguments.next().ok_or("--remove needs a folder")?.into());
        } else if let Some(text) = argument.to_str().and_then(|text| text.strip_prefix(GRACE_IS)) {
            let milliseconds =
                text.parse().map_err(|error| format!("{GRACE_IS}{text}: {error}"))?;
            grace = Duration::from_millis(milliseconds);
        } else {
            break argument;
        }
    };
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(Task { command, grace, scratch })
}

/// How a program ended.
struct End {
    status: ExitStatus,
    /// By itself, or told to leave it.
    is_scratch_wanted: bool,
}

async fn run(command: &mut Command, grace: Duration) -> io::Result<End> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut child = command.stdin(Stdio::null()).process_group(0).spawn()?;
    let group = child
        .id()
        .and_then(|id| Pid::from_raw(id.cast_signed()))
        .expect("a child that was not waited for has an id above zero");

    let (ended, is_scratch_wanted) = tokio::select! {
        status = child.wait() => (Some(status?), true),
        is_wanted = stdin_closed() => (None, is_wanted),
        _ = terminate.recv() => (None, false),
        _ = interrupt.recv() => (None, false),
        _ = hang_up.recv() => (None, false),
    };
    // The leader may have left others behind: they end as well.
    let end = end_group(group, grace);
    let status = match ended {
        Some(status) => {
            end.await;
            status
        }
        // Waiting at the same time reaps the leader, without which the group never empties.
        None => tokio::join!(end, child.wait()).1?,
    };
    Ok(End { status, is_scratch_wanted })
}

/// TERM, then KILL for what is left after `grace`. Returns when the group is empty.
async fn end_group(group: Pid, grace: Duration) {
    let deadline = Instant::now() + grace;
    let _ = kill_process_group(group, Signal::TERM);
    // The kernel tells nobody when a group empties. Its number is not given to others before.
    while test_kill_process_group(group).is_ok() {
        if Instant::now() >= deadline {
            let _ = kill_process_group(group, Signal::KILL);
            return;
        }
        sleep(POLL).await;
    }
}

/// Whether the scratch folder is wanted: then the parent has sent a byte before.
///
/// A thread of its own: tokio's stdin would hold up our exit until somebody types.
async fn stdin_closed() -> bool {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut is_wanted = false;
        let mut bytes = [0; 256];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => is_wanted = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = tell.send(is_wanted);
    });
    told.await.unwrap_or_default()
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

fn failed(code: u8, what: impl std::fmt::Display) -> ExitCode {
    // The parent has put our stderr into the child's log.
    eprintln!("run-child: {what}");
    ExitCode::from(code)
}

const GRACE_IS: &str = "--grace-ms=";
const USAGE: u8 = 2;
const CANNOT_START: u8 = 127;
const POLL: Duration = Duration::from_millis(10);

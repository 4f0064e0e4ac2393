//! Processes that must not outlive us. This test is also the helper, the parent and the child of
//! its own cases: see `main`.

#![allow(clippy::unwrap_used, reason = "a test, without the harness that clippy knows")]
#![allow(clippy::zombie_processes, reason = "who waits for whom is what is tested")]

mod mining;
mod node;
mod program;
mod thousand;

use std::ffi::OsString;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use sv2_net::child::{Child, ChildCommand, Helper, run_child_main};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|first| first.to_str()) {
        Some("run-child") => run_child_main(arguments),
        Some("parent") => parent(arguments),
        Some("hold") => hold(arguments),
        Some("devices") => thousand::devices(arguments),
        Some("serve") => program::serve(arguments),
        _ => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("the_group_of_a_child_ends_when_its_parent_is_killed", parent_is_killed),
        Trial::test("a_child_that_ignores_term_is_killed_and_its_folder_removed", term_is_ignored),
        Trial::test("what_a_child_leaves_behind_ends_with_it", leader_exits),
        Trial::test("the_exit_code_and_output_of_a_child_reach_the_parent", exit_code),
        Trial::test("a_program_that_does_not_exist_is_named", no_such_program),
    ];
    trials.extend(program::trials());
    trials.extend(mining::trials());
    trials.extend(thousand::trials());
    trials.extend(node::trials());
    trials
}

fn parent_is_killed() -> Result<(), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let directory = tempfile::tempdir()?;
    let mut parent = Command::new(std::env::current_exe()?)
        .args(["parent", &listener.local_addr()?.to_string()])
        .arg(directory.path())
        .stdin(Stdio::null())
        .spawn()?;
    let mut holders = [listener.accept()?.0, listener.accept()?.0];

    parent.kill()?;

    parent.wait()?;
    for holder in &mut holders {
        assert_ends(holder);
    }
    Ok(())
}

fn term_is_ignored() -> Result<(), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let directory = tempfile::tempdir()?;
    let scratch = directory.path().join("scratch");
    std::fs::create_dir_all(scratch.join("deep"))?;
    let command = ChildCommand {
        grace: Duration::from_millis(50),
        scratch: Some(scratch.clone()),
        ..holders(&listener, directory.path().join("log"), "ignore-term")?
    };
    let runtime = runtime()?;

    let status = runtime.block_on(async {
        let mut child = Child::spawn(&helper()?, &command)?;
        let mut holders = [listener.accept()?.0, listener.accept()?.0];
        let status = child.stop().await?;
        holders.iter_mut().for_each(assert_ends);
        Ok::<_, std::io::Error>(status)
    })?;

    assert_eq!(status.code(), Some(128 + 9));
    assert!(!scratch.exists());
    Ok(())
}

fn leader_exits() -> Result<(), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let directory = tempfile::tempdir()?;
    let command = holders(&listener, directory.path().join("log"), "leave")?;

    let status = runtime()?.block_on(async { Child::spawn(&helper()?, &command)?.wait().await })?;

    assert_eq!(status.code(), Some(0));
    assert_ends(&mut listener.accept()?.0);
    assert_ends(&mut listener.accept()?.0);
    Ok(())
}

fn exit_code() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let mut command = ChildCommand::new("sh", directory.path().join("log"));
    command.arguments = vec!["-c".into(), "echo $GREETING; echo there >&2; exit 7".into()];
    command.environment = vec![("GREETING".into(), "hello".into())];

    let (status, log) = run(&command)?;

    assert_eq!(status, Some(7));
    assert_eq!(log, "hello\nthere");
    Ok(())
}

fn no_such_program() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let command = ChildCommand::new("/nowhere/pool", directory.path().join("log"));

    let (status, log) = run(&command)?;

    assert_eq!(status, Some(127));
    assert!(log.contains("/nowhere/pool"), "{log}");
    Ok(())
}

fn run(command: &ChildCommand) -> Result<(Option<i32>, String), Failed> {
    runtime()?.block_on(async {
        let mut child = Child::spawn(&helper()?, command)?;
        let status = child.wait().await?;
        Ok((status.code(), child.log_tail()))
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn helper() -> std::io::Result<Helper> {
    Helper::of_this_program()
}

/// The socket of a process closes when the process is gone, however it went.
fn assert_ends(holder: &mut TcpStream) {
    let outcome = holder.read(&mut [0]);
    assert!(matches!(outcome, Ok(0) | Err(_)), "a holder never writes");
}

/// A command whose process, and one more that it starts, connect to `listener`.
fn holders(
    listener: &TcpListener,
    log: std::path::PathBuf,
    manner: &str,
) -> std::io::Result<ChildCommand> {
    let mut command = ChildCommand::new(std::env::current_exe()?, log);
    command.arguments =
        vec!["hold".into(), listener.local_addr()?.to_string().into(), manner.into()];
    Ok(command)
}

/// `parent ADDRESS DIRECTORY`: starts a child under the helper and stays until it is killed.
fn parent(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let address = arguments.next().unwrap();
    let directory = std::path::PathBuf::from(arguments.next().unwrap());
    let mut command = ChildCommand::new(std::env::current_exe().unwrap(), directory.join("log"));
    command.arguments = vec!["hold".into(), address, "stay".into()];
    runtime().unwrap().block_on(async {
        let mut child = Child::spawn(&helper().unwrap(), &command).unwrap();
        child.wait().await.unwrap();
    });
    ExitCode::SUCCESS
}

/// `hold ADDRESS MANNER`: connects, starts a second holder in the same process group, and stays
/// (`stay`, `ignore-term`) or leaves the second behind (`leave`). `second...` starts nobody.
fn hold(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let address = arguments.next().unwrap().into_string().unwrap();
    let manner = arguments.next().unwrap().into_string().unwrap();
    let runtime = runtime().unwrap();
    let _entered = runtime.enter();
    // Tokio's handler replaces the default action of the signal, for good.
    let _handler =
        manner.ends_with("ignore-term").then(|| signal(SignalKind::terminate()).unwrap());
    let mut socket = TcpStream::connect(&address).unwrap();
    if !manner.starts_with("second") {
        let mut second = Command::new(std::env::current_exe().unwrap())
            .args(["hold", &address, &format!("second-{manner}")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        second.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    }
    // Told once connected, so that a leader does not leave before.
    println!();
    if manner != "leave" {
        let _ = socket.read(&mut [0]);
    }
    ExitCode::SUCCESS
}

//! A pool as a process of its own: this test itself, started with another argument.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use libtest_mimic::Failed;
use sv2::role::PeerAddress;

/// The pool, seen from outside.
pub(crate) struct PoolProcess {
    process: Child,
    /// Closing it ends the process, also when we are killed.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(crate) address: PeerAddress,
}

impl PoolProcess {
    /// Waits until it says where it listens.
    pub(crate) fn start(
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<PoolProcess, Failed> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().ok_or("no pipe")?);
        let address = PeerAddress { host: "127.0.0.1".into(), port: 0, authority: None };
        let mut pool = PoolProcess { process, orders, answers, address };
        let line = pool.answer()?;
        let (port, authority) = line.split_once(' ').ok_or("no address")?;
        pool.address.port = port.parse()?;
        pool.address.authority = Some(authority.parse()?);
        Ok(pool)
    }

    pub(crate) fn ask(&mut self, order: &str) -> Result<String, Failed> {
        writeln!(self.orders.as_mut().ok_or("no pipe")?, "{order}")?;
        self.answer()
    }

    /// Ends it on the spot (SIGKILL): nothing of it runs any more when this returns.
    pub(crate) fn kill(mut self) -> Result<(), Failed> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    fn answer(&mut self) -> Result<String, Failed> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("the pool's process has ended".into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Resident, in KiB.
    pub(crate) fn memory(&self) -> Result<u64, Failed> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path)?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("no VmRSS")?.parse()?)
    }
}

impl Drop for PoolProcess {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.process.wait();
    }
}

/// What such a process does.
pub(crate) fn main(serve: impl FnOnce() -> Result<(), Failed>) -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("the pool: {}", failed.message().unwrap_or("failed"));
            ExitCode::FAILURE
        }
    }
}

/// The first line of such a process.
pub(crate) fn tell_address(address: &PeerAddress) -> Result<(), Failed> {
    let authority = address.authority.ok_or("a pool over Noise has a key")?;
    println!("{} {authority}", address.port);
    Ok(())
}

//! The line to a tap that lets an inspector decide about messages on their way: what is said on it
//! is told in the tap's `intercept.rs`. Where it ends, the tap lets everything pass.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::capture::{Input, intercept_socket};

/// An open line.
pub(super) struct TapLine {
    stream: UnixStream,
    lines: Receiver<String>,
}

impl TapLine {
    /// To the tap that is read, if it is one and listens.
    pub(super) fn open(input: &Input) -> Option<TapLine> {
        let socket = input.files.iter().find_map(|file| intercept_socket(file))?;
        TapLine::connect(UnixStream::connect(socket).ok()?).ok()
    }

    fn connect(stream: UnixStream) -> io::Result<TapLine> {
        // A tap that does not listen must not stop the screen.
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let (sender, lines) = sync_channel(LINES_MAX);
        thread::Builder::new().name("tap".to_owned()).spawn(move || {
            loop {
                let mut line = String::new();
                // What is cut off or no text is no line of a tap.
                let read = reader.by_ref().take(LINE_LEN_MAX).read_line(&mut line);
                let is_whole = read.is_ok() && line.ends_with('\n');
                if !is_whole || sender.send(line.trim_end().to_owned()).is_err() {
                    return;
                }
            }
        })?;
        Ok(TapLine { stream, lines })
    }

    /// What the tap has said next; `Err` where it says nothing any more.
    pub(super) fn heard(&self) -> Result<Option<String>, ()> {
        match self.lines.try_recv() {
            Ok(line) => Ok(Some(line)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(()),
        }
    }

    /// # Errors
    /// If the tap is gone.
    pub(super) fn say(&mut self, line: &str) -> io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes())
    }
}

/// Lines that wait for the screen, at most: the tap notices where nobody reads.
const LINES_MAX: usize = 1_024;
const LINE_LEN_MAX: u64 = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(2);

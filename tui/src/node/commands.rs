//! Commands that an operator types, or another program writes: the lines of standard input.

use std::io::{BufRead as _, Read as _};

use tokio::sync::mpsc;

/// The lines that are not empty, as they come. A read of standard input cannot be given up, so a
/// thread of its own waits for it; it ends with the input, or with the program.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = String::new();
            // What is longer is no command, and must not fill the memory.
            let read = input.by_ref().take(LINE_LEN_MAX).read_line(&mut line);
            let is_over = !matches!(read, Ok(1..));
            if is_over || (!line.trim().is_empty() && sender.blocking_send(line).is_err()) {
                return;
            }
        }
    });
    receiver
}

/// Read, and not carried out yet.
const LINES_MAX: usize = 16;

/// In bytes.
const LINE_LEN_MAX: u64 = 4_096;

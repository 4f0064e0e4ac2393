//! Accounts that a process has open, shown to others through a socket in their folder: whoever
//! connects is sent one statement.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::time::timeout;

use super::{Accounts, Statement};

/// What is sent: a statement, or why there is none.
type Answer = Result<Statement, String>;

/// One reader after the other: a statement is a copy of everything.
pub(super) async fn serve(listener: UnixListener, accounts: Arc<Accounts>) {
    loop {
        // A reader that has gone before it was accepted, or no free descriptor.
        let Ok((mut reader, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let accounts = Arc::clone(&accounts);
        let answer = tokio::task::spawn_blocking(move || {
            serde_json::to_vec(&accounts.statement()).unwrap_or_default()
        });
        let answer = answer.await.unwrap_or_default();
        // A reader that does not read is not waited for.
        let _ = timeout(PATIENCE, reader.write_all(&answer)).await;
    }
}

/// Replaces the socket of a process that was killed: whoever has the store open is alone.
pub(super) fn listen(socket: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => UnixListener::bind(socket),
    }
}

/// `None`: nobody has the accounts open.
pub(super) fn read(socket: &Path) -> Option<Answer> {
    let stream = UnixStream::connect(socket).ok()?;
    let answer = serde_json::from_reader(io::BufReader::new(stream));
    Some(answer.unwrap_or_else(|error| Err(format!("its statement cannot be read: {error}"))))
}

const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

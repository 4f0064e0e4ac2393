//! Live readers: whoever connects to the socket reads the capture from the beginning of its present
//! file, and what is added to it from then on.
//!
//! Readers read the file, not the queue of the recorder: one that is slow is late, and nothing else.
//! Where another file begins they go on with it, in the same stream: another section of pcapng.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

use crate::recorder::Progress;

/// A socket that is removed when it is dropped.
pub(super) struct LiveSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl LiveSocket {
    /// Opens the socket for its owner. One that was left behind is replaced, one that somebody
    /// listens at is not.
    pub(super) fn open(path: &Path) -> io::Result<LiveSocket> {
        let is_socket = |file: fs::Metadata| file.file_type().is_socket();
        if fs::symlink_metadata(path).is_ok_and(is_socket)
            && std::os::unix::net::UnixStream::connect(path).is_err()
        {
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(LiveSocket { listener, path: path.to_owned() })
    }

    /// Whoever connects next.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }

    /// Serves readers, for ever.
    pub(super) async fn serve(self, progress: watch::Receiver<Progress>) {
        let places = Arc::new(Semaphore::new(READERS_MAX));
        loop {
            let reader = match self.accept().await {
                Ok(reader) => reader,
                Err(error) => {
                    tracing::warn!(%error, "a reader cannot be served");
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!("a reader is not served: there are {READERS_MAX}, the limit");
                continue;
            };
            let progress = progress.clone();
            tokio::spawn(async move {
                // A reader that goes away has seen enough.
                let _ = follow(reader, progress).await;
                drop(place);
            });
        }
    }
}

impl Drop for LiveSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn follow(mut reader: UnixStream, mut progress: watch::Receiver<Progress>) -> io::Result<()> {
    let mut current = progress.borrow_and_update().clone();
    let mut offset = 0;
    let mut buffer = vec![0; READ_LEN];
    loop {
        let next = progress.borrow_and_update().clone();
        let has_moved = next.number != current.number;
        if !has_moved {
            current = next.clone();
        }
        // A file that others follow has all its bytes.
        let end = if has_moved { current.file.metadata()?.len() } else { current.len };
        while offset < end {
            let len = usize::try_from(end - offset).unwrap_or(READ_LEN).min(READ_LEN);
            // From the page cache: it was written a moment ago.
            current.file.read_exact_at(&mut buffer[..len], offset)?;
            reader.write_all(&buffer[..len]).await?;
            offset += len as u64;
        }
        if has_moved {
            (current, offset) = (next, 0);
            continue;
        }
        let mut gone = [0];
        tokio::select! {
            changed = progress.changed() => {
                if changed.is_err() {
                    return reader.shutdown().await;
                }
            }
            // Readers say nothing: this is how they go.
            received = reader.read(&mut gone) => {
                if received? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

const READERS_MAX: usize = 16;
const READ_LEN: usize = 1 << 16;

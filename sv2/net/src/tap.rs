//! Evidence: the bytes on the wire and the keys to read them.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sv2::message::Message;
use sv2::noise::SessionSecrets;
use sv2::role::Via;
use sv2::time::Now;
use sv2::wire::Tlvs;

/// The two ends of a connection, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub peer: SocketAddr,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peer.fmt(f)
    }
}

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer to us.
    Received,
    /// From us to the peer.
    Sent,
}

/// Sees everything that passes the sockets of a host. Called from the connections' own tasks:
/// must not block for long.
pub trait Tap: Send + Sync {
    /// A connection is there, before its first byte.
    fn opened(&self, at: Now, link: Link, via: Via);
    /// Bytes as on the wire, in order for each link and direction. Bytes sent are told before
    /// they are given to the socket.
    fn bytes(&self, at: Now, link: Link, direction: Direction, bytes: &[u8]);
    /// The keys of a connection, once its handshake is done.
    fn secrets(&self, at: Now, link: Link, secrets: &SessionSecrets);
    /// A connection is gone.
    fn closed(&self, at: Now, link: Link);
}

/// Sees the messages of a role, in the order in which it takes and sends them. Called from the
/// role's own task: must not block for long.
pub trait Trace: Send + Sync {
    /// A message, and which way it goes.
    fn message(&self, at: Now, link: Link, direction: Direction, message: &Message, tlvs: &Tlvs);
    /// A line of Stratum V1 without its end, and which way it goes.
    fn line(&self, at: Now, link: Link, direction: Direction, line: &[u8]);
}

/// A file that takes the secrets of sessions, for reading captures of them. Whoever has it can
/// read, and while a connection lives forge, all that is logged.
#[derive(Debug)]
pub struct KeyLog {
    file: Mutex<File>,
}

impl KeyLog {
    /// Opens or creates the file, readable for its owner alone.
    ///
    /// # Errors
    /// If the file cannot be opened for appending, or if somebody else could have prepared it: it
    /// is a symbolic link, or others may write to it.
    pub fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
        if let Ok(found) = std::fs::symlink_metadata(path) {
            let refused = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            if found.is_symlink() {
                return refused("a key log is no symbolic link: it would be written elsewhere");
            }
            if found.is_file() && found.mode() & 0o022 != 0 {
                return refused("others may write to it, which a key log does not allow");
            }
        }
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        Ok(KeyLog { file: Mutex::new(file) })
    }

    /// Appends the lines of one session in one write.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, secrets: &SessionSecrets) -> io::Result<()> {
        let lines = secrets.to_key_log();
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines.as_bytes())
    }

    /// The same, for whoever goes on without: an error is told in the program's log.
    pub fn keep(&self, secrets: &SessionSecrets) {
        if let Err(error) = self.write(secrets) {
            tracing::error!(%error, "the key log cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_file_that_others_have_prepared_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link, open] = ["keys", "link", "open"].map(|name| directory.path().join(name));
        symlink(&file, &link).unwrap();
        std::fs::write(&open, "").unwrap();
        std::fs::set_permissions(&open, PermissionsExt::from_mode(0o666)).unwrap();

        let outcomes = [&file, &link, &open].map(|path| KeyLog::open(path).is_ok());

        assert_eq!(outcomes, [true, false, false]);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(KeyLog::open(&file).is_ok());
    }
}

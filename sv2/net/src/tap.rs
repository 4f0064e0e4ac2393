//! Evidence: the bytes on the wire and the keys to read them.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sv2::message::Message;
use sv2::noise::SessionSecrets;
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
    fn opened(&self, at: Now, link: Link);
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
    /// If the file cannot be opened for appending.
    pub fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
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
}

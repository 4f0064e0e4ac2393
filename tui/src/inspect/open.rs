//! From a file to a session.

use std::fs::File;
use std::path::{Path, PathBuf};

use sv2::noise::AuthorityPublicKey;
use sv2_capture::read::{Dissector, FileError, Item, PacketReader};
use sv2_capture::rules::Policy;
use thiserror::Error;

use super::session::Session;

/// What to read, and with what.
pub(crate) struct Sources<'a> {
    pub(crate) capture: &'a Path,
    pub(crate) key_logs: &'a [PathBuf],
    pub(crate) authority: Option<AuthorityPublicKey>,
    pub(crate) policy: Policy,
}

/// Why there is nothing to look at.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", .path.display())]
    Capture { path: PathBuf, source: FileError },
}

/// Reads the whole capture. What follows a corrupt place is left out, and said in the notes.
///
/// # Errors
/// [`OpenError`]: no capture, or a key log that cannot be read.
pub(crate) fn open(sources: Sources<'_>) -> Result<Session, OpenError> {
    let Sources { capture, key_logs, authority, policy } = sources;
    let file_error = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::File { path, source }
    };
    let file = File::open(capture).map_err(file_error(capture))?;
    let mut dissector = Dissector::new(0, authority);
    for path in key_logs {
        dissector.key_log(&std::fs::read(path).map_err(file_error(path))?);
    }
    let name = capture.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    let mut session = Session::new(name, policy);
    let mut reader = PacketReader::new(file);
    loop {
        let item = match reader.next_item() {
            Ok(Some(item)) => item,
            Ok(None) => break,
            Err(source) if session.entries().is_empty() => {
                return Err(OpenError::Capture { path: capture.to_owned(), source });
            }
            Err(error) => {
                session.note(format!("{error}; what follows is left out"));
                break;
            }
        };
        match item {
            Item::Packet(packet) => {
                dissector.packet(0, &packet, &mut |found| session.take(&found.observed));
            }
            Item::Secrets(text) => dissector.key_log(text),
            Item::Skipped(why) => session.note(why.to_owned()),
            Item::Other => {}
        }
    }
    dissector.finish(&mut |found| session.take(&found.observed));
    if reader.rest_len() > 0 {
        session.note(format!("the file ends within a block: {} bytes are left", reader.rest_len()));
    }
    let tally = dissector.tally();
    session.note(format!("{} packets, {} bytes", tally.packets, tally.bytes));
    let counts = [
        (tally.not_tcp, "packets are not TCP"),
        (tally.unknown_link, "packets are of a link layer that is not known"),
        (tally.fragments, "packets are fragments of IP, which are not put together"),
        (tally.cut_off, "packets are cut off within their headers"),
        (tally.forgotten, "connections have made room for others"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        session.note(format!("{count} {what}"));
    }
    Ok(session)
}

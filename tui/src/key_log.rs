//! The file for the secrets of sessions: `--key-log FILE`, or SV2KEYLOGFILE for all commands.

use std::path::Path;
use std::sync::Arc;

use sv2_net::tap::KeyLog;

use crate::outcome::Outcome;

/// Opens the file that was asked for, and says that it is written: whoever has it can read all
/// sessions.
pub(crate) fn open(path: Option<&Path>) -> Result<Option<Arc<KeyLog>>, Outcome> {
    let Some(path) = path else { return Ok(None) };
    let log = KeyLog::open(path).map_err(|error| {
        Outcome::usage(format!("cannot write the key log {}: {error}", path.display()))
    })?;
    anstream::eprintln!("the secrets of all sessions go to {}", path.display());
    Ok(Some(Arc::new(log)))
}

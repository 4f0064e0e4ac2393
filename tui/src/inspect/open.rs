//! From captures to a session.

use sv2_capture::read::Tally;
use sv2_capture::rules::Policy;

use super::covered::Covered;
use super::index_file::IndexFile;
use super::session::Session;
use crate::capture::{End, Flow, Input, Seen, walk};

/// Reads all of the input, and fills what others may see of it. What follows a corrupt place is
/// left out, and said in the notes.
///
/// # Errors
/// In words: no capture, or a key log that cannot be read.
pub(super) fn open(
    input: &Input,
    policy: Policy,
    index: Option<IndexFile>,
    mut covered: Option<&mut Covered>,
) -> Result<Session, String> {
    if covered.is_none()
        && let Some(session) = from_index(index.as_ref(), input, false)
    {
        return Ok(session);
    }
    let mut session = Session::of(input, name(input)).indexed(index);
    let mut take = |seen: &Seen<'_>| {
        session.take(seen);
        if let Some(covered) = &mut covered {
            covered.take(seen);
        }
        Flow::GoOn
    };
    let end = walk(input, policy, &mut take, &mut || Flow::GoOn)?;
    if session.len() == 0
        && let Some(complaint) = end.complaints.first()
    {
        return Err(complaint.clone());
    }
    note(&mut session, &end);
    Ok(session)
}

/// What was read an earlier time.
pub(super) fn from_index(
    index: Option<&IndexFile>,
    input: &Input,
    at_once: bool,
) -> Option<Session> {
    index?.open(input, &name(input), at_once)
}

/// Names of the files, without their folders.
pub(super) fn name(input: &Input) -> String {
    let names = input.files.iter().map(|file| {
        file.file_name()
            .map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned())
    });
    names.collect::<Vec<_>>().join(" ")
}

/// What the reader says at its end, and the index.
pub(super) fn note(session: &mut Session, end: &End) {
    end.complaints.iter().for_each(|complaint| session.note(complaint.clone()));
    let Tally { packets, bytes, not_tcp, .. } = end.tally;
    session.note(format!("{packets}{PACKETS}, {bytes} bytes"));
    if not_tcp > 0 {
        session.note(format!("{not_tcp}{NOT_TCP}"));
    }
    session.keep_index(end);
}

/// Whether a note says that something could not be read.
pub(super) fn is_complaint(note: &str) -> bool {
    ![PACKETS, NOT_TCP].iter().any(|counted| note.contains(counted))
}

const PACKETS: &str = " packets read";
const NOT_TCP: &str = " packets are not TCP";

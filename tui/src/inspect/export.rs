//! Part of a capture as another capture, which can be decrypted as the whole can; in clear where
//! there is nothing to be read again, as of a tap.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use sv2_capture::observed::{Integrity, Observed, What};
use sv2_capture::redact::{Categories, Redactor};

use super::app::App;
use super::entry::{Entry, Kind};
use super::session::{Session, number_of};
use crate::capture::{Copy, Flow, Input, Plain, is_read, is_set_up, read};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What the filter shows.
    Shown,
    /// What has a mark or a comment.
    Marked,
    /// The connection of the message under the cursor.
    Connection,
    /// The message under the cursor, and its answer or request.
    Pair,
}

/// What [`Scope::of`] takes.
pub(super) const LETTERS: &str = "f (shown), m (marked), c (connection), p (this and its pair)";

impl Scope {
    /// For a letter.
    pub(super) fn of(letter: char) -> Option<Scope> {
        Some(match letter {
            'f' => Scope::Shown,
            'm' => Scope::Marked,
            'c' => Scope::Connection,
            'p' => Scope::Pair,
            _ => return None,
        })
    }

    /// In the name of a file.
    fn word(self) -> &'static str {
        match self {
            Scope::Shown => "shown",
            Scope::Marked => "marked",
            Scope::Connection => "connection",
            Scope::Pair => "pair",
        }
    }
}

/// A copy that is to be written.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) to: PathBuf,
    /// Numbers of observations and when they were made, in order.
    chosen: Vec<(u64, u64)>,
    /// What the user has to say of them.
    comments: Vec<(u64, String)>,
    /// Of these connections they are.
    connections: BTreeSet<u32>,
    is_selection: bool,
    /// What is replaced; then nobody's comments are in it, and no keys.
    redact: Option<Categories>,
}

impl Export {
    /// Of what is on the screen.
    pub(super) fn of(app: &App, scope: Scope, to: PathBuf) -> Export {
        let session = &app.session;
        let mut numbers: Vec<u64> = match scope {
            Scope::Shown => {
                let all = (0..app.shown_count()).filter_map(|place| app.index_at(place));
                all.map(number_of).collect()
            }
            Scope::Marked => session.remarks.numbers(),
            Scope::Connection => {
                let connection = app.current().map(|entry| entry.connection);
                let is_of_it =
                    |index: &usize| session.row(*index).map(|row| row.connection) == connection;
                (0..session.len()).filter(is_of_it).map(number_of).collect()
            }
            Scope::Pair => {
                let pair = app.current().map(|entry| [Some(entry.number), entry.pair]);
                pair.into_iter().flatten().flatten().collect()
            }
        };
        numbers.sort_unstable();
        let at = |number: u64| {
            let index = session.index_of(number)?;
            session.row(index).map(|row| (number, row.at))
        };
        let chosen: Vec<(u64, u64)> = numbers.into_iter().filter_map(at).collect();
        let comment = |(number, _): &(u64, u64)| {
            let comment = session.remarks.comment_of(*number)?;
            Some((*number, comment.to_owned()))
        };
        let comments = chosen.iter().filter_map(comment).collect();
        let row = |(number, _): &(u64, u64)| session.row(session.index_of(*number)?);
        let connections = chosen.iter().filter_map(row).map(|row| row.connection).collect();
        let is_selection = chosen.len() < session.len();
        let redact = app.redact;
        Export { to, chosen, comments, connections, is_selection, redact }
    }

    /// How many messages and happenings.
    pub(super) fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Reads the capture again and writes the copy; what to say of it.
    pub(super) fn write(&self, input: &Input) -> String {
        let to = self.to.display();
        let (written, how) = match self.redact {
            Some(categories) => (self.redacted(input, categories), "redacted and in clear"),
            None => (self.copy(input), "with what decrypts them"),
        };
        match written {
            Ok(()) => format!("{} messages are in {to}, {how}", self.len()),
            Err(why) => format!("nothing useful is in {to}: {why}"),
        }
    }

    /// Writes what a session holds, in clear; what to say of it.
    pub(super) fn write_held(&self, session: &Session) -> String {
        let to = self.to.display();
        match self.held(session) {
            Ok(()) if self.redact.is_some() => {
                format!("{} messages are in {to}, redacted and in clear", self.len())
            }
            Ok(()) => format!("{} messages are in {to}, in clear", self.len()),
            Err(error) => format!("nothing useful is in {to}: {error}"),
        }
    }

    fn held(&self, session: &Session) -> io::Result<()> {
        let is_chosen = |number: u64| self.chosen.binary_search_by_key(&number, |it| it.0).is_ok();
        let rows = || (0..session.len()).filter_map(|index| Some((index, session.row(index)?)));
        let mut out = Plain::create(&self.to, self.is_selection)?;
        let mut redactor = self.redact.map(Redactor::new);
        for (index, row) in rows().filter(|(_, row)| self.connections.contains(&row.connection)) {
            let Some(entry) = session.entry(index) else { continue };
            let is_kept = is_chosen(entry.number)
                || match &entry.what {
                    Kind::Frame { frame, .. } => is_set_up(frame),
                    Kind::Line(_) => false,
                    _ => true,
                };
            if let Some(what) = said(session, &entry).filter(|_| is_kept) {
                let (number, at, connection) = (entry.number, row.at, row.connection);
                let observed = Observed { number, at, connection, what };
                match &mut redactor {
                    Some(redactor) => {
                        let mut written = Ok(());
                        redactor.cover(&observed, &mut |covered| written = out.write(covered));
                        written?;
                    }
                    None => out.write(&observed)?,
                }
            }
        }
        out.finish()
    }

    /// Reads the capture again and writes what others may have of it.
    fn redacted(&self, input: &Input, categories: Categories) -> Result<(), String> {
        if is_read(input, &self.to) {
            return Err("this is what is read".into());
        }
        let said = |error: io::Error| format!("{}: {error}", self.to.display());
        let mut out = Plain::create(&self.to, self.is_selection).map_err(said)?;
        let mut redactor = Redactor::new(categories);
        let (mut found_again, mut written) = (0, Ok(()));
        let input = Input { follow: false, ..input.clone() };
        read(
            &input,
            &mut |found| {
                let observed = &found.observed;
                let is_chosen = self.chosen.binary_search(&(observed.number, observed.at)).is_ok();
                found_again += usize::from(is_chosen);
                let is_kept = match &observed.what {
                    What::Frame { frame, .. } => is_chosen || is_set_up(frame),
                    What::Line { .. } => is_chosen,
                    _ => true,
                };
                // Those of other connections are met, too: the same capture has the same names.
                redactor.cover(observed, &mut |covered| {
                    if is_kept && self.connections.contains(&observed.connection) {
                        written = out.write(covered);
                    }
                });
                if written.is_ok() { Flow::GoOn } else { Flow::Stop }
            },
            &mut || Flow::GoOn,
        )?;
        written.and_then(|()| out.finish()).map_err(said)?;
        match found_again < self.len() {
            true => Err("the capture has changed since it was opened".into()),
            false => Ok(()),
        }
    }

    fn copy(&self, input: &Input) -> Result<(), String> {
        let mut copy = Copy::new(input, &self.to)?;
        copy.comment(self.comments.iter().cloned());
        let input = Input { follow: false, ..input.clone() };
        let mut found_again = 0;
        read(
            &input,
            &mut |found| {
                let key = (found.observed.number, found.observed.at);
                let is_chosen = self.chosen.binary_search(&key).is_ok();
                found_again += usize::from(is_chosen);
                copy.note(found, is_chosen)
            },
            &mut || Flow::GoOn,
        )?;
        if found_again < self.len() {
            return Err("the capture has changed since it was opened".into());
        }
        copy.write(false)
    }
}

/// What a packet in clear can say of an entry.
fn said<'a>(session: &Session, entry: &'a Entry) -> Option<What<'a>> {
    let direction = entry.direction;
    Some(match &entry.what {
        Kind::Opened => {
            let connection = session.connection(entry.connection)?;
            let (client, server) = (connection.client, connection.server);
            let (from_the_start, is_selection) = (true, false);
            let is_redacted = connection.is_redacted;
            What::Opened { client, server, from_the_start, is_selection, is_redacted }
        }
        Kind::Frame { frame, .. } => {
            What::Frame { direction: direction?, frame, integrity: Integrity::Plain }
        }
        Kind::Line(line) => What::Line { direction: direction?, line: line.as_bytes() },
        Kind::Closed => What::Closed { by: direction?, reset: false },
        Kind::Handshake(_) | Kind::Opaque | Kind::Gap => return None,
    })
}

/// A name for a copy: beside the capture, or in this folder where there is no file.
/// A redacted one has not the name of the capture either.
pub(super) fn suggested(capture: Option<&Path>, scope: Scope, is_redacted: bool) -> String {
    let before = if is_redacted { "redacted" } else { "live" };
    let Some(capture) = capture else { return format!("{before}-{}.pcapng", scope.word()) };
    if is_redacted {
        let name = format!("{before}-{}.pcapng", scope.word());
        return capture.with_file_name(name).display().to_string();
    }
    let name = capture.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    let stem = name.split('.').next().unwrap_or_default();
    capture.with_file_name(format!("{stem}-{}.pcapng", scope.word())).display().to_string()
}

/// The file that a user means: `~` is the home folder, as in a shell.
pub(super) fn meant(text: &str) -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    match (text.trim().strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text.trim()),
    }
}

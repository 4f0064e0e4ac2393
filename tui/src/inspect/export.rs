//! Part of a capture as another capture, which can be decrypted as the whole can; in clear where
//! there is nothing to be read again, as of a tap.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use sv2_capture::observed::{Integrity, Observed, What};

use super::app::App;
use super::entry::{Entry, Kind};
use super::session::{Session, number_of};
use crate::capture::{Copy, Flow, Input, Plain, is_set_up, read};

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
        Export { to, chosen, comments }
    }

    /// How many messages and happenings.
    pub(super) fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Reads the capture again and writes the copy; what to say of it.
    pub(super) fn write(&self, input: &Input) -> String {
        let to = self.to.display();
        match self.copy(input) {
            Ok(()) => format!("{} messages are in {to}, with what decrypts them", self.len()),
            Err(why) => format!("nothing useful is in {to}: {why}"),
        }
    }

    /// Writes what a session holds, in clear; what to say of it.
    pub(super) fn write_held(&self, session: &Session) -> String {
        let to = self.to.display();
        match self.held(session) {
            Ok(()) => format!("{} messages are in {to}, in clear", self.len()),
            Err(error) => format!("nothing useful is in {to}: {error}"),
        }
    }

    fn held(&self, session: &Session) -> io::Result<()> {
        let is_chosen = |number: u64| self.chosen.binary_search_by_key(&number, |it| it.0).is_ok();
        let rows = || (0..session.len()).filter_map(|index| Some((index, session.row(index)?)));
        let of_chosen = rows().filter(|(index, _)| is_chosen(number_of(*index)));
        let connections: BTreeSet<u32> = of_chosen.map(|(_, row)| row.connection).collect();
        let mut out = Plain::create(&self.to, self.len() < session.len())?;
        for (index, row) in rows().filter(|(_, row)| connections.contains(&row.connection)) {
            let Some(entry) = session.entry(index) else { continue };
            let is_kept = is_chosen(entry.number)
                || match &entry.what {
                    Kind::Frame { frame, .. } => is_set_up(frame),
                    Kind::Line(_) => false,
                    _ => true,
                };
            if let Some(what) = said(session, &entry).filter(|_| is_kept) {
                let (number, at, connection) = (entry.number, row.at, row.connection);
                out.write(&Observed { number, at, connection, what })?;
            }
        }
        out.finish()
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
            What::Opened { client, server, from_the_start: true, is_selection: false }
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
pub(super) fn suggested(capture: Option<&Path>, scope: Scope) -> String {
    let Some(capture) = capture else { return format!("live-{}.pcapng", scope.word()) };
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

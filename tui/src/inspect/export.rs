//! Part of a capture as another capture, which can be decrypted as the whole can.

use std::path::{Path, PathBuf};

use super::app::App;
use super::session::number_of;
use crate::capture::{Copy, Flow, Input, read};

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
        Export { to, chosen: numbers.into_iter().filter_map(at).collect() }
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

    fn copy(&self, input: &Input) -> Result<(), String> {
        let mut copy = Copy::new(input, &self.to)?;
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

/// A name for a copy, beside the capture.
pub(super) fn suggested(capture: &Path, scope: Scope) -> String {
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

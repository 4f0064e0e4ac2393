//! The list of messages as text, where there is no terminal.

use super::app::App;
use super::session::Session;
use crate::capture::write_line;
use crate::print;

/// Prints every message that the filter takes, and what is wrong with it; beside it what the
/// reader has to say. `covered`: of what others may see.
pub(super) fn print(app: &App, covered: Option<&Session>) {
    // Places are the same in both.
    let session = covered.unwrap_or(&app.session);
    for note in app.session.notes.iter().chain(&app.missing_keys()) {
        anstream::eprintln!("note: {note}");
    }
    let start = app.session.start();
    let mut line = String::new();
    for place in 0..app.shown_count() {
        let entry = app.index_at(place).and_then(|index| session.entry(index));
        let Some(entry) = entry else { return };
        line.clear();
        write_line(&mut line, &entry, entry.at.saturating_sub(start));
        print::text(&line);
        for finding in session.findings_of(&entry) {
            print::line(format_args!("        {finding}"));
        }
    }
}

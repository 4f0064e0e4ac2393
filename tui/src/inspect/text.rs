//! The list of messages as text, where there is no terminal.

use super::app::App;
use crate::capture::write_line;
use crate::print;

/// Prints every message that the filter takes, and what is wrong with it; beside it what the
/// reader has to say.
pub(super) fn print(app: &App) {
    for note in app.session.notes.iter().chain(&app.missing_keys()) {
        anstream::eprintln!("note: {note}");
    }
    let start = app.session.start();
    let mut line = String::new();
    for place in 0..app.shown_count() {
        let Some(entry) = app.shown_at(place) else { return };
        line.clear();
        write_line(&mut line, &entry, entry.at.saturating_sub(start));
        print::text(&line);
        for finding in app.session.findings_of(&entry) {
            print::line(format_args!("        {finding}"));
        }
    }
}

//! The list of messages as text, where there is no terminal.

use crate::inspect::app::App;
use crate::inspect::describe;
use crate::print;

/// Prints every message that the filter takes, and what is wrong with it.
pub(super) fn print(app: &App) {
    let start = app.session.start();
    for place in 0..app.shown_count() {
        let Some(entry) = app.shown_at(place) else { return };
        let elapsed = entry.at.saturating_sub(start);
        let channel = entry.channel.map_or_else(|| "-".to_owned(), |channel| channel.to_string());
        print::line(format_args!(
            "{:>7} {:>5}.{:06} c{:<3} {} {:<34} ch {channel:<6} {}",
            entry.number,
            elapsed / 1_000_000_000,
            elapsed % 1_000_000_000 / 1_000,
            entry.connection,
            describe::arrow(entry.direction),
            describe::name(entry),
            entry.info,
        ));
        for finding in app.session.findings_of(entry) {
            print::line(format_args!("        {finding}"));
        }
    }
}

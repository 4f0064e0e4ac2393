//! Screen 9: what the reader has to say of the file.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::inspect::app::App;
use crate::inspect::describe::wrapped;

/// Draws it from the line that was scrolled to, as far as there are any; which that is.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) -> usize {
    let width = usize::from(area.width).max(1);
    let notes: Vec<&str> = match (app.session.notes.is_empty(), app.is_private) {
        (true, _) => vec!["the file was read without a word"],
        // The reader names files.
        (false, true) => vec!["…"],
        (false, false) => app.session.notes.iter().map(String::as_str).collect(),
    };
    let lines = notes.iter().flat_map(|note| wrapped(note, width)).map(Line::from);
    super::draw_scrolled(frame, area, lines.collect(), app.scrolled)
}

//! Screen 9: what the reader has to say of the file.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use crate::inspect::app::App;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let lines: Vec<Line<'_>> = app.session.notes.iter().map(|note| Line::from(&**note)).collect();
    let lines = match lines.is_empty() {
        true => vec![Line::from("the file was read without a word")],
        false => lines,
    };
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), area);
}

//! A list that draws only the lines on the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::inspect::app::{App, ListPlace};
use crate::inspect::keys::Screen;
use crate::inspect::table::{Column, Fitting};

/// Draws a screen that is one list of rows, in the order that the user has chosen.
pub(super) fn draw_table<Row>(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    screen: Screen,
    columns: &[Column<Row>],
    rows: &[&Row],
) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let columns = Fitting::new(columns, area.width.into());
    let heading = columns.heading(app.sort_of(screen), app.theme.sort_signs());
    frame.render_widget(super::title(&heading, head, app), head);
    draw_main(frame, body, app, rows.len(), app.cursors[screen as usize], |place, is_cursor| {
        let style = if is_cursor { app.theme.cursor() } else { ratatui::style::Style::new() };
        let row = rows[app.row_at(screen, place)];
        Line::styled(columns.line(row, app.is_private), style)
    });
}

/// Draws the list of a screen, whose lines the mouse may choose.
pub(super) fn draw_main<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    count: usize,
    cursor: usize,
    line: impl FnMut(usize, bool) -> Line<'a>,
) {
    let first = first_line(count, cursor, area.height.into());
    app.list.set(ListPlace { area, first, count, rows_each: 1 });
    draw(frame, area, count, cursor, line);
}

/// Draws lines `0..count` around `cursor`; `line` makes one of them, told whether it is the
/// cursor's.
pub(super) fn draw<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    count: usize,
    cursor: usize,
    mut line: impl FnMut(usize, bool) -> Line<'a>,
) {
    let height = usize::from(area.height);
    let first = first_line(count, cursor, height);
    let lines: Vec<Line<'a>> =
        (first..count.min(first + height)).map(|place| line(place, place == cursor)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// The first line on the screen: the cursor's is in the middle, except at the ends.
pub(super) fn first_line(count: usize, cursor: usize, height: usize) -> usize {
    cursor.saturating_sub(height / 2).min(count.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_always_on_the_screen_and_the_screen_is_full() {
        for (count, height) in [(0, 5), (3, 5), (5, 5), (100, 5), (100, 1)] {
            for cursor in 0..count {
                let first = first_line(count, cursor, height);
                assert!((first..first + height).contains(&cursor), "{count} {height} {cursor}");
                assert!(first + height <= count.max(height), "{count} {height} {cursor}");
            }
        }
    }
}

//! Screen 4: messages as arrows between those who speak.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe;
use crate::inspect::entry::Entry;
use crate::inspect::lanes::Lanes;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    // Who takes part near the cursor: lanes of others would only take room.
    let first = app.cursor.saturating_sub(ENTRIES_AROUND);
    let around = (first..first + 2 * ENTRIES_AROUND).map_while(|place| app.shown_row_at(place));
    let lanes = Lanes::of(&app.session, around.map(|row| row.connection), LANES_MAX);
    let room = usize::from(area.width).saturating_sub(TIME_WIDTH);
    let width = (room / lanes.ends.len().max(1)).max(LANE_WIDTH_MIN);
    let heading = format!("{:<TIME_WIDTH$}{}", "", lanes.heading(width, app.is_private));
    frame.render_widget(super::title(&heading, head, app), head);
    list::draw_main(frame, body, app, app.shown_count(), app.cursor, |place, is_cursor| {
        let Some(entry) = app.shown_at(place) else { return Line::default() };
        arrow_line(app, &entry, &lanes, width, is_cursor)
    });
}

fn arrow_line(
    app: &App,
    entry: &Entry,
    lanes: &Lanes,
    width: usize,
    is_cursor: bool,
) -> Line<'static> {
    let elapsed = entry.at.saturating_sub(app.session.start());
    let time =
        format!("{:>6}.{:03} ", elapsed / 1_000_000_000, elapsed % 1_000_000_000 / 1_000_000);
    let name = describe::name(entry);
    let Some(arrow) = lanes.arrow(&app.session, entry) else {
        return Line::from(format!("{time}{name}"));
    };
    let label = if app.is_private { name } else { format!("{name} {}", entry.info) };
    let [before, line, after] = lanes.row(arrow, width, app.theme.bar(), &label);
    let style = if is_cursor { app.theme.cursor() } else { app.theme.direction(entry.direction) };
    let mut spans = vec![Span::styled(time, app.theme.dim()), Span::raw(before)];
    spans.push(Span::styled(line, style));
    spans.push(Span::raw(after));
    if let Some(finding) = app.session.findings_of(entry).max_by_key(|finding| finding.severity) {
        let style = app.theme.severity(finding.severity);
        spans.push(Span::styled(format!(" {}", finding.code()), style));
    }
    Line::from(spans)
}

const TIME_WIDTH: usize = 11;
const LANE_WIDTH_MIN: usize = 12;
/// Messages before and behind the cursor whose senders have lanes.
const ENTRIES_AROUND: usize = 500;
/// More do not fit on a screen.
const LANES_MAX: usize = 12;

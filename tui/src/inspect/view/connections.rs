//! Screen 2: who speaks with whom.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use sv2_capture::observed::SessionKey;

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::{self, address, cut};
use crate::inspect::keys::Screen;
use crate::inspect::session::ConnectionRow;
use sv2_capture::text::duration;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let heading = format!(
        "{:<5} {:<21} {:<21} {:<8} {:>3} {:>10} {:<9} {:>4} {:>9} {:>9} {:>8} {:>4} state",
        "id",
        "client",
        "server",
        "protocol",
        "ver",
        "flags",
        "noise",
        "ch",
        "up",
        "down",
        "rtt50",
        "find"
    );
    frame.render_widget(super::title(&heading, head, app), head);
    let rows: Vec<&ConnectionRow> = app.session.connections().collect();
    let cursor = app.cursors[Screen::Connections as usize];
    list::draw_main(frame, body, app, rows.len(), cursor, |place, is_cursor| {
        let style = if is_cursor { app.theme.cursor() } else { ratatui::style::Style::new() };
        Line::styled(cut(&line(rows[place], app.is_private), area.width.into()), style)
    });
}

fn line(row: &ConnectionRow, is_private: bool) -> String {
    let version = row.version.map_or_else(|| "-".to_owned(), |version| version.to_string());
    let median = median(&row.latencies).map_or_else(|| "-".to_owned(), duration);
    let state = if row.is_closed { "closed" } else { "open" };
    format!(
        "c{:<4} {:<21} {:<21} {:<8} {version:>3} {:>10} {:<9} {:>4} {:>9} {:>9} {median:>8} {:>4} {state}",
        row.id,
        address(row.client, is_private),
        address(row.server, is_private),
        describe::protocol(row.protocol, row.is_sv1),
        format!("{:#x}", row.flags),
        noise(row),
        row.channel_count,
        row.message_count[0],
        row.message_count[1],
        row.finding_count,
    )
}

fn noise(row: &ConnectionRow) -> &'static str {
    match &row.handshake {
        None => "plain",
        Some(seen) if !seen.failures.is_empty() => "BAD",
        Some(seen) => match seen.key {
            SessionKey::Fits => "ok",
            SessionKey::Missing => "no key",
            SessionKey::DoesNotFit => "WRONG KEY",
        },
    }
}

pub(super) fn median(values: &[u64]) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

//! Screen 2: who speaks with whom.

use ratatui::Frame;
use ratatui::layout::Rect;
use sv2_capture::observed::SessionKey;

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::{self, address};
use crate::inspect::keys::Screen;
use crate::inspect::session::ConnectionRow;
use crate::inspect::table::Align::{Left, Right};
use crate::inspect::table::{Cell, Column, Key};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let rows: Vec<&ConnectionRow> = app.session.connections().collect();
    list::draw_table(frame, area, app, Screen::Connections, &COLUMNS, &rows);
}

/// What is known of a connection.
pub(crate) const COLUMNS: [Column<ConnectionRow>; 13] = [
    Column::new("id", (5, 5), Left, 0, |row, _| {
        Cell::new(format!("c{}", row.id), Key::Count(row.id.into()))
    }),
    Column::new("client", (21, 45), Left, 3, |row, hides| Cell::text(address(row.client, hides))),
    Column::new("server", (21, 45), Left, 1, |row, hides| Cell::text(address(row.server, hides))),
    Column::new("protocol", (8, 8), Left, 0, |row, _| {
        Cell::text(describe::protocol(row.protocol, row.is_sv1))
    }),
    Column::new("ver", (3, 3), Right, 6, |row, _| match row.version {
        Some(version) => Cell::count(version),
        None => Cell::new("-", Key::Nothing),
    }),
    Column::new("flags", (10, 10), Right, 6, |row, _| {
        Cell::new(format!("{:#x}", row.flags), Key::Count(row.flags.into()))
    }),
    Column::new("noise", (9, 9), Left, 2, |row, _| Cell::text(noise(row))),
    Column::new("ch", (4, 6), Right, 4, |row, _| Cell::count(row.channel_count as u64)),
    Column::new("up", (9, 9), Right, 4, |row, _| Cell::count(row.message_count[0])),
    Column::new("down", (9, 9), Right, 4, |row, _| Cell::count(row.message_count[1])),
    Column::new("rtt50", (8, 8), Right, 5, |row, _| Cell::duration(median(&row.latencies))),
    Column::new("find", (4, 6), Right, 1, |row, _| Cell::count(row.finding_count as u64)),
    Column::new("state", (6, 6), Left, 2, |row, _| {
        Cell::text(if row.is_closed { "closed" } else { "open" })
    }),
];

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

//! Screen 8: handshakes, certificates, keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};
use sv2_capture::observed::{HandshakeSeen, SessionKey};

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::{address, hex};
use crate::inspect::keys::Screen;
use crate::inspect::session::ConnectionRow;
use crate::inspect::table::Align::{Left, Right};
use crate::inspect::table::{Cell, Column, Fitting, Key};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body, detail] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(2),
        Constraint::Length(DETAIL_HEIGHT.min(area.height / 2)),
    ])
    .areas(area);
    let columns = Fitting::new(&COLUMNS, area.width.into());
    let heading = columns.heading(None, app.theme.sort_signs());
    frame.render_widget(super::title(&heading, head, app), head);
    let rows: Vec<&ConnectionRow> = app.session.connections().collect();
    let cursor = app.cursors[Screen::Handshake as usize];
    list::draw_main(frame, body, app, rows.len(), cursor, |place, is_cursor| {
        let style = if is_cursor { app.theme.cursor() } else { ratatui::style::Style::new() };
        Line::styled(columns.line(rows[place], app.is_private), style)
    });
    if let Some(row) = rows.get(cursor) {
        let lines: Vec<Line<'_>> = details(row).into_iter().map(Line::from).collect();
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), detail);
    }
}

/// What is known of a handshake.
const COLUMNS: [Column<ConnectionRow>; 7] = [
    Column::new("conn", (5, 5), Left, 0, |row, _| Cell::text(format!("c{}", row.id))),
    Column::new("client", (21, 45), Left, 3, |row, hides| Cell::text(address(row.client, hides))),
    Column::new("server", (21, 45), Left, 1, |row, hides| Cell::text(address(row.server, hides))),
    Column::new("act 1", (6, 6), Right, 4, |row, _| of_seen(row, |seen| seen.act_1_len as u64)),
    Column::new("act 2", (6, 6), Right, 4, |row, _| of_seen(row, |seen| seen.act_2_len as u64)),
    Column::new("took", (9, 9), Right, 2, |row, _| {
        Cell::duration(row.handshake.as_ref().map(|seen| seen.duration))
    }),
    Column::new("verdict", (14, 120), Left, 0, |row, _| {
        let Some(seen) = &row.handshake else { return Cell::text("in clear") };
        let key = || key_verdict(seen.key);
        Cell::text(seen.failures.first().map_or_else(key, String::as_str))
    }),
];

fn of_seen(row: &ConnectionRow, count: fn(&HandshakeSeen) -> u64) -> Cell {
    row.handshake
        .as_ref()
        .map_or_else(|| Cell::new("-", Key::Nothing), |seen| Cell::count(count(seen)))
}

fn key_verdict(key: SessionKey) -> &'static str {
    match key {
        SessionKey::Fits => "the key fits",
        SessionKey::Missing => "no key in the capture or the key log: --key-log FILE gives one",
        SessionKey::DoesNotFit => "the key does not open what follows: it is of another session",
    }
}

fn details(row: &ConnectionRow) -> Vec<String> {
    let Some(seen) = &row.handshake else { return Vec::new() };
    let mut lines = seen.failures.clone();
    lines.push(key_verdict(seen.key).into());
    match &seen.certificate {
        None => lines.push(
            "the certificate stays closed: SV2_HS_EE and SV2_HS_ES of the key log open it".into(),
        ),
        Some(seen) => {
            let certificate = &seen.certificate;
            lines.push(format!(
                "certificate version {}, valid from {} to {} (seconds since 1970)",
                certificate.version, certificate.valid_from, certificate.not_valid_after
            ));
            lines.push(format!("static key {}", hex(&seen.static_x)));
            lines.push(match seen.is_signed {
                Some(true) => "signed by the authority that you named".into(),
                Some(false) => "NOT signed by the authority that you named".into(),
                None => "name an authority to check the signature".into(),
            });
        }
    }
    lines
}

const DETAIL_HEIGHT: u16 = 7;

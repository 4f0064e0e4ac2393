//! Screen 8: handshakes, certificates, keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};
use sv2_capture::observed::SessionKey;

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::{address, cut, hex};
use crate::inspect::keys::Screen;
use crate::inspect::session::ConnectionRow;
use sv2_capture::text::duration;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body, detail] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(2),
        Constraint::Length(DETAIL_HEIGHT.min(area.height / 2)),
    ])
    .areas(area);
    let heading = format!(
        "{:<5} {:<21} {:<21} {:>6} {:>6} {:>9} verdict",
        "conn", "client", "server", "act 1", "act 2", "took"
    );
    frame.render_widget(super::title(&heading, head, app), head);
    let rows: Vec<&ConnectionRow> = app.session.connections().collect();
    let cursor = app.cursors[Screen::Handshake as usize];
    list::draw_main(frame, body, app, rows.len(), cursor, |place, is_cursor| {
        let style = if is_cursor { app.theme.cursor() } else { ratatui::style::Style::new() };
        Line::styled(cut(&line(rows[place], app.is_private), area.width.into()), style)
    });
    if let Some(row) = rows.get(cursor) {
        let lines: Vec<Line<'_>> = details(row).into_iter().map(Line::from).collect();
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), detail);
    }
}

fn line(row: &ConnectionRow, is_private: bool) -> String {
    let ends = format!(
        "c{:<4} {:<21} {:<21}",
        row.id,
        address(row.client, is_private),
        address(row.server, is_private)
    );
    let Some(seen) = &row.handshake else { return format!("{ends} in clear") };
    let verdict = seen.failures.first().map_or_else(|| key_verdict(seen.key), String::as_str);
    let took = duration(seen.duration);
    format!("{ends} {:>6} {:>6} {took:>9} {verdict}", seen.act_1_len, seen.act_2_len)
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

//! Screen 6: what the rules have found, the worst first.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::cut;
use crate::inspect::keys::Screen;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body, hint] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(HINT_HEIGHT.min(area.height / 2)),
    ])
    .areas(area);
    let heading = format!(
        "{:<4} {:>6} {:>8} {:>8} {:>5} {}",
        "code", "count", "first", "last", "conns", "what"
    );
    frame.render_widget(super::title(&heading, head, app), head);
    let rows = app.session.experts();
    if rows.is_empty() {
        return frame.render_widget(Line::from("no rule has found anything"), body);
    }
    let cursor = app.cursors[Screen::Expert as usize].min(rows.len() - 1);
    list::draw(frame, body, rows.len(), cursor, |place, is_cursor| {
        let row = &rows[place];
        let code = Span::styled(row.finding.code(), app.theme.severity(row.finding.severity));
        let disputed = if row.finding.rule.disputed.is_some() { " (disputed)" } else { "" };
        let text = format!(
            "  {:>6} {:>8} {:>8} {:>5} {}{disputed}  [spec {}]",
            row.count,
            format!("#{}", row.finding.number),
            format!("#{}", row.last),
            row.connections.len(),
            row.finding.rule.title,
            row.finding.rule.sections,
        );
        let style = if is_cursor { app.theme.cursor() } else { ratatui::style::Style::new() };
        Line::from(vec![code, Span::styled(cut(&text, area.width.into()), style)])
    });
    let finding = rows[cursor].finding;
    let text = vec![
        Line::from(format!("#{}: {}", finding.number, finding.text)),
        Line::styled(format!("hint: {}", finding.rule.hint), app.theme.dim()),
        Line::styled(finding.rule.disputed.unwrap_or(""), app.theme.dim()),
    ];
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), hint);
}

const HINT_HEIGHT: u16 = 5;

//! Screen 6: what the rules have found, the worst first.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use sv2_capture::rules::rule;

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
    let rows: Vec<_> = app.session.tally().iter().collect();
    if rows.is_empty() {
        return frame.render_widget(Line::from("no rule has found anything"), body);
    }
    let cursor = app.cursors[Screen::Expert as usize].min(rows.len() - 1);
    list::draw_main(frame, body, app, rows.len(), cursor, |place, is_cursor| {
        let (severity, number, count) = rows[place];
        let rule = rule(number).expect("findings are of rules");
        let code = format!("{}{number:02}", severity.letter());
        let disputed = if rule.disputed.is_some() { " (disputed)" } else { "" };
        let text = format!(
            "  {:>6} {:>8} {:>8} {:>5} {}{disputed}  [spec {}]",
            count.count,
            format!("#{}", count.first),
            format!("#{}", count.last),
            count.connections.len(),
            rule.title,
            rule.sections,
        );
        let style = if is_cursor { app.theme.cursor() } else { ratatui::style::Style::new() };
        Line::from(vec![
            Span::styled(code, app.theme.severity(severity)),
            Span::styled(cut(&text, area.width.into()), style),
        ])
    });
    let (_, number, count) = rows[cursor];
    let rule = rule(number).expect("findings are of rules");
    let text = vec![
        Line::from(format!("#{}: {}", count.first, count.example)),
        Line::styled(format!("hint: {}", rule.hint), app.theme.dim()),
        Line::styled(rule.disputed.unwrap_or(""), app.theme.dim()),
    ];
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), hint);
}

const HINT_HEIGHT: u16 = 5;

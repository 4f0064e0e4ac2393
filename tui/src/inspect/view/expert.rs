//! Screen 6: what the rules have found, the worst first.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use sv2_capture::rules::{Count, Rule, Severity, rule};

use super::list;
use crate::inspect::app::App;
use crate::inspect::keys::Screen;
use crate::inspect::table::Align::{Left, Right};
use crate::inspect::table::{Cell, Column, Fitting};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body, hint] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(HINT_HEIGHT.min(area.height / 2)),
    ])
    .areas(area);
    let columns = Fitting::new(&COLUMNS, area.width.into());
    let heading = columns.heading(None, app.theme.sort_signs());
    frame.render_widget(super::title(&heading, head, app), head);
    let rows: Vec<Found<'_>> = app.session.tally().iter().collect();
    if rows.is_empty() {
        return frame.render_widget(Line::from("no rule has found anything"), body);
    }
    let cursor = app.cursors[Screen::Expert as usize].min(rows.len() - 1);
    list::draw_main(frame, body, app, rows.len(), cursor, |place, is_cursor| {
        let (severity, number, count) = rows[place];
        let rule = rule(number).expect("findings are of rules");
        let row = Row { severity, rule, count: count.clone() };
        let style = if is_cursor { app.theme.cursor() } else { ratatui::style::Style::new() };
        let text = columns.line(&row, app.is_private);
        // Codes have letters of one byte.
        let (code, rest) = text.split_at(CODE_WIDTH);
        Line::from(vec![
            Span::styled(code.to_owned(), app.theme.severity(severity)),
            Span::styled(rest.to_owned(), style),
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

type Found<'a> = (Severity, u8, &'a Count);

/// What one rule has found.
struct Row {
    severity: Severity,
    rule: &'static Rule,
    count: Count,
}

const COLUMNS: [Column<Row>; 7] =
    [
        Column::new("code", (CODE_WIDTH, CODE_WIDTH), Left, 0, |row, _| {
            Cell::text(format!("{}{:02}", row.severity.letter(), row.rule.number))
        }),
        Column::new("count", (5, 8), Right, 1, |row, _| Cell::count(row.count.count)),
        Column::new("first", (8, 10), Right, 2, |row, _| {
            Cell::text(format!("#{}", row.count.first))
        }),
        Column::new("last", (8, 10), Right, 3, |row, _| Cell::text(format!("#{}", row.count.last))),
        Column::new("conns", (5, 5), Right, 4, |row, _| {
            Cell::count(row.count.connections.len() as u64)
        }),
        Column::new("what", (33, 60), Left, 0, |row, _| {
            let disputed = if row.rule.disputed.is_some() { " (disputed)" } else { "" };
            Cell::text(format!("{}{disputed}", row.rule.title))
        }),
        Column::new("specification", (13, 40), Left, 5, |row, _| Cell::text(row.rule.sections)),
    ];

const CODE_WIDTH: usize = 4;
const HINT_HEIGHT: u16 = 5;

//! Screen 1: the list of messages, the tree of one, and its bytes, linked.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};
use sv2_capture::filter::{Column, Field, Value, ValueKind};
use sv2_capture::rules::Finding;
use sv2_capture::text::{duration, scaled};

use super::list;
use crate::inspect::app::{App, ListPlace, Pane, Reading, TWO_PANES_WIDTH, TimeFormat};
use crate::inspect::describe;
use crate::inspect::entry::Entry;
use crate::inspect::keys::Screen;
use crate::inspect::list_columns::ListColumn;
use crate::inspect::table::{padded, title};
use crate::inspect::yank::frame_bytes;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    if app.is_maximised {
        return draw_pane(frame, area, app, app.pane);
    }
    let rows = [Constraint::Percentage(app.list_share), Constraint::Min(4)];
    match area.width {
        120.. => {
            let [above, below] = Layout::vertical(rows).areas(area);
            let [left, right] =
                Layout::horizontal([Constraint::Min(40), Constraint::Length(BYTES_WIDTH)])
                    .areas(below);
            draw_pane(frame, above, app, Pane::List);
            draw_pane(frame, left, app, Pane::Tree);
            draw_pane(frame, right, app, Pane::Bytes);
        }
        TWO_PANES_WIDTH.. => {
            let [above, below] = Layout::vertical(rows).areas(area);
            let other = if app.pane == Pane::Bytes { Pane::Bytes } else { Pane::Tree };
            draw_pane(frame, above, app, Pane::List);
            draw_pane(frame, below, app, other);
        }
        _ => draw_pane(frame, area, app, app.pane),
    }
}

fn draw_pane(frame: &mut Frame<'_>, area: Rect, app: &App, pane: Pane) {
    match pane {
        Pane::List => draw_list(frame, area, app),
        Pane::Tree => draw_tree(frame, area, app),
        Pane::Bytes => draw_bytes(frame, area, app),
    }
}

fn draw_list(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let two_rows = area.width < 60;
    let count = app.shown_count();
    if count == 0 {
        let why = match (app.reading, app.filter.is_empty()) {
            (_, false) => "nothing fits the filter; F takes it away",
            (Reading::Live, true) => "nothing was said yet; what comes is shown as it does",
            (Reading::Going, true) => "reading",
            (Reading::Ended, true) => "there is nothing in it; 9 says what was read",
        };
        return frame.render_widget(Line::styled(format!("  {why}"), app.theme.dim()), area);
    }
    if !two_rows {
        let all = app.list_columns();
        let columns = all.fitting(area.width.into());
        frame.render_widget(super::title(&heading(app, &columns), head, app), head);
        return list::draw_main(frame, body, app, count, app.cursor, |place, is_cursor| {
            let Some(entry) = app.shown_at(place) else { return Line::default() };
            let before = place.checked_sub(1).and_then(|place| app.shown_at(place));
            row(app, &entry, before.as_deref(), &columns, is_cursor)
        });
    }
    frame.render_widget(super::title(&format!("{:>8} message", "#"), head, app), head);
    let half = Rect { height: body.height / 2 * 2, ..body };
    let places = usize::from(half.height / 2);
    let first = list::first_line(count, app.cursor, places);
    app.list.set(ListPlace { area: half, first, count, rows_each: 2 });
    let lines: Vec<Line<'_>> = (first..count.min(first + places))
        .filter_map(|place| Some((place, app.shown_at(place)?)))
        .flat_map(|(place, entry)| narrow_rows(app, &entry, area.width, place == app.cursor))
        .collect();
    frame.render_widget(Paragraph::new(lines), half);
}

/// The headings, as wide as the columns below.
fn heading(app: &App, columns: &[(usize, &ListColumn, usize)]) -> String {
    let sort = app.sort_of(Screen::Messages);
    let titles = columns.iter().map(|(place, column, width)| {
        let text = title(&column.title(), *place, sort, app.theme.sort_signs());
        padded(&text, *width, column.align())
    });
    titles.collect::<Vec<_>>().join(" ")
}

fn row(
    app: &App,
    entry: &Entry,
    before: Option<&Entry>,
    columns: &[(usize, &ListColumn, usize)],
    is_cursor: bool,
) -> Line<'static> {
    let style = if is_cursor { app.theme.cursor() } else { app.theme.direction(entry.direction) };
    let mut spans = Vec::new();
    for (index, (_, column, width)) in columns.iter().enumerate() {
        let text = cell(app, entry, before, column);
        let text = padded(&text, *width, column.align());
        let style = match column.field {
            Field::Column(Column::Info) => ratatui::style::Style::new(),
            Field::Column(Column::Code) => match worst(app, entry) {
                Some(finding) => app.theme.severity(finding.severity),
                None => ratatui::style::Style::new(),
            },
            _ => style,
        };
        if index > 0 {
            spans.push(Span::styled(" ", style));
        }
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

/// What a message has in a column.
fn cell(app: &App, entry: &Entry, before: Option<&Entry>, column: &ListColumn) -> String {
    if app.is_private && !column.is_public() {
        return "…".into();
    }
    match &column.field {
        Field::Column(Column::N) => mark(app, entry),
        Field::Column(Column::T) => time(app, entry, before),
        Field::Column(Column::Conn) => format!("c{}", entry.connection),
        Field::Column(Column::Dir) => describe::arrow(entry.direction).into(),
        Field::Column(Column::Code) => worst(app, entry).map_or_else(String::new, Finding::code),
        Field::Column(Column::Info) => entry.info.clone().into(),
        field => {
            let mut text = String::new();
            let row = app.session.index_of(entry.number).unwrap_or_default();
            app.session.values(row, field, &mut |value| {
                text.push_str(if text.is_empty() { "" } else { " " });
                match (field.kind(), value) {
                    (ValueKind::Duration, Value::Int(time)) => text.push_str(&duration(time)),
                    (_, Value::Float(number)) => text.push_str(&scaled(number)),
                    (_, value) => text.push_str(&describe::safe(&value.shown())),
                }
            });
            text
        }
    }
}

fn narrow_rows(app: &App, entry: &Entry, width: u16, is_cursor: bool) -> [Line<'static>; 2] {
    let time = time(app, entry, None);
    let arrow = describe::arrow(entry.direction);
    let channel = entry.channel.map_or_else(String::new, |channel| format!("ch{channel}"));
    let mut first = vec![Span::raw(format!(
        "{:>8} {time} c{} {arrow} {channel} ",
        mark(app, entry),
        entry.connection
    ))];
    if let Some(finding) = worst(app, entry) {
        first.push(Span::styled(finding.code(), app.theme.severity(finding.severity)));
    }
    let info = if app.is_private { "…" } else { &entry.info };
    let second = format!("  {} {info}", describe::name(entry));
    let second = describe::cut(&second, width.into());
    let style = if is_cursor { app.theme.cursor() } else { app.theme.direction(entry.direction) };
    [Line::from(first), Line::styled(second, style)]
}

/// Its number; behind a stroke while it waits at a tap, chosen for a comparison with a star, commented with a semicolon, marked with the
/// letter.
fn mark(app: &App, entry: &Entry) -> String {
    let number = entry.number;
    let remarks = &app.session.remarks;
    let pause = if app.is_held(number) { "|" } else { "" };
    let star = if app.selected == Some(number) { "*" } else { "" };
    let semicolon = remarks.comment_of(number).map_or("", |_| ";");
    let letter = remarks.marks_of(number).next().map_or_else(String::new, String::from);
    format!("{pause}{star}{letter}{semicolon}{number}")
}

fn worst<'a>(app: &App, entry: &'a Entry) -> Option<&'a Finding> {
    app.session.findings_of(entry).max_by_key(|finding| finding.severity)
}

fn time(app: &App, entry: &Entry, before: Option<&Entry>) -> String {
    let since = |start: u64| {
        let elapsed = entry.at.saturating_sub(start);
        format!("+{}.{:06}", elapsed / 1_000_000_000, elapsed % 1_000_000_000 / 1_000)
    };
    match app.time {
        TimeFormat::SinceStart => since(app.session.start()),
        TimeFormat::Between => since(before.map_or(entry.at, |before| before.at)),
        TimeFormat::OfDay => {
            let seconds = entry.at / 1_000_000_000 % 86_400;
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            let millis = entry.at % 1_000_000_000 / 1_000_000;
            format!("{hours:02}:{minutes:02}:{:02}.{millis:03}", seconds % 60)
        }
    }
}

fn pane_block(app: &App, title: String, pane: Pane) -> Block<'static> {
    let style = if app.pane == pane { app.theme.bold() } else { app.theme.dim() };
    let set = match app.theme.has_unicode {
        true => ratatui::symbols::border::PLAIN,
        false => ASCII_BORDER,
    };
    Block::new().borders(Borders::TOP).border_set(set).title(title).border_style(style)
}

fn draw_tree(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let Some(entry) = app.current() else { return };
    let title = format!("#{} {}", entry.number, describe::name(&entry));
    let block = pane_block(app, title, Pane::Tree);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let lines = app.tree();
    let cursor = app.field.min(lines.len().saturating_sub(1));
    list::draw(frame, inner, lines.len(), cursor, |place, is_cursor| {
        let line = &lines[place];
        let indent = "  ".repeat(line.depth + 1);
        let text = if app.is_private && line.is_private() { "…" } else { &line.text };
        let text = describe::cut(&format!("{indent}{:<22} {text}", line.name), inner.width.into());
        let style = match line.severity {
            _ if is_cursor && app.pane == Pane::Tree => app.theme.cursor(),
            Some(severity) => app.theme.severity(severity),
            None => ratatui::style::Style::new(),
        };
        Line::styled(text, style)
    });
}

fn draw_bytes(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let Some(entry) = app.current() else { return };
    let bytes = frame_bytes(&entry);
    let block = pane_block(app, format!("{} bytes", bytes.len()), Pane::Bytes);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if app.is_private {
        return;
    }
    let tree = app.tree();
    let span = tree.get(app.field).and_then(|line| line.span.clone()).unwrap_or(0..0);
    let width = if inner.width >= BYTES_WIDTH - 1 { 16 } else { 8 };
    let rows = bytes.len().div_ceil(width);
    list::draw(frame, inner, rows, span.start / width, |place, _| {
        hex_row(app, &bytes, place * width, width, &span)
    });
}

fn hex_row(
    app: &App,
    bytes: &[u8],
    start: usize,
    width: usize,
    span: &Range<usize>,
) -> Line<'static> {
    let row = &bytes[start..bytes.len().min(start + width)];
    let mut spans = vec![Span::styled(format!("{start:04x} "), app.theme.dim())];
    for (at, byte) in row.iter().enumerate() {
        let style = match span.contains(&(start + at)) {
            true => app.theme.cursor(),
            false => ratatui::style::Style::new(),
        };
        let gap = if at == 8 { " " } else { "" };
        spans.push(Span::raw(gap));
        spans.push(Span::styled(format!("{byte:02x}"), style));
        spans.push(Span::raw(" "));
    }
    let missing = (width - row.len()) * 3 + usize::from(width > 8 && row.len() <= 8);
    spans.push(Span::raw(" ".repeat(missing + 1)));
    let readable = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
    spans.push(Span::raw(row.iter().map(readable).collect::<String>()));
    Line::from(spans)
}

/// Sixteen bytes with their letters.
const BYTES_WIDTH: u16 = 5 + 16 * 3 + 2 + 16;
const ASCII_BORDER: ratatui::symbols::border::Set<'static> = ratatui::symbols::border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

//! Screen 4: messages as arrows between those who speak.

use std::net::SocketAddr;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use sv2_capture::Direction;

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::{self, address, cut};
use crate::inspect::session::Entry;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let lanes = lanes(app);
    let room = usize::from(area.width).saturating_sub(TIME_WIDTH);
    let width = (room / lanes.len().max(1)).max(LANE_WIDTH_MIN);
    let names = lanes.iter().map(|lane| {
        let name = cut(&name(*lane, app.is_private), width.saturating_sub(1));
        format!("{name:^width$}")
    });
    let heading = format!("{:<TIME_WIDTH$}{}", "", names.collect::<String>());
    frame.render_widget(super::title(&heading, head, app), head);
    list::draw_main(frame, body, app, app.shown_count(), app.cursor, |place, is_cursor| {
        let Some(entry) = app.shown_at(place) else { return Line::default() };
        arrow_line(app, entry, &lanes, width, is_cursor)
    });
}

/// Whoever listens has one lane, and so has whoever dials from one host: a proxy has two, which
/// stand side by side.
fn lanes(app: &App) -> Vec<SocketAddr> {
    let mut lanes: Vec<SocketAddr> = Vec::new();
    for row in app.session.connections() {
        let client = SocketAddr::new(row.client.ip(), 0);
        if !lanes.contains(&client) {
            lanes.push(client);
        }
        if !lanes.contains(&row.server) {
            lanes.push(row.server);
        }
        if lanes.len() >= LANES_MAX {
            break;
        }
    }
    lanes
}

fn name(lane: SocketAddr, is_private: bool) -> String {
    match lane.port() {
        0 if is_private => "clients".into(),
        0 => lane.ip().to_string(),
        _ => address(lane, is_private),
    }
}

fn arrow_line(
    app: &App,
    entry: &Entry,
    lanes: &[SocketAddr],
    width: usize,
    is_cursor: bool,
) -> Line<'static> {
    let elapsed = entry.at.saturating_sub(app.session.start());
    let time =
        format!("{:>6}.{:03} ", elapsed / 1_000_000_000, elapsed % 1_000_000_000 / 1_000_000);
    let bar = app.theme.bar();
    let row = app.session.connection(entry.connection);
    let place = |lane: SocketAddr| lanes.iter().position(|known| *known == lane);
    let ends =
        row.and_then(|row| Some((place(SocketAddr::new(row.client.ip(), 0))?, place(row.server)?)));
    let Some((client, server)) = ends.filter(|(client, server)| client != server) else {
        return Line::from(format!("{time}{}", describe::name(entry)));
    };
    let (left, right) = (client.min(server), client.max(server));
    let points_right = match entry.direction {
        Some(Direction::ClientToServer) => client < server,
        Some(Direction::ServerToClient) => client > server,
        None => true,
    };
    let label = format!("{} {}", describe::name(entry), entry.info);
    let label = if app.is_private { describe::name(entry) } else { label };
    let half = width / 2;
    let mut before = String::new();
    for _ in 0..left {
        before.push_str(&format!("{:half$}{bar}{:rest$}", "", "", rest = width - half - 1));
    }
    before.push_str(&format!("{:half$}{bar}", ""));
    let len = (right - left) * width - 1;
    let body = cut(&label, len.saturating_sub(3));
    let line = match points_right {
        true => format!("-{body:-<fill$}>", fill = len.saturating_sub(2)),
        false => format!("<{body:-<fill$}-", fill = len.saturating_sub(2)),
    };
    let mut after = String::from(bar);
    for _ in right + 1..lanes.len() {
        after.push_str(&format!("{:rest$}{bar}", "", rest = width - 1));
    }
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
/// More do not fit on a screen.
const LANES_MAX: usize = 12;

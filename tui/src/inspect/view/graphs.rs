//! Screen 7: what comes and goes in time, all of it or a part.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Sparkline;

use crate::inspect::app::App;
use crate::inspect::app::graphs::Window;
use crate::inspect::describe::message_name;
use sv2_capture::index::{Kind, Row};
use sv2_capture::text::duration;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let buckets = usize::from(area.width.saturating_sub(1)).max(1);
    app.graphs.buckets.set(buckets);
    let window = app.graph_window(buckets);
    let mut counts = SERIES.map(|_| vec![0_u64; buckets]);
    for row in (0..app.shown_count()).filter_map(|place| app.shown_row_at(place)) {
        let Some(bucket) = window.bucket_of(row.at) else { continue };
        for ((_, value), counts) in SERIES.iter().zip(&mut counts) {
            counts[bucket] += value(&row);
        }
    }
    let height = (area.height / u16::try_from(SERIES.len()).unwrap_or(5)).max(2);
    let areas = Layout::vertical(SERIES.map(|_| Constraint::Length(height))).split(area);
    for (((name, _), counts), area) in SERIES.iter().zip(&counts).zip(areas.iter()) {
        draw_series(frame, *area, app, &window, name, counts);
    }
}

/// What stands below: where the cursor is, and what can be done there.
pub(super) fn hint(app: &App) -> String {
    let window = app.graph_window(app.graphs.buckets.get());
    let at = since(app, window.begin_of(window.cursor));
    let part = if window.is_part { " of a part" } else { "" };
    format!(" at +{at}{part}  h l move  + - zoom  = all  Enter messages  ? help  q back")
}

fn since(app: &App, at: u64) -> String {
    duration(at.saturating_sub(app.session.start()))
}

/// A name, and what one message adds.
type Series = (&'static str, fn(&Row) -> u64);

const SERIES: [Series; 5] = [
    ("messages", |row| u64::from(matches!(row.kind, Kind::Frame { .. } | Kind::Line { .. }))),
    ("bytes of payload", |row| match row.kind {
        Kind::Frame { payload_len, .. } => payload_len.into(),
        _ => 0,
    }),
    ("shares", |row| {
        u64::from(row.job.is_some() && message_name(row.kind).starts_with("SubmitShares"))
    }),
    ("refusals", |row| u64::from(message_name(row.kind).ends_with(".Error"))),
    ("messages with findings", |row| u64::from(row.has_findings)),
];

fn draw_series(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    window: &Window,
    name: &str,
    counts: &[u64],
) {
    let (sum, most): (u64, u64) = (counts.iter().sum(), counts.iter().max().copied().unwrap_or(0));
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let from = since(app, window.start);
    let here = counts.get(window.cursor).copied().unwrap_or_default();
    let len = duration(window.bucket_len);
    let text = format!("{name}: {here} of {sum}, at most {most} in {len}, from +{from}");
    frame.render_widget(super::title(&text, head, app), head);
    if app.theme.has_unicode {
        frame.render_widget(Sparkline::default().data(counts), body);
    } else {
        let signs = counts.iter().map(|count| match count.saturating_mul(4).checked_div(most) {
            None | Some(0) if *count == 0 => ' ',
            None | Some(0 | 1) => '.',
            Some(2) => ':',
            Some(_) => '#',
        });
        frame.render_widget(Line::from(signs.collect::<String>()), body);
    }
    let column = body.x.saturating_add(u16::try_from(window.cursor).unwrap_or(u16::MAX));
    let column = Rect { x: column, width: 1, ..body }.intersection(body);
    frame.buffer_mut().set_style(column, app.theme.cursor());
}

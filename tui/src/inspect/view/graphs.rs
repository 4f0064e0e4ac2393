//! Screen 7: what comes and goes in time.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Sparkline;

use crate::inspect::app::App;
use crate::inspect::describe::message_name;
use sv2_capture::index::{Kind, Row};
use sv2_capture::text::duration;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    // Of what is shown, so that a filter is a magnifying glass.
    let shown = (0..app.shown_count()).filter_map(|place| app.shown_row_at(place));
    let (start, end) =
        shown.fold((u64::MAX, 0), |(start, end), row| (start.min(row.at), end.max(row.at)));
    let start = start.min(end);
    let buckets = usize::from(area.width.saturating_sub(1)).max(1);
    let width = (end.saturating_sub(start) / buckets as u64).max(1);
    let series: [Series; 5] = [
        ("messages", |row| u64::from(matches!(row.kind, Kind::Frame { .. } | Kind::Line { .. }))),
        ("bytes of payload", |row| match row.kind {
            Kind::Frame { payload_len, .. } => payload_len.into(),
            _ => 0,
        }),
        ("shares", |row| {
            u64::from(message_name(row.kind).starts_with("SubmitShares") && row.job.is_some())
        }),
        ("refusals", |row| u64::from(message_name(row.kind).ends_with(".Error"))),
        ("messages with findings", |row| u64::from(row.has_findings)),
    ];
    let height = (area.height / u16::try_from(series.len()).unwrap_or(5)).max(2);
    let areas = Layout::vertical(series.map(|_| Constraint::Length(height))).split(area);
    for ((name, value), area) in series.into_iter().zip(areas.iter()) {
        draw_series(frame, *area, app, (start, width, buckets), name, value);
    }
}

/// A name, and what one message adds.
type Series = (&'static str, fn(&Row) -> u64);

fn draw_series(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    (start, width, buckets): (u64, u64, usize),
    name: &str,
    value: fn(&Row) -> u64,
) {
    let mut counts = vec![0_u64; buckets];
    for place in 0..app.shown_count() {
        if let Some(row) = app.shown_row_at(place) {
            let bucket = usize::try_from(row.at.saturating_sub(start) / width).unwrap_or(buckets);
            counts[bucket.min(buckets - 1)] += value(&row);
        }
    }
    let (sum, most): (u64, u64) = (counts.iter().sum(), counts.iter().max().copied().unwrap_or(0));
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let from = duration(start.saturating_sub(app.session.start()));
    let text = format!("{name}: {sum}, at most {most} in {}, from +{from}", duration(width));
    frame.render_widget(super::title(&text, head, app), head);
    if app.theme.has_unicode {
        frame.render_widget(Sparkline::default().data(&counts), body);
    } else {
        let signs = counts.iter().map(|count| match count.saturating_mul(4).checked_div(most) {
            None | Some(0) if *count == 0 => ' ',
            None | Some(0 | 1) => '.',
            Some(2) => ':',
            Some(_) => '#',
        });
        frame.render_widget(Line::from(signs.collect::<String>()), body);
    }
}

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
    let buckets = usize::from(area.width.saturating_sub(1)).max(1);
    let range = range(app);
    let width = (range.1.saturating_sub(range.0) / buckets as u64).max(1);
    let mut counts = SERIES.map(|_| vec![0_u64; buckets]);
    for row in (0..app.shown_count()).filter_map(|place| app.shown_row_at(place)) {
        let bucket = usize::try_from(row.at.saturating_sub(range.0) / width).unwrap_or(buckets);
        for ((_, value), counts) in SERIES.iter().zip(&mut counts) {
            counts[bucket.min(buckets - 1)] += value(&row);
        }
    }
    let height = (area.height / u16::try_from(SERIES.len()).unwrap_or(5)).max(2);
    let areas = Layout::vertical(SERIES.map(|_| Constraint::Length(height))).split(area);
    for (((name, _), counts), area) in SERIES.iter().zip(&counts).zip(areas.iter()) {
        draw_series(frame, *area, app, (range.0, width), name, counts);
    }
}

/// Nanoseconds since the Unix epoch: of what is shown, so that a filter is a magnifying glass.
fn range(app: &App) -> (u64, u64) {
    if app.filter.is_empty() {
        return (app.session.start(), app.session.end());
    }
    let shown = (0..app.shown_count()).filter_map(|place| app.shown_row_at(place));
    let (start, end) =
        shown.fold((u64::MAX, 0), |(start, end), row| (start.min(row.at), end.max(row.at)));
    (start.min(end), end)
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
    (start, width): (u64, u64),
    name: &str,
    counts: &[u64],
) {
    let (sum, most): (u64, u64) = (counts.iter().sum(), counts.iter().max().copied().unwrap_or(0));
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let from = duration(start.saturating_sub(app.session.start()));
    let text = format!("{name}: {sum}, at most {most} in {}, from +{from}", duration(width));
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
}

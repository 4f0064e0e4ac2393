//! Screen 7: what comes and goes in time.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Sparkline;

use crate::inspect::app::App;
use crate::inspect::describe::{self};
use crate::inspect::session::{Entry, Kind};
use sv2_capture::text::duration;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let start = app.session.start();
    let end = app.session.entries().last().map_or(start, |entry| entry.at);
    let buckets = usize::from(area.width.saturating_sub(1)).max(1);
    let width = (end.saturating_sub(start) / buckets as u64).max(1);
    let series: [Series; 5] = [
        ("messages", |entry| u64::from(matches!(entry.what, Kind::Frame { .. } | Kind::Line(_)))),
        ("bytes of payload", |entry| match &entry.what {
            Kind::Frame { frame, .. } => frame.payload.len() as u64,
            _ => 0,
        }),
        ("shares", |entry| {
            u64::from(describe::name(entry).starts_with("SubmitShares") && entry.job.is_some())
        }),
        ("refusals", |entry| u64::from(describe::name(entry).ends_with(".Error"))),
        ("findings", |entry| entry.findings.len() as u64),
    ];
    let height = (area.height / u16::try_from(series.len()).unwrap_or(5)).max(2);
    let areas = Layout::vertical(series.map(|_| Constraint::Length(height))).split(area);
    for ((name, value), area) in series.into_iter().zip(areas.iter()) {
        draw_series(frame, *area, app, (start, width, buckets), name, value);
    }
}

/// A name, and what one entry adds.
type Series = (&'static str, fn(&Entry) -> u64);

fn draw_series(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    (start, width, buckets): (u64, u64, usize),
    name: &str,
    value: fn(&Entry) -> u64,
) {
    let mut counts = vec![0_u64; buckets];
    for place in 0..app.shown_count() {
        if let Some(entry) = app.shown_at(place) {
            let bucket = usize::try_from(entry.at.saturating_sub(start) / width).unwrap_or(buckets);
            counts[bucket.min(buckets - 1)] += value(entry);
        }
    }
    let (sum, most): (u64, u64) = (counts.iter().sum(), counts.iter().max().copied().unwrap_or(0));
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let text = format!("{name}: {sum}, at most {most} in {}", duration(width));
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

//! Screen 5: jobs in time: future, active, void.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::cut;
use crate::inspect::keys::Screen;
use crate::inspect::session::JobRow;
use sv2_capture::text::duration;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let bar = usize::from(area.width).saturating_sub(LEFT_WIDTH + 1);
    let heading = format!(
        "{:<5} {:>6} {:>10} {:>10} {:>10} {:>6} . future  = active  since the start of the capture",
        "conn", "ch", "job", "waited", "lasted", "shares"
    );
    frame.render_widget(super::title(&heading, head, app), head);
    let jobs = app.session.jobs();
    let (start, end) = (app.session.start(), app.session.end());
    let cursor = app.cursors[Screen::Jobs as usize];
    list::draw_main(frame, body, app, jobs.len(), cursor, |place, is_cursor| {
        let job = &jobs[place];
        let style = if is_cursor { app.theme.cursor() } else { ratatui::style::Style::new() };
        let text = format!("{} {}", line(job), gantt(job, start, end, bar));
        Line::styled(cut(&text, area.width.into()), style)
    });
}

fn line(job: &JobRow) -> String {
    let waited = job.activated.map(|at| at.saturating_sub(job.arrived));
    let lasted = job.activated.zip(job.retired).map(|(from, to)| to.saturating_sub(from));
    let text = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), duration);
    format!(
        "c{:<4} {:>6} {:>10} {:>10} {:>10} {:>6}",
        job.connection,
        job.channel,
        job.id,
        text(waited),
        text(lasted),
        job.shares
    )
}

fn gantt(job: &JobRow, start: u64, end: u64, width: usize) -> String {
    let whole = u128::from(end.saturating_sub(start).max(1));
    let place = |at: u64| {
        let part = u128::from(at.saturating_sub(start)) * width as u128 / whole;
        usize::try_from(part).unwrap_or(width).min(width.saturating_sub(1))
    };
    let retired = place(job.retired.unwrap_or(end));
    let activated = job.activated.map_or(retired, place);
    (0..width)
        .map(|at| match at {
            at if at < place(job.arrived) => ' ',
            at if at < activated => '.',
            at if at <= retired && job.activated.is_some() => '=',
            at if at <= retired => '.',
            _ => ' ',
        })
        .collect()
}

const LEFT_WIDTH: usize = 52;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_waits_works_and_ends_on_its_line() {
        let job = JobRow {
            connection: 0,
            channel: 1,
            id: 2,
            number: 3,
            arrived: 20,
            activated: Some(50),
            retired: Some(80),
            shares: 0,
        };

        assert_eq!(gantt(&job, 0, 100, 10), "  ...==== ");
        assert_eq!(
            gantt(&JobRow { activated: None, retired: None, ..job }, 0, 100, 10),
            "  ........"
        );
    }
}

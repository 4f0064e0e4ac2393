//! Screen 5: jobs in time: future, active, void.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::cut;
use crate::inspect::keys::Screen;
use crate::inspect::session::JobRow;
use crate::inspect::table::Align::{Left, Right};
use crate::inspect::table::{Cell, Column, Fitting, Key};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let width = usize::from(area.width);
    let left = LEFT_WIDTH.min(width.saturating_sub(BAR_WIDTH_MIN + 1));
    let bar = width.saturating_sub(left + 1);
    let columns = Fitting::new(&COLUMNS, left);
    let heading = columns.heading(app.sort_of(Screen::Jobs), app.theme.sort_signs());
    let heading = format!("{heading:<left$} . future  = active  since the start of the capture");
    frame.render_widget(super::title(&heading, head, app), head);
    let jobs = app.session.jobs();
    let (start, end) = (app.session.start(), app.session.end());
    let cursor = app.cursors[Screen::Jobs as usize];
    list::draw_main(frame, body, app, jobs.len(), cursor, |place, is_cursor| {
        let job = &jobs[app.row_at(Screen::Jobs, place)];
        let style = if is_cursor { app.theme.cursor() } else { ratatui::style::Style::new() };
        let line = columns.line(job, app.is_private);
        let text = format!("{line:<left$} {}", gantt(job, start, end, bar));
        Line::styled(cut(&text, width), style)
    });
}

/// What is known of a job.
pub(crate) const COLUMNS: [Column<JobRow>; 6] = [
    Column::new("conn", (5, 5), Left, 2, |job, _| {
        Cell::new(format!("c{}", job.connection), Key::Count(job.connection.into()))
    }),
    Column::new("ch", (6, 6), Right, 1, |job, _| Cell::count(job.channel)),
    Column::new("job", (10, 10), Right, 0, |job, _| Cell::count(job.id)),
    Column::new("waited", (10, 10), Right, 4, |job, _| {
        Cell::duration(job.activated.map(|at| at.saturating_sub(job.arrived)))
    }),
    Column::new("lasted", (10, 10), Right, 3, |job, _| {
        let ends = job.activated.zip(job.retired);
        Cell::duration(ends.map(|(from, to)| to.saturating_sub(from)))
    }),
    Column::new("shares", (7, 7), Right, 1, |job, _| Cell::count(job.shares)),
];

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

/// Of all columns.
const LEFT_WIDTH: usize = 53;
/// Of the time of a job, which columns leave some room for.
const BAR_WIDTH_MIN: usize = 12;

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

//! A run on a terminal: how far it is, and the figures as they grow.

use std::io;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Cell, Gauge, Paragraph, Row, Sparkline, Table};
use simulator_live::load::{MessageFigures, Wait};

use super::View;
use super::lines::{self, rounded, time};
use super::report::{Plan, Rates, Report, Sample};

/// The terminal, until it is dropped.
pub(super) struct Screen {
    terminal: Option<DefaultTerminal>,
    /// A second ago, or a little less.
    before: Option<Sample>,
    rates: Rates,
    /// Shares accepted in each second, the last at the back.
    history: Vec<u64>,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        let terminal = Some(ratatui::try_init()?);
        Ok(Screen { terminal, before: None, rates: Rates::default(), history: Vec::new() })
    }

    /// Rates are those of whole seconds.
    fn take(&mut self, sample: &Sample) {
        let Some(before) = &self.before else {
            self.before = Some(sample.clone());
            return;
        };
        if sample.figures.elapsed.saturating_sub(before.figures.elapsed) >= SECOND {
            self.rates = Rates::between(before, sample);
            if self.history.len() == HISTORY_MAX {
                self.history.remove(0);
            }
            let accepted = |sample: &Sample| sample.figures.shares.accepted_count;
            self.history.push(accepted(sample).saturating_sub(accepted(before)));
            self.before = Some(sample.clone());
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.terminal.take().is_some() {
            ratatui::restore();
        }
    }
}

impl View for Screen {
    fn tick(&mut self, plan: &Plan, sample: &Sample) -> io::Result<()> {
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()? {
                let is_ctrl_c =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if is_ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
        }
        self.take(sample);
        let Screen { terminal, rates, history, .. } = self;
        if let Some(terminal) = terminal {
            terminal.draw(|frame| draw(frame, plan, sample, rates, history))?;
        }
        Ok(())
    }

    fn finish(&mut self, plan: &Plan, report: &Report) {
        if self.terminal.take().is_some() {
            ratatui::restore();
        }
        lines::print_plan(plan);
        lines::print_report(plan, report);
    }
}

fn draw(frame: &mut Frame<'_>, plan: &Plan, sample: &Sample, rates: &Rates, history: &[u64]) {
    let plan_lines = lines::plan_lines(plan);
    let errors = sample.figures.errors.iter().chain(&sample.figures.rejections);
    let errors: Vec<String> = errors.map(|(name, count)| format!("{count} x {name}")).collect();
    let len = |lines: usize| Constraint::Length(u16::try_from(lines).unwrap_or(u16::MAX));
    let areas = Layout::vertical([
        len(plan_lines.len()),
        len(1),
        len(Wait::ALL.len() + 2),
        len(5),
        len(4),
        Constraint::Min(3),
        len((errors.len() + 1).min(ERRORS_SHOWN + 1)),
        len(1),
    ])
    .split(frame.area());
    let plan_lines: Vec<Line<'_>> = plan_lines.into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(plan_lines), areas[0]);
    frame.render_widget(gauge(plan, sample), areas[1]);
    frame.render_widget(waits(sample), areas[2]);
    frame.render_widget(figures(plan, sample, rates), areas[3]);
    frame.render_widget(accepted(history, areas[4]), areas[4]);
    frame.render_widget(messages(sample), areas[5]);
    let errors: Vec<Line<'_>> =
        errors.into_iter().take(ERRORS_SHOWN).map(|error| Line::from(error).red()).collect();
    let title = format!("errors: {}", sample.figures.error_count());
    frame.render_widget(Paragraph::new(errors).block(titled(title)), areas[6]);
    frame.render_widget(Paragraph::new("q or Ctrl-C ends the run with a report"), areas[7]);
}

fn gauge(plan: &Plan, sample: &Sample) -> Gauge<'static> {
    let (elapsed, ramp) = (sample.figures.elapsed, plan.config.ramp);
    let whole = (ramp + plan.hold).as_secs_f64();
    let phase = if elapsed < ramp { "ramp" } else { "whole fleet" };
    let label = format!("{phase}: {:.0} of {whole:.0} s", elapsed.as_secs_f64());
    let ratio = (elapsed.as_secs_f64() / whole.max(1e-9)).clamp(0.0, 1.0);
    Gauge::default().gauge_style(Style::new().blue()).ratio(ratio).label(label)
}

fn waits(sample: &Sample) -> Table<'static> {
    let heading = ["waited for", "count", "p50", "p90", "p99", "p99.9", "max"];
    let rows = Wait::ALL.map(|wait| {
        let times = sample.times(wait);
        let cells = [times.p50, times.p90, times.p99, times.p999, times.max].map(time);
        row([wait.name().to_owned(), times.count.to_string()].into_iter().chain(cells))
    });
    let mut widths = vec![Constraint::Length(12)];
    widths.resize(heading.len(), Constraint::Length(10));
    let heading = row(heading.map(str::to_owned)).style(Style::new().add_modifier(Modifier::BOLD));
    Table::new(rows, widths).header(heading).block(Block::new().borders(Borders::TOP))
}

fn figures(plan: &Plan, sample: &Sample, rates: &Rates) -> Paragraph<'static> {
    let (figures, shares) = (&sample.figures, &sample.figures.shares);
    let left_out =
        shares.without_work_count + shares.over_budget_count + shares.over_in_flight_count;
    let lines = [
        format!(
            "{} of {} connections   {} of {} channels",
            figures.open_connection_count,
            plan.config.connection_count(),
            figures.open_channel_count,
            plan.config.device_count
        ),
        format!(
            "shares: {} sent, {} accepted, {} stale, {} rejected, {} in flight; {left_out} left out",
            shares.submitted_count,
            shares.accepted_count,
            shares.stale_count,
            shares.rejected_count,
            shares.in_flight_count
        ),
        format!(
            "a second: {} of {} shares   {} messages   {} B sent   {} B received   {} hashes",
            rounded(rates.submitted),
            rounded(plan.config.shares_per_second()),
            rounded(rates.messages),
            rounded(rates.sent_len),
            rounded(rates.received_len),
            rounded(rates.hashes)
        ),
        memory(sample),
    ];
    Paragraph::new(lines.map(Line::from).to_vec()).block(Block::new().borders(Borders::TOP))
}

fn memory(sample: &Sample) -> String {
    let mebibytes = |usage: simulator_live::load::Usage| usage.resident_len >> 20;
    let ours = sample.ours.map(|usage| format!("memory: fleet {} MiB", mebibytes(usage)));
    let pool = sample.pool.map(|usage| format!("   pool {} MiB", mebibytes(usage)));
    ours.unwrap_or_default() + &pool.unwrap_or_default()
}

fn accepted(history: &[u64], area: Rect) -> Sparkline<'_> {
    let shown = usize::from(area.width).min(history.len());
    Sparkline::default()
        .data(&history[history.len() - shown..])
        .style(Style::new().green())
        .block(titled("shares accepted, by second".to_owned()))
}

fn messages(sample: &Sample) -> Table<'static> {
    let of = |way: &'static str, messages: &[MessageFigures]| {
        let row = |kind: &MessageFigures| {
            row([format!("{way} {}", kind.name), kind.count.to_string(), kind.wire_len.to_string()])
        };
        messages.iter().map(row).collect::<Vec<_>>()
    };
    let rows = [of(">", &sample.figures.sent), of("<", &sample.figures.received)].concat();
    let heading = row(["to > and from < the pool", "messages", "bytes"].map(str::to_owned));
    let widths = [Constraint::Length(42), Constraint::Length(12), Constraint::Length(14)];
    let heading = heading.style(Style::new().add_modifier(Modifier::BOLD));
    Table::new(rows, widths).header(heading).block(Block::new().borders(Borders::TOP))
}

/// A word to the left, numbers to the right.
fn row(cells: impl IntoIterator<Item = String>) -> Row<'static> {
    let cells = cells.into_iter().enumerate().map(|(column, text)| {
        let line = Line::from(text);
        Cell::from(if column == 0 { line } else { line.right_aligned() })
    });
    Row::new(cells.collect::<Vec<_>>())
}

fn titled(title: String) -> Block<'static> {
    Block::new().borders(Borders::TOP).title(title)
}

const SECOND: Duration = Duration::from_secs(1);
/// More columns than any terminal has.
const HISTORY_MAX: usize = 1_000;
const ERRORS_SHOWN: usize = 5;

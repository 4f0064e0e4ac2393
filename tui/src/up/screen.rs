//! A network on a terminal: a table that lives, and the last things that mattered.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};
use simulator_live::Happening;

use super::board::{Board, COLUMNS, WORD_COLUMNS};
use super::{Ending, View, lines};

/// The terminal, until it is dropped.
pub(super) struct Screen {
    terminal: Option<DefaultTerminal>,
    /// The last lines, the newest at the back.
    log: VecDeque<String>,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Screen { terminal: Some(ratatui::try_init()?), log: VecDeque::new() })
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
    fn happened(&mut self, board: &Board, happening: &Happening, is_news: bool) {
        if is_news && lines::is_worth_a_line(happening) {
            if self.log.len() == LOG_LINES_MAX {
                self.log.pop_front();
            }
            self.log.push_back(lines::line(board, happening).replace('\n', " "));
        }
    }

    fn tick(&mut self, board: &Board) -> io::Result<()> {
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()? {
                let is_ctrl_c =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if is_ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
        }
        let log = &self.log;
        if let Some(terminal) = &mut self.terminal {
            terminal.draw(|frame| draw(frame, board, log))?;
        }
        Ok(())
    }

    fn finish(&mut self, board: &Board, ending: Ending) {
        if self.terminal.take().is_some() {
            ratatui::restore();
        }
        lines::Lines::new(board).finish(board, ending);
    }
}

fn draw(frame: &mut Frame<'_>, board: &Board, log: &VecDeque<String>) {
    let role_count = u16::try_from(board.scenario.roles.len()).unwrap_or(u16::MAX);
    let endpoint_count = u16::try_from(board.endpoints().count()).unwrap_or(u16::MAX);
    let areas = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(role_count.saturating_add(3)),
        Constraint::Length(endpoint_count.saturating_add(2)),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .split(frame.area());
    frame.render_widget(heading(board), areas[0]);
    frame.render_widget(table(board), areas[1]);
    frame.render_widget(endpoints(board), areas[2]);
    frame.render_widget(happenings(log, areas[3]), areas[3]);
    frame.render_widget(Paragraph::new("q or Ctrl-C ends everything"), areas[4]);
}

fn heading(board: &Board) -> Paragraph<'_> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut figures = format!(
        "{:.0} s   {} blocks   {} shares",
        board.elapsed().as_secs_f64(),
        board.block_count(),
        board.share_count(),
    );
    for (name, height) in board.nodes() {
        figures.push_str(&match height {
            Some(height) => format!("   {name} at height {height}"),
            None => format!("   {name} down"),
        });
    }
    if let Some(goal) = board.goal() {
        figures.push_str(&format!("   until {goal}"));
    }
    let title = Line::from(Span::styled(board.scenario.title.as_str(), bold));
    Paragraph::new(vec![title, Line::from(figures)])
}

fn table(board: &Board) -> Table<'_> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let errors: Vec<(&str, &str)> = board.last_errors().collect();
    let rows = board.rows().map(|row| {
        let error = errors.iter().find(|(name, _)| *name == row[0]).map_or("", |(_, error)| *error);
        let is_down = row[1].contains("down");
        let style = if is_down { Style::new().red() } else { Style::new() };
        let cells = row.into_iter().enumerate().map(|(column, text)| cell(column, text));
        Row::new(cells.chain([Cell::from(error.to_owned())])).style(style)
    });
    let rows: Vec<Row<'_>> = rows.collect();
    let headings =
        COLUMNS.iter().enumerate().map(|(column, name)| cell(column, (*name).to_owned()));
    let headings = Row::new(headings.chain([Cell::from("last error")])).style(bold);
    let mut widths = [11, 13, 11, 8, 10, 8, 8, 6, 6, 6].map(Constraint::Length).to_vec();
    widths[0] = Constraint::Min(11);
    widths.push(Constraint::Fill(2));
    Table::new(rows, widths).header(headings).block(Block::new().borders(Borders::TOP))
}

/// Words to the left, numbers to the right.
fn cell(column: usize, text: String) -> Cell<'static> {
    let line = Line::from(text);
    Cell::from(if column < WORD_COLUMNS { line } else { line.right_aligned() })
}

fn endpoints(board: &Board) -> Paragraph<'_> {
    let lines: Vec<Line<'_>> =
        board.endpoints().map(|(name, url)| Line::from(format!("{name:<24} {url}"))).collect();
    Paragraph::new(lines).block(Block::new().borders(Borders::TOP).title("join here"))
}

fn happenings(log: &VecDeque<String>, area: Rect) -> Paragraph<'_> {
    let shown = usize::from(area.height.saturating_sub(1));
    let lines: Vec<Line<'_>> =
        log.iter().skip(log.len().saturating_sub(shown)).map(|line| line.as_str().into()).collect();
    Paragraph::new(lines).block(Block::new().borders(Borders::TOP).title("what happened"))
}

/// More than any terminal shows.
const LOG_LINES_MAX: usize = 500;

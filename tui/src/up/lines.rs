//! A network as lines of text: where standard output is no terminal, or on demand.

use std::time::Duration;

use simulator_live::{Happening, Subject, What};
use sv2::event::Event;
use sv2::role::CloseReason;

use super::board::{Board, COLUMNS, Row, WORD_COLUMNS};
use super::{Ending, View};
use crate::print;

/// What matters as it happens, and the table now and then.
pub(super) struct Lines {
    next_table_at: Duration,
}

impl Lines {
    /// Says what runs, and where.
    pub(super) fn new(board: &Board) -> Self {
        print::line(&board.scenario.title);
        for (name, url) in board.endpoints() {
            print::line(format_args!("{name:<24} {url}"));
        }
        Lines { next_table_at: TABLE_INTERVAL }
    }
}

impl View for Lines {
    fn happened(&mut self, board: &Board, happening: &Happening, is_news: bool) {
        if is_news && is_worth_a_line(happening) {
            print::line(line(board, happening));
        }
    }

    fn tick(&mut self, board: &Board) -> std::io::Result<()> {
        if board.elapsed() >= self.next_table_at {
            self.next_table_at = board.elapsed() + TABLE_INTERVAL;
            print_table(board);
        }
        Ok(())
    }

    fn finish(&mut self, board: &Board, ending: Ending) {
        print_table(board);
        print::line(summary(board, ending));
    }
}

/// As people read it: when, to whom, what.
pub(super) fn line(board: &Board, happening: &Happening) -> String {
    let at = board.since_start(happening.at).as_secs_f64();
    let name = happening.subject.name(&board.scenario);
    format!("{at:>9.3}s {name}: {}", happening.what)
}

/// Blocks, tips, and what goes wrong; neither shares nor jobs, of which there are many.
pub(super) fn is_worth_a_line(happening: &Happening) -> bool {
    match &happening.what {
        What::Tip { .. } | What::Down(_) | What::Up | What::Missed(_) => true,
        What::Event(event) => match event {
            // Whoever just leaves is seen in the table.
            Event::ConnectionClosed { reason, .. } => {
                !matches!(reason, CloseReason::ByPeer | CloseReason::ByUs)
            }
            Event::BlockFound { .. }
            | Event::BlockPushed { .. }
            | Event::CustomJobRefused { .. }
            | Event::DeclarationRefused { .. }
            | Event::SharesLost { .. }
            | Event::JobRefused { .. }
            | Event::UpstreamLeft { .. }
            | Event::MiningFor { .. }
            | Event::AccountsFailed { .. }
            | Event::AccountsRecovered
            | Event::CommandDone { .. }
            | Event::CommandRefused { .. }
            | Event::Noted { .. } => true,
            Event::ShareRejected { error_code, .. } => *error_code != "stale-share",
            _ => matches!(happening.subject, Subject::Node(_)),
        },
    }
}

/// The last line of a run.
pub(super) fn summary(board: &Board, ending: Ending) -> String {
    format!(
        "{} after {:.1} s: {} blocks, {} shares",
        ending.name(),
        board.elapsed().as_secs_f64(),
        board.block_count(),
        board.share_count(),
    )
}

fn print_table(board: &Board) {
    let heading = COLUMNS.map(str::to_owned);
    let rows: Vec<Row> = std::iter::once(heading).chain(board.rows()).collect();
    print::table(&rows, WORD_COLUMNS);
    for (name, error) in board.last_errors() {
        print::line(format_args!("{name}: last error: {error}"));
    }
}

/// Between two tables.
const TABLE_INTERVAL: Duration = Duration::from_secs(10);

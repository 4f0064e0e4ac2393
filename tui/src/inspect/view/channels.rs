//! Screen 3: channels, in the words of the reference implementation's monitoring.

use ratatui::Frame;
use ratatui::layout::Rect;
use sv2::wire::Target;
use sv2_capture::state::channel::ChannelKind;
use sv2_capture::text::scaled;

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::{hash_rate, text};
use crate::inspect::keys::Screen;
use crate::inspect::session::ChannelRow;
use crate::inspect::table::Align::{Left, Right};
use crate::inspect::table::{Cell, Column, Key};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let rows: Vec<&ChannelRow> = app.session.channels().collect();
    list::draw_table(frame, area, app, Screen::Channels, &COLUMNS, &rows);
}

/// What is known of a channel.
pub(crate) const COLUMNS: [Column<ChannelRow>; 15] = [
    Column::new("conn", (5, 5), Left, 0, |row, _| {
        Cell::new(format!("c{}", row.connection), Key::Count(row.connection.into()))
    }),
    Column::new("ch", (5, 10), Right, 0, |row, _| Cell::count(row.id)),
    Column::new("kind", (4, 4), Left, 5, |row, _| {
        Cell::text(match row.kind {
            ChannelKind::Standard => "std",
            ChannelKind::Extended => "ext",
        })
    }),
    Column::new("grp", (4, 10), Right, 6, |row, _| Cell::count(row.group)),
    Column::new("user", (14, 60), Left, 3, |row, hides| match hides {
        true => Cell::text("…"),
        false => Cell::text(text(row.user_identity.as_bytes())),
    }),
    Column::new("diff", (8, 8), Right, 1, |row, _| {
        Cell::new(scaled(row.target_difficulty), Key::Number(row.target_difficulty))
    }),
    Column::new("prefix + size", (20, 70), Left, 7, |row, _| {
        Cell::text(format!("{} +{}", row.prefix, row.rollable_extranonce_size))
    }),
    Column::new("sub", (6, 10), Right, 2, |row, _| Cell::count(row.submitted)),
    Column::new("acc", (6, 10), Right, 1, |row, _| Cell::count(row.accepted)),
    Column::new("rej", (5, 10), Right, 1, |row, _| Cell::count(row.rejected)),
    Column::new("H/s said", (9, 9), Right, 5, |row, _| {
        Cell::new(hash_rate(row.nominal_hashrate), Key::Number(row.nominal_hashrate.into()))
    }),
    Column::new("H/s est", (9, 9), Right, 4, |row, _| match Measured::of(row) {
        Some(found) => Cell::new(format!("{}H/s", scaled(found.rate)), Key::Number(found.rate)),
        None => Cell::new("-", Key::Nothing),
    }),
    Column::new("sh/min", (9, 9), Right, 4, |row, _| match Measured::of(row) {
        Some(found) => {
            let text = format!("{:.0}/{:.0}", found.per_minute, row.expected_shares_per_minute);
            Cell::new(text, Key::Number(found.per_minute))
        }
        None => Cell::new("-", Key::Nothing),
    }),
    Column::new("blk", (3, 5), Right, 3, |row, _| Cell::count(row.blocks_found)),
    Column::new("state", (6, 6), Left, 2, |row, _| {
        Cell::text(if row.closed { "closed" } else { "open" })
    }),
];

/// Estimates from what was seen.
struct Measured {
    /// Shares.
    per_minute: f64,
    /// Hashes a second that the good ones prove.
    rate: f64,
}

impl Measured {
    /// `None`: nothing has happened yet.
    fn of(row: &ChannelRow) -> Option<Self> {
        let elapsed = row.last_at.saturating_sub(row.first_at);
        if elapsed == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "estimates")]
        let (seconds, submitted) = (elapsed as f64 / 1e9, row.submitted as f64);
        let rate = row.work * Target::DIFFICULTY_1.expected_hashes() / seconds;
        Some(Measured { per_minute: submitted * 60.0 / seconds, rate })
    }
}

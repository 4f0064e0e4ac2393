//! Screen 3: channels, in the words of the reference implementation's monitoring.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use sv2::wire::Target;
use sv2_capture::state::channel::ChannelKind;

use super::list;
use crate::inspect::app::App;
use crate::inspect::describe::{cut, hash_rate, text};
use crate::inspect::keys::Screen;
use crate::inspect::session::ChannelRow;
use sv2_capture::text::scaled;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let heading = format!(
        "{:<5} {:>5} {:<3} {:>4} {:<18} {:>8} {:<22} {:>6} {:>6} {:>5} {:>9} {:>9} {:>9} {:>3} state",
        "conn",
        "ch",
        "kind",
        "grp",
        "user",
        "diff",
        "prefix + size",
        "sub",
        "acc",
        "rej",
        "H/s said",
        "H/s est",
        "sh/min",
        "blk"
    );
    frame.render_widget(super::title(&heading, head, app), head);
    let rows: Vec<&ChannelRow> = app.session.channels().collect();
    let cursor = app.cursors[Screen::Channels as usize];
    list::draw_main(frame, body, app, rows.len(), cursor, |place, is_cursor| {
        let style = if is_cursor { app.theme.cursor() } else { ratatui::style::Style::new() };
        Line::styled(cut(&line(rows[place], app.is_private), area.width.into()), style)
    });
}

fn line(row: &ChannelRow, is_private: bool) -> String {
    let kind = match row.kind {
        ChannelKind::Standard => "std",
        ChannelKind::Extended => "ext",
    };
    let user = if is_private { "…".to_owned() } else { text(row.user_identity.as_bytes()) };
    let prefix = format!("{} +{}", row.prefix, row.rollable_extranonce_size);
    let [found, estimate] = measured(row);
    format!(
        "c{:<4} {:>5} {kind:<4} {:>4} {:<18} {:>8} {:<22} {:>6} {:>6} {:>5} {:>9} {estimate:>9} {found:>9} {:>3} {}",
        row.connection,
        row.id,
        row.group,
        cut(&user, 18),
        scaled(row.target_difficulty),
        cut(&prefix, 22),
        row.submitted,
        row.accepted,
        row.rejected,
        hash_rate(row.nominal_hashrate),
        row.blocks_found,
        if row.closed { "closed" } else { "open" },
    )
}

/// Shares a minute beside those that are expected, and the hash rate that the good ones prove.
fn measured(row: &ChannelRow) -> [String; 2] {
    let elapsed = row.last_at.saturating_sub(row.first_at);
    if elapsed == 0 {
        return ["-".into(), "-".into()];
    }
    #[expect(clippy::cast_precision_loss, reason = "estimates")]
    let (seconds, submitted) = (elapsed as f64 / 1e9, row.submitted as f64);
    let per_minute = submitted * 60.0 / seconds;
    let rate = row.work * Target::DIFFICULTY_1.expected_hashes() / seconds;
    [
        format!("{per_minute:.0}/{:.0}", row.expected_shares_per_minute),
        format!("{}H/s", scaled(rate)),
    ]
}

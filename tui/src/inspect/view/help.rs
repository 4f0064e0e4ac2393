//! Every key, and what it does.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::inspect::app::App;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let height = usize::from(area.height).saturating_sub(1).max(1);
    let width = COLUMN_WIDTH.min(area.width.into());
    let mut lines = vec![String::new(); height];
    for (place, binding) in app.keymap.bindings().iter().enumerate() {
        let keys = binding.keys.join(" ");
        let text = super::super::describe::cut(&format!("{keys:<14} {}", binding.help), width - 1);
        lines[place % height].push_str(&format!("{text:<width$}"));
    }
    let mut all = vec![Line::styled("keys; any of them closes this", app.theme.bold())];
    all.extend(lines.into_iter().map(Line::from));
    frame.render_widget(Paragraph::new(all), area);
}

const COLUMN_WIDTH: usize = 58;

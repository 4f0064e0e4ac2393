//! Every key, and what it does.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::inspect::app::App;
use crate::inspect::describe::cut;

/// Draws it from the line that was scrolled to, as far as there are any; which that is.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) -> usize {
    let width = usize::from(area.width);
    let columns = (width / COLUMN_WIDTH).max(1);
    let column_width = width / columns;
    let bindings = app.keymap.bindings();
    let height = bindings.len().div_ceil(columns);
    let mut lines = vec![String::new(); height];
    for (place, binding) in bindings.iter().enumerate() {
        let keys = binding.keys.join(" ");
        let text = cut(&format!("{keys:<12} {}", binding.help), column_width - 1);
        lines[place % height].push_str(&format!("{text:<column_width$}"));
    }
    let title = "keys; j and k scroll, any other closes this; assay inspect --print-keys has all";
    let mut all = vec![Line::styled(cut(title, width), app.theme.bold())];
    all.extend(lines.into_iter().map(Line::from));
    super::draw_scrolled(frame, area, all, app.scrolled)
}

const COLUMN_WIDTH: usize = 58;
